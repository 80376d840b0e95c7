"""A year of a policy's calendar: which days are closed and why, and how long closed days run on."""

from calendar import Calendar as Grid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from .rules.calendar import ONE_DAY, Calendar, ExcludedDate, is_bill_date
from .rules.policy import Policy

# Longer closed runs than this are pointed out: a long weekend with Christmas is shorter.
CLOSED_RUN_USUAL = 5
# A run over New Year is counted whole.
MARGIN = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the year as the calendar has it."""

    on: date
    excluded: tuple[str, ...] = ()  # names of the exclusions that cover it
    unchecked: bool = False
    bill: bool = False

    @property
    def closed(self) -> bool:
        """Tell whether nobody becomes delinquent on it."""
        return self.unchecked or bool(self.excluded)


@dataclass(frozen=True, slots=True)
class Run:
    """Closed days in a row."""

    first_on: date
    last_on: date

    @property
    def days(self) -> int:
        """Return how many days it lasts."""
        return (self.last_on - self.first_on).days + 1

    @property
    def words(self) -> str:
        """Return it as 24–28 Dec 2026, or over the end of a month as 30 Dec 2026 – 2 Jan 2027."""
        first, last = self.first_on, self.last_on
        if first == last:
            return f"{last.day} {last:%b %Y}"
        if (first.year, first.month) == (last.year, last.month):
            return f"{first.day}–{last.day} {last:%b %Y}"
        return f"{first.day} {first:%b %Y} – {last.day} {last:%b %Y}"


def day_of(policy: Policy, on: date) -> Day:
    """Return a day of a policy's calendar."""
    return Day(
        on,
        excluded=tuple(row.name for row in policy.calendar.exclusions if row.matches(on)),
        unchecked=on.weekday() not in policy.calendar.check_weekdays,
        bill=policy.bill_day is not None and is_bill_date(on, policy.bill_day),
    )


def weeks_of(policy: Policy, year: int, month: int) -> list[list[Day | None]]:
    """Return a month in weeks from Monday on; None for days of other months."""
    weeks = Grid().monthdatescalendar(year, month)
    return [[day_of(policy, on) if on.month == month else None for on in week] for week in weeks]


def closed_days(policy: Policy, year: int) -> list[Day]:
    """Return the closed days of a year."""
    first, last = date(year, 1, 1), date(year, 12, 31)
    days = (day_of(policy, first + timedelta(days=n)) for n in range((last - first).days + 1))
    return [day for day in days if day.closed]


def closed_runs(calendar: Calendar, first_year: int, last_year: int) -> Iterator[Run]:
    """Yield the runs of closed days that touch the years, in order; those over New Year are whole."""
    on, end = date(first_year, 1, 1) - MARGIN, date(last_year, 12, 31) + MARGIN
    began: date | None = None
    while on <= end + ONE_DAY:
        closed = on <= end and not calendar.is_open(on)
        if closed and began is None:
            began = on
        elif not closed and began is not None:
            run = Run(began, on - ONE_DAY)
            if run.last_on.year >= first_year and run.first_on.year <= last_year:
                yield run
            began = None
        on += ONE_DAY


def longest_run(calendar: Calendar, first_year: int, last_year: int) -> Run | None:
    """Return the longest run of closed days that touches the years, the first of equals; None if every day is open."""
    return max(closed_runs(calendar, first_year, last_year), key=lambda run: run.days, default=None)


def with_exclusions(policy: Policy, extra: list[ExcludedDate]) -> Calendar:
    """Return a policy's calendar with more excluded dates."""
    return Calendar(policy.calendar.check_weekdays, (*policy.calendar.exclusions, *extra))
