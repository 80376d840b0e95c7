"""The captive portal API of RFC 8908: phones ask it whether their line is limited, and show the portal if it is."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.client_address import client_address
from billing_project.kernel import clock
from delinquency.arrival import arrival_from

CONTENT_TYPE = "application/captive+json"


@require_safe
def captive(request: HttpRequest) -> HttpResponse:
    """Tell the device that asks about its own address alone; one that we do not know is not captive."""
    arrival = arrival_from(client_address(request))
    answer: dict[str, Any] = {
        "captive": arrival is not None and arrival.is_captive,
        "user-portal-url": settings.PUBLIC_BASE_URL + reverse("portal-garden"),
    }
    if arrival is not None and arrival.window is not None:
        answer["seconds-remaining"] = int((arrival.window.closes_at - clock.now()).total_seconds())
        answer["can-extend-session"] = True  # paying ends the limit
    response = JsonResponse(answer, content_type=CONTENT_TYPE)
    response["Cache-Control"] = "private, no-store"
    response["Vary"] = "*"
    return response
