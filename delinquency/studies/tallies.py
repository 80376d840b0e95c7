"""The counts of a running backtest, to be put by after each chunk and taken up again by whoever goes on. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from billing_project.kernel import money

from ..rules.actions import Event, Kind
from ..rules.tally import Counts, Tally

# What a study counts beside the backtest's own answer.
BESIDE = {
    Kind.NOTICE: "notices",
    Kind.TICKET_OPENED: "tickets",
    Kind.CALL_TASK: "calls",
    Kind.RECONNECTION_FEE: "reconnection_fees",
}


@dataclass(slots=True)
class Side:
    """One of the two policies that are compared: its backtest, and what is counted beside it."""

    from_on: date
    to_on: date
    tally: Tally = field(init=False)
    beside: dict[str, Counter[str]] = field(default_factory=dict)
    reconnection_total: dict[str, Decimal] = field(default_factory=dict)
    accounts_cut: int = 0

    def __post_init__(self) -> None:
        """Begin with nothing counted."""
        self.tally = Tally(self.from_on, self.to_on)

    def take(self, account: str, events: Sequence[Event], quiet: Iterable[date] = ()) -> None:
        """Count the story of one account, and the invoices of which only the date of issue is to be told."""
        self.tally.take(account, events, quiet)
        cut = False
        for event in events:
            if not self.from_on <= event.on <= self.to_on:
                continue
            cut = cut or event.kind in (Kind.RESTRICTED, Kind.STATUS_SWITCH)
            name = BESIDE.get(event.kind)
            if name is not None:
                month = f"{event.on:%Y-%m}"
                self.beside.setdefault(month, Counter())[name] += 1
                if event.kind is Kind.RECONNECTION_FEE and event.amount is not None:
                    self.reconnection_total[month] = self.reconnection_total.get(month, money.ZERO) + event.amount
        self.accounts_cut += cut

    def document(self) -> dict[str, Any]:
        """Return the backtest's answer (contract section 5) with what is counted beside it."""
        answer = self.tally.document()
        sums: Counter[str] = Counter()
        for month, counts in answer["monthly"].items():
            here = self.beside.get(month, Counter())
            sums.update(here)
            counts |= {name: here[name] for name in BESIDE.values()}
            counts["reconnection_fee_total"] = money.text(self.reconnection_total.get(month, money.ZERO))
        answer["summary"] |= {name: sums[name] for name in BESIDE.values()}
        whole = sum(self.reconnection_total.values(), start=money.ZERO)
        answer["summary"] |= {"reconnection_fee_total": money.text(whole), "accounts_cut": self.accounts_cut}
        return answer

    def put_by(self) -> dict[str, Any]:
        """Return everything as JSON takes it."""
        return {
            "whole": _counts(self.tally.whole),
            "months": {name: _counts(counts) for name, counts in self.tally.months.items()},
            "changes": {on.isoformat(): change for on, change in self.tally.changes.items() if change},
            "beside": {month: dict(counts) for month, counts in self.beside.items()},
            "reconnection_total": {month: str(total) for month, total in self.reconnection_total.items()},
            "accounts_cut": self.accounts_cut,
        }

    def take_up(self, kept: dict[str, Any]) -> None:
        """Go on from what was put by."""
        self.tally.whole = _counts_from(kept["whole"])
        self.tally.months = {name: _counts_from(counts) for name, counts in kept["months"].items()}
        self.tally.changes = Counter({date.fromisoformat(on): change for on, change in kept["changes"].items()})
        self.beside = {month: Counter(counts) for month, counts in kept["beside"].items()}
        self.reconnection_total = {month: Decimal(total) for month, total in kept["reconnection_total"].items()}
        self.accounts_cut = kept["accounts_cut"]


def _counts(counts: Counts) -> dict[str, Any]:
    return {
        "numbers": dict(counts.numbers),
        "late_fee_total": str(counts.late_fee_total),
        "days_delinquent": counts.days_delinquent,
        "episodes_closed": counts.episodes_closed,
        "flagged": sorted(counts.flagged),
    }


def _counts_from(kept: dict[str, Any]) -> Counts:
    return Counts(
        numbers=Counter(kept["numbers"]),
        late_fee_total=Decimal(kept["late_fee_total"]),
        days_delinquent=kept["days_delinquent"],
        episodes_closed=kept["episodes_closed"],
        flagged=set(kept["flagged"]),
    )
