"""Two stories of one account side by side: what differs, in words and dates. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from invoicing.rules.allocation import Fact

from ..rules.actions import Event, Kind
from ..rules.facts import CENT, Key

CUTS = frozenset({Kind.RESTRICTED, Kind.STATUS_SWITCH})
# What people mean by "differs": what is done to an account, not how its invoices are labelled on the way.
WORDS = {
    Kind.ACCOUNT_DELINQUENT: "delinquent",
    Kind.LATE_FEE: "late fee",
    Kind.RECONNECTION_FEE: "reconnection fee",
    Kind.NOTICE: "notice",
    Kind.TICKET_OPENED: "ticket",
    Kind.CALL_TASK: "call",
    Kind.CHARGE: "charge",
    Kind.SECONDARY_SOURCE_REQUESTED: "second source asked for",
    Kind.STATUS_SWITCH: "status switch",
    Kind.RESTRICTED: "cut",
    Kind.FLAGGED: "flagged",
    Kind.HELD: "cut held back",
    Kind.ISSUED: "bill",
}
LEVELS = {"throttle": "line slowed", "walled_garden": "payment page only", "suspend": "line suspended"}
# Of what names no invoice: this far apart it is the same thing moved, further it is that of another month.
SAME_WITHIN = timedelta(days=20)
PAYS_WITHIN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that happens on another day, for another amount, or on one side only."""

    what: str
    number: str | None
    live_on: str | None
    draft_on: str | None
    live_amount: str | None = None
    draft_amount: str | None = None

    def document(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def what_of(event: Event) -> str:
    """Return what an event does, in words."""
    level = event.step.level if event.kind is Kind.RESTRICTED and event.step is not None else ""
    words = WORDS[event.kind]
    if level:
        return f"{words} ({LEVELS.get(level, level)})"
    if event.kind is Kind.CHARGE and event.step is not None:
        return f"{words} of the {event.step.source} source"
    return words


def differences(
    live: Iterable[Event], draft: Iterable[Event], from_on: date, to_on: date, kinds: Iterable[Kind] = tuple(WORDS)
) -> list[Difference]:
    """Return what differs between two stories from one day to another, in order of date."""
    wanted = frozenset(kinds) - {Kind.ISSUED}  # bills are facts of both stories
    left, right = _grouped(live, wanted), _grouped(draft, wanted)
    found = []
    for key in {**left, **right}:
        for one, other in _pairs(left[key], right[key]):
            if _within(one, from_on, to_on) or _within(other, from_on, to_on):
                found.append(_difference(key, one, other))
    return sorted(found, key=lambda d: (min(d.live_on or "9", d.draft_on or "9"), d.what, d.number or ""))


def words(difference: dict[str, Any]) -> str:
    """Say a stored difference in one sentence: "Cut (line suspended) on 2026-03-02 instead of never"."""
    about = f" for {difference['number']}" if difference.get("number") else ""
    live_on, draft_on = difference.get("live_on"), difference.get("draft_on")
    live_amount, draft_amount = difference.get("live_amount"), difference.get("draft_amount")
    amount = f" of {draft_amount or live_amount}" if draft_amount or live_amount else ""
    what = f"{difference['what'][:1].upper()}{difference['what'][1:]}{amount}{about}"
    if live_on is None:
        return f"{what} on {draft_on} instead of never"
    if draft_on is None:
        return f"{what} never instead of on {live_on}"
    if live_on == draft_on:
        return f"{what} on {draft_on} instead of {live_amount or 'none'}"
    instead = f"{live_on} ({live_amount})" if live_amount != draft_amount else live_on
    return f"{what} on {draft_on} instead of {instead}"


def first_new_cut(live: Iterable[Event], draft: Iterable[Event], from_on: date, to_on: date) -> Event | None:
    """Return the first cut of a span that the other story does not make, or not as hard, over the same invoices."""
    hardest: dict[Key, int] = {}
    for event in live:
        if event.kind in CUTS:
            for key in event.causes:
                hardest[key] = max(hardest.get(key, 0), _hardness(event))
    for event in draft:
        if event.kind not in CUTS or not from_on <= event.on <= to_on:
            continue
        if all(hardest.get(key, 0) < _hardness(event) for key in event.causes):
            return event
    return None


def _hardness(cut: Event) -> int:
    """Return how hard a cut is: slowed, payment page only, nothing at all."""
    level = cut.step.level if cut.kind is Kind.RESTRICTED and cut.step is not None else "suspend"
    return list(LEVELS).index(level) + 1


def paid_after(cut: Event, facts: Sequence[Fact]) -> datetime | None:
    """Return when everything a cut was about was paid; None if it never was.

    The facts are those of the account's whole history, in order of time.
    """
    remaining: dict[Key, Decimal] = {}
    for fact in facts:
        if fact.invoice is not None:
            remaining[fact.invoice.key] = fact.invoice.amount
        for key, change in fact.moves:
            if key in remaining:
                remaining[key] += change
        if fact.at >= cut.at and all(remaining.get(key, Decimal(0)) < CENT for key in cut.causes):
            return fact.at
    return None


def paid_by_itself(cut: Event, facts: Sequence[Fact], now: datetime) -> bool | None:
    """Tell whether everything a cut was about was paid within seven days after it; None while they still run.

    `now` is local to the account.
    """
    last = datetime.combine(cut.on + PAYS_WITHIN, time.max)
    paid_at = paid_after(cut, facts)
    if paid_at is not None and paid_at <= last:
        return True
    return None if now <= last else False


_Group = tuple[str, str | None]


def _grouped(events: Iterable[Event], wanted: frozenset[Kind]) -> defaultdict[_Group, list[Event]]:
    groups: defaultdict[_Group, list[Event]] = defaultdict(list)
    for event in events:
        if event.kind in wanted:
            groups[what_of(event), event.number].append(event)
    return groups


def _pairs(live: list[Event], draft: list[Event]) -> list[tuple[Event | None, Event | None]]:
    """Pair what two lists in order of date have of the same thing, without what is the same on both sides."""
    same = _common(live, draft)
    left = _without(live, same)
    right = _without(draft, same)
    pairs: list[tuple[Event | None, Event | None]] = []
    while left or right:
        if left and right and _is_same(left[0], right[0]):
            pairs.append((left.pop(0), right.pop(0)))
        elif not right or (left and left[0].on < right[0].on):
            pairs.append((left.pop(0), None))
        else:
            pairs.append((None, right.pop(0)))
    return pairs


def _is_same(live: Event, draft: Event) -> bool:
    """Tell whether two events are one thing on two days: about the same invoices, or else not far apart."""
    if live.causes and draft.causes:
        return bool(live.causes & draft.causes)
    return live.number is not None or abs(live.on - draft.on) <= SAME_WITHIN


def _common(live: list[Event], draft: list[Event]) -> dict[tuple[date, Decimal | None], int]:
    counts: dict[tuple[date, Decimal | None], int] = defaultdict(int)
    for event in live:
        counts[_mark(event)] += 1
    others: dict[tuple[date, Decimal | None], int] = defaultdict(int)
    for event in draft:
        others[_mark(event)] += 1
    return {mark: min(count, others[mark]) for mark, count in counts.items()}


def _without(events: list[Event], same: dict[tuple[date, Decimal | None], int]) -> list[Event]:
    left, rest = dict(same), []
    for event in events:
        mark = _mark(event)
        if left.get(mark, 0):
            left[mark] -= 1
        else:
            rest.append(event)
    return rest


def _mark(event: Event) -> tuple[date, Decimal | None]:
    return event.on, event.amount


def _within(event: Event | None, from_on: date, to_on: date) -> bool:
    return event is not None and from_on <= event.on <= to_on


def _difference(key: _Group, live: Event | None, draft: Event | None) -> Difference:
    return Difference(
        what=key[0],
        number=key[1],
        live_on=None if live is None else live.on.isoformat(),
        draft_on=None if draft is None else draft.on.isoformat(),
        live_amount=None if live is None or live.amount is None else str(live.amount),
        draft_amount=None if draft is None or draft.amount is None else str(draft.amount),
    )
