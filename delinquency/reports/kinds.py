"""What every report is made of, so that its page, its file and its letter come from one function."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from django.db.models import QuerySet

from accounts.models import Company
from billing_project.kernel.sheets import Cell
from delinquency.studies.report import Chart

from .periods import Period

CHUNK_ROWS = 500


class Shape(StrEnum):
    """How the cells of a column are shown."""

    TEXT = "text"
    COUNT = "count"
    MONEY = "money"
    DAY = "day"
    SHARE = "share"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a report."""

    words: str
    shape: Shape = Shape.TEXT

    @property
    def is_number(self) -> bool:
        """Tell whether its cells stand on the right."""
        return self.shape in (Shape.COUNT, Shape.MONEY, Shape.SHARE)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a report; `parts` names for each cell the list of rows it counts, or is empty."""

    cells: tuple[Cell, ...]
    parts: tuple[str, ...] = ()
    is_sum: bool = False
    url: str = ""  # where its first cell leads


@dataclass(frozen=True, slots=True)
class Table:
    """A report's answer."""

    columns: tuple[Column, ...]
    lines: Sequence[Line]
    chart: Chart | None = None
    # Figures that are asked for so often that they have a button: words, and the list behind.
    shortcuts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """The rows behind a figure: a query, and how a chunk of it becomes lines in a few queries of its own."""

    title: str
    columns: tuple[Column, ...]
    rows: QuerySet[Any]
    lines: Callable[[Sequence[Any]], list[Line]]
    has_contacts: bool = False

    def all_lines(self) -> Iterator[Line]:
        """Yield all lines, chunk by chunk."""
        chunk: list[Any] = []
        for row in self.rows.iterator(chunk_size=CHUNK_ROWS):
            chunk.append(row)
            if len(chunk) == CHUNK_ROWS:
                yield from self.lines(chunk)
                chunk = []
        yield from self.lines(chunk)


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to know: which days, whose, and whether contact data belongs beside it."""

    period: Period
    company: Company | None
    currency: str
    contacts: bool = False

    @property
    def day(self) -> date:
        """Return the day of a report that has one only."""
        return self.period.last


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report: what it says in words, and the functions that answer."""

    key: str
    title: str
    words: str
    definition: tuple[str, ...]
    of_a_day: bool = False
    make: Callable[[Asked], Table]
    part: Callable[[Asked, str], Part | None] = field(default=lambda _asked, _name: None)


def head_of(columns: Iterable[Column]) -> list[str]:
    """Return what columns are called."""
    return [column.words for column in columns]
