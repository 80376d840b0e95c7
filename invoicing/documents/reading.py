"""Rows → facts. What is printed is what the ledger says; nothing here writes."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.db.models import Sum
from django.urls import reverse

from accounts.logo import LOGO_BYTES_MAX, drawing_of_logo
from accounts.models import Account, Company, Contact
from accounts.queries import billing_contacts
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from invoicing.models import Invoice, InvoiceLine, LedgerEntry, Payment

from .facts import (
    Customer,
    InvoiceFacts,
    Move,
    Movement,
    Operator,
    PrintedLine,
    ReceiptFacts,
    Settled,
    TaxShare,
    ageing_of,
)
from .paper import paper_for
from .typesetting import can_be_drawn
from .words import Tongue

ZERO = Decimal("0.00")
Kind = LedgerEntry.Kind
MOVES = {
    Kind.PAYMENT: Move.PAYMENT, Kind.CREDIT_USED: Move.CREDIT, Kind.REVERSAL: Move.RETURNED,
    Kind.CREDIT_NOTE: Move.CREDIT_NOTE, Kind.WRITE_OFF: Move.WRITTEN_OFF, Kind.VOID: Move.VOIDED,
}  # fmt: skip


def invoice_facts(invoice_id: int, language: str = "") -> InvoiceFacts:
    """Return the facts of an invoice, in a language or else its billing contact's; raises Invoice.DoesNotExist."""
    invoice = Invoice.objects.select_related("account__company").get(pk=invoice_id)
    account = invoice.account
    customer = _customer(account, language)
    lines = tuple(_line(line) for line in invoice.lines.order_by("position"))
    if not lines:
        words = invoice.description or Tongue(customer.language).say("services")
        lines = (PrintedLine(description=words, unit_price=invoice.amount),)
    first_on, last_on = invoice.period_start_on, invoice.period_end_on
    return InvoiceFacts(
        operator=operator_of(account.company),
        customer=customer,
        number=invoice.number,
        issued_on=invoice.issued_on,
        due_on=invoice.due_on,
        period=(first_on, last_on) if first_on and last_on else None,
        lines=lines,
        amount=invoice.amount,
        remaining=invoice.remaining,
        state=invoice.state,
        disputed=invoice.frozen,
        movements=_movements(invoice, account.timezone),
        ageing=_ageing(invoice),
        stamp=_seconds(invoice.issued_at),
    )


def receipt_facts(payment_id: int, language: str = "") -> ReceiptFacts:
    """Return the facts of a receipt, in a language or else the billing contact's; raises Payment.DoesNotExist."""
    payment = Payment.objects.select_related("account__company", "funding_source").get(pk=payment_id)
    account, source = payment.account, payment.funding_source
    settled, credit, refunded = _uses(payment)
    counted = LedgerEntry.objects.filter(account=account, effective_at__lte=payment.effective_at)
    returned_at = payment.reversed_at
    return ReceiptFacts(
        operator=operator_of(account.company),
        customer=_customer(account, language),
        reference=payment.reference,
        received_at=clock.local(payment.received_at, account.timezone),
        amount=payment.amount,
        method=payment.method,
        card=(source.brand, source.last4) if source else None,
        settled=settled,
        refunded=refunded,
        credit_left=credit,
        balance_after=counted.aggregate(all=Sum("amount"))["all"] or ZERO,
        returned_on=clock.local(returned_at, account.timezone).date() if returned_at else None,
        stamp=_seconds(payment.recorded_at),
    )


def operator_of(company: Company) -> Operator:
    """Return how a company is printed; a logo that is missing, broken or unsafe is left out."""
    return Operator(
        name=company.name,
        address=company.address,
        phone=company.phone,
        currency=company.currency,
        paper=paper_for(company.phone, company.timezone),
        logo=_logo(company),
        portal_url=f"{settings.PUBLIC_BASE_URL.rstrip('/')}{reverse('portal-link')}",
    )


