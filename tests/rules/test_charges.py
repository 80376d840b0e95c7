"""Lines, tax, discounts and proration, to the cent."""

from datetime import date
from decimal import Decimal

import pytest

from invoicing.rules import charges
from invoicing.rules.charges import Service, TaxRate

d = date.fromisoformat


def money(text: str) -> Decimal:
    return Decimal(text)


def rate(percent: str, name: str = "") -> TaxRate:
    return TaxRate(Decimal(percent), name)


def service(price: str, **fields: object) -> Service:
    return Service(description="Internet", unit_price=Decimal(price), **({"quantity": 1} | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "discount", "tax", "amount"),
    [
        (service("86.80"), "0.00", "0.00", "86.80"),
        (service("10.00", quantity=3), "0.00", "0.00", "30.00"),
        (
            service("100.00", discount_percent=money("10"), discount_amount=money("5")),
            "15.00",
            "0.00",
            "85.00",
        ),
        (service("10.00", discount_amount=money("15")), "10.00", "0.00", "0.00"),
        (service("10.00", discount_percent=money("100"), taxes=(rate("20"),)), "10.00", "0.00", "0.00"),
        (service("0.10", taxes=(rate("5"),)), "0.00", "0.01", "0.11"),
        (service("0.09", taxes=(rate("5"),)), "0.00", "0.00", "0.09"),
        (service("50.00", taxes=(rate("8.875"), rate("1.25"))), "0.00", "5.07", "55.07"),
    ],
)
def test_a_line_is_priced_to_the_cent(made: Service, discount: str, tax: str, amount: str) -> None:
    line = charges.service_line(made)
    assert (line.discount, line.tax, line.amount) == (money(discount), money(tax), money(amount))


def test_each_tax_is_rounded_by_itself_and_not_their_sum() -> None:
    # 0.5 % of 1.00 is half a cent, twice: two cents, where 1 % at once would be one.
    line = charges.service_line(service("1.00", taxes=(rate("0.5"), rate("0.5"))))
    assert line.tax == money("0.02")


def test_a_line_knows_what_each_tax_adds_to_it() -> None:
    line = charges.service_line(service("50.00", taxes=(rate("8.875", "State"), rate("1.25", "City"))))
    assert [(part.rate.name, part.amount) for part in line.taxes] == [("State", money("4.44")), ("City", money("0.63"))]
    assert sum(part.amount for part in line.taxes) == line.tax


def test_a_service_is_billed_from_its_first_to_its_last_day() -> None:
    limited = service("10.00", starts_on=d("2026-02-01"), ends_on=d("2026-03-01"))
    billed = [bool(charges.service_lines([limited], d(day))) for day in ("2026-01-31", "2026-02-01", "2026-03-01")]
    assert billed == [False, True, True]
    assert charges.service_lines([limited], d("2026-03-02")) == []


def test_a_service_that_costs_nothing_has_no_line() -> None:
    assert charges.service_lines([service("0.00")], d("2026-01-01")) == []


def test_the_switch_of_g12b_credits_11_20() -> None:
    credit = charges.credit_for_switch([money("86.80")], d("2026-01-28"), d("2026-01-01"), d("2026-01-31"))
    assert credit == money("11.20")


@pytest.mark.parametrize(("day", "expected"), [("2026-01-01", "31.00"), ("2026-01-31", "1.00"), ("2026-02-01", "0.00")])
def test_a_switch_credits_from_its_day_to_the_last_of_the_period(day: str, expected: str) -> None:
    credit = charges.credit_for_switch([money("31.00")], d(day), d("2026-01-01"), d("2026-01-31"))
    assert credit == money(expected)


def test_the_return_of_g12b_owes_80_60() -> None:
    assert charges.debit_for_return([money("86.80")], d("2026-02-03"), d("2026-03-01"), 1) == money("80.60")


@pytest.mark.parametrize(
    ("return_on", "next_bill_on", "expected"),
    [
        ("2026-03-01", "2026-03-01", "0.00"),
        ("2026-02-28", "2026-03-01", "1.00"),
        ("2026-02-01", "2026-03-01", "28.00"),
        ("2026-01-15", "2026-03-01", "28.00"),
        ("2026-03-05", "2026-03-01", "0.00"),
    ],
)
def test_a_return_owes_the_days_up_to_the_next_bill(return_on: str, next_bill_on: str, expected: str) -> None:
    assert charges.debit_for_return([money("28.00")], d(return_on), d(next_bill_on), 1) == money(expected)


def test_every_line_is_prorated_and_rounded_by_itself() -> None:
    # 1 of 31 days of 0.50 is 1.6 cents: 2 cents each, where their sum would be 3.
    amounts = [money("0.50"), money("0.50")]
    assert charges.credit_for_switch(amounts, d("2026-01-31"), d("2026-01-01"), d("2026-01-31")) == money("0.04")
