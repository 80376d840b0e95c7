"""What staff do with calls: take one up, give it back, and note how it went (E3, H8).

Who takes a call up has asked the gate, so the call is noted as of that moment: it counts although the clerk writes it
down a minute past nine. Nobody else can take up a call to the same account meanwhile.
"""

from datetime import datetime, timedelta

from django.db import transaction

from accounts import signals
from accounts.models import Account, CallRecord, Contact, Suppression, User
from accounts.operations import raise_attention
from accounts.outreach.calls import may_call, note_call, why_not_now
from accounts.outreach.fallback import out_of_reach
from accounts.outreach.gate import Verdict
from accounts.outreach.suppressions import suppress
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row
from delinquency.models import CallTask, Ticket
from delinquency.rules.calls import after_call, settled_as

from .desk import add_line, name_of, save_ticket

# The column of the history tables is this long.
REASON_LENGTH = 100
# Somebody who takes a call up has it to themselves for so long.
LEASE = timedelta(minutes=15)
# A call may be written down so long after it was taken up; later it is a new one.
NOTED_WITHIN = timedelta(hours=1)
Outcome = CallRecord.Outcome
# What staff can say came of a call, in the order of the buttons.
OUTCOMES = (
    Outcome.REACHED, Outcome.VOICEMAIL, Outcome.NO_ANSWER, Outcome.BUSY, Outcome.REFUSED, Outcome.WRONG_NUMBER,
)  # fmt: skip


def why_refused(contact: Contact | None, verdict: Verdict | None) -> str:
    """Return why somebody must not be called now, and from when it is allowed; empty if they may be."""
    if contact is None:
        return "The account has no billing contact; add one with a number, then call."
    if not contact.phone:
        return f"{contact.name} has no phone number; write it on the contact's page first."
    return why_not_now(contact, verdict) if verdict is not None else ""


@transaction.atomic
def claim_call(task: CallTask, by: User, *, at: datetime | None = None) -> CallTask:
    """Take a call up for 15 minutes; raises Refused if it may not be made now, or a colleague is on it."""
    moment = at or clock.now()
    lock_row(Account.objects.all(), task.account_id)
    locked = lock_row(CallTask.objects.select_related("contact__account__company__outreach_rules"), task.pk)
    if locked.outcome != CallTask.Outcome.WAITING:
        raise StaleState(f"This call was noted before: {locked.get_outcome_display()}.")
    _refuse_taken(locked.account_id, by, moment)
    verdicts = may_call([locked.contact], moment) if locked.contact else {}
    words = why_refused(locked.contact, verdicts.get(locked.contact_id or 0))
    if words:
        raise Refused("call_not_allowed", words)
    locked.claimed_by, locked.claimed_at, locked.claimed_until_at = by, moment, moment + LEASE
    _save(locked, by, "taken up", "claimed_by", "claimed_at", "claimed_until_at")
    return locked


@transaction.atomic
def release_call(task: CallTask, by: User) -> CallTask:
    """Give a call back that the user has taken up; another's, or one nobody is on, stays as it is."""
    lock_row(Account.objects.all(), task.account_id)
    locked = lock_row(CallTask.objects.all(), task.pk)
    if locked.claimed_by_id == by.pk:
        locked.claimed_by = locked.claimed_at = locked.claimed_until_at = None
        _save(locked, by, "given back", "claimed_by", "claimed_at", "claimed_until_at")
    return locked


@transaction.atomic
def log_call(
    contact: Contact,
    outcome: str,
    *,
    by: User,
    note: str = "",
    inbound: bool = False,
    ticket: Ticket | None = None,
    at: datetime | None = None,
) -> CallRecord:
    """Note a call with a contact, settle what asked for it, and say it on the ticket.

    Raises Refused for an eighth attempt within 7 days, a bad hour, a week in which they were spoken to, and while a
    colleague is calling. A wrong number is neither called nor texted again.
    """
    if outcome not in OUTCOMES:
        raise Refused("call_outcome", f"{outcome!r} is no outcome of a call; choose one of the buttons.")
    moment = at or clock.now()
    lock_row(Account.objects.all(), contact.account_id)
    _refuse_taken(contact.account_id, by, moment)
    begun = moment if inbound else _begun_at(contact.account_id, by, moment)
    record = note_call(contact, outcome, by=by, note=note.strip(), at=begun, inbound=inbound)
    _tell_ticket(record, contact, ticket, moment)
    if outcome == Outcome.WRONG_NUMBER and not inbound:
        _leave_number_alone(contact, by)
    return record


