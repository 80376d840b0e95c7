"""Let the audit record name who asked for a page, and which page it was."""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from billing_project.kernel import acting

# Parts of an address that name a row; anything else may be a customer's key, which must not be kept.
_ROW = re.compile(r"[0-9]{1,19}|[a-z_]{1,30}")
NOBODY = {"portal": "customer, in the portal", "callbacks": "provider, by callback"}


class ActingMiddleware:
    """Tell, when something is about to be written, who is logged in; a page that only reads costs nothing."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request, with its user acting."""
        mark = acting.new_mark()
        with acting.as_described(lambda: _describe(request, mark)):
            return self.get_response(request)


def _describe(request: HttpRequest, mark: str) -> acting.Told:
    told: acting.Told = {"at": f"{request.method} {_place(request)}", "mark": mark}
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return told | {"by_id": user.pk, "by": user.get_username()}
    return told | {"by": NOBODY.get(request.path.split("/")[1], "somebody not logged in")}


def _place(request: HttpRequest) -> str:
    """Return the address, or its pattern where a part of it could be a secret."""
    match = request.resolver_match
    if match is None or all(_ROW.fullmatch(str(value)) for value in match.kwargs.values()):
        return request.path if match is not None else f"/{request.path.split('/')[1]}/"
    return f"/{match.route}"
