"""The sandbox gateway's own page, where a customer would enter a card: test cards only, chosen by name."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from accounts.access import for_customers, page
from accounts.models import Account
from billing_project.kernel import money
from billing_project.kernel.errors import Refused
from invoicing.gateways.sandbox import SandboxGateway
from invoicing.operations.portal_pay import NewCard, pay_now

from .views import PENDING

# What each test card does is in its token; see invoicing/gateways/sandbox.py.
CARDS = {
    "tok_ok": ("Visa", "4242", _("is charged")),
    "tok_declined": ("Visa", "0002", _("is declined")),
    "tok_insufficient": ("Visa", "9995", _("is declined: not enough money")),
    "tok_expired": ("Visa", "0069", _("is declined: expired")),
    "tok_lost_answer": ("Visa", "3220", _("is charged, but the answer is lost")),
    "tok_timeout_before": ("Visa", "0119", _("cannot be reached: nothing is charged")),
}


@require_http_methods(["GET", "HEAD", "POST"])
@for_customers
def hosted_page(request: HttpRequest, account: Account) -> HttpResponse:
    """Play the gateway's page: choose a test card, and pay what was chosen before."""
    if f"{SandboxGateway.__module__}.{SandboxGateway.__qualname__}" != settings.PAYMENT_GATEWAY:
        raise Http404("The sandbox is not in use.")
    pending = request.session.get(PENDING)
    if not isinstance(pending, dict):
        return HttpResponseRedirect(reverse("portal-pay"), status=303)
    amount, wrong = money.parse(pending["amount"]), ""
    if request.method == "POST":
        token = request.POST.get("card", "")
        if token in CARDS:
            brand, last4, _words = CARDS[token]
            card = NewCard(source_token=token, brand=brand, last4=last4, keep="keep" in request.POST)
            try:
                attempt = pay_now(account, card, amount, key=pending["key"])
            except Refused as refusal:
                wrong = refusal.words
            else:
                request.session.pop(PENDING, None)
                return HttpResponseRedirect(reverse("portal-outcome", args=[attempt.pk]), status=303)
        else:
            wrong = str(_("Please choose one of the cards."))
    cards = [(token, brand, last4, words) for token, (brand, last4, words) in CARDS.items()]
    return page(
        request, "portal/sandbox.html", {"account": account, "amount": amount, "cards": cards, "wrong": wrong},
        status=400 if wrong else 200,
    )  # fmt: skip
