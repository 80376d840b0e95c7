"""Send what is due in the outbox: claim, look once more, send with no transaction open, settle.

A row moves to *sending* just before the call. So a worker that dies leaves either a claimed row (nothing
was sent: back to the queue) or a row in sending (nobody knows: *ambiguous*, looked up at the provider once
and never blindly repeated: R-09). Before each letter the global pause is asked for: while it is on, none goes out.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef

from accounts import signals
from accounts.models import Notice, NoticeAttempt
from accounts.models.notice import Channel as ChannelName
from accounts.operations import AttentionRequest, raise_attentions
from accounts.queries import open_pause
from billing_project.kernel import clock
from billing_project.kernel.claims import claim_due, hold_lease, release_claimed, release_expired
from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable

from . import rules
from .outbox import WHY_LENGTH, reach_of, zones_of
from .port import Message, Receipt
from .registry import channel_for

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
BATCH = 100
ATTEMPTS_MAX = 5
BACKOFF = timedelta(minutes=1)
LOOKED_UP, UNAVAILABLE, LOST_LEASE = "looked_up", "unavailable", "lost_lease"

State = Notice.State


def dispatch_notices(at: datetime | None = None, *, seconds_max: float | None = None) -> Counter[str]:
    """Send what is due at an instant (default: now) and return how many ended how.

    Stops after ``seconds_max`` seconds; the rest waits for the next pass.
    """
    outcomes: Counter[str] = Counter()
    stop_at = clock.monotonic() + seconds_max if seconds_max is not None else None
    with ExitStack() as stack:
        if at is not None and not clock.is_set():
            stack.enter_context(clock.at(at))
        _recover(clock.now())
        outcomes += _look_up_ambiguous()
        while not open_pause() and (
            pks := claim_due(Notice.objects.all(), at=clock.now(), lease=LEASE, rows_max=BATCH)
        ):
            if not _work_off(pks, outcomes):
                break
            if stop_at is not None and clock.monotonic() >= stop_at:
                break
    return outcomes


def _work_off(pks: list[int], outcomes: Counter[str]) -> bool:
    """Send claimed letters one by one; at a pause give the rest back untouched, and tell that it is time to stop."""
    for notice in _load(pks):
        if open_pause():
            release_claimed(Notice.objects.all(), pks)
            return False
        outcomes[str(_handle(notice))] += 1
    return True


def _load(pks: Iterable[int]) -> Iterable[Notice]:
    return (
        Notice.objects.filter(pk__in=list(pks)).select_related("account__company", "contact").order_by("due_at", "pk")
    )


def _recover(at: datetime) -> None:
    """Give back what a dead worker had claimed; what it was sending has become ambiguous."""
    release_expired(Notice.objects.all(), at=at)
    for notice in list(Notice.objects.filter(state=State.SENDING, lease_until_at__lt=at).order_by("pk")):
        _settle(notice, State.AMBIGUOUS, why="The sender stopped in the middle; nobody knows whether it went out.")


def _look_up_ambiguous() -> Counter[str]:
    """Ask the provider once about each letter of which nobody knows whether it went out."""
    outcomes: Counter[str] = Counter()
    asked = NoticeAttempt.objects.filter(notice=OuterRef("pk"), outcome=LOOKED_UP)
    rows = Notice.objects.filter(~Exists(asked), state=State.AMBIGUOUS).select_related("account").order_by("pk")
    for notice in rows[:BATCH]:
        try:
            receipt = channel_for(notice.channel).lookup(f"notice:{notice.pk}")
        except (Unavailable, OutcomeUnknown):
            continue  # it is asked again in the next pass
        if receipt:
            outcomes[_settle(notice, State.ACCEPTED, receipt=receipt, from_state=State.AMBIGUOUS)] += 1
        else:
            raise_attentions([_doubtful(notice)])
        NoticeAttempt.objects.create(
            notice=notice,
            at=clock.now(),
            outcome=LOOKED_UP,
            provider_id=receipt.provider_id if receipt else "",
            detail="The provider has it." if receipt else "The provider does not know it.",
        )
    return outcomes


def _handle(notice: Notice) -> str:
    """Bring one claimed notice to an end, or back into the queue; return the outcome's name."""
    try:
        return _send(notice)
    except Exception as error:  # the one place that parks a row: a bad letter must not stop the others
        logger.exception("notice %s could not be handled", notice.pk)
        words = f"{type(error).__name__}: {error}"
        outcome = _park(notice, words, from_state=State.CLAIMED)
        # It broke in the middle of the call: then nobody knows, and it must not be tried again.
        return outcome if outcome != LOST_LEASE else _settle(notice, State.AMBIGUOUS, why=words)


