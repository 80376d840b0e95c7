"""What Stripe reports: verified on the raw body, kept once, answered at once; a worker does the rest (R-08, SEC-14)."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.request import RawPostDataException, UnreadablePostError
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing_project.kernel import clock
from invoicing.gateways.stripe_client import is_live_key
from invoicing.gateways.stripe_reports import Forged, Unreadable, read
from invoicing.operations.gateway_events import Told, take_in

BODY_MAX = 1024 * 1024
PROVIDER = "stripe"


@csrf_exempt
@never_cache
@require_POST
def report(request: HttpRequest) -> HttpResponse:
    """Take in one report: 200 if it is kept (also for the third time), 400 if it is not Stripe's, 413 if too large."""
    secrets = [secret.strip() for secret in settings.STRIPE_WEBHOOK_SECRET.split(",") if secret.strip()]
    if not secrets:
        return HttpResponse(status=404)
    body = _body(request)
    if body is None:
        return HttpResponse(status=413)
    try:
        told = read(body, request.headers.get("Stripe-Signature", ""), secrets, clock.now())
    except (Forged, Unreadable):
        return HttpResponse(status=400)
    # A trial's reports say nothing about real money, nor the other way round.
    if told.live == is_live_key(settings.STRIPE_SECRET_KEY):
        take_in(
            Told(
                provider=PROVIDER, event_id=told.event_id, type=told.type, object_id=told.object_id,
                happened_at=told.happened_at,
            )
        )  # fmt: skip
    return HttpResponse(status=200)


def _body(request: HttpRequest) -> bytes | None:
    """Return the raw body, or None if it is too large; no more than that is ever read."""
    length = request.headers.get("Content-Length", "")
    if length.isascii() and length.isdigit() and int(length[:12]) > BODY_MAX:
        return None
    try:
        body = request.read(BODY_MAX + 1)
    except (UnreadablePostError, RawPostDataException):
        return b""
    return body if len(body) <= BODY_MAX else None
