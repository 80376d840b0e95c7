"""Open an uploaded CSV or XLSX file: its encoding, its delimiter, its columns, and its rows as plain text.

Nothing in a file is ever run: a formula is refused, not reckoned, and what is unpacked is measured first.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from billing_project.kernel.errors import Refused
from billing_project.kernel.texts import storable

from .reader import CELL_BYTES_MAX, records

BYTES_MAX = 10_000_000
ROW_BYTES_MAX = 65_536
# Longer lines are cut here: still too long for a row, and short enough for the reader of CSV.
LINE_MAX = ROW_BYTES_MAX * 3 // 2
ROWS_MAX = 100_000
COLUMNS_MAX = 200
HEADER_LENGTH = 120
# An XLSX file is a ZIP archive: so much may come out of it, and from so many parts.
UNPACKED_BYTES_MAX = 150_000_000
PARTS_MAX = 2000

ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16 (Unicode text of Excel)",
    "cp1252": "Windows Western (1252)",
    "iso-8859-1": "Latin 1 (ISO 8859-1)",
    "cp1250": "Windows Central European (1250)",
    "cp1251": "Windows Cyrillic (1251)",
    "mac-roman": "Mac Roman",
}
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
XLSX = "xlsx"

_WORKBOOK = b"PK\x03\x04"
_OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"
_GUARDED = frozenset("=+-@\t\r\n")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')

# A line of the file, its cells, and why it cannot be read.
Line = tuple[int, list[str], str]


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that was opened: its columns, and its rows one after the other."""

    headers: list[str]
    lines: Iterator[Line]


def guess_encoding(content: bytes) -> str:
    """Return the encoding that a file surely has; blank if somebody must choose."""
    if content.startswith(_WORKBOOK):
        return XLSX
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ""
    return "utf-8"


def guess_delimiter(content: bytes, encoding: str) -> str:
    """Return the delimiter of the first line: whichever stands in it most often outside quotes."""
    if encoding == XLSX:
        return ""
    first = _decode(content[:CELL_BYTES_MAX], encoding or "cp1252", errors="replace").lstrip("\r\n").splitlines()
    text = _QUOTED.sub("", first[0]) if first else ""
    return max(DELIMITERS, key=text.count)


def check_upload(content: bytes) -> None:
    """Raise Refused for a file that is empty, too large, or of a kind that cannot be read."""
    if not content.strip():
        raise Refused("empty", "The file is empty; choose another.")
    if len(content) > BYTES_MAX:
        raise Refused("too_large", f"The file has more than {BYTES_MAX // 1_000_000} MB; divide it.")
    if content.startswith(_OLD_WORKBOOK):
        raise Refused("old_workbook", "This is an old Excel file (.xls); save it as .xlsx or as “CSV UTF-8”.")
    if content.startswith(_WORKBOOK):
        _check_archive(content)


def open_file(content: bytes, encoding: str, delimiter: str) -> Opened:
    """Open a file and read its header; raises Refused if it is of no use as a whole."""
    check_upload(content)
    lines = _workbook_lines(content) if encoding == XLSX else _csv_lines(content, encoding, delimiter)
    number, header, words = next(lines, (1, [], ""))
    if words:
        raise Refused("header", f"Line {number} {words}")
    headers = [" ".join(storable(cell).split())[:HEADER_LENGTH] for cell in header]
    while headers and not headers[-1]:
        headers.pop()
    if not headers:
        raise Refused("no_header", "The first line is empty; it must name the columns.")
    if len(headers) > COLUMNS_MAX:
        raise Refused("too_many_columns", f"The file has more than {COLUMNS_MAX} columns; remove some.")
    twice = sorted({name for name in headers if name and headers.count(name) > 1})
    if twice:
        raise Refused("duplicate_columns", f"The first line has {', '.join(twice[:5])} more than once; rename one.")
    headers = [name or f"(column {place} has no name)" for place, name in enumerate(headers, 1)]
    return Opened(headers, _checked(lines, len(headers)))


