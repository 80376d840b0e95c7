"""Choose what to pay, see what it does, pay, and learn how it ended. Everything is the session's account's own."""

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from accounts.access import for_customers, language_of, page
from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from invoicing.gateways.registry import gateway
from invoicing.models import PaymentAttempt
from invoicing.operations.inquire import leave_page, look_up
from invoicing.operations.portal_pay import UNDER_WAY, UNDER_WAY_STATES, earlier_press, pay_now, pay_on_page
from invoicing.operations.sources import Way
from invoicing.queries import account_position

from .forms import NEW, NO_INVOICE, SOURCE_GONE, Choice, Mistake, invoice_of, read_choice, sources_of, typed
from .looking import look_again, looks_of
from .plan import mark_of, plan_of

BELIEVED_AFTER = timedelta(minutes=1)


@require_http_methods(["GET", "HEAD", "POST"])
@for_customers
def pay(request: HttpRequest, account: Account) -> HttpResponse:
    """Choose how much and from where; a POST pays, with a stored card at once or on the gateway's page with a new one.

    The same press again shows what became of the first one.
    """
    if request.method != "POST":
        return _choose(request, account, request.GET)
    try:
        key = f"portal:{account.pk}:{uuid.UUID(request.POST.get('once', ''))}"
    except ValueError:
        mistake = Mistake("amount", "stale_form", _("The form was incomplete. Please choose again."))
        return _choose(request, account, request.POST, mistake, status=400)
    attempt = earlier_press(account, key)
    if attempt is None:
        try:
            position = account_position(account.pk)
            choice = read_choice(account, position, request.POST)
            seen = request.POST.get("seen", "")
            if seen and seen != mark_of(position):
                return _check(request, account, choice, changed=True)
            attempt = _pay(request, account, choice, key)
        except Refused as refusal:
            # The same press may have come in between, and have paid everything by now.
            attempt = earlier_press(account, key)
            if attempt is None:
                return _choose(request, account, request.POST, refusal, status=404 if _is_gone(refusal) else 409)
    if attempt.page_url and attempt.state == PaymentAttempt.State.SENDING:
        return _to_page(attempt)
    return HttpResponseRedirect(reverse("portal-outcome", args=[attempt.pk]), status=303)


@require_safe
@for_customers
def check(request: HttpRequest, account: Account) -> HttpResponse:
    """Say before paying exactly what the payment does: to the service, to which invoices, and what stays owed (P11)."""
    try:
        choice = read_choice(account, account_position(account.pk), request.GET)
    except Mistake as mistake:
        return _choose(request, account, request.GET, mistake, status=404 if _is_gone(mistake) else 400)
    return _check(request, account, choice)


@require_GET
@for_customers
def outcome(request: HttpRequest, account: Account, attempt_id: int) -> HttpResponse:
    """Tell how a payment ended: done (the receipt), declined, or not known yet; the truth in each case."""
    attempt = get_object_or_404(PaymentAttempt, account=account, pk=attempt_id)
    if _to_ask(attempt):
        (leave_page if "left" in request.GET else look_up)(attempt.pk, clock.now())
        attempt.refresh_from_db()
    if attempt.payment is not None:
        return HttpResponseRedirect(reverse("portal-receipt", args=[attempt.payment.public_id]), status=303)
    waiting = attempt.state in PaymentAttempt.UNSETTLED
    response = page(
        request, "portal/outcome.html",
        {
            "account": account, "attempt": attempt, "waiting": waiting, "looks": looks_of(request) if waiting else None,
            "on_page": attempt.page_url if attempt.state == PaymentAttempt.State.SENDING else "",
        },
    )  # fmt: skip
    return look_again(request, response, waiting=waiting)


def _pay(request: HttpRequest, account: Account, choice: Choice, key: str) -> PaymentAttempt:
    if choice.source is not None:
        return pay_now(account, choice.source, choice.amount, key=key, invoice=choice.invoice)
    way = _way_back(request, account)
    return pay_on_page(account, choice.amount, key=key, way=way, keep=choice.keep, invoice=choice.invoice)


def _choose(
    request: HttpRequest, account: Account, sent: QueryDict, wrong: Refused | None = None, *, status: int = 200
) -> HttpResponse:
    """Show what can be chosen, with what was chosen before, and what was wrong with it at its field."""
    position = account_position(account.pk)
    under_way = PaymentAttempt.objects.filter(account=account, state__in=UNDER_WAY_STATES).order_by("pk").first()
    context: dict[str, Any] = {
        "account": account, "position": position, "sources": sources_of(account), "new": NEW,
        "about": invoice_of(account, sent.get("about", "")), "chosen": sent.get("amount", ""),
        "source": sent.get("source", ""),
        "keep": "keep" in sent, "typed": typed(sent), "wrong": wrong.words if wrong else "",
        "field": getattr(wrong, "field", ""), "under_way": under_way, "under_way_words": UNDER_WAY,
    }  # fmt: skip
    return page(request, "portal/pay.html", context, status=status)


def _check(request: HttpRequest, account: Account, choice: Choice, *, changed: bool = False) -> HttpResponse:
    position = account_position(account.pk)
    context: dict[str, Any] = {
        "account": account, "choice": choice, "plan": plan_of(position, choice.amount, choice.invoice),
        "position": position, "seen": mark_of(position), "once": uuid.uuid4(), "changed": changed, "new": NEW,
        "named": choice.invoice.pk if choice.invoice else None,
    }  # fmt: skip
    status = 409 if changed else 200
    return page(request, "portal/check.html", context, status=status, form_to=gateway().page_origin)


def _is_gone(refusal: Refused) -> bool:
    """Tell whether a card or invoice is not there: somebody else's looks just like one that never was."""
    return refusal.code in (SOURCE_GONE, NO_INVOICE)


def _to_page(attempt: PaymentAttempt) -> HttpResponse:
    """Send the customer on to the gateway's page.

    Browsers follow a form only to where its page said it may lead; to any other address the customer goes by a link.
    """
    url = attempt.page_url
    own = url.removeprefix(settings.PUBLIC_BASE_URL)
    leads_on = own != url or url.startswith(f"{gateway().page_origin}/")
    return HttpResponseRedirect(own if leads_on else reverse("portal-outcome", args=[attempt.pk]), status=303)


def _to_ask(attempt: PaymentAttempt) -> bool:
    """Tell whether the gateway is asked before the customer is told: after its page, and after a lost answer.

    That a charge is not to be found is believed only after a minute, which a gateway may need.
    """
    if attempt.page_id:
        return attempt.state in PaymentAttempt.ASKED
    if attempt.state != PaymentAttempt.State.UNKNOWN or attempt.unclear_at is None:
        return False
    return clock.now() - attempt.unclear_at >= BELIEVED_AFTER


def _way_back(request: HttpRequest, account: Account) -> Way:
    """Return where the gateway's page sends the customer afterwards: always to our own public address."""
    outcome_url = settings.PUBLIC_BASE_URL + reverse("portal-outcome", args=[0]).replace("/0/", "/{attempt}/")
    return Way(return_url=outcome_url, leave_url=f"{outcome_url}?left=1", language=language_of(request, account))
