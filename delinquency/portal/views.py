"""The page a restricted line is sent to."""

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.views.decorators.http import require_safe

from accounts.access import language_of, page, signed_in

from .garden import arrival_page


@require_safe
def garden(request: HttpRequest, anything: str = "") -> HttpResponse:
    """Say plainly why service is limited, how much brings it back, and how to get in; open to everybody.

    Whatever path a redirect brings along, the answer is this page with 200: what asks may be a phone that only looks
    for a way out, and follows no further.
    """
    account = signed_in(request)
    with translation.override(language_of(request, account)):
        if account is not None:
            return page(request, "portal/garden.html", {"account": account})
        return arrival_page(request)
