"""The parts of an evidence pack as tables: one source for the PDF and the JSON, so that both say the same."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from accounts.models import Account
from billing_project.kernel import clock

Row = tuple[str, ...]
# What follows in a customer's link opens their account (SEC-04): a pack is handed on.
_LINK = re.compile(r"(/portal/enter/|[?&]again=)[^\s?&\"'<>]+")


@dataclass(frozen=True, slots=True)
class Table:
    """One part: its title, columns (those named in ``right`` hold amounts) and rows, all of them texts.

    ``empty`` is said instead of a table without rows, ``note`` beneath it.
    """

    key: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    empty: str
    note: str = ""
    right: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """Which account, and which days (both included, in the account's zone)."""

    account: Account
    first: date
    last: date

    @property
    def start(self) -> datetime:
        """Return the first instant."""
        return clock.instant(datetime.combine(self.first, time()), self.account.timezone)

    @property
    def end(self) -> datetime:
        """Return the first instant that is over."""
        return clock.instant(datetime.combine(self.last + timedelta(days=1), time()), self.account.timezone)

    def during(self, field: str) -> dict[str, datetime]:
        """Return the filter for a moment within the span."""
        return {f"{field}__gte": self.start, f"{field}__lt": self.end}

    def days(self, field: str) -> dict[str, date]:
        """Return the filter for a day within the span."""
        return {f"{field}__gte": self.first, f"{field}__lte": self.last}

    def at(self, moment: datetime | None) -> str:
        """Write a moment in the account's time, to the second."""
        return clock.local(moment, self.account.timezone).strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def words(value: Any) -> str:
    """Write a value: amounts with two decimals, nothing as an empty text, links without their secret."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    return _LINK.sub(r"\1***", str(value))


def table(
    key: str,
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    empty: str,
    note: str = "",
    right: Sequence[str] = (),
) -> Table:
    """Make a part of anything that can be written."""
    written = tuple(tuple(words(value) for value in row) for row in rows)
    return Table(key, title, tuple(columns), written, empty, note, tuple(right))
