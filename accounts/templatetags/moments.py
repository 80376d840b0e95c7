"""Instants in the forms of the back office."""

from typing import Any

from django import template

register = template.Library()


@register.simple_tag(takes_context=True)
def readonly_shown(context: template.Context, field: Any) -> Any:
    """Return what a read-only field shows; an instant in the account's time, with UTC on hover (U21)."""
    # Late: libraries of tags are read before the back office is.
    from accounts.admin.moments import shown_in

    return shown_in(field, context.get("original"))
