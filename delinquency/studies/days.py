"""What happens on each of some days: cuts, switches, fees, notices, calls and bills counted. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from billing_project.kernel import money

from ..rules.actions import Event, Kind

COLUMNS = {
    Kind.RESTRICTED: "cuts",
    Kind.STATUS_SWITCH: "switches",
    Kind.LATE_FEE: "fees",
    Kind.RECONNECTION_FEE: "fees",
    Kind.NOTICE: "notices",
    Kind.CALL_TASK: "calls",
    Kind.ISSUED: "bills",
}
TOTALS = {Kind.LATE_FEE: "fee_total", Kind.RECONNECTION_FEE: "fee_total", Kind.ISSUED: "bill_total"}
NAMES = ("cuts", "switches", "fees", "notices", "calls", "bills")
MONEY = ("fee_total", "bill_total")


@dataclass(slots=True)
class Days:
    """The counts of a row of days, one after the other."""

    from_on: date
    length: int
    counts: dict[str, list[int]] = field(default_factory=dict)
    totals: dict[str, list[Decimal]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with nothing counted."""
        self.counts = self.counts or {name: [0] * self.length for name in NAMES}
        self.totals = self.totals or {name: [money.ZERO] * self.length for name in MONEY}

    def add(self, on: date, kind: Kind, amount: Decimal | None, count: int = 1) -> None:
        """Count something that happens on a day; what lies outside the days, or is of no interest, is left out."""
        place, name = (on - self.from_on).days, COLUMNS.get(kind)
        if name is None or not 0 <= place < self.length:
            return
        self.counts[name][place] += count
        if kind in TOTALS and amount is not None:
            self.totals[TOTALS[kind]][place] += amount

    def take(self, events: Iterable[Event]) -> None:
        """Count the story of one account."""
        for event in events:
            self.add(event.on, event.kind, event.amount)

    def add_all(self, other: "Days") -> None:
        """Add the counts of the same days of other accounts."""
        for name, row in other.counts.items():
            self.counts[name] = [one + two for one, two in zip(self.counts[name], row, strict=True)]
        for name, amounts in other.totals.items():
            self.totals[name] = [one + two for one, two in zip(self.totals[name], amounts, strict=True)]

    def put_by(self) -> dict[str, Any]:
        """Return the counts as JSON takes them."""
        totals = {name: [money.text(total) for total in row] for name, row in self.totals.items()}
        return {"from": self.from_on.isoformat(), "length": self.length, "counts": self.counts, "totals": totals}


def days_from(kept: dict[str, Any]) -> Days:
    """Return the days that were put by."""
    totals = {name: [Decimal(total) for total in row] for name, row in kept["totals"].items()}
    return Days(date.fromisoformat(kept["from"]), kept["length"], dict(kept["counts"]), totals)
