"""Read a CSV file row by row and note everything that is wrong with it, line by line."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from billing_project.kernel import money
from billing_project.kernel.command import BadArguments, read_text
from billing_project.kernel.errors import Refused

T = TypeVar("T")

# No contract bounds a file; above this it is surely not what was meant, and it would not fit in memory twice.
FILE_BYTES_MAX = 50_000_000
CELL_BYTES_MAX = 65_536
REFERENCE_LENGTH = 64
# Lists of known names in a refusal are cut here.
NAMES_SHOWN = 10
VALUE_SHOWN = 80
YEARS = range(1970, 2200)

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_LOCAL_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?", re.ASCII)
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CARD_LIKE = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong: in which line of the file, in which column, and how to mend it."""

    line: int
    column: str | None
    value: str | None
    message: str

    def words(self, file: str) -> str:
        """Return it as the one line that people read."""
        where = f"{file}: line {self.line}"
        if self.column is not None:
            where += f", {self.column}"
        return f"{where}{'' if self.value is None else f' {self.value!r}'}: {self.message}"


@dataclass(slots=True)
class Row:
    """One row of the file. Reading a cell notes what is wrong with it; ``bad`` then stays true."""

    line: int
    cells: dict[str, str]
    problems: list[Problem]
    bad: bool = False
    hidden: set[str] = field(default_factory=lambda: {"secret"})  # columns whose values are never repeated

    def refuse(self, column: str | None, message: str) -> None:
        """Note that a cell, or the row as a whole, is wrong."""
        value = self.cells.get(column, "") if column is not None else None
        if value is not None:
            value = "…" if column in self.hidden else value if len(value) <= VALUE_SHOWN else f"{value[:VALUE_SHOWN]}…"
        self.problems.append(Problem(self.line, column, value, message))
        self.bad = True

    def has(self, column: str) -> bool:
        """Tell whether the file has the column at all."""
        return column in self.cells

    def blank(self, column: str) -> bool:
        """Tell whether the cell is blank or its column absent."""
        return not self.cells.get(column, "").strip()

    def reference(self, column: str, *, longest: int = REFERENCE_LENGTH) -> str:
        """Return a number or reference, kept as it is, leading zeros too."""
        text = self.cells[column]
        if not text.strip():
            self.refuse(column, "is blank; write the number or reference.")
        elif len(text) > longest:
            self.refuse(column, f"has {len(text)} characters; at most {longest} are possible.")
        elif text != text.strip():
            self.refuse(column, "begins or ends with a space; remove it.")
        elif _CONTROL.search(text):
            self.refuse(column, "has a control character in it; use printable characters only.")
        return text

    def text(self, column: str, *, longest: int, required: bool = False, lines: bool = False) -> str:
        """Return a text without the spaces around it; ``lines`` allows line breaks within."""
        text = self.cells.get(column, "").strip()
        if required and not text:
            self.refuse(column, "is blank; fill it in.")
        elif len(text) > longest:
            self.refuse(column, f"has {len(text)} characters; at most {longest} are possible.")
        elif _CONTROL.search(re.sub(r"[\r\n\t]", "", text) if lines else text):
            self.refuse(column, "has a control character in it; use printable characters only.")
        return text

    def amount(self, column: str, *, zero: bool = False) -> Decimal | None:
        """Return an amount above zero (or from zero on); None if it is wrong."""
        text = self.cells[column].strip()
        try:
            amount = money.parse(text)
        except Refused as refused:
            # The kernel's sentence names the amount, which the line of a report has named already.
            said = {"negative_amount": "is negative; write a positive number."}
            self.refuse(column, said.get(refused.code) or _why_no_amount(text))
            return None
        if not amount and not zero:
            self.refuse(column, "is zero; write an amount above 0, or leave the row out.")
            return None
        return amount

    def day(self, column: str) -> date | None:
        """Return an ISO date; None if the cell is wrong."""
        text = self.cells[column].strip()
        try:
            if not _DATE.fullmatch(text):
                raise ValueError
            day = date.fromisoformat(text)
        except ValueError:
            self.refuse(column, "is not a date; write it like 2026-01-31.")
            return None
        return day if self._plausible(column, day) else None

    def local_time(self, column: str) -> datetime | None:
        """Return a local date-time; one that is only a date counts from 00:00. None if the cell is wrong."""
        text = self.cells[column].strip()
        try:
            if not (_DATE.fullmatch(text) or _LOCAL_TIME.fullmatch(text)):
                raise ValueError
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.refuse(column, "is neither a date nor a local time; write it like 2026-01-31 or 2026-01-31T14:10.")
            return None
        return moment if self._plausible(column, moment.date()) else None

    def is_day(self, column: str) -> bool:
        """Tell whether the cell is a date without a time."""
        return bool(_DATE.fullmatch(self.cells[column].strip()))

    def whole(self, column: str, low: int, high: int) -> int | None:
        """Return a whole number within bounds; None if it is wrong."""
        text = self.cells[column].strip()
        if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
            self.refuse(column, f"is not a whole number from {low} to {high}.")
            return None
        return int(text)

    def one_of(self, column: str, known: Mapping[str, T], what: str) -> T | None:
        """Return what the name in the cell stands for; None if it is unknown."""
        name = self.cells[column].strip()
        if name in known:
            return known[name]
        message = "is blank" if not name else f"is no {what}"
        mend = f"use {some_names(known)}" if known else "there is none yet, so make one first"
        self.refuse(column, f"{message}; {mend}.")
        return None

    def _plausible(self, column: str, day: date) -> bool:
        if day.year in YEARS:
            return True
        self.refuse(column, f"is not between {YEARS.start} and {YEARS.stop - 1}; mend the year.")
        return False


