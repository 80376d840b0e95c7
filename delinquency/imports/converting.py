"""Turn a file's rows into ours: columns chosen, dates and amounts read the way that was said, words translated.

Where a cell can be read in two ways and nobody has said which, it is refused: a payment of 3 February must not become
one of 2 March in silence.
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from .columns import CHOICE, COLUMNS, REFERENCE, YES_NO, Choice, Column
from .files import Opened
from .reader import Problem, Row, Sheet, check_cells, refuse_card_numbers

DATE_ORDERS = {"dmy": "day, month, year", "mdy": "month, day, year", "ymd": "year, month, day"}
DECIMALS = {".": "point, as in 1,234.56", ",": "comma, as in 1.234,56"}
YES = frozenset({"yes", "y", "true", "1", "on", "x"})
NO = frozenset({"no", "n", "false", "0", "off", ""})

_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_NUMBERS = re.compile(r"(\d{1,4})[./\- ](\d{1,2})[./\- ](\d{1,4})", re.ASCII)
_NAMED = ("%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y", "%d-%b-%Y", "%d-%B-%Y")
_TIME = re.compile(r"^(.*?\d)(?:[T ,]+(\d{1,2}:\d{2})(?::\d{2}(?:\.\d+)?)?\s*([AaPp][Mm])?\s*(Z|[+-]\d{2}:?\d{2})?)?$")
_MONEY_SIGNS = re.compile(r"[\s\u00a0\u202f'’$€£¥]|\b[A-Z]{3}\b")
PROGRESS_EVERY = 500


class _Unclear(ValueError):
    """Say why a cell cannot be read; the words are shown."""


def convert(name: str, kind: str, opened: Opened, choice: Choice, progress: Callable[[int], None]) -> tuple[Sheet, int]:
    """Return a file's rows in our columns, and how many were left out as was chosen.

    What cannot be read is noted at its line, under our name of the column.
    """
    columns = [
        column for column in COLUMNS[kind]
        if column.required or any(choice.columns.get(column.name, {}).values()) or choice.fixed.get(column.name)
    ]  # fmt: skip
    sheet = Sheet(name, frozenset(column.name for column in columns))
    left_out = 0
    for line, cells, words in opened.lines:
        sheet.rows_count += 1
        if sheet.rows_count % PROGRESS_EVERY == 0:
            progress(sheet.rows_count)
        if words:
            sheet.problems.append(Problem(line, None, None, words))
            continue
        given = dict(zip(opened.headers, cells, strict=True))
        if _is_left_out(given, choice):
            sheet.rows_count -= 1
            left_out += 1
            continue
        row = _row(line, given, columns, choice, sheet.problems)
        if row is not None:
            sheet.rows.append(row)
    return sheet, left_out


def _is_left_out(given: dict[str, str], choice: Choice) -> bool:
    return any(given.get(column, "").strip() in values for column, values in choice.leave_out.items())


def _row(
    line: int, given: dict[str, str], columns: list[Column], choice: Choice, problems: list[Problem]
) -> Row | None:
    """Return a row in our columns, or None for one whose cells cannot even be looked up."""
    row = Row(line, {}, problems)
    raw = Row(line, given, problems)
    check_cells(raw)
    if raw.bad:
        return None
    for column in columns:
        text = _joined(column, given, choice)
        row.cells[column.name] = text
        try:
            row.cells[column.name] = _read(column, text, choice)
        except _Unclear as unclear:
            row.refuse(column.name, str(unclear))
    refuse_card_numbers(row, *(column.name for column in columns if column.holds == "text" and column.name != "secret"))
    # It is noted; the other cells of the row are to be looked at all the same.
    row.bad = False
    return row


def _joined(column: Column, given: dict[str, str], choice: Choice) -> str:
    """Return the text of one of our cells: of the columns chosen for it, else of those instead, else as fixed."""
    places = choice.columns.get(column.name, {})
    with_what = ", " if column.name == "address" else " "
    for letter in ("c", "i"):
        names = [places[place] for place in column.places if place.startswith(letter) and places.get(place)]
        parts = [text for name in names if (text := given.get(name, "").strip())]
        if parts:
            return with_what.join(parts)
    return choice.fixed.get(column.name, "")


def _read(column: Column, text: str, choice: Choice) -> str:
    """Return a cell as the imports read it; blank stays blank."""
    plain = text.strip()
    if column.holds in (CHOICE, YES_NO):
        plain = choice.words.get(column.name, {}).get(plain, plain)
    if not plain:
        return text if column.holds == REFERENCE else ""
    match column.holds:
        case "day":
            return read_day(plain, choice.date_order)[0].isoformat()
        case "moment":
            return _moment(plain, choice.date_order)
        case "amount":
            return read_amount(plain, choice.decimal, negate=choice.negate)
        case "balance":
            return read_amount(plain, choice.decimal, negate=choice.negate)
        case "whole":
            return plain.removesuffix(".0")
        case "yes_no":
            return _yes_no(plain)
    return plain


def read_day(text: str, order: str) -> tuple[date, str]:
    """Return the day that a text says, and the time of day in it; raises ValueError with words if there is doubt."""
    found = _TIME.match(text.strip())
    day_text, clock_text = (found[1], _hours(found)) if found else (text.strip(), "")
    iso = _ISO.fullmatch(day_text)
    if iso:
        return _day(int(iso[1]), int(iso[2]), int(iso[3])), clock_text
    numbers = _NUMBERS.fullmatch(day_text)
    if numbers:
        return _day_of_numbers(numbers, order), clock_text
    for pattern in _NAMED:
        try:
            named = datetime.strptime(" ".join(day_text.replace(",", " ").split()), pattern)  # noqa: DTZ007 - a day
            return named.date(), clock_text
        except ValueError:
            continue
    raise _Unclear("is not a date; write it like 2026-01-31.")


def _hours(found: re.Match[str]) -> str:
    if not found[2]:
        return ""
    if found[3]:
        hour, minute = found[2].split(":")
        return f"{int(hour) % 12 + (12 if found[3].lower() == 'pm' else 0):02d}:{minute}"
    return found[2].zfill(5)


def _day_of_numbers(numbers: re.Match[str], order: str) -> date:
    one, two, three = numbers[1], numbers[2], numbers[3]
    if order:
        parts = dict(zip(order, (one, two, three), strict=True))
        return _day(_year(parts["y"]), int(parts["m"]), int(parts["d"]))
    if len(one) == 4:
        return _day(int(one), int(two), int(three))
    readings = set()
    orders = ("dmy", "mdy") if len(three) == 4 else ("dmy", "mdy", "ymd")
    for guess in orders:
        parts = dict(zip(guess, (one, two, three), strict=True))
        try:
            readings.add(_day(_year(parts["y"]), int(parts["m"]), int(parts["d"])))
        except ValueError:
            continue
    if len(readings) == 1:
        return readings.pop()
    if not readings:
        raise _Unclear("is not a date; write it like 2026-01-31.")
    meant = " or ".join(f"{day:%-d %B %Y}" for day in sorted(readings))
    raise _Unclear(f"can be {meant}; choose the order of day, month and year for this file.")


def _year(text: str) -> int:
    return int(text) if len(text) > 2 else 2000 + int(text)


def _day(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise _Unclear("is not a date of the calendar; mend it, or choose another order of day and month.") from None


def _moment(text: str, order: str) -> str:
    day, hours = read_day(text, order)
    found = _TIME.match(text.strip())
    if hours and found and found[4]:
        # Nothing in the file says which zone the account will be in, so it is not guessed.
        raise _Unclear("is a time with a zone of its own; write the local time where the account is, or only the day.")
    return f"{day.isoformat()}T{hours}" if hours and hours != "00:00" else day.isoformat()


def read_amount(text: str, decimal: str, *, negate: bool = False) -> str:
    """Return an amount as plain digits; raises ValueError with words if it can be read in two ways."""
    plain = _MONEY_SIGNS.sub("", text)
    minus = plain.startswith("-") or plain.endswith("-") or (plain.startswith("(") and plain.endswith(")"))
    plain = plain.strip("()+-")
    if not plain or not set(plain) <= set("0123456789.,"):
        raise _Unclear("is not an amount; write it like 40.00.")
    if not decimal and "." in plain and "," in plain:
        decimal = max(".,", key=plain.rfind)
    elif not decimal and re.fullmatch(r"[1-9]\d{0,2}(,\d{3})+", plain):
        raise _Unclear(f"can be {plain.replace(',', '')} or {plain.replace(',', '.')}; choose the decimal sign.")
    elif not decimal and re.fullmatch(r"[1-9]\d{0,2}(\.\d{3})+", plain):
        raise _Unclear(f"can be {plain.replace('.', '')} or {plain}; choose the decimal sign.")
    elif not decimal:
        decimal = "," if "," in plain else "."
    thousands = "," if decimal == "." else "."
    whole, _, cents = plain.partition(decimal)
    if thousands in cents or decimal in cents or not re.fullmatch(rf"\d+|\d{{1,3}}(\{thousands}\d{{3}})+|", whole):
        raise _Unclear("is not an amount; write it like 40.00, or choose another decimal sign.")
    try:
        amount = Decimal(f"{whole.replace(thousands, '') or '0'}.{cents or '0'}")
    except InvalidOperation:
        raise _Unclear("is not an amount; write it like 40.00.") from None
    # Zeros beyond the cents say nothing (86.8000); other digits there are left for the import to refuse.
    written = f"{amount:f}"
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    sign = "-" if (minus != negate) and amount else ""
    return sign + written


def _yes_no(text: str) -> str:
    folded = text.casefold()
    if folded in YES or folded in NO:
        return "yes" if folded in YES else "no"
    raise _Unclear("is neither yes nor no; write one of them, or say below what it means.")
