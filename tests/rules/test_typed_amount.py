"""An amount is read as it was meant, in either language, or not at all."""

from decimal import Decimal

import pytest

from invoicing.rules.typed_amount import Unread, Wrong, read_amount


@pytest.mark.parametrize(
    ("typed", "amount"),
    [
        ("20", "20.00"), ("20.5", "20.50"), ("20,50", "20.50"), (" 20.00 ", "20.00"), ("$20", "20.00"),
        ("$ 20.00", "20.00"), ("US$20", "20.00"), ("20 USD", "20.00"), ("usd 20", "20.00"), ("+20", "20.00"),
        ("1,234.50", "1234.50"), ("1.234,50", "1234.50"), ("1 234,50", "1234.50"), ("1\u00a0234.50", "1234.50"),
        ("1,234,567", "1234567.00"), ("1.234.567,8", "1234567.80"), ("0.01", "0.01"), ("0020", "20.00"),
        ("1234567.89", "1234567.89"), ("２０", "20.00"),
    ],
)  # fmt: skip
def test_what_means_one_thing_only_is_read(typed: str, amount: str) -> None:
    assert read_amount(typed, "USD") == Decimal(amount)


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ("", Wrong.EMPTY), ("   ", Wrong.EMPTY), ("twenty", Wrong.NO_NUMBER), ("1e5", Wrong.NO_NUMBER),
        ("NaN", Wrong.NO_NUMBER), ("20-30", Wrong.NO_NUMBER), ("2 0", Wrong.NO_NUMBER), ("1,23,4.50", Wrong.NO_NUMBER),
        ("20%", Wrong.NO_NUMBER), ("-20", Wrong.NEGATIVE), ("$-20", Wrong.NEGATIVE), ("−20", Wrong.NEGATIVE),
        ("0", Wrong.ZERO), ("0,00", Wrong.ZERO), ("20.0001", Wrong.TOO_FINE), ("1234.567", Wrong.TOO_FINE),
        ("€20", Wrong.OTHER_CURRENCY), ("20 EUR", Wrong.OTHER_CURRENCY), ("20 eur", Wrong.OTHER_CURRENCY),
        ("£5", Wrong.OTHER_CURRENCY), ("99999999999", Wrong.TOO_LARGE), ("9" * 400, Wrong.TOO_LARGE),
    ],
)  # fmt: skip
def test_everything_else_is_told_apart(typed: str, wrong: Wrong) -> None:
    with pytest.raises(Unread) as unread:
        read_amount(typed, "USD")
    assert unread.value.wrong is wrong


@pytest.mark.parametrize("typed", ["1,234", "1.234"])
def test_what_could_mean_two_things_is_asked_again_with_both(typed: str) -> None:
    with pytest.raises(Unread) as unread:
        read_amount(typed, "USD")
    assert unread.value.wrong is Wrong.UNCLEAR
    assert unread.value.readings == (Decimal("1.23"), Decimal("1234.00"))


def test_a_sign_of_several_currencies_is_the_accounts_own() -> None:
    assert read_amount("$20", "CAD") == Decimal(20)
    assert read_amount("€20", "EUR") == Decimal(20)
    with pytest.raises(Unread) as unread:
        read_amount("$20", "EUR")
    assert unread.value.currency == "USD"
