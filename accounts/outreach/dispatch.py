"""Send what is due in the outbox: claim, ask the gate, send with no transaction open, settle.

A row moves to *sending* just before the call. So a worker that dies leaves either a claimed row (nothing
was sent: back to the queue) or a row in sending (nobody knows: *ambiguous*, looked up at the provider some times
and never blindly repeated: R-09). Before each letter the global pause is asked for: while it is on, none goes out.
"""

from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import datetime, timedelta

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet

from accounts.models import ChannelBreaker, Notice, NoticeAttempt
from accounts.operations import AttentionRequest, raise_attentions, resolve_attention
from accounts.queries import open_pause
from billing_project.kernel import clock
from billing_project.kernel.claims import claim_due, release_claimed, release_expired
from billing_project.kernel.errors import OutcomeUnknown, Unavailable
from billing_project.kernel.nudge import nudge

from . import sending
from .registry import channel_for

BATCH = 25
LOOK_UPS_A_PASS = 100
LOOKED_UP = "looked_up"
TASK = "accounts.dispatch_notices"
# A provider's list of messages may lag behind: it is asked at once, and again after these; then no more.
LOOK_UP_AFTER = (timedelta(0), timedelta(minutes=5), timedelta(hours=1), timedelta(days=1))

State = Notice.State


def dispatch_notices(at: datetime | None = None, *, seconds_max: float | None = None) -> Counter[str]:
    """Send what is due at an instant (default: now) and return how many ended how.

    Begins no letter after ``seconds_max`` seconds; the rest goes back, and another pass is rung for at once. A pass
    that finds more than it can carry in one hand rings for another worker, too.
    """
    outcomes: Counter[str] = Counter()
    stop_at = clock.monotonic() + seconds_max if seconds_max is not None else None
    with ExitStack() as stack:
        if at is not None and not clock.is_set():
            stack.enter_context(clock.at(at))
        _recover(clock.now())
        outcomes += _look_up_ambiguous(stop_at)
        alone = seconds_max is not None
        while not open_pause() and (pks := claim_due(_open_to(), at=clock.now(), lease=sending.LEASE, rows_max=BATCH)):
            if alone and len(pks) == BATCH:
                nudge(TASK)
                alone = False
            if not _work_off(pks, outcomes, stop_at):
                break
    return outcomes


def _work_off(pks: list[int], outcomes: Counter[str], stop_at: float | None) -> bool:
    """Send claimed letters one by one; at a pause or when time is up give the rest back, and tell that it is over."""
    for notice in _load(pks):
        late = stop_at is not None and clock.monotonic() >= stop_at
        if late or open_pause():
            release_claimed(Notice.objects.all(), pks)
            if late:
                nudge(TASK)
            return False
        outcomes[str(sending.handle(notice))] += 1
    return True


def _load(pks: Iterable[int]) -> Iterable[Notice]:
    return (
        Notice.objects.filter(pk__in=list(pks))
        .select_related("account__company__outreach_rules", "contact__account__company__outreach_rules")
        .order_by("due_at", "pk")
    )


def _recover(at: datetime) -> None:
    """Give back what a dead worker had claimed; what it was sending has become ambiguous."""
    release_expired(Notice.objects.all(), at=at)
    for notice in list(Notice.objects.filter(state=State.SENDING, lease_until_at__lt=at).order_by("pk")):
        sending.settle(
            notice, State.AMBIGUOUS, why="The sender stopped in the middle; nobody knows whether it went out."
        )


def _open_to() -> QuerySet[Notice]:
    """Return the letters whose channel is not stopped."""
    stopped = ChannelBreaker.objects.filter(
        company=OuterRef("account__company"), channel=OuterRef("channel"), closed_at__isnull=True
    )
    return Notice.objects.filter(~Exists(stopped))


def _look_up_ambiguous(stop_at: float | None) -> Counter[str]:
    """Ask the provider about letters that may have gone out or not; put them before the clerks if in vain."""
    outcomes: Counter[str] = Counter()
    for notice in _to_look_up(clock.now())[:LOOK_UPS_A_PASS]:
        if stop_at is not None and clock.monotonic() >= stop_at:
            break
        try:
            receipt = channel_for(notice.channel).lookup(
                sending.message_of(notice), since=notice.sending_at or notice.created_at
            )
        except (Unavailable, OutcomeUnknown):
            continue  # it is asked again in the next pass
        if receipt:
            outcomes[sending.settle(notice, State.ACCEPTED, receipt=receipt, from_state=State.AMBIGUOUS)] += 1
            resolve_attention("notice-ambiguous", f"notice:{notice.pk}", "The provider has it after all.")
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


def _to_look_up(at: datetime) -> QuerySet[Notice]:
    looked_up = Q(attempt_rows__outcome=LOOKED_UP)
    due = Q(asked=0)
    for times, wait in enumerate(LOOK_UP_AFTER[1:], start=1):
        due |= Q(asked=times, asked_last_at__lte=at - wait)
    return (
        Notice.objects.filter(state=State.AMBIGUOUS)
        .annotate(
            asked=Count("attempt_rows", filter=looked_up), asked_last_at=Max("attempt_rows__at", filter=looked_up)
        )
        .filter(due)
        .select_related("account__company__outreach_rules")
        .order_by("pk")
    )


def _doubtful(notice: Notice) -> AttentionRequest:
    return AttentionRequest(
        code="notice-ambiguous",
        key=f"notice:{notice.pk}",
        account_id=notice.account_id,
        words=f"{sending.title(notice)} may or may not have gone out, and the provider does not know it."
        " Reach the customer another way if it matters, or have it sent again from its page.",
    )
