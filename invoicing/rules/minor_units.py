"""Pure: amounts as payment providers write them, in whole smallest units of a currency."""

from decimal import Decimal

from billing_project.kernel import money

# Currencies without a smaller unit: 500 yen are 500.
WITHOUT = frozenset({
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF",
})  # fmt: skip
# Currencies of a thousand smallest units; card networks take whole tens of them.
WITH_THREE = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
# These have no smaller unit any more either, but providers still write them with two decimals, always zeros.
WITH_TWO_ZEROS = frozenset({"ISK", "UGX"})


def to_minor(amount: Decimal, currency: str) -> int:
    """Return an amount in smallest units: 10.00 USD is 1000, 500.00 JPY is 500, 1.25 KWD is 1250.

    Raises ValueError for an amount that the currency cannot express, such as half a yen: rounding it would charge
    another amount than was asked for.
    """
    name = currency.upper()
    units = amount.scaleb(_decimals(name))
    if units != units.to_integral_value() or (name in WITH_TWO_ZEROS and amount != amount.to_integral_value()):
        raise ValueError(f"{amount} is no amount in {name}, which has no such small unit.")
    return int(units)


def from_minor(units: int, currency: str) -> Decimal:
    """Return the amount of so many smallest units; raises ValueError for a part of a cent (1.255 KWD)."""
    amount = Decimal(units).scaleb(-_decimals(currency.upper()))
    if amount != money.quantize(amount):
        raise ValueError(f"{amount} {currency.upper()} has more than two decimals.")
    return money.quantize(amount)


def _decimals(name: str) -> int:
    if name in WITHOUT:
        return 0
    return 3 if name in WITH_THREE else 2
