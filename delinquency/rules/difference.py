"""Two futures of one account side by side: what stays, comes, goes and moves. Pure; the events are those of `Ahead`."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from .actions import Event, Kind
from .policy import Policy

ZERO = Decimal("0.00")
# What only tells of bills and money; everything else is a step that somebody feels.
TOLD = frozenset(
    {Kind.ISSUED, Kind.DUE, Kind.PAST_DUE, Kind.PAYMENT, Kind.REVERSAL, Kind.DELINQUENT, Kind.CURED, Kind.TICKET_CLOSED}
)


class Mark(StrEnum):
    """How one line of two timelines differs."""

    SAME = "same"
    CHANGED = "changed"  # on the same day, with another amount or time
    ADDED = "added"
    GONE = "gone"
    MOVED_TO = "moved_to"
    MOVED_FROM = "moved_from"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of two timelines: what happens as things stand, and what happens instead."""

    at: datetime
    mark: Mark
    before: Event | None
    after: Event | None
    other_on: date | None = None  # the day it moves to, or came from

    @property
    def event(self) -> Event:
        """Return the event that the line is about."""
        found = self.after or self.before
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class Milestones:
    """What a timeline comes to: the first day of each kind of harm, and sums."""

    delinquent_on: date | None
    slowed_on: date | None
    suspended_on: date | None  # the payment page only, or nothing at all
    switched_on: date | None
    cured_on: date | None
    bills: int
    billed: Decimal
    fees: Decimal

    @property
    def cut_on(self) -> date | None:
        """Return the first day on which the line is restricted at all."""
        return min((day for day in (self.slowed_on, self.suspended_on) if day is not None), default=None)


def compare(before: Sequence[Event], after: Sequence[Event]) -> list[Row]:
    """Set two timelines side by side, in order of time; what only moves is shown on both of its days."""
    places: dict[tuple[str, str, str], tuple[list[Event], list[Event]]] = defaultdict(lambda: ([], []))
    for side, events in enumerate((before, after)):
        for event in events:
            places[_same_thing(event)][side].append(event)
    rows: list[Row] = []
    for old, new in places.values():
        rows += _pair(old, new)
    order = {id(event): index for events in (before, after) for index, event in enumerate(events)}
    return sorted(rows, key=lambda row: (row.at, order[id(row.event)]))


def milestones(events: Iterable[Event], policy: Policy) -> Milestones:
    """Return what a timeline comes to, returned-payment fees among the fees."""
    first: dict[str, date] = {}
    bills, billed, fees = 0, ZERO, ZERO
    for event in events:
        match event.kind:
            case Kind.ACCOUNT_DELINQUENT | Kind.STATUS_SWITCH | Kind.ACCOUNT_CURED:
                first.setdefault(str(event.kind), event.on)
            case Kind.RESTRICTED:
                level = event.step.level if event.step is not None else ""
                first.setdefault("slowed" if level == "throttle" else "suspended", event.on)
            case Kind.ISSUED:
                bills, billed = bills + 1, billed + (event.amount or ZERO)
            case Kind.LATE_FEE | Kind.RECONNECTION_FEE:
                fees += event.amount or ZERO
            case Kind.REVERSAL:
                fees += policy.nsf_fee
    return Milestones(
        delinquent_on=first.get(Kind.ACCOUNT_DELINQUENT),
        slowed_on=first.get("slowed"),
        suspended_on=first.get("suspended"),
        switched_on=first.get(Kind.STATUS_SWITCH),
        cured_on=first.get(Kind.ACCOUNT_CURED),
        bills=bills,
        billed=billed,
        fees=fees,
    )


def next_step(events: Iterable[Event]) -> Event | None:
    """Return the first event that is more than news of bills and money; the account's next step."""
    return next((event for event in events if event.kind not in TOLD), None)


def shift(before: date | None, after: date | None) -> str:
    """Name how a day moves: sooner, later, never, new, or empty if it stays."""
    if before == after:
        return ""
    if before is None:
        return "new"
    if after is None:
        return "never"
    return "later" if after > before else "sooner"


def _same_thing(event: Event) -> tuple[str, str, str]:
    """Return what makes two events of two timelines the same thing, whenever it happens."""
    step = event.step.key if event.step is not None else ""
    return (str(event.kind), step, event.reference or event.number or "")


def _pair(old: list[Event], new: list[Event]) -> list[Row]:
    """Pair the same thing in two timelines: first what falls on the same day, then the rest in order."""
    rows, left, coming = [], [], list(new)
    for event in old:
        twin = next((other for other in coming if other.on == event.on), None)
        if twin is None:
            left.append(event)
            continue
        coming.remove(twin)
        rows.append(Row(event.at, Mark.SAME if _alike(event, twin) else Mark.CHANGED, event, twin))
    for event, other in zip(left, coming, strict=False):
        rows.append(Row(event.at, Mark.MOVED_TO, event, None, other.on))
        rows.append(Row(other.at, Mark.MOVED_FROM, None, other, event.on))
    both = min(len(left), len(coming))
    rows += [Row(event.at, Mark.GONE, event, None) for event in left[both:]]
    rows += [Row(event.at, Mark.ADDED, None, event) for event in coming[both:]]
    return rows


def _alike(event: Event, other: Event) -> bool:
    level, other_level = (e.step.level if e.step is not None else "" for e in (event, other))
    return (event.at, event.amount, level) == (other.at, other.amount, other_level)
