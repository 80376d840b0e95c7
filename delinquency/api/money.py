"""Invoices and payments."""

from decimal import Decimal
from typing import Any

from django.http import Http404, HttpRequest
from ninja import Router

from accounts.models import Account
from billing_project.kernel import clock
from delinquency.imports.invoices import import_invoices
from delinquency.models import Standing
from invoicing.models import Invoice, Payment
from invoicing.operations.payments import reverse_payment
from invoicing.operations.till import take_payment

from . import forms
from .calls import need, once
from .paging import Limit, page
from .problems import Problem
from .rows import import_row

invoices, payments = Router(tags=["invoices"]), Router(tags=["payments"])


@invoices.get("", response=forms.InvoicePage, summary="List invoices, newest first")
def many_invoices(
    request: HttpRequest, account: str = "", state: str = "", after: str = "",
    limit: Limit = 50,
) -> Any:  # fmt: skip
    """Filter by account number and by state: open, paid, void or written_off."""
    need(request, "invoicing.view_invoice")
    rows = Invoice.objects.select_related("account")
    if account:
        rows = rows.filter(account__number=_text(account))
    if state:
        if state not in Invoice.State.values:
            raise Problem(400, "unknown_state", f"state: one of {', '.join(Invoice.State.values)}.")
        rows = rows.filter(state=state)
    return page(rows, after=after, limit=limit, show=forms.invoice_out)


@invoices.post("", response={201: forms.InvoiceOut}, summary="Record an invoice that was issued elsewhere")
def add_invoice(request: HttpRequest, data: forms.InvoiceIn) -> Any:
    """Record an invoice of another program; waiting credit is used as of its date."""
    need(request, "delinquency.import_data")

    def act() -> tuple[int, dict[str, Any]]:
        if Invoice.objects.filter(number=data.number).exists():
            raise Problem(409, "number_taken", f"There is an invoice {data.number}; an issued invoice never changes.")
        import_row(import_invoices, data.dict())
        return 201, forms.invoice_out(_invoice(data.number))

    return once(request, act)


@invoices.get("/{number}", response=forms.InvoiceOut, summary="One invoice")
def one_invoice(request: HttpRequest, number: str) -> Any:
    """Return one invoice by its number."""
    need(request, "invoicing.view_invoice")
    return forms.invoice_out(_invoice(number))


@payments.get("", response=forms.PaymentPage, summary="List payments, newest first")
def many_payments(request: HttpRequest, account: str = "", after: str = "", limit: Limit = 50) -> Any:
    """Filter by account number."""
    need(request, "invoicing.view_payment")
    rows = Payment.objects.select_related("account", "invoice")
    if account:
        rows = rows.filter(account__number=_text(account))
    return page(rows, after=after, limit=limit, show=forms.payment_out)


@payments.post("", response={201: forms.PaymentOut}, summary="Record a payment")
def add_payment(request: HttpRequest, data: forms.PaymentIn) -> Any:
    """Record money; it goes on the named invoice, then the oldest due, and frees lines at once if that is enough."""
    user = need(request, "invoicing.record_payment")

    def act() -> tuple[int, dict[str, Any]]:
        account = Account.objects.filter(number=_text(data.account)).first()
        if account is None:
            raise Problem(422, "unknown_account", f"There is no account {data.account!r}.")
        invoice = Invoice.objects.filter(number=_text(data.invoice)).first() if data.invoice else None
        if data.invoice and invoice is None:
            raise Problem(422, "unknown_invoice", f"There is no invoice {data.invoice!r}.")
        if data.received_at is not None and data.received_at.tzinfo is None:
            raise Problem(400, "no_zone", "received_at: say the zone, such as 2026-05-16T09:00:00-04:00.")
        looked = Standing.objects.filter(account=account).values_list("looked_until_at", flat=True).first()
        payment = take_payment(
            account=account, reference=_text(data.reference), amount=Decimal(data.amount),
            received_at=data.received_at or clock.now(), method=data.method, by=user, invoice=invoice,
            not_before=looked, keep_rest=data.keep_rest,
        )  # fmt: skip
        return 201, forms.payment_out(payment)

    return once(request, act)


@payments.get("/{reference}", response=forms.PaymentOut, summary="One payment")
def one_payment(request: HttpRequest, reference: str) -> Any:
    """Return one payment by its reference."""
    need(request, "invoicing.view_payment")
    return forms.payment_out(_payment(reference))


@payments.post("/{reference}/reverse", response={200: forms.PaymentOut}, summary="Reverse a payment that came back")
def reverse(request: HttpRequest, reference: str, data: forms.ReverseIn) -> Any:
    """Take a returned payment back; what it had paid is unpaid again (A23)."""
    user = need(request, "invoicing.reverse_payment")

    def act() -> tuple[int, dict[str, Any]]:
        reverse_payment(payment=_payment(reference), why=data.reason, by=user)
        return 200, forms.payment_out(_payment(reference))

    return once(request, act)


def _invoice(number: str) -> Invoice:
    row = Invoice.objects.select_related("account").filter(number=number).first() if "\0" not in number else None
    if row is None:
        raise Http404(f"There is no invoice {number[:64]!r}.")
    return row


def _payment(reference: str) -> Payment:
    rows = Payment.objects.select_related("account", "invoice")
    row = rows.filter(reference=reference).first() if "\0" not in reference else None
    if row is None:
        raise Http404(f"There is no payment {reference[:64]!r}.")
    return row


def _text(value: str) -> str:
    if "\0" in value:
        raise Problem(400, "invalid", "A text may not hold a NUL sign.")
    return value
