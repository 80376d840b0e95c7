"""What providers report about our letters, in any order and any number of times (R-08, R-09).

Each report is kept once under its key; it only ever raises a notice's state: queued < sending < accepted <
delivered or failed < bounced. Adapters verify and translate; from here on it does not matter whose words they were.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import transaction

from accounts import signals
from accounts.models import CallRecord, Notice, ProviderEvent, Suppression
from accounts.operations import resolve_attention
from billing_project.kernel import clock
from billing_project.kernel.locks import lock_row

from .calls import end_spoken_notice
from .fallback import fall_back
from .suppressions import suppress

State = Notice.State


class Kind(StrEnum):
    """What a report says, in our words."""

    ACCEPTED = "accepted"  # queued, sent, ringing: it is theirs, and on its way
    DELIVERED = "delivered"
    BOUNCED = "bounced"  # the address does not exist: for good
    FAILED = "failed"  # this one did not arrive; the address may be right
    COMPLAINED = "complained"
    OPTED_OUT = "opted_out"
    ANSWERED = "answered"
    REFUSED = "refused"  # the person pressed the key that says: do not call again
    VOICEMAIL = "voicemail"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    OTHER = "other"  # opened, clicked, deferred: kept, changes nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One verified report. ``notice_id`` is from our own signed mark; else the provider's id leads to the notice."""

    provider: str
    event_key: str
    kind: Kind
    happened_at: datetime
    notice_id: int | None = None
    provider_id: str = ""
    detail: str = ""


# How a call's end is told by its notice and by its record.
CALL_OUTCOMES = {
    Kind.ANSWERED: CallRecord.Outcome.REACHED,
    Kind.REFUSED: CallRecord.Outcome.REFUSED,
    Kind.VOICEMAIL: CallRecord.Outcome.VOICEMAIL,
    Kind.BUSY: CallRecord.Outcome.BUSY,
    Kind.NO_ANSWER: CallRecord.Outcome.NO_ANSWER,
    Kind.FAILED: CallRecord.Outcome.FAILED,
    Kind.BOUNCED: CallRecord.Outcome.WRONG_NUMBER,
}
LEADS_TO: dict[Kind, str] = {
    Kind.ACCEPTED: State.ACCEPTED,
    Kind.DELIVERED: State.DELIVERED,
    Kind.ANSWERED: State.DELIVERED,
    Kind.VOICEMAIL: State.DELIVERED,
    Kind.REFUSED: State.DELIVERED,
    Kind.COMPLAINED: State.DELIVERED,
    Kind.FAILED: State.FAILED,
    Kind.BUSY: State.FAILED,
    Kind.NO_ANSWER: State.FAILED,
    Kind.OPTED_OUT: State.FAILED,
    Kind.BOUNCED: State.BOUNCED,
}
RANK: dict[str, int] = {
    State.SENDING: 1,
    State.AMBIGUOUS: 1,
    State.ACCEPTED: 2,
    State.DELIVERED: 3,
    State.FAILED: 3,
    State.BOUNCED: 4,
}
REASONS = {
    Kind.BOUNCED: Suppression.Reason.HARD_BOUNCE,
    Kind.COMPLAINED: Suppression.Reason.COMPLAINT,
    Kind.OPTED_OUT: Suppression.Reason.OPTED_OUT,
    Kind.REFUSED: Suppression.Reason.OPTED_OUT,
}
REPEATED, STRANGE = "repeated", "not about a notice of ours"


def take_in(report: Report) -> str:
    """Take in one report and return in words what it changed; a repeat changes nothing."""
    with transaction.atomic():
        rows = ProviderEvent.objects.bulk_create([_row(report)], ignore_conflicts=True)
        kept = ProviderEvent.objects.filter(provider=report.provider, event_key=rows[0].event_key, outcome="")
        event = kept.select_for_update().first()
        if event is None:
            return REPEATED
        notice = _find(report)
        event.notice = notice
        event.outcome = _apply(report, notice)[:300] if notice is not None else STRANGE
        event.save(update_fields=["notice", "outcome"])
    if notice is not None:
        signals.notice_settled.send_robust(sender=Notice, notice_id=notice.pk, account_id=notice.account_id)
    return event.outcome


def _row(report: Report) -> ProviderEvent:
    return ProviderEvent(
        provider=report.provider[:20],
        event_key=report.event_key[:200],
        kind=report.kind,
        provider_id=report.provider_id[:120],
        happened_at=report.happened_at,
        received_at=clock.now(),
        detail=report.detail[:300],
    )


def _find(report: Report) -> Notice | None:
    """Return the notice the report is about, locked."""
    pk = report.notice_id
    if pk is None and report.provider_id:
        pk = Notice.objects.filter(provider_id=report.provider_id).values_list("pk", flat=True).first()
    if pk is None or not Notice.objects.filter(pk=pk).exists():
        return None
    return lock_row(Notice.objects.select_related("account__company__outreach_rules", "contact__account__company"), pk)


def _apply(report: Report, notice: Notice) -> str:
    """Raise the notice's state, leave an address alone, try another way; return what was done."""
    done = []
    reason = REASONS.get(report.kind)
    if reason and suppress(notice.channel, notice.to_address, reason, report.detail or report.kind):
        done.append(f"{notice.to_address} is left alone")
    if notice.channel == "voice" and report.kind in CALL_OUTCOMES:
        end_spoken_notice(notice, CALL_OUTCOMES[report.kind])
    target = LEADS_TO.get(report.kind)
    if target is None:
        return "; ".join(done) or "kept"
    if RANK.get(notice.state, 9) >= RANK[target]:
        return "; ".join([*done, f"changes nothing: it is {notice.get_state_display()}"])
    was_ambiguous = notice.state == State.AMBIGUOUS
    _raise(notice, target, report)
    done.append(f"{notice.get_state_display()}")
    if was_ambiguous:
        resolve_attention("notice-ambiguous", f"notice:{notice.pk}", f"The provider reported: {report.kind}.")
    if target in (State.FAILED, State.BOUNCED):
        written = fall_back(notice)
        done += [f"written by {row.get_channel_display()} instead" for row in written]
    return "; ".join(done)


def _raise(notice: Notice, target: str, report: Report) -> None:
    notice.state = target
    notice.provider_state = f"{report.kind} {report.detail}".strip()[:120]
    notice.accepted_at = notice.accepted_at or report.happened_at
    notice.lease_until_at = None
    if target != State.ACCEPTED:
        notice.ended_at = report.happened_at
    if target in (State.FAILED, State.BOUNCED):
        notice.why = (report.detail or f"The provider said: {report.kind}.")[:300]
    if report.provider_id and not notice.provider_id:
        notice.provider_id = report.provider_id[:120]
    notice.save(
        update_fields=["state", "provider_state", "accepted_at", "lease_until_at", "ended_at", "why", "provider_id"]
    )