def settle_tasks(record: CallRecord) -> int:
    """Note a call on the calls that policies ask for at its account; return how many those were."""
    waiting = CallTask.objects.filter(account=record.account_id, outcome=CallTask.Outcome.WAITING)
    count = 0
    for task in waiting.select_for_update().order_by("pk"):
        if record.inbound and record.outcome not in CallRecord.TALKED:
            continue  # they tried to reach us, and could not: ours is still to be made
        task.record, task.tries = record, task.tries + (0 if record.inbound else 1)
        task.claimed_by = task.claimed_at = task.claimed_until_at = None
        again_after = after_call(record.outcome, task.tries)
        task.again_at = record.at + again_after if again_after else None
        task.note = record.note
        if again_after is None:
            task.outcome, task.outcome_at = settled_as(record.outcome), clock.now()
            task.outcome_by = record.by
        _save(
            task, record.by, record.note or record.get_outcome_display(), "record", "tries", "claimed_by",
            "claimed_at", "claimed_until_at", "again_at", "note", "outcome", "outcome_at", "outcome_by",
        )  # fmt: skip
        count += 1
    return count


def _refuse_taken(account_id: int, by: User, moment: datetime) -> None:
    taken = CallTask.objects.filter(
        account=account_id, outcome=CallTask.Outcome.WAITING, claimed_until_at__gt=moment, claimed_by__isnull=False
    ).exclude(claimed_by=by)
    task = taken.select_related("claimed_by", "account").first()
    if task is None or task.claimed_at is None or task.claimed_until_at is None:
        return
    zone = task.account.timezone
    raise Refused(
        "call_taken",
        f"{name_of(task.claimed_by)} is calling this customer since {clock.local(task.claimed_at, zone):%H:%M}. Take"
        f" another call, or come back at {clock.local(task.claimed_until_at, zone):%H:%M}.",
    )


def _begun_at(account_id: int, by: User, moment: datetime) -> datetime:
    """Return when the user took a call to the account up, if that was just now; else the moment itself."""
    mine = CallTask.objects.filter(
        account=account_id, outcome=CallTask.Outcome.WAITING, claimed_by=by, claimed_at__gt=moment - NOTED_WITHIN
    )
    return mine.order_by("-claimed_at").values_list("claimed_at", flat=True).first() or moment


def _tell_ticket(record: CallRecord, contact: Contact, ticket: Ticket | None, moment: datetime) -> None:
    running = Ticket.objects.filter(account=record.account_id).exclude(state=Ticket.State.CLOSED)
    found = ticket or running.order_by("-priority", "-opened_at", "pk").first()  # the same as the page of calls names
    if found is None:
        return
    locked = lock_row(Ticket.objects.all(), found.pk)
    who = (
        f"{contact.name} called {name_of(record.by)}"
        if record.inbound
        else f"{name_of(record.by)} called {contact.name} at {record.number}"
    )
    save_ticket(locked, record.by, "a call")
    add_line(
        locked, f"{who}: {record.get_outcome_display()}.{' ' + record.note if record.note else ''}", record.by,
        at=moment,
    )  # fmt: skip


def _leave_number_alone(contact: Contact, by: User) -> None:
    """Neither call nor text a number that is somebody else's, and put it before staff if there is no other way."""
    words = f"{name_of(by)} called it: wrong number for {contact.name}."
    for channel in ("voice", "sms"):
        suppress(channel, contact.phone, Suppression.Reason.BY_HAND, words, by=by)
    raise_attention(
        code="wrong-number",
        key=f"contact:{contact.pk}:{contact.phone}",
        account=contact.account,
        words=f"{contact.phone} is not {contact.name}'s number (account {contact.account.number}); it is neither"
        " called nor texted any more. Find the right one, and write it on the contact's page.",
    )
    if out_of_reach([contact.account_id]):
        signals.unreachable.send(
            sender=Contact,
            account_ids=[contact.account_id],
            words=f"{contact.phone} is a wrong number, and there is no other way to {contact.name}.",
        )


def _save(task: CallTask, by: User | None, why: str, *fields: str) -> None:
    task._change_reason = why[:REASON_LENGTH]  # type: ignore[attr-defined]
    task._history_user = by  # type: ignore[attr-defined]
    task.save(update_fields=list(fields))
