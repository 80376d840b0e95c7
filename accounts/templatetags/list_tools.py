"""The line above every list: the kept filters with their counts, and the buttons that make a file."""

from typing import Any

from django import template

register = template.Library()


@register.inclusion_tag("admin/list_tools.html", takes_context=True)
def list_tools(context: template.Context, found: Any) -> dict[str, Any]:
    """Return what the line above a list shows; nothing in a pop-up, and nothing for lists of other programs."""
    tools = getattr(found.model_admin, "list_tools", None)
    if found.is_popup or tools is None:
        return {"shown": False}
    return {"shown": True, "csrf_token": context.get("csrf_token"), **tools(context["request"], found)}
