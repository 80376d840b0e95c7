"""Business hours of a queue: how many of its minutes pass between two instants, and when so many have passed.

Time is counted as it elapses: a clock change within business hours makes that day an hour shorter or longer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from billing_project.kernel import clock

from .calendar import ONE_DAY, Calendar

# A queue that opens on no day for so long has no deadlines at all.
DAYS_SEARCHED_MAX = 800
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class BusinessHours:
    """The spans in which a queue works, by weekday (0 is Monday), in its zone; closed on the operator's exclusions."""

    zone: str
    spans: Mapping[int, tuple[tuple[time, time], ...]]
    closed: Calendar = field(default_factory=Calendar)

    def of_day(self, on: date) -> Iterator[tuple[datetime, datetime]]:
        """Yield the spans of a local day as instants, in order and without overlap."""
        if not self.closed.is_open(on):
            return
        ended: datetime | None = None
        for opens, closes in sorted(self.spans.get(on.weekday(), ())):
            start = clock.instant(datetime.combine(on, opens), self.zone)
            end = clock.instant(datetime.combine(on, closes), self.zone)
            # Spans may touch or overlap, also where a clock change moves one of them.
            start = start if ended is None else max(start, ended)
            if start < end:
                yield start, end
                ended = end

    def from_day_of(self, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield all spans from the local day of an instant on, for as long as it makes sense to look."""
        first = clock.local(moment, self.zone).date()
        for days in range(DAYS_SEARCHED_MAX):
            yield from self.of_day(first + timedelta(days=days))

    def is_open_at(self, moment: datetime) -> bool:
        """Tell whether the queue works at an instant; the closing minute is outside."""
        day = clock.local(moment, self.zone).date()
        return any(start <= moment < end for start, end in self.of_day(day))


def time_between(hours: BusinessHours, start: datetime, end: datetime) -> timedelta:
    """Return how much business time passes between two instants; nothing if the second is not later."""
    total = timedelta()
    day, last = clock.local(start, hours.zone).date(), clock.local(end, hours.zone).date()
    while day <= last:
        for opens, closes in hours.of_day(day):
            total += max(min(closes, end) - max(opens, start), timedelta())
        day += ONE_DAY
    return total


def minutes_between(hours: BusinessHours, start: datetime, end: datetime) -> int:
    """Return how many whole business minutes pass between two instants."""
    return time_between(hours, start, end) // MINUTE


def add_minutes(hours: BusinessHours, start: datetime, minutes: int) -> datetime | None:
    """Return the first instant by which so many business minutes have passed; None if the queue hardly ever opens."""
    left = minutes * MINUTE
    if not left:
        return start
    for opens, closes in hours.from_day_of(start):
        begins = max(opens, start)
        if closes <= begins:
            continue
        if closes - begins >= left:
            return begins + left
        left -= closes - begins
    return None
