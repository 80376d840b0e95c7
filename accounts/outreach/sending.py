"""Bring one claimed letter to its end: ask the gate, call the provider with no transaction open, settle."""

import logging
from dataclasses import replace
from datetime import timedelta

from django.db import transaction
from django.db.models import F

from accounts import signals
from accounts.models import CallRecord, ChannelBreaker, ChannelDay, Notice, NoticeAttempt, Suppression
from accounts.models.notice import Channel as ChannelName
from accounts.operations import AttentionRequest, raise_attentions
from billing_project.kernel import clock
from billing_project.kernel.claims import hold_lease
from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable
from billing_project.kernel.locks import advisory_lock

from . import gate, references, rules
from .costs import cost_of, size_of
from .fallback import fall_back
from .gathering import PHONE, Wanted, extra_spend, gather, limits_of, reach_of, rules_of, spent_today
from .html import html_of
from .port import Attachment, Message, Receipt
from .registry import channel_for
from .secrets import mask_secrets
from .suppressions import suppress

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
ATTEMPTS_MAX = 5
# A provider that is down is asked again after these; together some three hours.
BACKOFF = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))
WHY_LENGTH = 300
UNAVAILABLE, LOST_LEASE, POSTPONED = "unavailable", "lost_lease", "postponed"
# What a provider's no says about the address, in our words: the vendors' own codes are mapped by their adapters.
NO_BY_CODE = {
    "opted_out": Suppression.Reason.OPTED_OUT,
    "unknown_address": Suppression.Reason.HARD_BOUNCE,
}

State = Notice.State


def handle(notice: Notice) -> str:
    """Bring one claimed notice to an end, or back into the queue; return the outcome's name."""
    try:
        return _send(notice)
    except Exception as error:  # the one place that parks a row: a bad letter must not stop the others
        logger.exception("notice %s could not be handled", notice.pk)
        words = f"{type(error).__name__}: {error}"
        outcome = _park(notice, words, from_state=State.CLAIMED)
        # It broke in the middle of the call: then nobody knows, and it must not be tried again.
        return outcome if outcome != LOST_LEASE else settle(notice, State.AMBIGUOUS, why=words)


def _send(notice: Notice) -> str:
    veto = _veto(notice)
    if veto:
        return settle(notice, State.CANCELLED, why=veto, from_state=State.CLAIMED)
    # Before the call begins: a file takes its time to be made, and the time for the call is counted.
    attachments = _attachments(notice)
    notice.attached = [{"name": one.name, "bytes": len(one.content)} for one in attachments]
    stopped = _pass_the_gate(notice)
    if stopped:
        return stopped
    try:
        receipt = channel_for(notice.channel).send(replace(message_of(notice), attachments=attachments))
    except Rejected as error:
        return _rejected(notice, error)
    except Unavailable as error:
        return _try_again(notice, str(error))
    except OutcomeUnknown as error:
        return settle(notice, State.AMBIGUOUS, why=f"Nobody knows whether it went out. {error}")
    return settle(notice, State.ACCEPTED, receipt=receipt)


def _veto(notice: Notice) -> str:
    """Return why a notice must not go out any more, or an empty text."""
    if notice.contact is None:
        return "The contact was deleted."
    not_allowed = rules.why_unreachable(reach_of(notice.contact), notice.channel, step=notice.step_key)
    if not_allowed:
        return not_allowed
    answers = signals.about_to_send.send(sender=Notice, notice_id=notice.pk)
    return next((str(answer) for _, answer in answers if answer), "")


def _attachments(notice: Notice) -> tuple[Attachment, ...]:
    """Return the files that go with an e-mail; what cannot be made is put before the clerks, and the letter goes."""
    if notice.channel != ChannelName.EMAIL or not notice.account.company.attach_pdfs:
        return ()
    found: list[Attachment] = []
    for receiver, answer in signals.attachments_wanted.send_robust(sender=Notice, notice_id=notice.pk):
        if isinstance(answer, Exception):
            logger.error("notice %s goes without the files of %r: %s", notice.pk, receiver, answer)
            raise_attentions([_without_files(notice)])
        else:
            found += [Attachment(*file) for file in answer or ()]
    return tuple(found)


# --- The gate ---


