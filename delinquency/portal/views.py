"""The page a restricted line is sent to."""

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.views.decorators.http import require_safe

from accounts.access import language_of, page, signed_in


@require_safe
def garden(request: HttpRequest) -> HttpResponse:
    """Say plainly why service is limited, how much brings it back, and how to get in; open to everybody."""
    account = signed_in(request)
    with translation.override(language_of(request, account)):
        return page(request, "portal/garden.html", {"account": account})
