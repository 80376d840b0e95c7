"""What the portal's page of cards tells about a second way to pay (E7)."""

from django import template

from accounts.models import Account
from delinquency import second_source

register = template.Library()


@register.simple_tag
def second_source_of(account: Account) -> second_source.SecondSource | None:
    """Return when a second source was asked for, until when, and whether it came; None if it was not asked for."""
    return second_source.second_source_of(account.pk)
