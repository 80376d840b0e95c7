"""“This bill is wrong”: the customer says what, and sees what becomes of it (P12). Others' invoices do not exist."""

import uuid

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.access import for_customers, page
from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.texts import mask_cards
from delinquency.disputed import hold_of, newest_disputes
from delinquency.models.dispute import TEXT_LENGTH_MAX
from delinquency.operations.disputes import TEXT_LENGTH_MIN, dispute_in_portal, withdraw_dispute
from invoicing.models import Invoice
from invoicing.queries import account_position


@require_http_methods(["GET", "HEAD", "POST"])
@for_customers
def dispute(request: HttpRequest, account: Account, public_id: uuid.UUID | None = None) -> HttpResponse:
    """Take a dispute in, or show how one stands; without an invoice in the address it is chosen on the page."""
    named = get_object_or_404(Invoice, account=account, public_id=public_id) if public_id else None
    if request.method != "POST":
        return _standing(request, account, named) if named else _form(request, account, None)
    try:
        invoice = named or _chosen(account, request.POST.get("invoice", ""))
    except Refused as refusal:
        return _form(request, account, None, refusal, status=400)
    try:
        if "withdraw" in request.POST:
            _withdraw(invoice)
        else:
            dispute_in_portal(invoice, request.POST.get("text", ""), once=_once(request))
    except Refused as refusal:
        return _form(request, account, invoice, refusal, status=409)
    return HttpResponseRedirect(reverse("portal-dispute", args=[invoice.public_id]), status=303)


def _chosen(account: Account, public_id: str) -> Invoice:
    """Return the account's own invoice that the form names; raises Refused if none is chosen, Http404 for another's."""
    try:
        key = uuid.UUID(public_id)
    except ValueError:
        raise Refused("no_invoice", _("Which invoice is wrong? Please choose one."))
    return get_object_or_404(Invoice, account=account, public_id=key)


def _once(request: HttpRequest) -> uuid.UUID:
    try:
        return uuid.UUID(request.POST.get("once", ""))
    except ValueError:
        raise Refused("stale_form", _("The form was incomplete. Please choose again."))


def _withdraw(invoice: Invoice) -> None:
    found = newest_disputes([invoice.pk]).get(invoice.pk)
    if found is None:
        raise Http404("There is no dispute.")
    if found.runs:
        withdraw_dispute(found)


def _standing(request: HttpRequest, account: Account, invoice: Invoice) -> HttpResponse:
    """Show how the dispute of an invoice stands; the form if there is none that the customer may look at."""
    found = newest_disputes([invoice.pk]).get(invoice.pk)
    if found is None:
        return _form(request, account, invoice)
    return page(
        request,
        "portal/dispute_standing.html",
        {
            "account": account, "invoice": invoice, "dispute": found,
            "opened": clock.local(found.opened_at, account.timezone).date(),
            "decided": clock.local(found.decided_at, account.timezone).date() if found.decided_at else None,
            "today": clock.today(account.timezone),
        },
    )  # fmt: skip


def _form(
    request: HttpRequest, account: Account, invoice: Invoice | None, wrong: Refused | None = None, *, status: int = 200
) -> HttpResponse:
    unpaid = [invoice] if invoice else [row for row in account_position(account.pk).open_invoices if not row.frozen]
    return page(
        request,
        "portal/dispute.html",
        {
            "account": account, "invoice": invoice, "invoices": unpaid, "wrong": wrong, "most": TEXT_LENGTH_MAX,
            "least": TEXT_LENGTH_MIN,
            "text": mask_cards(request.POST.get("text", "")[:TEXT_LENGTH_MAX]), "once": uuid.uuid4(),
            "holds": any(hold_of(row).holds for row in unpaid),
            "today": clock.today(account.timezone),
            "closed": invoice is not None and invoice.state != Invoice.State.OPEN,
        },
        status=status,
    )  # fmt: skip