def _checked(lines: Iterator[Line], width: int) -> Iterator[Line]:
    """Yield the lines that are not blank, each with as many cells as the header has or with what is wrong."""
    for count, (number, given, words) in enumerate(lines):
        if count >= ROWS_MAX:
            raise Refused("too_many", f"The file has more than {ROWS_MAX:,} rows; divide it.")
        cells = given
        if not words and sum(len(cell.encode(errors="replace")) for cell in cells) > ROW_BYTES_MAX:
            words = f"has more than {ROW_BYTES_MAX:,} bytes; shorten it."
        if not words:
            while len(cells) > width and not cells[-1].strip():
                cells = cells[:-1]
            if not any(cell.strip() for cell in cells):
                continue
            cells = [_unguarded(cell) for cell in cells]
            if len(cells) != width:
                words = f"has {len(cells)} cells, but the header has {width}; put texts with the delimiter in quotes."
        yield number, cells, words


def _unguarded(cell: str) -> str:
    """Return a cell without the sign that our own files put before what a spreadsheet would take for a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _GUARDED else cell


def _decode(content: bytes, encoding: str, errors: str = "strict") -> str:
    return content.decode("utf-8-sig" if encoding == "utf-8" else encoding, errors)


def _csv_lines(content: bytes, encoding: str, delimiter: str) -> Iterator[Line]:
    if encoding not in ENCODINGS:
        raise Refused("encoding", "Choose the encoding of the file; it is not UTF-8.")
    try:
        text = _decode(content, encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Refused(
            "encoding", f"Line {line} is not {ENCODINGS[encoding]}; choose another encoding, or save it as UTF-8."
        ) from None
    if delimiter not in DELIMITERS:
        raise Refused("delimiter", "Choose what stands between the cells.")
    yield from records(csv.reader(_bounded(text), delimiter=delimiter, strict=True))


def _bounded(text: str) -> Iterator[str]:
    """Yield the lines of a text; one that is far too long is cut, so that it spoils its own row only."""
    for line in io.StringIO(text, newline=""):
        if len(line) <= LINE_MAX:
            yield line
        else:
            yield line[:LINE_MAX].replace('"', "'") + "\n"


def _check_archive(content: bytes) -> None:
    """Raise Refused for an archive that would not fit once it is unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise Refused("torn_workbook", "This workbook is torn; save it again as .xlsx or as “CSV UTF-8”.") from None
    if len(parts) > PARTS_MAX or sum(part.file_size for part in parts) > UNPACKED_BYTES_MAX:
        raise Refused("zip_bomb", "This workbook is far larger unpacked than it looks; save the sheet as “CSV UTF-8”.")


def _workbook_lines(content: bytes) -> Iterator[Line]:
    """Yield the rows of a workbook's first sheet; what its parts say about their size is not believed."""
    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=False, keep_links=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()
        for number, row in enumerate(sheet.iter_rows(max_col=COLUMNS_MAX + 1), 1):
            if number > 2 * ROWS_MAX:
                raise Refused("too_many", f"The sheet has more than {ROWS_MAX:,} rows; divide it.")
            cells, words = [], ""
            for cell in row:
                text, wrong = _cell_text(cell)
                cells.append(text)
                words = words or wrong
            while cells and not cells[-1]:
                cells.pop()
            if cells or words:
                yield number, cells, words
    except Refused:
        raise
    except (
        InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, TypeError, IndexError, AttributeError,
        OSError, EOFError, SyntaxError, NotImplementedError,
    ):  # fmt: skip
        # Whatever a workbook may say, the library that reads it answers with one of these (a broken XML is a
        # SyntaxError there).
        raise Refused("torn_workbook", "This workbook cannot be read; save it again, or as “CSV UTF-8”.") from None


def _cell_text(cell: Any) -> tuple[str, str]:
    """Return a cell as text, and why the row cannot be read because of it."""
    value = cell.value
    if value is None:
        return "", ""
    if cell.data_type == "f":
        return "", f"has a formula in cell {cell.coordinate}; copy it and paste its value."
    if cell.data_type == "e":
        return "", f"has an error in cell {cell.coordinate}; mend it."
    if isinstance(value, bool):
        return ("yes" if value else "no"), ""
    if isinstance(value, datetime):
        day_only = value.time() == time(0)
        return (value.date().isoformat() if day_only else value.isoformat(timespec="seconds")), ""
    if isinstance(value, date):
        return value.isoformat(), ""
    if isinstance(value, float):
        return (f"{value:.0f}" if value.is_integer() else f"{value:.15g}"), ""
    return str(value), ""
