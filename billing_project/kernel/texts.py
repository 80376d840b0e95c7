"""Pure: make text from outside fit to be kept: no control characters, no card numbers (SEC-13)."""

import re
import unicodedata

# Line breaks and tabs are text; other control characters are not, and PostgreSQL refuses NUL.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_BREAKS = re.compile(r"\r\n|[\r\u2028\u2029\x85]")
_SPACE = re.compile(r"\s+")
_RUN = re.compile(r"\d(?:[\s.\-–_]{0,2}\d){12,}")
_GROUP = re.compile(r"\d+")
_SHORTEST, _LONGEST = 13, 19
# How the numbers of the large card brands begin, with their lengths.
_BRANDS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[01])\d{13}|2720\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|35\d{14,17}|6\d{15,18}"
)


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
    return _RUN.sub(lambda found: _masked(found[0]), text)


def _masked(run: str) -> str:
    groups = list(_GROUP.finditer(run))
    for first in range(len(groups)):
        for last in range(len(groups) - 1, first - 1, -1):
            begin, end = groups[first].start(), groups[last].end()
            digits = _digits(run[begin:end])
            if _SHORTEST <= len(digits) <= _LONGEST and _passes_luhn(digits):
                return _masked_if_long(run[:begin]) + _shown(digits) + _masked_if_long(run[end:])
    return _masked_inside(run, groups)


def _masked_if_long(rest: str) -> str:
    return mask_cards(rest) if len(rest) >= _SHORTEST else rest


def _masked_inside(run: str, groups: list[re.Match[str]]) -> str:
    """Mask a card number at the beginning of a longer group, where an expiry date follows without a gap."""
    for group in groups:
        begin = group.start()
        digits = _digits(run[begin:])
        for size in range(min(_LONGEST, len(digits)), _SHORTEST - 1, -1):
            head = digits[:size]
            if _BRANDS.fullmatch(head) and _passes_luhn(head):
                end = _end_of(run, begin, size)
                return run[:begin] + _shown(head) + _masked_if_long(run[end:])
    return run


def _end_of(run: str, begin: int, size: int) -> int:
    """Return where the ``size``-th digit from ``begin`` on ends."""
    seen = 0
    for place in range(begin, len(run)):
        seen += run[place].isdigit()
        if seen == size:
            return place + 1
    return len(run)


def _digits(text: str) -> str:
    return "".join(str(unicodedata.digit(sign)) for sign in text if sign.isdecimal())


def _shown(digits: str) -> str:
    return f"[card number ending in {digits[-4:]}]"


def _passes_luhn(digits: str) -> bool:
    total = 0
    for place, sign in enumerate(reversed(digits)):
        value = int(sign) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0 and int(digits) > 0
