"""Rows as a file for a spreadsheet, piece by piece: CSV and XLSX, in which no cell is a formula (SEC-09).

Nothing is gathered: a million rows need no more memory than ten. Numbers go out as numbers and days as days; every
text that a spreadsheet would take for a formula begins with an apostrophe.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

Cell = str | int | Decimal | date | datetime | bool | None

# Besides the plain signs their full-width twins, which some programs read the same.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")
MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
    "json": "application/json",
}
# A spreadsheet keeps fifteen digits of a number, and this many rows and characters.
DIGITS_MAX, SHEET_ROWS_MAX, TEXT_MAX = 15, 1_048_575, 32_000
PIECE_BYTES = 64 * 1024
BATCH_ROWS = 200
BOM = "\ufeff"

_NO_XML = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")
_DAY_ZERO = date(1899, 12, 30)
_SECONDS = 86_400
# The places of the formats in the styles below.
_HEAD, _MONEY, _DAY, _TIME = 1, 2, 3, 4


def safe_text(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: an apostrophe before what begins like one."""
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def csv_pieces(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """Return a CSV file in UTF-8, piece by piece; the mark at its beginning tells spreadsheets the encoding."""
    lines: list[str] = [BOM]
    writer = csv.writer(_Lines(lines))
    writer.writerow([safe_text(name) for name in head])
    size = 0
    for row in rows:
        size += writer.writerow([_csv_cell(cell) for cell in row])
        if size >= PIECE_BYTES:
            yield "".join(lines).encode(errors="replace")
            lines.clear()
            size = 0
    yield "".join(lines).encode(errors="replace")


def xlsx_pieces(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """Return an XLSX file with one sheet, piece by piece; its first row stays in sight and carries the filter."""
    pipe = _Pipe()
    with ZipFile(pipe, "w", ZIP_DEFLATED, compresslevel=4) as book:  # type: ignore[call-overload]
        for name, text in _PARTS.items():
            book.writestr(_entry(name), text)
        with book.open(_entry("xl/worksheets/sheet1.xml"), "w") as sheet:
            sheet.write(_beginning(len(head)).encode())
            sheet.write(_xlsx_row([safe_text(name) for name in head], style=_HEAD).encode())
            batch: list[str] = []
            for row in rows:
                batch.append(_xlsx_row(row))
                if len(batch) >= BATCH_ROWS:
                    sheet.write("".join(batch).encode())
                    batch.clear()
                    if pipe.size >= PIECE_BYTES:
                        yield pipe.take()
            sheet.write("".join(batch).encode())
            sheet.write(b"</sheetData></worksheet>")
    yield pipe.take()


def pieces(kind: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """Return a file of a kind: csv or xlsx."""
    return xlsx_pieces(head, rows) if kind == "xlsx" else csv_pieces(head, rows)


class _Lines:
    """A file whose text is a list."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def write(self, text: str) -> int:
        self._lines.append(text)
        return len(text)


class _Pipe:
    """A file that can only be written to; what was written is taken out piece by piece."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: it is taken, not sent."""

    def take(self) -> bytes:
        found = b"".join(self._parts)
        self._parts.clear()
        self.size = 0
        return found


def _csv_cell(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case datetime():
            return cell.strftime("%Y-%m-%d %H:%M")
        case str():
            # A longer number would lose its last digits.
            return f"'{cell}" if cell.isdigit() and len(cell) > DIGITS_MAX else safe_text(cell)
    return str(cell)


def _xlsx_row(row: Sequence[Cell], style: int = 0) -> str:
    return f"<row>{''.join(_xlsx_cell(cell, style) for cell in row)}</row>"


def _xlsx_cell(cell: Cell, style: int) -> str:
    match cell:
        case None | "":
            return "<c/>"
        case bool():
            return _text_cell("yes" if cell else "no", style)
        case Decimal():
            return f'<c s="{_MONEY}"><v>{cell:f}</v></c>'
        case int():
            return f"<c><v>{cell}</v></c>" if len(str(cell)) <= DIGITS_MAX else _text_cell(str(cell), style)
        case datetime():
            seconds = (cell.hour * 60 + cell.minute) * 60 + cell.second
            return f'<c s="{_TIME}"><v>{(cell.date() - _DAY_ZERO).days + seconds / _SECONDS:.6f}</v></c>'
        case date():
            return f'<c s="{_DAY}"><v>{(cell - _DAY_ZERO).days}</v></c>'
    return _text_cell(cell, style)


def _text_cell(text: str, style: int) -> str:
    shown = escape(_NO_XML.sub(" ", safe_text(text))[:TEXT_MAX])
    look = f' s="{style}"' if style else ""
    return f'<c t="inlineStr"{look}><is><t xml:space="preserve">{shown}</t></is></c>'


def _entry(name: str) -> ZipInfo:
    found = ZipInfo(name)
    found.compress_type = ZIP_DEFLATED
    return found


def _beginning(columns: int) -> str:
    return (
        f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
        f'<cols><col min="1" max="{max(columns, 1)}" width="18" customWidth="1"/></cols><sheetData>'
    )


_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_FILL = '<fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>'
_FONT = '<sz val="11"/><name val="Calibri"/>'
_XF = '<xf numFmtId="{}" fontId="{}" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1"/>'
_PARTS = {
    "[Content_Types].xml": f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_SHEET_TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_SHEET_TYPE}.worksheet+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_SHEET_TYPE}.styles+xml"/></Types>',
    "_rels/.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
    '<sheets><sheet name="Rows" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
    "xl/styles.xml": f'{_XML}<styleSheet xmlns="{_MAIN}"><numFmts count="2">'
    '<numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/><numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd\\ hh:mm"/>'
    f'</numFmts><fonts count="2"><font>{_FONT}</font><font><b/>{_FONT}</font></fonts>'
    f'<fills count="2">{_FILL}</fills><borders count="1"><border/></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    f'<cellXfs count="5">{_XF.format(0, 0)}{_XF.format(0, 1)}{_XF.format(4, 0)}{_XF.format(164, 0)}'
    f"{_XF.format(165, 0)}</cellXfs>"
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>',
}