@dataclass(slots=True)
class Sheet:
    """A file that was read: its rows, and what is wrong with it so far."""

    file: str
    columns: frozenset[str]
    rows: list[Row] = field(default_factory=list)
    rows_count: int = 0
    problems: list[Problem] = field(default_factory=list)

    def values(self, column: str) -> set[str]:
        """Return a column's cells that can be looked up: of rows without, say, a NUL byte."""
        return {row.cells[column] for row in self.rows if column in row.cells and not row.bad}


def read_sheet(path: str, required: Sequence[str], optional: Sequence[str] = ()) -> Sheet:
    """Read a CSV file whose columns may be in any order.

    Raises BadArguments if the file cannot be read or its header is not one of such a file, and Refused if it
    is too large or not UTF-8. Whatever is wrong in a row is noted in the sheet.
    """
    file = Path(path).name or str(path)
    # newline="" leaves line ends within quotes alone; the csv module knows all of them.
    reader = csv.reader(io.StringIO(read_text(path, bytes_max=FILE_BYTES_MAX), newline=""), strict=True)
    header = _read_header(reader, file, required, optional)
    sheet = Sheet(file, frozenset(header))
    for line, cells, words in records(reader):
        sheet.rows_count += 1
        if words:
            sheet.problems.append(Problem(line, None, None, words))
        elif len(cells) != len(header):
            wrong = f"has {len(cells)} cells, but the header has {len(header)}; put texts with commas in quotes."
            sheet.problems.append(Problem(line, None, None, wrong))
        else:
            row = Row(line, dict(zip(header, cells, strict=True)), sheet.problems)
            check_cells(row)
            sheet.rows.append(row)
    return sheet


def refuse_twice(rows: Sequence[Row], *columns: str) -> None:
    """Note every row whose cells in these columns another row has before it; blank cells do not count."""
    first: dict[tuple[str, ...], int] = {}
    for row in rows:
        key = tuple(row.cells.get(column, "").strip() for column in columns)
        if not any(key):
            continue
        if key in first:
            row.refuse(columns[-1], f"is in line {first[key]} already; remove one of the two rows.")
        else:
            first[key] = row.line


