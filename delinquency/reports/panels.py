"""A chart with its table beneath: what every figure of the months is shown as."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.utils.safestring import SafeString

from billing_project.kernel import clock

from ..models import MonthFigures


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure of one company: what it means in words, the chart, and the same numbers as a table."""

    key: str
    heading: str
    words: str
    chart: SafeString
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]  # the first cell is the row's head
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Month:
    """A month of a company, with its figures."""

    row: MonthFigures

    @property
    def label(self) -> str:
        """Return the month as charts write it."""
        return f"{self.row.month:%b %y}"

    @property
    def words(self) -> str:
        """Return the month as tables write it; the one that runs is not over."""
        return f"{self.row.month:%B %Y}" + ("" if self.is_over else " (so far)")

    @property
    def is_over(self) -> bool:
        """Tell whether the month is over."""
        return self.row.month < clock.today().replace(day=1)

    @property
    def on(self) -> date:
        """Return its first day."""
        return self.row.month

    def stage(self, name: str) -> tuple[int, Decimal]:
        """Return accounts and money of one stage of the funnel."""
        found = self.row.figures.get("funnel", {}).get(name, {})
        return int(found.get("accounts", 0)), Decimal(found.get("amount", "0.00"))

    def acts(self, key: str) -> int:
        """Return how often something was done."""
        return int(self.row.figures.get("acts", {}).get(key, 0))


def money_text(amount: Decimal, currency: str) -> str:
    """Write an amount with its currency, as the tables do."""
    return f"{amount:,.2f} {currency}"
