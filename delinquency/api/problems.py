"""What is wrong, as problem+json (RFC 9457): what, where, and how to mend it."""

import logging
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from billing_project.kernel.errors import Refused, StaleState

logger = logging.getLogger(__name__)

KIND = "application/problem+json"
TITLES = {
    400: "The request cannot be read", 401: "Who are you?", 403: "Not allowed", 404: "Not found",
    409: "In conflict with what is there", 413: "Too large", 422: "Refused", 429: "Too many calls",
    500: "Something went wrong here", 503: "Not now",
}  # fmt: skip


class Problem(Exception):
    """An answer other than what was asked for; ``errors`` names fields and how to mend each."""

    def __init__(
        self, status: int, code: str, words: str, *, errors: list[dict[str, Any]] | None = None, wait: int = 0
    ) -> None:
        super().__init__(words)
        self.status, self.code, self.words, self.errors, self.wait = status, code, words, errors or [], wait


def answer(
    status: int, code: str, words: str, *, errors: list[dict[str, Any]] | None = None, wait: int = 0
) -> HttpResponse:
    """Return a problem as the caller reads it."""
    body: dict[str, Any] = {"type": f"about:blank#{code}", "title": TITLES.get(status, "Refused"), "status": status,
                            "code": code, "detail": words}  # fmt: skip
    if errors:
        body["errors"] = errors
    found = JsonResponse(body, status=status, content_type=KIND)
    if wait:
        found["Retry-After"] = str(wait)
    if status == 401:
        found["WWW-Authenticate"] = "Bearer"
    return found


def add_handlers(api: NinjaAPI) -> None:
    """Let every way in which a call can fail be answered in the same form."""

    @api.exception_handler(Problem)
    def _problem(_request: HttpRequest, problem: Problem) -> HttpResponse:
        return answer(problem.status, problem.code, problem.words, errors=problem.errors, wait=problem.wait)

    @api.exception_handler(Refused)
    def _refused(_request: HttpRequest, refusal: Refused) -> HttpResponse:
        return answer(409 if isinstance(refusal, StaleState) else 422, refusal.code, refusal.words)

    @api.exception_handler(ValidationError)
    def _invalid(_request: HttpRequest, error: ValidationError) -> HttpResponse:
        errors = [
            {"field": ".".join(str(part) for part in one["loc"][1:] if part != "data"), "message": str(one["msg"])}
            for one in error.errors
        ]
        return answer(400, "invalid", "Some of what was sent cannot be read; errors names each field.", errors=errors)

    @api.exception_handler(AuthenticationError)
    def _unknown(_request: HttpRequest, _error: AuthenticationError) -> HttpResponse:
        return answer(401, "no_token", "Send a token that is in force: Authorization: Bearer <token>.")

    @api.exception_handler(HttpError)
    def _http(_request: HttpRequest, error: HttpError) -> HttpResponse:
        return answer(error.status_code, "bad_request", str(error))

    @api.exception_handler(Http404)
    def _missing(_request: HttpRequest, error: Http404) -> HttpResponse:
        return answer(404, "not_found", str(error) or "There is no such thing here.")

    @api.exception_handler(PermissionDenied)
    def _forbidden(_request: HttpRequest, error: PermissionDenied) -> HttpResponse:
        return answer(403, "not_allowed", str(error) or "The role of this token may not do that.")

    @api.exception_handler(Exception)
    def _broken(_request: HttpRequest, error: Exception) -> HttpResponse:
        logger.error("a call of the API failed", exc_info=error)
        return answer(500, "broken", "This is our fault and is in our log. Try again with the same Idempotency-Key.")
