"""The list of calls to make: whom, why, how much, at what hour where they are, and what was tried before (E3, H8).

Everything is read in a constant number of queries, whatever the length of the list.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber

from accounts.models import Account, CallRecord, Contact, InboundMessage, Notice
from accounts.outreach.calls import attempts_within_week, may_call
from accounts.outreach.gate import Answer, Verdict
from accounts.outreach.gathering import rules_of
from accounts.outreach.rendering import render
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from invoicing.queries import Position, positions

from .models import CallTask, Ticket
from .models.call import MADE_WITHIN
from .operations.calls import why_refused
from .operations.desk_texts import money_of
from .rules.desk import day_words

ZERO = Decimal("0.00")
TOUCHES_SHOWN = 3
# No zone is further behind UTC: what is missed there is missed everywhere.
FURTHEST_WEST = "Etc/GMT+12"
# How many calls the list shows; more people than this are not called in a day.
LIST_MAX = 300


class When(StrEnum):
    """When a call may be made."""

    NOW = "now"
    LATER = "later"
    NOT_NOW = "not_now"


@dataclass(frozen=True, slots=True)
class Touch:
    """One time we wrote or spoke to an account, or they to us."""

    at: datetime
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call to make, and everything to know before it."""

    task: CallTask
    when: When
    why_not: str  # empty if it may be made now
    reason: str  # the same in few words
    allowed_at: datetime | None
    there: str  # their local time in words: "10:12 in Denver"
    attempts: int
    attempts_max: int
    owed: Decimal
    late: Decimal
    touches: tuple[Touch, ...]
    missed: bool
    taken_by: str = ""

    @property
    def account(self) -> Account:
        """Return whose call it is."""
        return self.task.account

    @property
    def contact(self) -> Contact | None:
        """Return whom to call."""
        return self.task.contact

    @property
    def attempts_words(self) -> str:
        """Return the counter of calls: 3 of 7 in 7 days."""
        return f"{self.attempts} of {self.attempts_max} in 7 days"


def place_of(zone: str) -> str:
    """Return a zone as people say it: America/Denver is Denver."""
    return zone.rpartition("/")[2].replace("_", " ")


def there_words(zone: str, now: datetime) -> str:
    """Return what time it is in a zone, in words: 10:12 in Denver."""
    return f"{clock.local(now, zone):%H:%M} in {place_of(zone)}"


def zone_of(task: CallTask) -> str:
    """Return the zone of whom to call: the contact's own, else the account's."""
    return (task.contact.timezone if task.contact else "") or task.account.timezone


def calls_to_make(user_id: int | None, now: datetime) -> list[Call]:
    """Return the calls that wait, by due date and then by what is late, most first."""
    waiting = CallTask.objects.filter(outcome=CallTask.Outcome.WAITING)
    return _read(waiting.order_by("due_on", "pk")[:LIST_MAX], user_id, now)


def one_call(task_id: int, user_id: int | None, now: datetime) -> Call | None:
    """Return one call with everything to know before it, whatever came of it."""
    found = _read(CallTask.objects.filter(pk=task_id), user_id, now)
    return found[0] if found else None


def waiting_count() -> int:
    """Return how many calls wait to be made."""
    return CallTask.objects.filter(outcome=CallTask.Outcome.WAITING).count()


def missed(waiting: QuerySet[CallTask]) -> QuerySet[CallTask]:
    """Return the waiting calls that nobody has made in time, by the date of the westernmost account."""
    day = clock.local(clock.now(), FURTHEST_WEST).date()
    return waiting.filter(tries=0, due_on__lt=day - MADE_WITHIN)


def ticket_of(account: Account) -> Ticket | None:
    """Return the open ticket that a call to an account is told on."""
    running = Ticket.objects.filter(account=account).exclude(state=Ticket.State.CLOSED)
    return running.order_by("-priority", "-opened_at", "pk").first()


def script_of(task: CallTask) -> str:
    """Return what to say, in the contact's language and with the account's own figures; empty without a contact.

    A text that cannot be filled in says why.
    """
    if task.contact is None:
        return ""
    account, contact = task.account, task.contact
    texts = {
        "account_name": account.name, "account_number": account.number, "company_name": account.company.name,
        "company_phone": account.company.phone, "currency": account.company.currency, "contact_name": contact.name,
        "amount_due": "", **money_of(account),
    }  # fmt: skip
    try:
        return render(channel="voice", template="call_script", language=contact.language, context=texts).body
    except Refused as refusal:
        return refusal.words


