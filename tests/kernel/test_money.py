"""Money: cents, rounded half-up, and never a float."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_project.kernel import money
from billing_project.kernel.errors import Refused

CENTS = st.integers(-10_000_000, 10_000_000).map(lambda cents: Decimal(cents) / 100)


@pytest.mark.parametrize(
    ("given_", "rounded"),
    [
        ("1.005", "1.01"),
        ("1.004", "1.00"),
        ("-1.005", "-1.01"),
        ("2.675", "2.68"),
        ("0.005", "0.01"),
        ("-0.001", "0.00"),
    ],
)
def test_halves_are_rounded_away_from_zero(given_: str, rounded: str) -> None:
    assert str(money.quantize(Decimal(given_))) == rounded


def test_a_float_is_refused() -> None:
    with pytest.raises(TypeError):
        money.quantize(0.1)  # type: ignore[arg-type]


@given(CENTS, st.integers(1, 40))
def test_the_parts_add_up_and_differ_by_a_cent_at_most(total: Decimal, parts: int) -> None:
    shares = money.split(total, parts)
    assert sum(shares) == total
    assert len(shares) == parts
    assert max(shares) - min(shares) <= Decimal("0.01")


def test_the_first_parts_take_the_odd_cents() -> None:
    assert money.split(Decimal("10.00"), 3) == [Decimal("3.34"), Decimal("3.33"), Decimal("3.33")]
    assert money.split(Decimal("-0.01"), 2) == [Decimal("-0.01"), Decimal("0.00")]


@pytest.mark.parametrize(
    ("text", "amount"),
    [("40", "40.00"), ("40.5", "40.50"), (" 0.01 ", "0.01"), ("9999999999.99", "9999999999.99")],
)
def test_amounts_as_people_write_them(text: str, amount: str) -> None:
    assert str(money.parse(text)) == amount


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e3",
        "1,000.00",
        "0.001",
        "1.",
        ".5",
        "+1",
        "٣",
        "1 0",
        "10000000000",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        money.parse(text, negative=True)
    assert refused.value.code == "bad_amount"


def test_a_minus_sign_needs_leave() -> None:
    assert money.parse("-3.10", negative=True) == Decimal("-3.10")
    with pytest.raises(Refused, match="negative"):
        money.parse("-3.10")


@given(CENTS)
def test_what_is_written_can_be_read(amount: Decimal) -> None:
    assert money.parse(money.text(amount), negative=True) == amount


def test_a_percentage_is_rounded_half_up() -> None:
    assert money.percent(Decimal("33.33"), Decimal("1.5")) == Decimal("0.50")
    assert money.percent(Decimal("0.33"), Decimal("1.5")) == Decimal("0.00")
