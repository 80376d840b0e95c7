"""Amounts in smallest units, exact in every kind of currency and both ways."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.rules.minor_units import WITH_THREE, WITH_TWO_ZEROS, WITHOUT, from_minor, to_minor

TABLE = [
    ("10.00", "USD", 1000),
    ("0.01", "USD", 1),
    ("86.80", "usd", 8680),
    ("9999999999.99", "USD", 999999999999),
    ("19.99", "EUR", 1999),
    ("500.00", "JPY", 500),
    ("1.00", "jpy", 1),
    ("1.25", "KWD", 1250),
    ("0.01", "KWD", 10),
    ("9999999.99", "BHD", 9999999990),
    ("5.00", "UGX", 500),
    ("5.00", "ISK", 500),
    ("5.50", "HUF", 550),
]


@pytest.mark.parametrize(("amount", "currency", "units"), TABLE)
def test_amounts_are_written_in_smallest_units_and_read_back(amount: str, currency: str, units: int) -> None:
    assert to_minor(Decimal(amount), currency) == units
    assert from_minor(units, currency) == Decimal(amount)


@pytest.mark.parametrize(("amount", "currency"), [("0.50", "JPY"), ("500.01", "KRW"), ("5.50", "ISK"), ("0.01", "UGX")])
def test_an_amount_that_the_currency_cannot_express_is_refused_and_not_rounded(amount: str, currency: str) -> None:
    with pytest.raises(ValueError, match="no amount in"):
        to_minor(Decimal(amount), currency)


def test_a_part_of_a_cent_cannot_be_read() -> None:
    with pytest.raises(ValueError, match="more than two decimals"):
        from_minor(1255, "KWD")


@given(
    cents=st.integers(1, 999_999_999_999),
    currency=st.sampled_from([*sorted(WITH_THREE), "USD", "EUR", "GBP", "BRL", "HUF", "TWD"]),
)
def test_nothing_is_lost_on_the_way_there_and_back(cents: int, currency: str) -> None:
    amount = Decimal(cents).scaleb(-2)
    assert from_minor(to_minor(amount, currency), currency) == amount


def test_no_currency_is_of_two_kinds() -> None:
    assert not WITHOUT & WITH_THREE
    assert not (WITHOUT | WITH_THREE) & WITH_TWO_ZEROS