def refuse_card_numbers(row: Row, *columns: str) -> None:
    """Note cells with what looks like a card number; it is never repeated in a message."""
    for column in columns:
        if any(_passes_luhn(found) for found in _CARD_LIKE.findall(row.cells.get(column, ""))):
            row.hidden.add(column)
            row.refuse(column, "looks like a card number, which must never be stored; give the gateway's token.")


def some_names(known: Mapping[str, object] | Sequence[str]) -> str:
    """Return known names for a refusal: "A, B or C", at most ten."""
    names = sorted(known)
    shown = names[:NAMES_SHOWN]
    if len(names) > NAMES_SHOWN:
        return f"one of {len(names)}, such as {', '.join(shown)}"
    return " or ".join(part for part in (", ".join(shown[:-1]), shown[-1]) if part)


def _read_header(reader: Iterator[list[str]], file: str, required: Sequence[str], optional: Sequence[str]) -> list[str]:
    wanted = f"the first line must name the columns: {', '.join((*required, *optional))}"
    try:
        header = [cell.strip() for cell in next(reader, [])]
    except csv.Error as error:
        raise BadArguments(f"{file}: line 1 is not CSV ({error}); {wanted}.", "header") from error
    known = {*required, *optional}
    if not known.intersection(header):
        raise BadArguments(f"{file}: there is no CSV header with commas; {wanted}.", "header")
    unknown = [
        name if name else f"(column {place} has no name)" for place, name in enumerate(header, 1) if name not in known
    ]
    if unknown:
        shown = ", ".join(name[:VALUE_SHOWN] for name in unknown)
        raise BadArguments(
            f"{file}: unknown column{'s' if len(unknown) > 1 else ''} {shown};"
            f" remove or rename. Known are {', '.join((*required, *optional))}.",
            "unknown_columns",
        )
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise BadArguments(
            f"{file}: the header has {', '.join(twice)} more than once; remove one.", "duplicate_columns"
        )
    missing = [name for name in required if name not in header]
    if missing:
        raise BadArguments(
            f"{file}: missing column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; {wanted}.",
            "missing_columns",
        )
    return header


def records(reader: Any) -> Iterator[tuple[int, list[str], str]]:
    """Yield each record's first line, its cells, and what makes it unreadable."""
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "limit" in str(error):
                # Within a cell without end nothing tells where the next row begins.
                yield (
                    line,
                    [],
                    f"has a cell of more than {CELL_BYTES_MAX} bytes, perhaps a quote that is never closed.",
                )
                return
            yield line, [], f"is not CSV ({error}); close every quote, and double a quote within quotes."
            continue
        if cells:
            yield line, cells, ""


def check_cells(row: Row) -> None:
    """Note cells that are too large to keep, or hold a NUL byte."""
    for column, text in row.cells.items():
        if len(text) > CELL_BYTES_MAX or len(text.encode()) > CELL_BYTES_MAX:
            row.refuse(column, f"has more than {CELL_BYTES_MAX} bytes; shorten it.")
        elif "\x00" in text:
            row.refuse(column, "has a NUL byte in it; remove it.")


def _shortened(text: str) -> str:
    return text if len(text) <= VALUE_SHOWN else f"{text[:VALUE_SHOWN]}…"


def _why_no_amount(text: str) -> str:
    if not text:
        return "is blank; write the amount like 40.00."
    try:
        whole = text.lstrip("-").partition(".")[0]
        if whole.isdecimal() and len(whole.lstrip("0")) > len(str(int(money.LARGEST))):
            return f"is too large; the largest is {money.LARGEST}."
    except ValueError:
        return "is not a number; write it like 40.00."
    return "is not a number with at most two decimals; write it like 40.00."


def _passes_luhn(text: str) -> bool:
    digits = [int(sign) for sign in reversed(text) if sign.isdecimal()]
    doubled = (2 * digit - 9 if digit > 4 else 2 * digit for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
