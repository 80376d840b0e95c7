"""The mark of the installation, for the bar above every page of the back office."""

from django import template

from billing_project.environment import Mark, mark

register = template.Library()


@register.simple_tag
def environment_mark() -> Mark:
    """Return whether this is live or a sandbox, in words."""
    return mark()
