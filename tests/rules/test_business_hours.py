"""Business hours against a count that walks minute by minute."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_project.kernel import clock
from delinquency.rules.business_hours import BusinessHours, add_minutes, minutes_between
from delinquency.rules.calendar import Calendar, ExcludedDate

NEW_YORK = "America/New_York"
OFFICE = {day: ((time(9), time(17)),) for day in range(5)}
MINUTE = timedelta(minutes=1)


def at(text: str, zone: str = NEW_YORK) -> datetime:
    return clock.instant(datetime.fromisoformat(text), zone)


def local(moment: datetime | None, zone: str = NEW_YORK) -> str:
    assert moment is not None
    return clock.local(moment, zone).strftime("%a %Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("start", "minutes", "end"),
    [
        ("2026-11-23 10:00", 60, "Mon 2026-11-23 11:00"),
        ("2026-11-23 16:30", 60, "Tue 2026-11-24 09:30"),
        ("2026-11-23 16:00", 60, "Mon 2026-11-23 17:00"),  # to the closing minute
        ("2026-11-23 07:00", 1, "Mon 2026-11-23 09:01"),
        ("2026-11-27 16:59", 2, "Mon 2026-11-30 09:01"),  # over the weekend
        ("2026-12-24 16:00", 480, "Mon 2026-12-28 16:00"),  # Christmas Day is excluded, then a weekend
    ],
)
def test_a_deadline_falls_within_business_hours(start: str, minutes: int, end: str) -> None:
    hours = BusinessHours(NEW_YORK, OFFICE, Calendar(exclusions=(ExcludedDate("Christmas Day", 12, 25),)))
    assert local(add_minutes(hours, at(start), minutes)) == end


def test_a_night_with_a_clock_change_has_the_hours_that_elapse() -> None:
    night = BusinessHours(NEW_YORK, {6: ((time(0), time(4)),)})
    spring, autumn = at("2026-03-08 00:00"), at("2026-11-01 00:00")
    assert minutes_between(night, spring, spring + timedelta(days=1)) == 180
    assert minutes_between(night, autumn, autumn + timedelta(days=1)) == 300


def test_a_queue_that_never_opens_has_no_deadline() -> None:
    assert add_minutes(BusinessHours(NEW_YORK, {}), at("2026-11-23 10:00"), 1) is None
    always_closed = Calendar(check_weekdays=frozenset())
    assert add_minutes(BusinessHours(NEW_YORK, OFFICE, always_closed), at("2026-11-23 10:00"), 1) is None


def test_spans_that_overlap_are_counted_once() -> None:
    hours = BusinessHours(NEW_YORK, {0: ((time(9), time(12)), (time(11), time(13)))})
    assert minutes_between(hours, at("2026-11-23 00:00"), at("2026-11-24 00:00")) == 240


# No span begins or ends in an hour that a clock change skips or repeats: there the local time of a
# minute does not tell which of the two it is.
_hours_of_day = st.sampled_from(
    [time(0), time(4), time(6, 30), time(9), time(12, 15), time(13), time(17), time(23, 30)]
)
_span = st.tuples(_hours_of_day, _hours_of_day).filter(lambda pair: pair[0] < pair[1])
_week = st.dictionaries(st.integers(0, 6), st.lists(_span, max_size=2).map(tuple), max_size=7)
# Around the clock changes of both zones, and a plain week.
_days = st.sampled_from([date(2026, 3, 6), date(2026, 3, 27), date(2026, 10, 23), date(2026, 10, 30), date(2026, 6, 1)])


def is_open(hours: BusinessHours, moment: datetime) -> bool:
    there = clock.local(moment, hours.zone)
    spans = hours.spans.get(there.weekday(), ())
    return hours.closed.is_open(there.date()) and any(a <= there.time() < b for a, b in spans)


@settings(max_examples=60, deadline=None)
@given(
    week=_week, first=_days, zone=st.sampled_from([NEW_YORK, "Europe/Berlin", "Pacific/Honolulu"]),
    start=st.integers(0, 2 * 1440), length=st.integers(0, 4 * 1440), excluded=st.integers(0, 5),
)  # fmt: skip
def test_minutes_agree_with_a_count_minute_by_minute(
    week: dict[int, tuple[tuple[time, time], ...]], first: date, zone: str, start: int, length: int, excluded: int
) -> None:
    closed = first + timedelta(days=excluded)
    hours = BusinessHours(zone, week, Calendar(exclusions=(ExcludedDate("closed", closed.month, closed.day),)))
    begin = datetime.combine(first, time(), UTC) + start * MINUTE
    end = begin + length * MINUTE
    counted = sum(is_open(hours, begin + n * MINUTE) for n in range(length))
    assert minutes_between(hours, begin, end) == counted


@settings(max_examples=60, deadline=None)
@given(week=_week, first=_days, start=st.integers(0, 2 * 1440), minutes=st.integers(1, 2000))
def test_a_deadline_is_the_first_instant_by_which_the_minutes_have_passed(
    week: dict[int, tuple[tuple[time, time], ...]], first: date, start: int, minutes: int
) -> None:
    hours = BusinessHours(NEW_YORK, week)
    begin = datetime.combine(first, time(), UTC) + start * MINUTE
    deadline = add_minutes(hours, begin, minutes)
    if deadline is None:
        assert not any(week.values())
        return
    assert minutes_between(hours, begin, deadline) == minutes
    assert minutes_between(hours, begin, deadline - timedelta(seconds=1)) == minutes - 1
