"""The customer's pages about money. Every row shown belongs to the session's account; others do not exist here."""

import uuid
from typing import Any

from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from accounts.access import for_customers, page
from accounts.models import Account
from billing_project.kernel import clock
from invoicing.gateways.registry import gateway
from invoicing.models import Invoice, LedgerEntry, Payment, PaymentAttempt
from invoicing.operations.payments import parts_of
from invoicing.operations.portal_pay import UNDER_WAY, UNDER_WAY_STATES
from invoicing.queries import account_position

from . import documents
from .forms import NEW, sources_of, whole_number
from .looking import look_again, looks_of

NEWEST_SHOWN, OWED_SHOWN, LISTED = 3, 4, 20


@require_GET
@for_customers
def home(request: HttpRequest, account: Account) -> HttpResponse:
    """Show what is owed and why, what restores service, what comes next, and the newest papers."""
    position, today = account_position(account.pk), clock.today(account.timezone)
    open_attempts = PaymentAttempt.objects.filter(account=account, state__in=UNDER_WAY_STATES)
    sources = sources_of(account)
    context: dict[str, Any] = {
        "account": account, "position": position, "today": today, "source": sources[0] if sources else None,
        "sources": sources, "new": NEW, "once": uuid.uuid4(), "once_new": uuid.uuid4(), "once_card": uuid.uuid4(),
        "owed": position.open_invoices[:OWED_SHOWN], "owed_more": len(position.open_invoices) > OWED_SHOWN,
        "payments": _payments(account, 0, NEWEST_SHOWN), "under_way": open_attempts.order_by("pk").first(),
        "under_way_words": UNDER_WAY,
    }  # fmt: skip
    return page(request, "portal/home.html", context, form_to=gateway().page_origin)


@require_GET
@for_customers
def bills(request: HttpRequest, account: Account) -> HttpResponse:
    """List the invoices, newest first, with their PDFs."""
    start = whole_number(request.GET.get("from", ""))
    rows = Invoice.objects.filter(account=account).order_by("-issued_on", "-pk")[start : start + LISTED + 1]
    found = list(rows)
    context = {
        "account": account, "invoices": found[:LISTED], "today": clock.today(account.timezone),
        **_pages(start, more=len(found) > LISTED),
    }  # fmt: skip
    return page(request, "portal/bills.html", context)


@require_GET
@for_customers
def receipts(request: HttpRequest, account: Account) -> HttpResponse:
    """List the payments, newest first, with their receipts."""
    start = whole_number(request.GET.get("from", ""))
    found = _payments(account, start, LISTED + 1)
    context = {"account": account, "payments": found[:LISTED], **_pages(start, more=len(found) > LISTED)}
    return page(request, "portal/receipts.html", context)


@require_GET
@for_customers
def invoice(request: HttpRequest, account: Account, public_id: uuid.UUID) -> HttpResponse:
    """Show one invoice with its lines, and offer to pay it."""
    found = get_object_or_404(Invoice, account=account, public_id=public_id)
    sources = sources_of(account)
    paid = LedgerEntry.objects.filter(invoice=found, payment__isnull=False).order_by().values("payment")
    paid_at = paid.aggregate(last=Max("payment__received_at"))["last"] if found.state == Invoice.State.PAID else None
    context = {
        "account": account, "invoice": found, "lines": found.lines.all(), "document": documents.words(),
        "is_late": found.state == Invoice.State.OPEN and found.due_on < clock.today(account.timezone),
        "source": sources[0].pk if sources else NEW,
        "paid_on": clock.local(paid_at, account.timezone) if paid_at else None,
    }  # fmt: skip
    return page(request, "portal/invoice.html", context)


@require_GET
@for_customers
def receipt(request: HttpRequest, account: Account, public_id: uuid.UUID) -> HttpResponse:
    """Show a payment's receipt: what it paid, what stays owed, and whether the line is back, as the device says."""
    payment = get_object_or_404(Payment, account=account, public_id=public_id)
    parts = {} if payment.reversed_at else parts_of(payment.pk)
    rows = Invoice.objects.filter(pk__in=[key for key in parts if key is not None]).order_by("due_on", "pk")
    context = {
        "account": account, "payment": payment, "paid_at": clock.local(payment.received_at, account.timezone),
        "position": account_position(account.pk), "looks": looks_of(request), "document": documents.words(),
        "shares": [(row, parts[row.pk]) for row in rows], "credit": parts.get(None),
        "method": method_of(payment),
    }  # fmt: skip
    response = page(request, "portal/receipt.html", context)
    return look_again(request, response, waiting="data-waiting" in response.content.decode())


def method_of(payment: Payment) -> str:
    """Return in the customer's words how a payment was made."""
    if payment.funding_source is not None:
        return str(payment.funding_source)
    words = {
        Payment.Method.CARD: _("card"), Payment.Method.BANK: _("bank debit"), Payment.Method.CASH: _("cash"),
        Payment.Method.CHEQUE: _("cheque"), Payment.Method.TRANSFER: _("bank transfer"),
    }  # fmt: skip
    return words.get(Payment.Method(payment.method), "") if payment.method in Payment.Method.values else ""


def _payments(account: Account, start: int, most: int) -> list[tuple[Any, Payment]]:
    """Return payments, newest first, each with the local time at which it came in."""
    rows = Payment.objects.filter(account=account).order_by("-received_at", "-pk")[start : start + most]
    return [(clock.local(row.received_at, account.timezone), row) for row in rows]


def _pages(start: int, *, more: bool) -> dict[str, int | None]:
    """Return where the pages before and after a page of a list begin; None if there is none."""
    return {
        "newer": max(start - LISTED, 0) if start else None,
        "older": start + LISTED if more else None,
    }
