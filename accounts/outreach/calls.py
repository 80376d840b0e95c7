"""Calls to customers: may somebody be called now, and what came of it (SEC-17, E3).

One record for each attempt, by staff or by a voice notice; the counter of seven in seven days reads them all.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from django.db import transaction

from accounts import signals
from accounts.models import Account, CallRecord, Contact, Notice, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import advisory_lock

from . import gate
from .gathering import Wanted, gather, limits_of

Outcome = CallRecord.Outcome


def may_call(contacts: Sequence[Contact], at: datetime | None = None) -> dict[int, gate.Verdict]:
    """Tell about each contact whether a person may call them now, by the contact's key; a constant number of queries.

    The contacts should come with ``account__company__outreach_rules`` selected.
    """
    moment = at or clock.now()
    wanted = [
        Wanted(account=contact.account, contact=contact, channel="voice", address=contact.phone) for contact in contacts
    ]
    return {
        row.contact.pk: gate.decide(_by_hand(facts), limits_of(row.account.company, "voice"), moment)
        for row, facts in zip(wanted, gather(wanted, moment), strict=True)
    }


def attempts_within_week(account_ids: Sequence[int], at: datetime | None = None) -> dict[int, int]:
    """Return how many attempts of ours to call each account counts within 7 days, where there were some."""
    since = (at or clock.now()) - gate.CALLS_WITHIN
    counts: dict[int, int] = {}
    rows = CallRecord.objects.filter(account__in=list(account_ids), at__gt=since, inbound=False).order_by()
    for account_id in rows.values_list("account_id", flat=True):
        counts[account_id] = counts.get(account_id, 0) + 1
    return counts


@transaction.atomic
def note_call(
    contact: Contact, outcome: str, *, by: User, note: str = "", at: datetime | None = None, inbound: bool = False
) -> CallRecord:
    """Note a call to a contact; raises Refused if it was one too many, at a bad hour, or the contact has no number.

    A call that the customer made (``inbound``) is always noted: it is no attempt of ours.
    """
    moment = at or clock.now()
    account = Account.objects.select_related("company__outreach_rules").get(pk=contact.account_id)
    contact.account = account
    advisory_lock(f"outreach:calls:{account.pk}")
    if not inbound:
        if not contact.phone:
            raise Refused("no_number", f"{contact.name} has no phone number; write it on the contact's page first.")
        verdict = may_call([contact], moment)[contact.pk]
        if verdict.answer is not gate.Answer.GO:
            raise Refused("call_not_allowed", why_not_now(contact, verdict))
    record = CallRecord.objects.create(
        account=account, contact=contact, number=contact.phone, at=moment, outcome=outcome, by=by, note=note[:300],
        inbound=inbound,
    )  # fmt: skip
    signals.call_noted.send(sender=CallRecord, call_id=record.pk, account_id=account.pk)
    return record


def why_not_now(contact: Contact, verdict: gate.Verdict) -> str:
    """Return in words why a person must not be called, and from when it is allowed; empty if it is allowed now."""
    if verdict.answer is gate.Answer.GO:
        return ""
    zone = contact.timezone or contact.account.timezone
    return f"{contact.name} must not be called now. {verdict.why}{_until(verdict, zone)}"


def end_spoken_notice(notice: Notice, outcome: str) -> None:
    """Note what came of a voice notice; a later word of the provider does not take a talk back."""
    rows = CallRecord.objects.filter(notice=notice.pk).exclude(outcome__in=CallRecord.TALKED)
    rows.update(outcome=outcome)


def _by_hand(facts: gate.Facts) -> gate.Facts:
    """Leave out what binds only the program: stopped channels, caps on messages, recorded consent to machines."""
    return replace(facts, breaker="", sent_at=(), consent_recorded=True)


def _until(verdict: gate.Verdict, zone: str) -> str:
    if verdict.until is None:
        return ""
    local = clock.local(verdict.until, zone)
    return f" It is allowed again from {local:%a %d %b %Y, %H:%M} (their time)."
