"""Billing periods and bill dates: plain dates, always counted from the anchor day (A16, A17, A34).

The bill day is the anchor. Days 29 to 31 bill on the last day of shorter months and come back to themselves
in longer ones; counting from the last bill instead would turn the 31st into the 28th for ever.
"""

from calendar import monthrange
from datetime import date, datetime, time, timedelta

# Billing starts five minutes after local midnight (X11).
BILLING_TIME = time(0, 5)
# With less than this left of the day, a returning account is billed next month (S28, A17).
LAST_HOUR = timedelta(hours=1)


def bill_day_in(year: int, month: int, bill_day: int) -> date:
    """Return the bill date of a month; a day the month lacks is its last day (A34)."""
    return date(year, month, min(bill_day, monthrange(year, month)[1]))


def nth_bill_on(anchor_on: date, n: int) -> date:
    """Return the n-th monthly bill date after the anchor: Jan 31, Feb 28, Mar 31."""
    year, month0 = divmod(anchor_on.year * 12 + anchor_on.month - 1 + n, 12)
    return bill_day_in(year, month0 + 1, anchor_on.day)


def next_bill_on_after(day: date, bill_day: int) -> date:
    """Return the smallest bill date strictly after a day (A16)."""
    in_this_month = bill_day_in(day.year, day.month, bill_day)
    return in_this_month if in_this_month > day else _in_month(day, 1, bill_day)


def last_bill_on_before(day: date, bill_day: int) -> date:
    """Return the largest bill date strictly before a day."""
    in_this_month = bill_day_in(day.year, day.month, bill_day)
    return in_this_month if in_this_month < day else _in_month(day, -1, bill_day)


def period_of(bill_on: date, bill_day: int) -> tuple[date, date]:
    """Return the first and last day that the invoice of a bill date pays for: up to the next one."""
    return bill_on, next_bill_on_after(bill_on, bill_day) - timedelta(days=1)


def rolled_on(next_bill_on: date, bill_day: int, local_now: datetime, midnight_in: timedelta) -> date:
    """Return the next bill date of an account that returns to an activating status (S24–S30, A16, A17).

    In the future: as it is. Today: as it is while at least an hour is left of the day. Otherwise the next
    bill date strictly after today, and nothing is invoiced for what lies between. ``midnight_in`` is the real
    time left until the next local midnight, which differs from the clock's on the nights of a clock change.
    """
    today = local_now.date()
    if next_bill_on > today or (next_bill_on == today and midnight_in >= LAST_HOUR):
        return next_bill_on
    return next_bill_on_after(today, bill_day)


def _in_month(day: date, months: int, bill_day: int) -> date:
    year, month0 = divmod(day.year * 12 + day.month - 1 + months, 12)
    return bill_day_in(year, month0 + 1, bill_day)
