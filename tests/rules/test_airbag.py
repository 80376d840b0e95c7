"""The airbag's verdicts, on both sides of each boundary."""

from datetime import date
from decimal import Decimal

import pytest

from delinquency.rules.airbag import Bill, cut_limit, judge_bills, judge_cuts, judge_fees


@pytest.mark.parametrize(
    ("largest", "active", "forecast", "limit"),
    [
        (0, 0, None, 20),  # a fresh install
        (0, 10, None, 20),  # a small shop is never held over one cut, whatever share of its customers that is
        (6, 100_000, None, 20),
        (7, 100_000, None, 21),  # three times the largest day
        (100, 100_000, None, 300),
        (100, 1_000, None, 100),  # beyond the largest day 5 % of the active accounts counts
        (100, 2_020, None, 101),
        (100, 2_019, None, 100),
        (30, 400, None, 30),  # a day as large as the largest is never held for the share
        (100, 100_000, 10, 100),  # a forecast lowers it, never below the largest day
        (100, 100_000, 50, 150),
        (100, 100_000, 9_000, 300),  # and never raises it: a bad policy is in its own forecast
        (0, 100_000, 0, 20),
    ],
)
def test_the_limit_of_cuts(largest: int, active: int, forecast: int | None, limit: int) -> None:
    assert cut_limit(largest=largest, active=active, forecast=forecast) == limit


def test_as_many_as_the_limit_go_and_one_more_is_held() -> None:
    assert judge_cuts(20, largest=0, active=50) is None
    verdict = judge_cuts(21, largest=0, active=50)
    assert verdict is not None
    assert (verdict.planned, verdict.limit) == (Decimal(21), Decimal(20))
    assert verdict.words == (
        "21 accounts would be cut today; 20 is the most that goes without asking: nobody was cut for eight weeks, and"
        " 50 accounts are active."
    )


@pytest.mark.parametrize(
    ("amount", "count", "largest", "forecast", "held"),
    [
        ("125.00", 21, "100.00", None, False),
        ("125.01", 21, "100.00", None, True),
        ("900.00", 20, "100.00", None, False),  # too few to say anything
        ("900.00", 21, "0.00", None, False),  # nothing to expect by
        ("125.01", 21, "90.00", "100.01", False),  # the forecast expected more than the largest day
        ("125.02", 21, "90.00", "100.01", True),
    ],
)
def test_late_fees_a_quarter_above_what_is_expected_are_held(
    amount: str, count: int, largest: str, forecast: str | None, held: bool
) -> None:
    verdict = judge_fees(
        Decimal(amount), count=count, largest=Decimal(largest), forecast=Decimal(forecast) if forecast else None
    )
    assert (verdict is not None) is held


def bills(count: int, amount: str, last: str = "100.00", *, on: date = date(2026, 2, 1)) -> list[Bill]:
    return [
        Bill(bill_on=on, amount=Decimal(amount), last_on=date(2026, 1, 1), last_amount=Decimal(last))
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    ("amount", "held"),
    [("100.00", False), ("125.00", False), ("125.01", True), ("75.00", False), ("74.99", True), ("1000.00", True),
     ("0.00", True)],
)  # fmt: skip
def test_bills_a_quarter_off_the_last_ones_are_held_up_and_down(amount: str, held: bool) -> None:
    assert (judge_bills(bills(20, amount)) is not None) is held


def test_fewer_than_twenty_known_accounts_are_not_compared() -> None:
    new = [Bill(bill_on=date(2026, 2, 1), amount=Decimal("900.00"))] * 50
    assert judge_bills([*bills(19, "1000.00"), *new]) is None
    assert judge_bills([*bills(20, "1000.00"), *new]) is not None


def test_accounts_never_billed_before_do_not_move_the_sum() -> None:
    new = [Bill(bill_on=date(2026, 2, 1), amount=Decimal("900.00"))] * 50
    assert judge_bills([*bills(20, "100.00"), *new]) is None


@pytest.mark.parametrize(
    ("day", "soon", "held"), [(26, 6, False), (25, 6, True), (25, 5, False)]
)  # 25 days after the first of January is the 26th
def test_too_many_bills_too_soon_are_held(day: int, soon: int, held: bool) -> None:
    early, usual = bills(soon, "100.00", on=date(2026, 1, day)), bills(20 - soon, "100.00")
    assert (judge_bills([*early, *usual]) is not None) is held