def _pass_the_gate(notice: Notice) -> str:
    """Move the notice to *sending* if the gate lets it, in one transaction; return the outcome if it does not.

    A number is locked meanwhile, so that two workers cannot both take the last place under its cap.
    """
    assert notice.contact is not None
    at = clock.now()
    asked_for = notice.template in rules.ASKED_FOR
    current = notice.contact.email if notice.channel == ChannelName.EMAIL else notice.contact.phone
    notice.to_address = current or notice.to_address  # it may have been mended since the letter was written
    notice.segments = size_of(notice.channel, notice.body)
    notice.cost = cost_of(notice.channel, notice.segments, rules_of(notice.account.company))
    with transaction.atomic():
        if notice.channel in PHONE:
            advisory_lock(f"outreach:{notice.to_address}")
        if notice.channel == ChannelName.VOICE:
            advisory_lock(f"outreach:calls:{notice.account_id}")
        verdict = _ask(notice, asked_for=asked_for)
        if verdict.answer is gate.Answer.GO:
            return "" if _begin(notice) else LOST_LEASE
        if verdict.answer is gate.Answer.WAIT:
            good_for = rules.ASKED_FOR_GOOD_FOR if asked_for else rules.GOOD_FOR
            until = verdict.until or at
            if until <= notice.created_at + good_for:
                claimed = Notice.objects.filter(pk=notice.pk, state=State.CLAIMED)
                claimed.update(state=State.QUEUED, due_at=until, lease_until_at=None)
                return POSTPONED
            verdict = gate.Verdict(gate.Answer.NEVER, f"{verdict.why} By then the letter is too old.")
    return _refused_by_gate(notice, verdict)


def _ask(notice: Notice, *, asked_for: bool) -> gate.Verdict:
    assert notice.contact is not None
    company = notice.account.company
    [facts] = gather(
        [
            Wanted(
                account=notice.account, contact=notice.contact, channel=notice.channel, address=notice.to_address,
                asked_for=asked_for, cost=notice.cost, notice_id=notice.pk, step=notice.step_key,
            )
        ],
        clock.now(),
    )  # fmt: skip
    limits = limits_of(company, notice.channel, extra_spend=extra_spend(company.pk))
    verdict = gate.decide(facts, limits, clock.now())
    if verdict.answer is gate.Answer.GO and notice.channel in PHONE:
        # Now under the lock of the day: two workers must not both spend the last cent.
        advisory_lock(f"outreach:spending:{company.pk}")
        why = gate.over_the_cap(replace(facts, spent=spent_today(company.pk)), limits)
        if why:
            _trip(notice, why)
            return gate.Verdict(gate.Answer.WAIT, why, clock.now() + gate.STOPPED_FOR)
    return verdict


def _begin(notice: Notice) -> bool:
    """Take the letter into the provider's call: from here on it counts against every cap."""
    at = clock.now()
    if not hold_lease(Notice.objects.all(), notice.pk, to_state=State.SENDING, until_at=at + LEASE):
        return False
    notice.sending_at = at
    Notice.objects.filter(pk=notice.pk).update(
        sending_at=at,
        to_address=notice.to_address,
        segments=notice.segments,
        cost=notice.cost,
        attached=notice.attached,
    )
    day = {"company_id": notice.account.company_id, "channel": notice.channel, "on": at.date()}
    ChannelDay.objects.bulk_create([ChannelDay(**day)], ignore_conflicts=True)
    ChannelDay.objects.filter(**day).update(sent=F("sent") + 1, spent=F("spent") + notice.cost)
    if notice.channel == ChannelName.VOICE:
        CallRecord.objects.update_or_create(
            notice=notice,
            defaults={
                "account": notice.account, "contact": notice.contact, "number": notice.to_address, "at": at,
                "outcome": CallRecord.Outcome.CALLING, "note": f"Notice {notice.template!r}"[:WHY_LENGTH],
            },
        )  # fmt: skip
    return True


def _trip(notice: Notice, why: str) -> None:
    """Stop texts and calls of a company until somebody looks (R-11)."""
    company = notice.account.company
    rows = [
        ChannelBreaker(company=company, channel=name, why=why[:WHY_LENGTH], tripped_at=clock.now()) for name in PHONE
    ]
    ChannelBreaker.objects.bulk_create(rows, ignore_conflicts=True)
    raise_attentions(
        [
            AttentionRequest(
                code="channel-stopped",
                key=f"company:{company.pk}",
                words=f"Texts and calls of {company} are stopped: {why} Look at what was sent, then let them go on"
                " under Behind: letters and portal > Stopped channels.",
            )
        ]
    )


def _refused_by_gate(notice: Notice, verdict: gate.Verdict) -> str:
    outcome = settle(notice, State.NOT_SENT, why=verdict.why, from_state=State.CLAIMED)
    if outcome == State.NOT_SENT:
        if verdict.person:
            fall_back(notice)
        else:
            raise_attentions([_too_late(notice, verdict.why)])
    return outcome


# --- Ends ---


def message_of(notice: Notice) -> Message:
    """Return the message of a notice, as the provider gets it."""
    company = notice.account.company
    by_email = notice.channel == ChannelName.EMAIL
    mailbox = rules_of(company).inbound_email if by_email else ""
    return Message(
        key=f"notice:{notice.pk}",
        channel=notice.channel,
        to_address=notice.to_address,
        subject=notice.subject,
        body=notice.body,
        language=notice.language,
        html=html_of(
            notice.body, company_name=company.name, pay_url=str(notice.context.get("pay_url", "")),
            language=notice.language, subject=notice.subject,
        ) if by_email else "",
        sender=company.email_sender if by_email else company.sms_sender,
        message_id=references.message_id(notice.pk) if by_email else "",
        thread=_thread(notice) if by_email else "",
        answers_to=references.answer_address(mailbox, notice.pk) if mailbox else "",
        template=notice.template,
    )  # fmt: skip


