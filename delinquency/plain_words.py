"""Dates and sums as customers read them, in the language that is active."""

from datetime import date
from decimal import Decimal

from django.utils.dateformat import format as format_date
from django.utils.formats import number_format
from django.utils.translation import gettext as _


def long_day(on: date, today: date) -> str:
    """Return a date written out, such as "Tuesday 24 May"; with its year if that is not this one."""
    if on.year == today.year:
        return format_date(on, _("l j F"))
    return format_date(on, _("l j F Y"))


def sum_of(amount: Decimal, currency: str) -> str:
    """Return an amount with its currency, such as "84.50 USD"."""
    return f"{number_format(amount, 2, use_l10n=True, force_grouping=True)} {currency}"
