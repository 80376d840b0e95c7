"""The policy calendar: plain dates, open days, days of the month."""

from calendar import isleap, monthrange
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ONE_DAY = timedelta(days=1)
# A set of exclusions that leaves no day open for this long is treated as a mistake, not waited out.
DAYS_CLOSED_MAX = 400


@dataclass(frozen=True, slots=True)
class ExcludedDate:
    """A date on which nobody becomes delinquent; without a year it comes back every year (S6, A10)."""

    name: str
    month: int
    day: int
    year: int | None = None

    def matches(self, on: date) -> bool:
        """Tell whether the exclusion covers a date; 29 February only in leap years."""
        return (on.month, on.day) == (self.month, self.day) and self.year in (None, on.year)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days on which accounts may become delinquent: checked weekdays less excluded dates (S5, S15, X5)."""

    check_weekdays: frozenset[int] = frozenset(range(7))
    exclusions: tuple[ExcludedDate, ...] = ()
    _by_day: dict[tuple[int, int], tuple[int | None, ...]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        """Index the exclusions by day, so that asking costs nothing."""
        for excluded in self.exclusions:
            place = (excluded.month, excluded.day)
            self._by_day[place] = (*self._by_day.get(place, ()), excluded.year)

    def is_open(self, on: date) -> bool:
        """Tell whether accounts may become delinquent on a date."""
        if on.weekday() not in self.check_weekdays:
            return False
        years = self._by_day.get((on.month, on.day))
        return years is None or not (None in years or on.year in years)

    def next_open(self, on: date) -> date:
        """Return the first open date on or after a date; excluded days chain (A5).

        Where nothing is open for over a year the date itself is returned far away, so that nobody is ever cut.
        """
        for _ in range(DAYS_CLOSED_MAX):
            if self.is_open(on):
                return on
            on += ONE_DAY
        return date.max

    def why_closed(self, on: date) -> str:
        """Say in words why a date is closed; empty if it is open."""
        if on.weekday() not in self.check_weekdays:
            return f"{on:%A}s are not checked"
        for excluded in self.exclusions:
            if excluded.matches(on):
                return f"{excluded.name} is excluded"
        return ""


def date_exists(month: int, day: int, year: int | None = None) -> bool:
    """Tell whether a calendar has such a date (in any year, if none is given)."""
    if not 1 <= month <= 12 or day < 1:
        return False
    if (month, day) == (2, 29):
        return year is None or isleap(year)
    return day <= monthrange(2023, month)[1]


def clamped(year: int, month: int, day: int) -> date:
    """Return a day of a month; a day that the month lacks is its last day (A34)."""
    return date(year, month, min(day, monthrange(year, month)[1]))


@lru_cache(maxsize=8192)
def day_of_month_from(on: date, day: int) -> date:
    """Return the first such day of the month on or after a date."""
    this_month = clamped(on.year, on.month, day)
    if this_month >= on:
        return this_month
    year, month0 = divmod(on.year * 12 + on.month, 12)
    return clamped(year, month0 + 1, day)


@lru_cache(maxsize=8192)
def months_later(on: date, months: int) -> date:
    """Return the same day so many months later, or that month's last day."""
    year, month0 = divmod(on.year * 12 + on.month - 1 + months, 12)
    return clamped(year, month0 + 1, on.day)


def is_bill_date(on: date, bill_day: int) -> bool:
    """Tell whether a date is the month's bill date for a bill day of 1 to 31 (A34)."""
    return on == clamped(on.year, on.month, bill_day)


def weekday_numbers(names: Collection[str]) -> frozenset[int]:
    """Turn short names (mon … sun) into weekday numbers; raises ValueError for any other."""
    if unknown := [name for name in names if name not in WEEKDAYS]:
        raise ValueError(f"{unknown[0]!r} is no weekday")
    return frozenset(WEEKDAYS.index(name) for name in names)
