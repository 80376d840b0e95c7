"""When a card's expiry begins to matter, and when to say so (E12). Pure: plain dates."""

from datetime import date, timedelta

from . import periods

# The letters, by their number: how many days before the card is needed.
FIRST, LAST = 30, 7
# A card that expires later than this from now is needed even later.
AHEAD_MAX = timedelta(days=FIRST)


def next_payment_on(
    expires_on: date,
    *,
    open_due_on: date | None,
    next_bill_on: date | None,
    bill_day: int,
    due_days: int,
) -> date | None:
    """Return the first day on which a payment falls due and a card has expired; None if nothing more is billed.

    ``expires_on`` is the last day on which the card is good; ``open_due_on`` when the first open invoice is due that is
    due after it, ``next_bill_on`` when the next one is made.
    """
    days = [open_due_on] if open_due_on is not None else []
    if next_bill_on is not None:
        bill_on = next_bill_on
        while bill_on + timedelta(days=due_days) <= expires_on:
            bill_on = periods.next_bill_on_after(bill_on, bill_day)
        days.append(bill_on + timedelta(days=due_days))
    return min(days, default=None)


def reminder(needed_on: date, today: date) -> int:
    """Return which letter is due today: 1 from 30 days before a card is needed, 2 from 7 days before, 0 for none.

    On the day itself it is too late to ask; then the decline is told.
    """
    days = (needed_on - today).days
    if days < 1 or days > FIRST:
        return 0
    return 2 if days <= LAST else 1
