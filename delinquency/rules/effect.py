"""What more days change: the future as it is beside the future with them (G6, G7). Pure: two lists of events in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from .actions import Event, Kind

# In the order in which they are shown. Messages move along with what they are about.
SHOWN = (Kind.ACCOUNT_DELINQUENT, Kind.LATE_FEE, Kind.RESTRICTED, Kind.STATUS_SWITCH, Kind.ISSUED)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to come: when it comes now, and when with the days; None if it does not come."""

    kind: Kind
    what: str  # the step, or the invoice's number; for a bill its date
    now: datetime | None
    then: datetime | None
    now_amount: Decimal | None = None
    then_amount: Decimal | None = None

    @property
    def differs(self) -> bool:
        """Tell whether the days change it."""
        return (self.now, self.now_amount) != (self.then, self.then_amount)


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill of one future that the other lacks."""

    on: date
    amount: Decimal


def changes(before: Sequence[Event], after: Sequence[Event], numbers: frozenset[str]) -> list[Change]:
    """Return everything that costs or hurts in either future, what comes first of each kind and step.

    Fees are told for the invoices that exist (`numbers`), bills one by one.
    """
    now, then = _first(before, numbers), _first(after, numbers)
    keys = sorted(
        now.keys() | then.keys(), key=lambda key: (SHOWN.index(key[0]), _at(now.get(key), then.get(key)), key)
    )
    return [_change(key, now.get(key), then.get(key)) for key in keys]


def extra_bills(before: Sequence[Event], after: Sequence[Event]) -> list[Bill]:
    """Return the bills that only the second future has: what the days cost (G6)."""
    had = {event.on for event in before if event.kind is Kind.ISSUED}
    return [
        Bill(event.on, event.amount)
        for event in after
        if event.kind is Kind.ISSUED and event.on not in had and event.amount is not None
    ]


def _first(events: Sequence[Event], numbers: frozenset[str]) -> dict[tuple[Kind, str], Event]:
    found: dict[tuple[Kind, str], Event] = {}
    for event in events:
        if event.kind in SHOWN and not (event.kind is Kind.LATE_FEE and event.number not in numbers):
            found.setdefault((event.kind, _what(event)), event)
    return found


def _what(event: Event) -> str:
    if event.kind is Kind.ISSUED:
        return str(event.on)
    if event.kind is Kind.LATE_FEE:
        return event.number or ""
    return event.step.level if event.kind is Kind.RESTRICTED and event.step is not None else ""


def _at(now: Event | None, then: Event | None) -> datetime:
    event = now or then
    assert event is not None
    return event.at


def _change(key: tuple[Kind, str], now: Event | None, then: Event | None) -> Change:
    return Change(
        kind=key[0],
        what=key[1],
        now=now.at if now else None,
        then=then.at if then else None,
        now_amount=now.amount if now and now.kind in (Kind.LATE_FEE, Kind.ISSUED) else None,
        then_amount=then.amount if then and then.kind in (Kind.LATE_FEE, Kind.ISSUED) else None,
    )
