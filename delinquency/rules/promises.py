"""Whether a promise to pay was kept (D7). Pure: amounts in, a verdict out."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from .facts import CENT

ZERO = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a promise, and what of it was paid."""

    kept: bool
    paid: Decimal
    why: str


def over_at(pay_by_on: date) -> datetime:
    """Return the local time at which a promise is over: when the day after it begins."""
    return datetime.combine(pay_by_on + timedelta(days=1), time.min)


def grace_until(pay_by_on: date, running_until: date | None) -> date:
    """Return the Grace Until that a promise brings: the day after it (D7), and never less than what runs already."""
    natural = pay_by_on + timedelta(days=1)
    return natural if running_until is None else max(natural, running_until)


def decide(
    *, pay_by_on: date, amount: Decimal | None, owed: Decimal, settled: Decimal, received: Decimal, local_now: datetime
) -> Verdict | None:
    """Decide a promise; None while it may still be kept.

    `settled` is by how much what was `owed` went down by the end of the day, in whatever way; `received` is the money
    that came in net of returns. With an amount named that much must have come in, or nothing be owed any more; with
    none, everything that was owed must be settled.
    """
    left = owed - settled
    if left < CENT:
        return Verdict(True, owed, "Everything that was owed then is paid.")
    paid = max(received if amount is not None else settled, ZERO)
    if amount is not None and received >= amount:
        return Verdict(True, amount, f"{received:,.2f} came in; {amount:,.2f} had been promised.")
    if local_now < over_at(pay_by_on):
        return None
    wanted = owed if amount is None else amount
    came = f"{paid:,.2f} of it" if paid >= CENT else "nothing of it"
    return Verdict(False, paid, f"{wanted:,.2f} had been promised by {pay_by_on}; {came} came.")
