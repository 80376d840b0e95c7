"""The customer's pages about money. Every row shown belongs to the session's account; others do not exist here."""

import uuid
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from accounts.access import for_customers, language_of, page
from accounts.models import Account, FundingSource
from billing_project.kernel import clock, money
from billing_project.kernel.errors import Refused
from invoicing.gateways.registry import gateway
from invoicing.models import Invoice, Payment, PaymentAttempt
from invoicing.operations.inquire import leave_page, look_up
from invoicing.operations.portal_pay import UNDER_WAY, UNDER_WAY_STATES, earlier_press, pay_now, pay_on_page
from invoicing.operations.sources import Way
from invoicing.queries import account_position

from . import documents

SHOWN_MAX = 24
# How often and how long a page looks again by itself, without a script.
LOOK_SECONDS, LOOKS_MAX = 5, 24
BELIEVED_AFTER = timedelta(minutes=1)


@require_GET
@for_customers
def home(request: HttpRequest, account: Account) -> HttpResponse:
    """Show what is owed and why, what restores service, what comes next, and the invoices."""
    invoices = Invoice.objects.filter(account=account).order_by("-issued_on", "-pk")[:SHOWN_MAX]
    payments = Payment.objects.filter(account=account).order_by("-received_at", "-pk")[:SHOWN_MAX]
    open_attempts = PaymentAttempt.objects.filter(account=account, state__in=UNDER_WAY_STATES)
    return page(
        request,
        "portal/home.html",
        {
            "account": account, "position": account_position(account.pk), "invoices": invoices,
            "payments": [(clock.local(row.received_at, account.timezone), row) for row in payments],
            "today": clock.today(account.timezone), "source": _sources(account).first(), "once": uuid.uuid4(),
            "under_way": open_attempts.order_by("pk").first(), "under_way_words": UNDER_WAY,
        },
    )  # fmt: skip


@require_GET
@for_customers
def invoice(request: HttpRequest, account: Account, public_id: uuid.UUID) -> HttpResponse:
    """Show one invoice with its lines."""
    found = get_object_or_404(Invoice, account=account, public_id=public_id)
    return page(
        request, "portal/invoice.html",
        {"account": account, "invoice": found, "lines": found.lines.all(), "document": documents.words()},
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@for_customers
def pay(request: HttpRequest, account: Account) -> HttpResponse:
    """Choose how much and from where; pay with a stored source at once, or go to the gateway's page for a new card."""
    if request.method != "POST":
        return _pay_page(request, account)
    try:
        key = f"portal:{account.pk}:{uuid.UUID(request.POST.get('once', ''))}"
        attempt = earlier_press(account, key)
        if attempt is None:
            amount = _amount(request, account_position(account.pk).pay_all)
            if request.POST.get("source") == "new":
                way = _way_back(request, account)
                attempt = pay_on_page(account, amount, key=key, way=way, keep="keep" in request.POST)
            else:
                source = get_object_or_404(_sources(account), pk=_number(request.POST.get("source", "")))
                attempt = pay_now(account, source, amount, key=key)
    except Refused as refusal:
        return _pay_page(request, account, refusal.words, status=409)
    except ValueError:
        return _pay_page(request, account, _("The form was incomplete. Please choose again."), status=400)
    if attempt.page_url and attempt.state == PaymentAttempt.State.SENDING:
        return _to_page(attempt)
    return HttpResponseRedirect(reverse("portal-outcome", args=[attempt.pk]), status=303)


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
            "account": account, "attempt": attempt, "waiting": waiting, "looks": _looks(request) if waiting else None,
            "on_page": attempt.page_url if attempt.state == PaymentAttempt.State.SENDING else "",
        },
    )  # fmt: skip
    return _look_again(request, response, waiting=waiting)


@require_GET
@for_customers
def receipt(request: HttpRequest, account: Account, public_id: uuid.UUID) -> HttpResponse:
    """Show a payment's receipt, and whether the line is back, as the device says."""
    payment = get_object_or_404(Payment, account=account, public_id=public_id)
    response = page(
        request, "portal/receipt.html",
        {
            "account": account, "payment": payment, "paid_at": clock.local(payment.received_at, account.timezone),
            "position": account_position(account.pk), "looks": _looks(request), "document": documents.words(),
        },
    )  # fmt: skip
    return _look_again(request, response, waiting="data-waiting" in response.content.decode())


def _pay_page(request: HttpRequest, account: Account, wrong: str = "", *, status: int = 200) -> HttpResponse:
    return page(
        request, "portal/pay.html",
        {
            "account": account, "position": account_position(account.pk), "sources": _sources(account), "wrong": wrong,
            "once": uuid.uuid4(),
        },
        status=status,
        form_to=gateway().page_origin,
    )  # fmt: skip


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


def _sources(account: Account) -> QuerySet[FundingSource]:
    return FundingSource.objects.filter(account=account, barred_at__isnull=True).order_by("rank")


def _amount(request: HttpRequest, pay_all: Decimal) -> Decimal:
    """Return the chosen amount; raises Refused if it is no amount, or more than is owed."""
    chosen = request.POST.get("amount", "")
    if chosen == "other":
        chosen = request.POST.get("other", "").strip().replace(",", ".")
    amount = money.parse(chosen, what=_("amount"))
    if amount <= 0 or amount > pay_all:
        raise Refused("bad_amount", _("Please enter an amount from 0.01 to %(most)s.") % {"most": money.text(pay_all)})
    return amount


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _looks(request: HttpRequest) -> int | None:
    """Return how often the page has looked by itself; None once it has stopped."""
    asked = request.GET.get("look", "0")
    return _number(asked) if asked != "stop" and _number(asked) < LOOKS_MAX else None


def _look_again(request: HttpRequest, response: HttpResponse, *, waiting: bool) -> HttpResponse:
    """Make the browser look again for at most two minutes, by a header and without a script (P08)."""
    looks = _looks(request)
    if waiting and looks is not None:
        response["Refresh"] = f"{LOOK_SECONDS}; url={request.path}?look={looks + 1}"
    return response
