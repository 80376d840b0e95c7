"""The days a report is about, and how they are cut into bars."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from billing_project.kernel import clock

DAY = timedelta(days=1)
USUAL = "30"
PICKS = {"1": "today", "7": "7 days", "30": "30 days", "90": "90 days", "365": "a year"}
# By day up to here, then by week, then by month.
DAILY_MAX, WEEKLY_MAX = 45, 190
DAYS_MAX = 1100


@dataclass(frozen=True, slots=True)
class Period:
    """Whole local days, from the first to the last."""

    first: date
    last: date
    zone: str
    pick: str = ""
    wrong: str = ""

    @property
    def begins_at(self) -> datetime:
        """Return its first instant."""
        return clock.instant(datetime.combine(self.first, time.min), self.zone)

    @property
    def ends_at(self) -> datetime:
        """Return the instant that is the first after it."""
        return clock.instant(datetime.combine(self.last + DAY, time.min), self.zone)

    @property
    def days(self) -> int:
        """Return how many days it has."""
        return (self.last - self.first).days + 1

    @property
    def words(self) -> str:
        """Return it in words."""
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"

    @property
    def grain(self) -> str:
        """Return into what it is cut: day, week or month."""
        return "day" if self.days <= DAILY_MAX else "week" if self.days <= WEEKLY_MAX else "month"

    def bar_of(self, on: date) -> date:
        """Return the first day of the bar that a day belongs to."""
        match self.grain:
            case "week":
                return on - timedelta(days=on.weekday())
            case "month":
                return on.replace(day=1)
        return on

    def bars(self) -> Iterator[date]:
        """Return the first day of each bar, in order."""
        seen = None
        for place in range(self.days):
            bar = self.bar_of(self.first + timedelta(days=place))
            if bar != seen:
                seen = bar
                yield bar

    def query(self) -> str:
        """Return it as part of an address."""
        return f"days={self.pick}" if self.pick else f"from={self.first}&to={self.last}"


def period_from(asked: Mapping[str, str], zone: str) -> Period:
    """Return the period that an address asks for; for none, or for nonsense, which it says, the last 30 days."""
    today = clock.today(zone)
    pick = asked.get("days", "")
    if pick in PICKS:
        return Period(today - (int(pick) - 1) * DAY, today, zone, pick)
    usual = Period(today - (int(USUAL) - 1) * DAY, today, zone, USUAL)
    if not asked.get("from") and not asked.get("to"):
        return usual
    try:
        first, last = date.fromisoformat(asked.get("from", "")), date.fromisoformat(asked.get("to", ""))
    except ValueError:
        return _wrong(usual, "Write both days, such as 2026-01-01 and 2026-01-31.")
    if first > last:
        return _wrong(usual, f"{first} is after {last}: name the earlier day first.")
    if (last - first).days >= DAYS_MAX or first.year < 1990 or last.year > 2200:
        return _wrong(usual, f"Choose {DAYS_MAX} days at most.")
    return Period(first, last, zone)


def _wrong(usual: Period, words: str) -> Period:
    return Period(usual.first, usual.last, usual.zone, usual.pick, f"{words} Shown are the last 30 days.")
