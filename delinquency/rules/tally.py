"""Counting stories: the summary, the months and the flagged accounts of a backtest (contract section 5)."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from billing_project.kernel import money

from .actions import Event, Kind
from .calendar import ONE_DAY, months_later
from .messages import MESSAGES
from .policy import Do, Policy

COUNTED = {
    Kind.PAST_DUE: "past_due_invoices",
    Kind.DELINQUENT: "delinquent_invoices",
    Kind.ACCOUNT_DELINQUENT: "episodes",
    Kind.LATE_FEE: "late_fees",
    Kind.STATUS_SWITCH: "status_switches",
    Kind.RESTRICTED: "restrictions",
    Kind.ISSUED: "invoices",
}
# What a count asks for: what it counts, and what an episode or a flag lasts from and to.
TOLD = frozenset({*COUNTED, Kind.ACCOUNT_CURED, Kind.FLAGGED, Kind.UNFLAGGED})


def countable(policy: Policy) -> Policy:
    """Return a policy without the steps that no count can tell of, so that they need not be replayed.

    Letters, calls, tickets and charges change nothing but whether a cut has the notice that it requires (A30); asking
    for a second source does more, as it opens the way for cuts (A29).
    """
    required = {step.requires_notice for step in policy.steps}
    idle = {do for do, kind in MESSAGES.items() if kind not in COUNTED and do is not Do.REQUEST_SECONDARY}
    return replace(policy, steps=tuple(s for s in policy.steps if s.action not in idle or s.key in required))


@dataclass(slots=True)
class Counts:
    """The counts of one span of days."""

    numbers: Counter[str] = field(default_factory=Counter)
    late_fee_total: Decimal = money.ZERO
    days_delinquent: int = 0
    episodes_closed: int = 0
    flagged: set[str] = field(default_factory=set)

    def take(self, event: Event) -> None:
        """Count one event."""
        name = COUNTED.get(event.kind)
        if name is not None:
            self.numbers[name] += 1
            if event.kind is Kind.LATE_FEE and event.amount is not None:
                self.late_fee_total += event.amount

    def add(self, other: "Counts") -> None:
        """Add the counts of other accounts over the same days."""
        self.numbers.update(other.numbers)
        self.late_fee_total += other.late_fee_total
        self.days_delinquent += other.days_delinquent
        self.episodes_closed += other.episodes_closed
        self.flagged |= other.flagged

    def close(self, days: int) -> None:
        """Count an episode that was closed after so many days."""
        self.days_delinquent += days
        self.episodes_closed += 1

    def document(self, peak: int, peak_on: date | None) -> dict[str, Any]:
        """Return the counts as the answer writes them."""
        mean = None
        if self.episodes_closed:
            mean = float(money.quantize(Decimal(self.days_delinquent) / self.episodes_closed))
        return {
            "invoices": self.numbers["invoices"],
            "past_due_invoices": self.numbers["past_due_invoices"],
            "delinquent_invoices": self.numbers["delinquent_invoices"],
            "episodes": self.numbers["episodes"],
            "late_fees": self.numbers["late_fees"],
            "late_fee_total": money.text(self.late_fee_total),
            "status_switches": self.numbers["status_switches"],
            "restrictions": self.numbers["restrictions"],
            "peak_delinquent_accounts": peak,
            "peak_on": peak_on.isoformat() if peak_on else None,
            "mean_days_delinquent": mean,
            "flagged_accounts": len(self.flagged),
        }


@dataclass(slots=True)
class Tally:
    """Counts the stories of many accounts between two dates, inclusive."""

    from_on: date
    to_on: date
    whole: Counts = field(default_factory=Counts)
    months: dict[str, Counts] = field(default_factory=dict)
    changes: Counter[date] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Make every month of the span, also those in which nothing happens."""
        month = self.from_on.replace(day=1)
        while month <= self.to_on:
            self.months[_name(month)] = Counts()
            month = months_later(month, 1)

    def take(self, account: str, events: Iterable[Event], quiet: Iterable[date] = ()) -> None:
        """Count the story of one account, and the invoices of which only the date of issue is to be told."""
        for on in quiet:
            if self.from_on <= on <= self.to_on:
                self.whole.numbers["invoices"] += 1
                self.months[_name(on)].numbers["invoices"] += 1
        since: date | None = None
        flagged_on: date | None = None
        for event in events:
            kind = event.kind
            if kind not in TOLD:
                continue
            on = event.on
            inside = self.from_on <= on <= self.to_on
            if inside:
                self.whole.take(event)
                self.months[_name(on)].take(event)
            if kind is Kind.ACCOUNT_DELINQUENT:
                since = on
            elif kind is Kind.ACCOUNT_CURED and since is not None:
                self._episode(since, on, inside=inside)
                since = None
            elif kind is Kind.FLAGGED:
                flagged_on = on
            elif kind is Kind.UNFLAGGED and flagged_on is not None:
                self._flagged(account, flagged_on, on - ONE_DAY)
                flagged_on = None
        if since is not None:
            self._episode(since, None, inside=False)
        if flagged_on is not None:
            self._flagged(account, flagged_on, self.to_on)

    def add(self, other: "Tally") -> None:
        """Add the stories of other accounts, counted between the same dates."""
        self.whole.add(other.whole)
        for name, counts in other.months.items():
            self.months[name].add(counts)
        self.changes.update(other.changes)

    def _episode(self, since: date, cured_on: date | None, *, inside: bool) -> None:
        """Count an episode's days: delinquent at the end of each day from its first to the one before its cure."""
        self.changes[since] += 1
        if cured_on is not None:
            self.changes[cured_on] -= 1
            if inside:
                self.whole.close((cured_on - since).days)
                self.months[_name(cured_on)].close((cured_on - since).days)

    def _flagged(self, account: str, first_on: date, last_on: date) -> None:
        first_on, last_on = max(first_on, self.from_on), min(last_on, self.to_on)
        if first_on > last_on:
            return
        self.whole.flagged.add(account)
        month = first_on.replace(day=1)
        while month <= last_on:
            self.months[_name(month)].flagged.add(account)
            month = months_later(month, 1)

    def document(self) -> dict[str, Any]:
        """Return summary, months and flagged accounts as the answer writes them."""
        peaks, highest = self._peaks()
        return {
            "summary": self.whole.document(*highest),
            "monthly": {name: counts.document(*peaks[name]) for name, counts in self.months.items()},
            "flagged": sorted(self.whole.flagged),
        }

    def _peaks(self) -> tuple[dict[str, tuple[int, date | None]], tuple[int, date | None]]:
        """Return the most accounts delinquent at the end of a day, and the first such day: by month and in all."""
        running = sum(change for on, change in self.changes.items() if on < self.from_on)
        peaks: dict[str, tuple[int, date | None]] = dict.fromkeys(self.months, (0, None))
        highest: tuple[int, date | None] = (0, None)
        on = self.from_on
        while on <= self.to_on:
            running += self.changes[on]
            if running > peaks[_name(on)][0]:
                peaks[_name(on)] = (running, on)
            if running > highest[0]:
                highest = (running, on)
            on += ONE_DAY
        return peaks, highest


@lru_cache(maxsize=4096)
def _name(on: date) -> str:
    return f"{on:%Y-%m}"
