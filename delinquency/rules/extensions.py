"""How often one account may be given more time, and how much at once (A9). Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from .calendar import months_later


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the one who asks may still give an account."""

    who: str  # such as "sandy", or "customers"
    limit: int | None  # within 12 months; None is without limit
    given_on: tuple[date, ...]  # the days on which it got more time within those months, oldest first
    beyond: str = ""  # what happens above it, as a sentence; empty if nothing does
    days_max: int | None = None  # at once; None is without limit

    @property
    def used(self) -> int:
        """Return how many were given, by whomever."""
        return len(self.given_on)

    @property
    def left(self) -> int | None:
        """Return how many may still be given; None is without limit."""
        return None if self.limit is None else max(self.limit - self.used, 0)

    @property
    def frees_on(self) -> date | None:
        """Return the first day on which one may be given again; None if that is today, or never."""
        if self.limit is None or self.limit == 0 or self.used < self.limit:
            return None
        return months_later(self.given_on[-self.limit], 12)

    def is_too_long(self, days: int) -> bool:
        """Tell whether so many days are more than may be given at once."""
        return self.days_max is not None and days > self.days_max

    def covers(self, days: int) -> bool:
        """Tell whether so many days may be given now."""
        return self.left != 0 and not self.is_too_long(days)

    def refusal(self, number: str, days: int = 0) -> str:
        """Say why no more may be given, or not so many days at once, and what to do instead."""
        if self.left != 0:
            words = f"{days} days at once is more than {self.who} may give: {self.days_max}."
            return f"{words} {self.beyond}".rstrip()
        times = f"{self.used} extension{'' if self.used == 1 else 's'}"
        got = (
            f"Account {number} got {times} since {self.given_on[0]}" if self.used else f"Account {number} got none yet"
        )
        words = f"{got}; {self.who} may give {self.limit} in 12 months."
        if self.beyond:
            words += f" {self.beyond}"
        if self.frees_on is not None:
            words += f" The next one is free on {self.frees_on}."
        return words


def within_12_months(days: Sequence[date], today: date) -> tuple[date, ...]:
    """Return the days of the 12 months that end today, oldest first (rolling, the account's days)."""
    return tuple(sorted(day for day in days if months_later(today, -12) < day <= today))
