"""The only rounding door: every amount of money is a Decimal of whole cents."""

import re
from decimal import ROUND_HALF_UP, Decimal

from .errors import Refused

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
# What numeric(12, 2) columns hold. A larger amount is a typing error, not money.
LARGEST = Decimal("9999999999.99")

_WRITTEN = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,2})?", re.ASCII)


def quantize(amount: Decimal | int) -> Decimal:
    """Round an amount to the cent, halves away from zero (1.005 -> 1.01, -1.005 -> -1.01)."""
    if isinstance(amount, float):  # a float has lost its cents before it gets here
        raise TypeError("money is Decimal, never float")
    rounded = Decimal(amount).quantize(CENT, rounding=ROUND_HALF_UP)
    return rounded if rounded else ZERO  # never -0.00


def split(total: Decimal, parts: int) -> list[Decimal]:
    """Split a total into parts that add up to it exactly; the first ones take the odd cents."""
    if parts < 1:
        raise ValueError("an amount is split into at least one part")
    cents = int(quantize(total).scaleb(2))
    share, odd = divmod(abs(cents), parts)
    sign = -1 if cents < 0 else 1
    return [(Decimal(sign * (share + (1 if i < odd else 0))) * CENT).quantize(CENT) + ZERO for i in range(parts)]


def share(total: Decimal, numerator: int, denominator: int) -> Decimal:
    """Return a fraction of an amount (so many days of a period), rounded to the cent."""
    return quantize(Decimal(total) * numerator / denominator)


def percent(amount: Decimal, rate: Decimal) -> Decimal:
    """Return a percentage of an amount, rounded half-up to the cent."""
    return quantize(Decimal(amount) * Decimal(rate) / 100)


def parse(text: str, *, negative: bool = False, what: str = "amount") -> Decimal:
    """Read an amount as people and files write it: "40", "40.5", "40.00".

    Raises Refused for anything else: words, NaN, exponents, thousands marks,
    more than two decimals, more than ten digits, and a minus sign unless
    ``negative`` is allowed. ``what`` names the field in the refusal.
    """
    written = str(text).strip()
    if not _WRITTEN.fullmatch(written):
        raise Refused(
            "bad_amount",
            f"The {what} {written[:40]!r} is not a number with at most two decimals; write it like 40.00.",
        )
    amount = quantize(Decimal(written))
    if abs(amount) > LARGEST:
        raise Refused("bad_amount", f"The {what} {written[:40]!r} is too large; the largest is {LARGEST}.")
    if amount < 0 and not negative:
        raise Refused("negative_amount", f"The {what} {written!r} is negative; write a positive number.")
    return amount


def text(amount: Decimal) -> str:
    """Write an amount as files and JSON answers carry it: two decimals, no marks."""
    return f"{quantize(amount):.2f}"
