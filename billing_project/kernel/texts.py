"""Pure: make text from outside fit to be kept: no control characters, no card numbers (SEC-13)."""

import re
import unicodedata

from .errors import Refused

# Line breaks and tabs are text; other control characters are not, and PostgreSQL refuses NUL.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_BREAKS = re.compile(r"\r\n|[\r\u2028\u2029\x85]")
_SPACE = re.compile(r"\s+")
_RUN = re.compile(r"\d(?:[\s.\-–_]{0,2}\d){12,}")
_SHORTEST, _LONGEST = 13, 19
# How the numbers of the large card brands begin, with their lengths.
_BRANDS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[01])\d{13}|2720\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|35\d{14,17}|6\d{15,18}"
)

# After the name of the field.
CARD_WORDS = "looks like it holds a card number, which must never be kept here; write its last four digits only."


def storable(text: str, length: int | None = None) -> str:
    """Return a text without control characters and broken signs, its line breaks all alike, cut to a length."""
    clean = _CONTROL.sub("", _BREAKS.sub("\n", text))
    return clean if length is None else clean[:length]


def one_line(text: str, length: int | None = None) -> str:
    """Return a text as one line: nothing in it can begin another header or another line."""
    flat = _SPACE.sub(" ", storable(text)).strip()
    return flat if length is None else flat[:length]


def mask_cards(text: str) -> str:
    """Return a text in which card numbers show their last four digits only: 13 to 19 digits that pass Luhn's check.

    Also where spaces or dashes divide them, and where more digits stand before or after them.
    """
    return _RUN.sub(_masked, text)


def holds_card(text: str) -> bool:
    """Tell whether something in a text looks like a card number."""
    return mask_cards(text) != text


def refuse_cards(what: str, text: str) -> None:
    """Raise Refused if a text looks like it holds a card number, which is not repeated; ``what`` names the field."""
    if holds_card(text):
        raise Refused("card_number", f"The {what} {CARD_WORDS}")


def _masked(found: re.Match[str]) -> str:
    """Mask every digit of a run that may belong to a card number; each place is looked at once, however long it is."""
    run = found[0]
    places = [place for place, sign in enumerate(run) if sign.isdecimal()]
    digits = "".join(str(unicodedata.digit(run[place])) for place in places)
    parts: list[str] = []
    written, at = 0, 0
    while at <= len(digits) - _SHORTEST:
        end = _end_from(digits, places, at)
        if not end:
            at += 1
            continue
        inner = at + 1  # another number may begin inside of this one: both are masked
        while inner < end:
            end = max(end, _end_from(digits, places, inner))
            inner += 1
        parts += [run[written : places[at]], f"[card number ending in {digits[end - 4 : end]}]"]
        written, at = places[end - 1] + 1, end
    return "".join([*parts, run[written:]])


def _end_from(digits: str, places: list[int], at: int) -> int:
    """Return where the longest card number ends that begins at a place where a group of digits begins; 0 for none."""
    if at and places[at] == places[at - 1] + 1:
        return 0
    for size in range(min(_LONGEST, len(digits) - at), _SHORTEST - 1, -1):
        end = at + size
        whole = end == len(digits) or places[end] != places[end - 1] + 1
        number = digits[at:end]
        if (whole or _BRANDS.fullmatch(number)) and _passes_luhn(number):
            return end
    return 0


def _passes_luhn(digits: str) -> bool:
    total = 0
    for place, sign in enumerate(reversed(digits)):
        value = int(sign) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0 and int(digits) > 0
