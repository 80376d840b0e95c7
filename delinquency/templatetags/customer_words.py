"""Filters and tags that write dates and what comes next as a customer reads them."""

from datetime import date

from django import template

from delinquency.plain_words import long_day as _long_day

register = template.Library()


@register.filter
def long_day(on: date, today: date) -> str:
    """Write a date out, with its year if that is another one than today's."""
    return _long_day(on, today)
