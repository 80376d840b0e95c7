"""When people pay: late after late more often than not, a few days as a rule, sometimes in parts. Pure."""

import math
import random
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Manner:
    """How a class of payers behaves, as a chain of two states: in time, late."""

    late_share: float  # of all their invoices
    late_again: float  # of the invoices after a late one
    median_days_late: int
    spread: float
    opens: time
    closes: time

    @property
    def late_after_in_time(self) -> float:
        """Return how often an invoice after one in time is late, so that the share comes out."""
        return self.late_share * (1 - self.late_again) / (1 - self.late_share)


# A fifth of consumers' invoices is late, by 4 days in the median; those who stop paying are part of that fifth. A
# third of businesses' is, by 8 days: nearly half of them pay by a card that works and are never late, so that it is
# two thirds of the others'.
HOUSEHOLDS = Manner(0.17, 0.55, 4, 0.8, time(8, 10), time(20, 40))
BUSINESSES = Manner(0.68, 0.66, 8, 0.7, time(9, 5), time(17, 30))

PART_SHARE = 0.04
FIRST_PART = Decimal("0.6")
DAYS_LATE_MAX = 75


@dataclass(slots=True)
class Payer:
    """One payer's state between invoices."""

    manner: Manner
    dice: random.Random
    late: bool = False
    first: bool = True

    def moments(self, issued_on: date, due_on: date) -> list[tuple[datetime, Decimal]]:
        """Return when an invoice is paid, in local time, and which share of it each time."""
        manner, dice = self.manner, self.dice
        chance = manner.late_share if self.first else manner.late_again if self.late else manner.late_after_in_time
        self.late, self.first = dice.random() < chance, False
        if self.late:
            delay = math.exp(dice.gauss(math.log(manner.median_days_late), manner.spread))
            on = due_on + timedelta(days=max(1, min(DAYS_LATE_MAX, round(delay))))
        else:
            on = issued_on + timedelta(days=dice.randint(0, (due_on - issued_on).days))
        if dice.random() >= PART_SHARE:
            return [(self.moment_on(on), Decimal(1))]
        later = on + timedelta(days=dice.randint(6, 14))
        return [(self.moment_on(on), FIRST_PART), (self.moment_on(later), 1 - FIRST_PART)]

    def moment_on(self, on: date) -> datetime:
        """Return a moment of a day at which such a payer pays."""
        first, last = (at.hour * 60 + at.minute for at in (self.manner.opens, self.manner.closes))
        return datetime.combine(on, time()) + timedelta(minutes=self.dice.randint(first, last))
