"""Seriously late: which days count together, and since when they make a flag (E6, A27, A28). Pure."""

from collections.abc import Iterable
from datetime import date

from .calendar import ONE_DAY, months_later
from .policy import Policy


def counting(days: Iterable[date], unflagged_on: date | None) -> list[date]:
    """Return the seriously late days that may count at all: those after a clerk's removal of the flag (A28)."""
    return sorted(day for day in days if unflagged_on is None or day > unflagged_on)


def in_window(days: Iterable[date], window: str, on: date) -> list[date]:
    """Return the days of the window in which a day lies: its calendar year, or the 12 months that end with it."""
    if window == "calendar_year":
        return [day for day in days if day.year == on.year]
    return [day for day in days if months_later(on, -12) < day <= on]


def flag_day(days: Iterable[date], unflagged_on: date | None, policy: Policy) -> date | None:
    """Return the day on which such days raise the flag: the one after that which is more than allowed, or None."""
    able = counting(days, unflagged_on)
    for place, day in enumerate(able):
        if len(in_window(able[: place + 1], policy.seriously_late_window, day)) > policy.seriously_late_limit:
            return day + ONE_DAY
    return None
