"""Pages that look again by themselves for at most two minutes, by a header and without a script (P08)."""

from django.http import HttpRequest, HttpResponse

from .forms import whole_number

LOOK_SECONDS, LOOKS_MAX = 5, 24


def looks_of(request: HttpRequest) -> int | None:
    """Return how often the page has looked by itself; None once it has stopped."""
    asked = request.GET.get("look", "0")
    return whole_number(asked) if asked != "stop" and whole_number(asked) < LOOKS_MAX else None


def look_again(request: HttpRequest, response: HttpResponse, *, waiting: bool) -> HttpResponse:
    """Make the browser look again, as long as something is waited for."""
    looks = looks_of(request)
    if waiting and looks is not None:
        response["Refresh"] = f"{LOOK_SECONDS}; url={request.path}?look={looks + 1}"
    return response
