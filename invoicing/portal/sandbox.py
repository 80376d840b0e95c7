"""The sandbox gateway's own page, where a customer would enter a card: test cards only, chosen by name."""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from accounts.access import for_customers, page
from accounts.models import Account
from billing_project.kernel.errors import Rejected, Unavailable
from invoicing.gateways.sandbox import LAST4, SandboxGateway, find_page
from invoicing.models import SandboxPage
from invoicing.operations.guest_pay import is_guests

# What each test card does is in its token; see invoicing/gateways/sandbox.py.
CARDS = {
    "tok_ok": _("is charged"),
    "tok_declined": _("is declined"),
    "tok_insufficient": _("is declined: not enough money"),
    "tok_expired": _("is declined: expired"),
    "tok_lost_answer": _("is charged, but the answer is lost"),
    "tok_timeout_before": _("cannot be reached: nothing is charged"),
}


@require_http_methods(["GET", "HEAD", "POST"])
def hosted_page(request: HttpRequest) -> HttpResponse:
    """Play the gateway's page: choose a test card, and pay or add it.

    The page of a payment without signing in is open to whoever has its address, as a real gateway's is.
    """
    asked = find_page(request.GET.get("page", ""))
    return _hosted(request, None, asked) if asked and is_guests(asked.key) else _customers_page(request)


@for_customers
def _customers_page(request: HttpRequest, account: Account) -> HttpResponse:
    return _hosted(request, account, _page_of(request, account))


def _hosted(request: HttpRequest, account: Account | None, asked: SandboxPage | None) -> HttpResponse:
    if f"{SandboxGateway.__module__}.{SandboxGateway.__qualname__}" != settings.PAYMENT_GATEWAY:
        raise Http404("The sandbox is not in use.")
    if asked is None:
        return HttpResponseRedirect(reverse("portal-pay"), status=303)
    if asked.state != SandboxPage.State.OPEN:
        return _back(asked.return_url)
    wrong = ""
    if request.method == "POST":
        token = request.POST.get("card", "")
        if token in CARDS:
            try:
                return _back(SandboxGateway().use_page(str(asked.public_id), token).return_url)
            except (Rejected, Unavailable) as refusal:
                wrong = str(refusal)
        else:
            wrong = str(_("Please choose one of the cards."))
    cards = [(token, "Visa", LAST4.get(token, "4242"), words) for token, words in CARDS.items()]
    return page(
        request, "portal/sandbox.html",
        {
            "account": account, "amount": asked.amount, "cards": cards, "wrong": wrong, "keep": asked.keep,
            "leave": _path_of(asked.leave_url),
        },
        status=400 if wrong else 200,
    )  # fmt: skip


def _page_of(request: HttpRequest, account: Account) -> SandboxPage | None:
    """Return the page that is asked for, if it is this account's."""
    found = find_page(request.GET.get("page", ""))
    return found if found is not None and found.account_ref == str(account.public_id) else None


def _back(address: str) -> HttpResponse:
    """Send the customer back; within this server, by whatever name they reached it."""
    return HttpResponseRedirect(_path_of(address), status=303)


def _path_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
