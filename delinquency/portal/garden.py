"""Arrival from the walled garden, and paying there without signing in: one sum, and nothing about whose line it is.

What a form here sends is signed together with the address that asked for it. So nobody can press for another line, it
needs no cookie (the small browsers of phones' sign-in pages keep none), and pressing twice is pressing once.
"""

from datetime import timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from accounts.access import language_of, page
from accounts.client_address import client_address
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.arrival import arrival_from, line_is_open, offer_to
from invoicing.models import PaymentAttempt
from invoicing.operations.guest_pay import form_leads_to, guest_payment, page_address, pay_as_guest
from invoicing.operations.sources import Way

SALT = "portal.garden.press"
PRESS_AGE_MAX = timedelta(hours=1)
# How often and how long the outcome looks again by itself, without a script (P08).
LOOK_SECONDS, LOOKS_MAX = 5, 24


def arrival_page(request: HttpRequest, wrong: str = "", *, status: int = 200) -> HttpResponse:
    """Show what the line that asks may be told: why, how much, how fast; or the general words and the way in."""
    arrival = arrival_from(client_address(request))
    offer = offer_to(arrival)
    context = {"arrival": arrival, "offer": offer, "wrong": wrong, "press": _new_press(request) if offer else ""}
    return page(request, "portal/garden.html", context, status=status, form_to=form_leads_to())


@csrf_exempt  # the signed press says more than a cookie could
@require_POST
def pay(request: HttpRequest) -> HttpResponse:
    """Send whoever presses Pay on to the provider's page, for exactly the sum that restores their own line."""
    with translation.override(language_of(request)):
        press = _press(request)
        offer = offer_to(arrival := arrival_from(client_address(request)))
        if press is None or arrival is None or offer is None:
            earlier = guest_payment(press) if press is not None else None
            if earlier is not None:
                return _to_outcome(earlier)
            words = _("This page had grown old, so nothing was done. Here is how it stands now.")
            return arrival_page(request, words, status=409)
        outcome_url = settings.PUBLIC_BASE_URL + reverse("portal-garden-payment", args=[press])
        way = Way(return_url=outcome_url, leave_url=f"{outcome_url}?left=1", language=language_of(request))
        try:
            attempt = pay_as_guest(arrival.account, offer.sum, press=press, way=way)
        except Refused as refusal:
            return arrival_page(request, refusal.words, status=409)
        address = page_address(attempt)
        leads_on = address.startswith(("/", f"{form_leads_to()}/"))
        return HttpResponseRedirect(address, status=303) if leads_on else _to_outcome(attempt)


@require_GET
def payment(request: HttpRequest, press: UUID) -> HttpResponse:
    """Tell how a payment without signing in ended: reference, sum, and when the line is back; nothing else."""
    with translation.override(language_of(request)):
        attempt = guest_payment(press, left="left" in request.GET)
        if attempt is None:
            return HttpResponseRedirect(reverse("portal-garden"), status=303)
        is_open = line_is_open(attempt.account)
        waiting = attempt.state in PaymentAttempt.UNSETTLED or (attempt.payment is not None and is_open is not True)
        looks = _looks(request)
        response = page(
            request, "portal/garden_payment.html",
            {
                "attempt": attempt, "paid": attempt.payment, "currency": attempt.account.company.currency,
                "on_page": page_address(attempt), "is_open": is_open, "looks": looks, "waiting": waiting,
            },
        )  # fmt: skip
        if waiting and looks is not None:
            response["Refresh"] = f"{LOOK_SECONDS}; url={request.path}?look={looks + 1}"
        return response


def _to_outcome(attempt: PaymentAttempt) -> HttpResponse:
    press = attempt.key.partition(":")[2]
    return HttpResponseRedirect(reverse("portal-garden-payment", args=[press]), status=303)


def _new_press(request: HttpRequest) -> str:
    minute = int(clock.now().timestamp()) // 60
    return Signer(salt=SALT).sign(f"{uuid4()}~{minute}~{client_address(request)}")


def _press(request: HttpRequest) -> UUID | None:
    """Return the press that a form brings, or None if it is forged, old, or was given to another address."""
    try:
        press, minute, address = Signer(salt=SALT).unsign(request.POST.get("press", "")).split("~")
    except BadSignature:
        return None
    age = clock.now().timestamp() - int(minute) * 60
    if age > PRESS_AGE_MAX.total_seconds() or address != str(client_address(request)):
        return None
    return UUID(press)


def _looks(request: HttpRequest) -> int | None:
    """Return how often the page has looked by itself; None once it has stopped."""
    asked = request.GET.get("look", "0")
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 4 and int(asked) < LOOKS_MAX else None