def _thread(notice: Notice) -> str:
    """Return the Message-ID of the first mail about the same thing, so that mail programs show them together."""
    first = (
        Notice.objects.filter(
            account=notice.account_id, anchor_key=notice.anchor_key, channel=ChannelName.EMAIL, pk__lt=notice.pk,
            contact=notice.contact_id, sending_at__isnull=False,
        )
        .order_by("pk")
        .values_list("pk", flat=True)
        .first()
    )  # fmt: skip
    return references.message_id(first) if first else ""


def settle(
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
        changes["why"] = notice.why = why[:WHY_LENGTH]
    if receipt:
        changes |= {"provider_id": receipt.provider_id, "accepted_at": at}
    if from_state == State.SENDING:
        changes["attempts"] = F("attempts") + 1
    with transaction.atomic():
        if not Notice.objects.filter(pk=notice.pk, state=from_state).update(**changes):
            if receipt:  # the provider's own report was faster than its answer
                Notice.objects.filter(pk=notice.pk, provider_id="").update(provider_id=receipt.provider_id)
            return LOST_LEASE
        NoticeAttempt.objects.create(
            notice=notice,
            at=at,
            outcome=state,
            provider_id=receipt.provider_id if receipt else "",
            detail=(detail or why)[:WHY_LENGTH],
        )
        if from_state == State.SENDING and state in (State.REJECTED, State.PARKED):
            CallRecord.objects.filter(notice=notice.pk, outcome=CallRecord.Outcome.CALLING).update(
                outcome=CallRecord.Outcome.FAILED
            )
        if state != State.AMBIGUOUS:  # it is looked up by its very words
            mask_secrets(notice)
    notice.state = state
    signals.notice_settled.send_robust(sender=Notice, notice_id=notice.pk, account_id=notice.account_id)
    return str(state)


def _rejected(notice: Notice, error: Rejected) -> str:
    """Settle a letter that the provider will never take; leave the address alone if that is why, and go another way."""
    outcome = settle(notice, State.REJECTED, why=error.words, detail=error.code)
    if outcome == State.REJECTED:
        reason = NO_BY_CODE.get(error.code)
        if reason:
            suppress(notice.channel, notice.to_address, reason, error.words)
        fall_back(notice)
    return outcome


def _try_again(notice: Notice, why: str) -> str:
    """Queue a letter again that certainly did not go out, later each time; park it after five tries."""
    tries = notice.attempts + 1
    if tries >= ATTEMPTS_MAX:
        return _park(notice, f"{why} Tried {tries} times.", from_state=State.SENDING)
    with transaction.atomic():
        sending = Notice.objects.filter(pk=notice.pk, state=State.SENDING)
        due_at = clock.now() + BACKOFF[tries - 1]
        if not sending.update(state=State.QUEUED, attempts=tries, due_at=due_at, lease_until_at=None):
            return LOST_LEASE
        NoticeAttempt.objects.create(notice=notice, at=clock.now(), outcome=UNAVAILABLE, detail=why[:WHY_LENGTH])
        # Nothing went out: it costs nothing, and the person was not called.
        day = ChannelDay.objects.filter(
            company=notice.account.company_id, channel=notice.channel,
            on=(notice.sending_at or clock.now()).date(), sent__gt=0,
        )  # fmt: skip
        day.update(sent=F("sent") - 1, spent=F("spent") - notice.cost)
        CallRecord.objects.filter(notice=notice.pk, outcome=CallRecord.Outcome.CALLING).delete()
    return UNAVAILABLE


def _park(notice: Notice, why: str, *, from_state: str) -> str:
    """Give a letter up and put it before the clerks."""
    outcome = settle(notice, State.PARKED, why=why, from_state=from_state)
    if outcome == State.PARKED:
        raise_attentions(
            [
                AttentionRequest(
                    code="notice-parked",
                    key=f"notice:{notice.pk}",
                    account_id=notice.account_id,
                    words=f"{title(notice)} was given up: {why} Mend the channel, then send it again from its page,"
                    " or reach the customer another way.",
                )
            ]
        )
    return outcome


def _too_late(notice: Notice, why: str) -> AttentionRequest:
    return AttentionRequest(
        code="notice-too-late",
        key=f"notice:{notice.pk}",
        account_id=notice.account_id,
        words=f"{title(notice)} was not sent: {why} Tell the customer yourself if it still matters.",
    )


def _without_files(notice: Notice) -> AttentionRequest:
    return AttentionRequest(
        code="attachment-failed",
        key=f"notice:{notice.pk}",
        account_id=notice.account_id,
        words=f"{title(notice)} went without its PDF, which could not be made. Open the document on the account's page,"
        " and send it if the customer wants it.",
    )


def title(notice: Notice) -> str:
    """Return what a notice is, in words for staff."""
    return f"The {notice.get_channel_display()} notice {notice.template!r} to account {notice.account.number}"