def touches_of(account_ids: Iterable[int], most: int = TOUCHES_SHOWN) -> dict[int, tuple[Touch, ...]]:
    """Return the last times each account was written or spoken to, or wrote itself, newest first; three queries."""
    ids = list(account_ids)
    found: dict[int, list[Touch]] = defaultdict(list)
    notices = Notice.objects.filter(account__in=ids, state__in=(*Notice.TAKEN, Notice.State.REJECTED))
    for notice in _newest(notices.annotate(moment=F("due_at")), most):
        at = notice.accepted_at or notice.due_at
        words = f"{notice.get_channel_display()}: {notice.subject or notice.template}, {notice.get_state_display()}"
        found[notice.account_id].append(Touch(at, words))
    # A spoken notice has a record of its own call; it is told once, as the notice.
    calls = CallRecord.objects.filter(account__in=ids, notice__isnull=True).select_related("by")
    for call in _newest(calls.annotate(moment=F("at")), most):
        who = "they called" if call.inbound else f"call by {call.by or 'somebody'}"
        note = f" “{call.note}”" if call.note else ""
        found[call.account_id].append(Touch(call.at, f"{who}: {call.get_outcome_display()}{note}"))
    letters = InboundMessage.objects.filter(account__in=ids)
    for message in _newest(letters.annotate(moment=F("received_at")), most):
        said = " ".join((message.subject or message.text).split())[:80]
        assert message.account_id is not None
        found[message.account_id].append(Touch(message.received_at, f"they wrote by {message.channel}: {said}"))
    return {pk: tuple(sorted(rows, key=lambda row: row.at, reverse=True)[:most]) for pk, rows in found.items()}


def _newest(rows: QuerySet[Any], most: int) -> list[Any]:
    """Return the newest rows of each account, by the annotated moment."""
    placed = rows.annotate(
        place=Window(RowNumber(), partition_by=F("account"), order_by=(F("moment").desc(), F("pk").desc()))
    )
    return list(placed.filter(place__lte=most).order_by("-moment", "-pk"))


def _read(rows: QuerySet[CallTask], user_id: int | None, now: datetime) -> list[Call]:
    tasks: list[CallTask] = list(
        rows.select_related(
            "account__company__outreach_rules", "account__status", "contact__account__company__outreach_rules",
            "claimed_by", "record__by",
        )
    )  # fmt: skip
    people = {task.contact.pk: task.contact for task in tasks if task.contact is not None}
    verdicts = may_call(list(people.values()), now)
    ids = {task.account_id for task in tasks}
    counts = attempts_within_week(list(ids), now)
    owing, touches = positions(ids), touches_of(ids)
    calls = [
        _call(task, verdicts, counts.get(task.account_id, 0), owing[task.account_id],
              touches.get(task.account_id, ()), user_id, now)
        for task in tasks
    ]  # fmt: skip
    return sorted(calls, key=lambda call: (call.task.due_on, -call.late, call.task.pk))


def _call(
    task: CallTask,
    verdicts: dict[int, Verdict],
    attempts: int,
    position: Position,
    touches: Sequence[Touch],
    user_id: int | None,
    now: datetime,
) -> Call:
    zone, today = zone_of(task), clock.local(now, task.account.timezone).date()
    verdict = verdicts.get(task.contact.pk) if task.contact else None
    why_not, allowed_at = why_refused(task.contact, verdict), verdict.until if verdict else None
    if not why_not and task.again_at is not None and task.again_at > now:
        allowed_at = task.again_at
        why_not = f"{task.record.get_outcome_display() if task.record else 'Tried'} at the last call; try again later."
    reason = verdict.why if verdict and verdict.why else why_not
    when = When.NOW if not why_not else When.NOT_NOW
    if when is When.NOT_NOW and allowed_at is not None and not (verdict and verdict.answer is Answer.NEVER):
        same_day = clock.local(allowed_at, zone).date() == clock.local(now, zone).date()
        when = When.LATER if same_day else When.NOT_NOW
    late = sum((row.remaining for row in position.open_invoices if row.due_on < today), ZERO)
    taken = task.is_claimed(now) and task.claimed_by_id != user_id
    taken_by = ""
    if taken and task.claimed_by is not None and task.claimed_at is not None:
        name = task.claimed_by.get_full_name() or task.claimed_by.get_username()
        taken_by = f"{name} is calling since {clock.local(task.claimed_at, zone):%H:%M}"
    return Call(
        task=task, when=when, why_not=why_not, reason=reason, allowed_at=allowed_at, there=there_words(zone, now),
        attempts=attempts, attempts_max=rules_of(task.account.company).calls_max, owed=max(position.balance, ZERO),
        late=late, touches=tuple(touches), missed=task.is_missed(today), taken_by=taken_by,
    )  # fmt: skip


def from_words(call: Call) -> str:
    """Return from when a call is allowed, in the contact's time: "from 15:30", "from Mon 23 Nov, 08:00"."""
    if call.allowed_at is None:
        return ""
    there = clock.local(call.allowed_at, zone_of(call.task))
    if call.when is When.LATER:
        return f"from {there:%H:%M} there"
    return f"from {day_words(there.date())}, {there:%H:%M} there"


def next_in_line(calls: Sequence[Call]) -> list[Call]:
    """Return the calls that somebody may take up now, most pressing first."""
    return [call for call in calls if call.when is When.NOW and not call.taken_by]
