"""Pure: what the ticket desk says of deadlines and days."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Pace(StrEnum):
    """How an answer stands against its deadline."""

    NONE = "none"
    IN_TIME = "in time"
    SOON = "soon"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Due:
    """A deadline in words."""

    pace: Pace
    words: str


def due(answer_due_at: datetime | None, now: datetime) -> Due:
    """Say how a deadline stands at an instant: in time, due within the hour, or late by so much."""
    if answer_due_at is None:
        return Due(Pace.NONE, "no answer due")
    left = answer_due_at - now
    if left < timedelta():
        return Due(Pace.LATE, f"late by {span(-left)}")
    if left <= HOUR:
        return Due(Pace.SOON, f"due in {span(left)}")
    return Due(Pace.IN_TIME, f"in time, {span(left)} left")


def span(length: timedelta) -> str:
    """Say how long something lasts, in its largest unit: 5 min, 2 h, 3 days."""
    if length < HOUR:
        return f"{length // timedelta(minutes=1)} min"
    if length < 2 * DAY:
        return f"{length // HOUR} h"
    return f"{length // DAY} days"


def next_weekday(today: date, weekday: int) -> date:
    """Return the next such weekday after today, 0 being Monday; on a Friday, Friday is the one in a week."""
    return today + timedelta(days=(weekday - today.weekday() - 1) % 7 + 1)


def day_words(on: date) -> str:
    """Return a date as people say it: Fri 27 Nov."""
    return f"{on:%a} {on.day} {on:%b}"
