"""From which day each invoice was past due, told from its money alone (A2): nobody need look at an account for that.

It gives the very days that the looks of a timeline give, so that a count can do without those looks.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, time

from invoicing.rules.allocation import Fact, Issued, Key

from .actions import Event, Kind
from .calendar import ONE_DAY
from .facts import CENT
from .policy import CHECK_TIME

# Since when an invoice was owed, and until when; None where it still is.
Span = tuple[datetime, datetime | None]


def past_due(facts: Sequence[Fact], until: date) -> list[Event]:
    """Return an event for each invoice that becomes past due by the end of a day; facts must be in order of time.

    What is unpaid when the day after its due date begins is past due from then on. What is issued or reopened later is
    so from the next check, or from the midnight before it if another invoice of the account is looked at then.
    """
    invoices, owed = _owed(facts)
    found: dict[Key, datetime] = {}
    for key, spans in owed.items():
        midnight = datetime.combine(invoices[key].due_on + ONE_DAY, time.min)
        for since, to in spans:
            if since < midnight and (to is None or midnight <= to):
                found[key] = midnight
    midnights = set(found.values())
    for key, spans in owed.items():
        for since, to in spans:
            if key not in found and since.date() > invoices[key].due_on:
                at = _next_look(since, midnights)
                # Money of the very minute of a check comes before it, money of midnight after the look at midnight.
                if to is None or at < to or (at == to and at.time() == time.min):
                    found[key] = at
    return [_event(invoices[key], at) for key, at in found.items() if at.date() <= until]


def _owed(facts: Sequence[Fact]) -> tuple[dict[Key, Issued], dict[Key, list[Span]]]:
    """Return the invoices that were issued, and the spans of time in which something of each was unpaid."""
    invoices: dict[Key, Issued] = {}
    spans: dict[Key, list[Span]] = defaultdict(list)
    remaining = {}
    since: dict[Key, datetime] = {}
    for fact in facts:
        if fact.invoice is not None:
            key = fact.invoice.key
            invoices[key], remaining[key], since[key] = fact.invoice, fact.invoice.amount, fact.at
        for key, change in fact.moves:
            remaining[key] += change
            if remaining[key] >= CENT:
                since.setdefault(key, fact.at)
            elif (began := since.pop(key, None)) is not None:
                spans[key].append((began, fact.at))
    for key, began in since.items():
        spans[key].append((began, None))
    return invoices, spans


def _next_look(since: datetime, midnights: set[datetime]) -> datetime:
    """Return the next check, or the midnight before it if somebody looks then."""
    day = since.date()
    if since.time() > CHECK_TIME:
        day += ONE_DAY
        midnight = datetime.combine(day, time.min)
        if midnight in midnights:
            return midnight
    return datetime.combine(day, CHECK_TIME)


def _event(invoice: Issued, at: datetime) -> Event:
    return Event(at, Kind.PAST_DUE, {"due_on": invoice.due_on}, rule="A2", invoice=invoice.key, number=invoice.number)
