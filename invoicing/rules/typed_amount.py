"""Pure: read an amount of money as a person types it, in either language, and never guess."""

import re
import unicodedata
from decimal import Decimal
from enum import StrEnum

from billing_project.kernel import money

# How people write the common currencies. A sign that several use counts as the account's own.
SIGNS = {
    "$": ("USD", "CAD", "AUD", "NZD", "MXN", "CLP", "COP", "ARS", "SGD", "HKD"), "US$": ("USD",), "€": ("EUR",),
    "£": ("GBP",), "¥": ("JPY", "CNY"), "₹": ("INR",), "CHF": ("CHF",), "R$": ("BRL",), "C$": ("CAD",), "A$": ("AUD",),
    "₽": ("RUB",), "₩": ("KRW",), "zł": ("PLN",), "kr": ("SEK", "NOK", "DKK"), "MX$": ("MXN",),
}  # fmt: skip
_AROUND = re.compile(r"([^\d.,\s+-]*)\s*([+-]?[\d.,\s]*\d[.,]?)\s*([^\d.,\s+-]*)", re.ASCII)
_SPACED = re.compile(r"\d{1,3}( \d{3})+([.,]\d{1,2})?", re.ASCII)
_PLAIN = re.compile(r"\d+([.,]\d{1,2})?", re.ASCII)
_POINTED = re.compile(r"\d{1,3}(,\d{3})+\.\d{1,2}|\d{1,3}(,\d{3}){2,}", re.ASCII)
_COMMAED = re.compile(r"\d{1,3}(\.\d{3})+,\d{1,2}|\d{1,3}(\.\d{3}){2,}", re.ASCII)
_EITHER = re.compile(r"(\d{1,3})[.,](\d{3})", re.ASCII)
_TOO_FINE = re.compile(r"\d+[.,]\d{3,}", re.ASCII)


class Wrong(StrEnum):
    """Why an amount could not be read."""

    EMPTY = "empty"
    NO_NUMBER = "no_number"
    OTHER_CURRENCY = "other_currency"
    NEGATIVE = "negative"
    ZERO = "zero"
    TOO_FINE = "too_fine"
    UNCLEAR = "unclear"
    TOO_LARGE = "too_large"


class Unread(Exception):
    """Say that what was typed is no amount that can be paid, and why; ``readings`` are what it could have meant."""

    def __init__(self, wrong: Wrong, readings: tuple[Decimal, ...] = (), currency: str = "") -> None:
        super().__init__(wrong)
        self.wrong, self.readings, self.currency = wrong, readings, currency


def read_amount(typed: str, currency: str) -> Decimal:
    """Return the amount that was typed: "20", "$20", "20,5", "1,234.50" and "1.234,50" mean one thing only.

    Raises Unread for everything else: "1,234" may be a thousand or a comma too far, and "€20" is not dollars.
    """
    words = " ".join(unicodedata.normalize("NFKC", typed).replace("\N{MINUS SIGN}", "-").split())
    if not words:
        raise Unread(Wrong.EMPTY)
    sign = "-" if words.startswith("-") else ""
    found = _AROUND.fullmatch(words.removeprefix("-").strip())
    if found is None:
        raise Unread(Wrong.NO_NUMBER)
    before, number, after = found.groups()
    _check_currency((before, after), currency)
    if sign or number.startswith("-"):
        raise Unread(Wrong.NEGATIVE)
    amount = _number(number.removeprefix("+").strip())
    if amount > money.LARGEST:
        raise Unread(Wrong.TOO_LARGE)
    if amount == 0:
        raise Unread(Wrong.ZERO)
    return amount


def _check_currency(marks: tuple[str, ...], own: str) -> None:
    for mark in marks:
        if not mark or mark.upper() == own or own in SIGNS.get(mark, ()):
            continue
        meant = next((codes[0] for sign, codes in SIGNS.items() if sign.upper() == mark.upper()), "")
        if meant or re.fullmatch(r"[A-Za-z]{3}", mark):
            raise Unread(Wrong.OTHER_CURRENCY, currency=meant or mark.upper())
        raise Unread(Wrong.NO_NUMBER)


def _number(written: str) -> Decimal:
    if _SPACED.fullmatch(written):
        written = written.replace(" ", "")
    if _PLAIN.fullmatch(written):
        return money.quantize(Decimal(written.replace(",", "."))) if len(written) < 20 else money.LARGEST + 1
    if _POINTED.fullmatch(written):
        return money.quantize(Decimal(written.replace(",", "")))
    if _COMMAED.fullmatch(written):
        return money.quantize(Decimal(written.replace(".", "").replace(",", ".")))
    either = _EITHER.fullmatch(written)
    if either is not None:
        whole, rest = either.groups()
        raise Unread(Wrong.UNCLEAR, (Decimal(f"{whole}.{rest[:2]}"), Decimal(f"{whole}{rest}.00")))
    raise Unread(Wrong.TOO_FINE if _TOO_FINE.fullmatch(written) else Wrong.NO_NUMBER)
