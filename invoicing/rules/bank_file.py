"""Read a bank's file: pure. What its columns are, and what the codes of returned payments mean."""

import csv
import io
import re
from collections.abc import Mapping
from datetime import date, datetime

from billing_project.kernel.errors import Refused
from billing_project.kernel.texts import mask_cards, storable

BYTES_MAX = 5_000_000
ROWS_MAX = 20_000
CELL_MAX = 300

TRANSFERS, RETURNS = "transfers", "returns"
# Required first. `why` is what our own file of failures adds; it is not read.
REQUIRED = {TRANSFERS: ("reference", "received", "amount"), RETURNS: ("reference", "returned_on", "reason")}
OPTIONAL = {
    TRANSFERS: ("account", "payer", "invoice", "method", "reversed_on", "why"),
    RETURNS: ("amount", "why"),
}

# Of the American clearing house; other banks' words are kept as they are.
RETURN_CODES: Mapping[str, str] = {
    "R01": "insufficient funds", "R02": "account closed", "R03": "no such account",
    "R04": "account number not valid", "R05": "not authorised by the consumer", "R06": "returned at the bank's request",
    "R07": "authorisation withdrawn", "R08": "payment stopped", "R09": "funds not yet available",
    "R10": "payer says it was not authorised", "R11": "not as authorised", "R12": "branch sold",
    "R13": "bank not reachable", "R14": "payee deceased", "R15": "payer deceased", "R16": "account frozen",
    "R17": "not processed by the bank", "R20": "not a payment account", "R23": "refused by the receiver",
    "R24": "paid twice", "R29": "not authorised by the company", "R31": "return agreed", "R33": "return agreed",
}  # fmt: skip

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?)?", re.ASCII)
_CODE = re.compile(r"\s*(R\d{2})\b", re.IGNORECASE)
_WORD = re.compile(r"[^\s,;:/#]+")


def read(content: bytes, kind: str) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a file with the line of each; card numbers in them are masked.

    Raises Refused if the file as a whole is of no use: its size, its encoding, its header, or a row that is torn.
    """
    if len(content) > BYTES_MAX:
        raise Refused("too_large", f"The file has more than {BYTES_MAX // 1_000_000} MB; divide it.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused("encoding", "The file is not UTF-8; save it again as “CSV UTF-8”.") from None
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in first and "," not in first else ",")
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise Refused("no_csv", f"Line {reader.line_num} is not CSV ({error}); close every quote.") from None
    header = [cell.strip().lower() for cell in lines[0][1]] if lines else []
    _check_header(header, kind)
    if len(lines) - 1 > ROWS_MAX:
        raise Refused("too_many", f"The file has more than {ROWS_MAX:,} rows; divide it.")
    if len(lines) == 1:
        raise Refused("no_rows", "The file has a header and no rows; nothing was taken in.")
    found = []
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            raise Refused(
                "torn_row",
                f"Line {line} has {len(cells)} cells, but the header has {len(header)}; put texts with commas in"
                " quotes.",
            )
        row = dict(zip(header, cells, strict=True))
        found.append((line, {name: clean(row[name]) for name in header if name != "why"}))
    return found


def clean(cell: str) -> str:
    """Return a cell as it may be kept: one line, no control characters, no card number."""
    return mask_cards(" ".join(storable(cell).split()))[:CELL_MAX]


def day_or_time(text: str) -> datetime | None:
    """Read a date, or a date with a local time; None if it is neither."""
    try:
        return datetime.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def day(text: str) -> date | None:
    """Read a date; None if it is none."""
    found = day_or_time(text)
    return found.date() if found and len(text) == 10 else None


def return_words(reason: str) -> str:
    """Return why a payment came back, a bank's code with its meaning: “R01: insufficient funds”."""
    found = _CODE.match(reason)
    if found is None:
        return reason
    code = found[1].upper()
    rest = reason[found.end() :].strip(" :-–")
    return f"{code}: {rest or RETURN_CODES.get(code, 'returned by the bank')}"


def words_in(text: str) -> list[str]:
    """Return the words of a text that may be a number of an account or invoice, or a name."""
    return [word for word in _WORD.findall(text) if len(word) > 2][:12]


def _check_header(header: list[str], kind: str) -> None:
    required, optional = REQUIRED[kind], OPTIONAL[kind]
    known = ", ".join((*required, *(name for name in optional if name != "why")))
    missing = [name for name in required if name not in header]
    if missing:
        raise Refused("missing_columns", f"The column {', '.join(missing)} is missing. The columns are: {known}.")
    unknown = [name or "(without a name)" for name in header if name not in (*required, *optional)]
    if unknown:
        raise Refused(
            "unknown_columns", f"Unknown column {mask_cards(', '.join(unknown))[:100]}; remove it. Known are: {known}."
        )
    if len(set(header)) != len(header):
        raise Refused("columns_twice", "A column is there twice; remove one.")
