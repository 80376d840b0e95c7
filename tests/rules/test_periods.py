"""Bill dates: both sides of each boundary, month ends, leap days, the last hour."""

from datetime import date, datetime, timedelta

import pytest

from invoicing.rules import periods

d = date.fromisoformat


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [
        ("2026-01-31", ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
        ("2028-01-31", ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]),
        ("2026-11-15", ["2026-11-15", "2026-12-15", "2027-01-15"]),
    ],
)
def test_bills_are_counted_from_the_anchor_and_never_drift(anchor: str, expected: list[str]) -> None:
    assert [periods.nth_bill_on(d(anchor), n) for n in range(len(expected))] == [d(day) for day in expected]


def test_stepping_from_bill_to_bill_gives_the_same_dates_as_counting() -> None:
    for bill_day in range(1, 32):
        anchor, day = date(2027, 1, bill_day), date(2027, 1, bill_day)
        for n in range(1, 40):
            following = periods.next_bill_on_after(day, bill_day)
            assert following == periods.nth_bill_on(anchor, n)
            assert periods.last_bill_on_before(following, bill_day) == day
            day = following


@pytest.mark.parametrize(
    ("day", "bill_day", "expected"),
    [
        ("2023-10-20", 17, "2023-11-17"),
        ("2023-11-16", 17, "2023-11-17"),
        ("2023-11-17", 17, "2023-12-17"),
        ("2023-11-18", 17, "2023-12-17"),
        ("2026-12-31", 31, "2027-01-31"),
        ("2026-01-30", 31, "2026-01-31"),
        ("2026-02-28", 31, "2026-03-31"),
        ("2026-02-27", 30, "2026-02-28"),
    ],
)
def test_the_next_bill_date_is_strictly_after_the_day(day: str, bill_day: int, expected: str) -> None:
    assert periods.next_bill_on_after(d(day), bill_day) == d(expected)


def test_a_period_ends_on_the_day_before_the_next_bill_date() -> None:
    assert periods.period_of(d("2026-02-01"), 1) == (d("2026-02-01"), d("2026-02-28"))
    assert periods.period_of(d("2026-02-28"), 31) == (d("2026-02-28"), d("2026-03-30"))
    assert periods.period_of(d("2026-01-31"), 31) == (d("2026-01-31"), d("2026-02-27"))


@pytest.mark.parametrize(
    ("next_bill_on", "local_now", "midnight_in", "expected"),
    [
        ("2026-02-02", "2026-02-01 23:59", timedelta(minutes=1), "2026-02-02"),
        ("2026-02-01", "2026-02-01 10:15", timedelta(hours=13, minutes=45), "2026-02-01"),
        ("2026-02-01", "2026-02-01 22:59:59", timedelta(hours=1, seconds=1), "2026-02-01"),
        ("2026-02-01", "2026-02-01 23:00", timedelta(hours=1), "2026-02-01"),
        ("2026-02-01", "2026-02-01 23:00:01", timedelta(minutes=59, seconds=59), "2026-03-01"),
        ("2026-02-01", "2026-02-01 23:30", timedelta(minutes=30), "2026-03-01"),
        ("2026-02-01", "2026-02-03 12:00", timedelta(hours=12), "2026-03-01"),
        ("2026-02-01", "2026-03-01 12:00", timedelta(hours=12), "2026-04-01"),
    ],
)
def test_a_returning_account_is_billed_today_later_or_next_month(
    next_bill_on: str, local_now: str, midnight_in: timedelta, expected: str
) -> None:
    rolled = periods.rolled_on(d(next_bill_on), 1, datetime.fromisoformat(local_now), midnight_in)
    assert rolled == d(expected)
