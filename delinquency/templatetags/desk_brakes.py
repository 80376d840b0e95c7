"""What is stopped right now, for the head of every page of the back office."""

from typing import Any

from django import template
from django.template import Context

from accounts.queries import open_stops
from delinquency.models import AirbagTrip

register = template.Library()


@register.inclusion_tag("admin/brakes.html", takes_context=True)
def desk_brakes(context: Context) -> dict[str, Any]:
    """Show the global pause and the plans that the airbag holds, to staff who are logged in."""
    request = context.get("request")
    user = getattr(request, "user", None)
    if user is None or not user.is_staff:
        return {}
    stops = open_stops()
    return {
        "pause": next((stop for stop in stops if not stop.is_shadow), None),
        "shadow": next((stop for stop in stops if stop.is_shadow), None),
        "may_run_shadow": user.has_perm("accounts.run_shadow"),
        "may_resume": user.has_perm("accounts.pause_everything"),
        "trips": list(AirbagTrip.objects.filter(state__in=AirbagTrip.OPEN).order_by("pk")),
        "may_see_trips": user.has_perm("delinquency.view_airbagtrip"),
    }