def _logo(company: Company) -> str:
    if not company.logo:
        return ""
    try:
        with company.logo.open("rb") as file:
            content = file.read(LOGO_BYTES_MAX + 1)
    except (OSError, ValueError, SuspiciousOperation):
        return ""
    return _checked(content)


@lru_cache(maxsize=64)
def _checked(content: bytes) -> str:
    try:
        drawing = drawing_of_logo(content)
    except Refused:
        return ""
    return drawing if can_be_drawn(drawing) else ""


def _customer(account: Account, language: str) -> Customer:
    contact = billing_contacts([account.pk]).get(account.pk)
    return Customer(
        name=account.name,
        number=account.number,
        address=account.address,
        contact=contact.name if contact else "",
        language=language or (contact.language if contact else Contact.Language.ENGLISH),
    )


def _line(line: InvoiceLine) -> PrintedLine:
    return PrintedLine(
        description=line.description,
        quantity=line.quantity,
        unit_price=line.unit_price,
        discount=line.discount,
        tax=line.tax,
        taxes=tuple(TaxShare(name, percent, Decimal(amount)) for name, percent, amount in line.taxes),
    )


def _movements(invoice: Invoice, zone: str) -> tuple[Movement, ...]:
    entries = invoice.ledger_entries.exclude(kind=Kind.INVOICE).select_related("payment")
    rows: dict[tuple[object, ...], Movement] = {}
    for entry in entries.order_by("effective_at", "pk"):
        on, payment = clock.local(entry.effective_at, zone).date(), entry.payment
        kind = _move(entry)
        row = Movement(on=on, kind=kind, amount=entry.amount, reference=payment.reference if payment else "")
        key = (on, kind, row.reference)
        rows[key] = replace(row, amount=rows[key].amount + row.amount) if key in rows else row
    return tuple(rows.values())


def _move(entry: LedgerEntry) -> Move:
    if entry.payment_id is not None and entry.kind in (Kind.CREDIT_NOTE, Kind.VOID):
        return Move.RELEASED  # voiding and credit notes give back what a payment had paid
    return MOVES.get(Kind(entry.kind), Move.ADJUSTED)


def _ageing(invoice: Invoice) -> tuple[Decimal, ...]:
    """Return what was unpaid on the account's invoices the moment this one was issued, by days late on its date."""
    rows = (
        LedgerEntry.objects.filter(
            account_id=invoice.account_id, invoice__isnull=False, effective_at__lte=invoice.effective_at
        )
        .order_by()
        .values_list("invoice_id", "invoice__due_on")
        .annotate(unpaid=Sum("amount"))
    )
    return ageing_of(((due_on, unpaid) for _key, due_on, unpaid in rows), invoice.issued_on)


def _uses(payment: Payment) -> tuple[tuple[Settled, ...], Decimal, Decimal]:
    """Return what a payment paid on each invoice, what of it is left as credit, and what was paid back.

    Its return is left out: a receipt of a returned payment still tells what it had paid.
    """
    entries = payment.ledger_entries.exclude(kind=Kind.REVERSAL).select_related("invoice").order_by("pk")
    on_invoices: dict[int, Decimal] = {}
    invoices: dict[int, Invoice] = {}
    credit = refunded = ZERO
    for entry in entries:
        if entry.invoice is not None:
            invoices[entry.invoice.pk] = entry.invoice
            on_invoices[entry.invoice.pk] = on_invoices.get(entry.invoice.pk, ZERO) - entry.amount
        else:
            credit -= entry.amount
            refunded += entry.amount if entry.kind == Kind.REFUND else ZERO
    settled = [_settled(invoices[key], amount) for key, amount in on_invoices.items() if amount]
    return tuple(sorted(settled, key=lambda row: (row.due_on, row.number))), credit, refunded


def _settled(invoice: Invoice, amount: Decimal) -> Settled:
    return Settled(number=invoice.number, issued_on=invoice.issued_on, due_on=invoice.due_on, amount=amount)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