def _send(notice: Notice) -> str:
    at = clock.now()
    later = rules.send_at(at, template=notice.template, zones=zones_of(notice.account, notice.contact))
    if later > at:
        # Queued for a decent hour, reached only now: an outage must not become a call at night.
        claimed = Notice.objects.filter(pk=notice.pk, state=State.CLAIMED)
        claimed.update(state=State.QUEUED, due_at=later, lease_until_at=None)
        return "postponed"
    veto = _veto(notice)
    if veto:
        return _settle(notice, State.CANCELLED, why=veto, from_state=State.CLAIMED)
    if not hold_lease(Notice.objects.all(), notice.pk, to_state=State.SENDING, until_at=at + LEASE):
        return LOST_LEASE
    try:
        receipt = channel_for(notice.channel).send(_message(notice))
    except Rejected as error:
        return _settle(notice, State.REJECTED, why=error.words, detail=error.code)
    except Unavailable as error:
        return _try_again(notice, str(error))
    except OutcomeUnknown as error:
        return _settle(notice, State.AMBIGUOUS, why=f"Nobody knows whether it went out. {error}")
    return _settle(notice, State.ACCEPTED, receipt=receipt)


def _veto(notice: Notice) -> str:
    """Return why a notice must not go out any more, or an empty text."""
    if notice.contact is None:
        return "The contact was deleted."
    unreachable = rules.why_unreachable(reach_of(notice.contact), notice.channel)
    if unreachable:
        return unreachable
    answers = signals.about_to_send.send(sender=Notice, notice_id=notice.pk)
    return next((str(answer) for _, answer in answers if answer), "")


def _message(notice: Notice) -> Message:
    company = notice.account.company
    return Message(
        key=f"notice:{notice.pk}",
        channel=notice.channel,
        to_address=notice.to_address,
        subject=notice.subject,
        body=notice.body,
        language=notice.language,
        sender=company.email_sender if notice.channel == ChannelName.EMAIL else company.sms_sender,
    )


def _settle(
    notice: Notice,
    state: str,
    *,
    why: str = "",
    detail: str = "",
    receipt: Receipt | None = None,
    from_state: str = State.SENDING,
) -> str:
    """Write how a letter ended, if it is still ours, and announce it; return the state or "lost_lease"."""
    at = clock.now()
    changes: dict[str, object] = {"state": state, "lease_until_at": None}
    if why:
        changes["why"] = why[:WHY_LENGTH]
    if receipt:
        changes |= {"provider_id": receipt.provider_id, "accepted_at": at}
    if from_state == State.SENDING:
        changes["attempts"] = F("attempts") + 1
    with transaction.atomic():
        if not Notice.objects.filter(pk=notice.pk, state=from_state).update(**changes):
            return LOST_LEASE
        NoticeAttempt.objects.create(
            notice=notice,
            at=at,
            outcome=state,
            provider_id=receipt.provider_id if receipt else "",
            detail=(detail or why)[:WHY_LENGTH],
        )
    signals.notice_settled.send_robust(sender=Notice, notice_id=notice.pk, account_id=notice.account_id)
    return str(state)


def _try_again(notice: Notice, why: str) -> str:
    """Queue a letter again that certainly did not go out, later each time; park it after five tries."""
    tries = notice.attempts + 1
    if tries >= ATTEMPTS_MAX:
        return _park(notice, f"{why} Tried {tries} times.", from_state=State.SENDING)
    with transaction.atomic():
        sending = Notice.objects.filter(pk=notice.pk, state=State.SENDING)
        due_at = clock.now() + BACKOFF * 2 ** (tries - 1)
        if not sending.update(state=State.QUEUED, attempts=tries, due_at=due_at, lease_until_at=None):
            return LOST_LEASE
        NoticeAttempt.objects.create(notice=notice, at=clock.now(), outcome=UNAVAILABLE, detail=why[:WHY_LENGTH])
    return UNAVAILABLE


def _park(notice: Notice, why: str, *, from_state: str) -> str:
    """Give a letter up and put it before the clerks."""
    outcome = _settle(notice, State.PARKED, why=why, from_state=from_state)
    if outcome == State.PARKED:
        raise_attentions(
            [
                AttentionRequest(
                    code="notice-parked",
                    key=f"notice:{notice.pk}",
                    account_id=notice.account_id,
                    words=f"{_title(notice)} was given up: {why} Mend the channel, then reach the customer"
                    " another way.",
                )
            ]
        )
    return outcome


def _doubtful(notice: Notice) -> AttentionRequest:
    return AttentionRequest(
        code="notice-ambiguous",
        key=f"notice:{notice.pk}",
        account_id=notice.account_id,
        words=f"{_title(notice)} may or may not have gone out, and the provider does not know it."
        " Reach the customer another way if it matters.",
    )


def _title(notice: Notice) -> str:
    return f"The {notice.get_channel_display()} notice {notice.template!r} to account {notice.account.number}"
