"""The money in an evidence pack: invoices, payments, and the ledger with its running balance (I2)."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.db.models import Q, Sum

from invoicing.models import Invoice, LedgerEntry, Payment

from .sections import Span, Table, table

ZERO = Decimal("0.00")


def invoices(span: Span) -> Table:
    """Return the invoices issued in the span, and older ones on which money moved in it."""
    moved = LedgerEntry.objects.filter(account=span.account, **span.during("effective_at")).values("invoice")
    found = Invoice.objects.filter(account=span.account).filter(Q(**span.days("issued_on")) | Q(pk__in=moved))
    rows = [
        (
            one.number, one.issued_on, one.due_on, one.description, one.get_state_display(), one.amount, one.remaining,
        )
        for one in found.order_by("issued_on", "pk")
    ]  # fmt: skip
    return table(
        "invoices", "Invoices", ("Number", "Issued", "Due", "For", "State today", "Amount", "Unpaid today"), rows,
        empty="No invoice was issued, and none was paid, in these days.", right=("Amount", "Unpaid today"),
    )  # fmt: skip


def payments(span: Span) -> Table:
    """Return the payments received or reversed in the span."""
    found = Payment.objects.filter(account=span.account).filter(
        Q(**span.during("received_at")) | Q(**span.during("reversed_at"))
    )
    rows = [
        (
            span.at(one.received_at), one.reference, one.method, one.amount, span.at(one.reversed_at),
            one.reversed_why,
        )
        for one in found.order_by("received_at", "pk")
    ]  # fmt: skip
    return table(
        "payments", "Payments", ("Received", "Reference", "By", "Amount", "Reversed", "Why reversed"), rows,
        empty="No payment was received in these days.", right=("Amount",),
    )  # fmt: skip


def ledger(span: Span) -> Table:
    """Return every movement of money in the span, with the balance after each."""
    entries = LedgerEntry.objects.filter(account=span.account)
    opening = entries.filter(effective_at__lt=span.start).aggregate(sum=Sum("amount"))["sum"] or ZERO
    return table(
        "ledger", "Ledger", ("Counts from", "What", "About", "By", "Reason", "Amount", "Balance"),
        _movements(span, entries, opening), empty="", right=("Amount", "Balance"),
        note="A positive amount is owed by the customer, a negative one takes from what is owed.",
    )  # fmt: skip


def _movements(span: Span, entries: Any, balance: Decimal) -> Iterator[tuple[Any, ...]]:
    yield (f"{span.first} 00:00:00", "Balance brought forward", "", "", "", "", balance)
    found = entries.filter(**span.during("effective_at")).select_related("invoice", "charge", "payment", "actor")
    for entry in found.order_by("effective_at", "pk"):
        balance += entry.amount
        about = [
            entry.invoice.number if entry.invoice else "", entry.charge.description if entry.charge else "",
            entry.payment.reference if entry.payment else "",
        ]  # fmt: skip
        yield (
            span.at(entry.effective_at), entry.get_kind_display(), ", ".join(filter(None, about)), entry.actor or "",
            entry.reason, entry.amount, balance,
        )  # fmt: skip
    yield (f"{span.last} 24:00:00", "Balance carried forward", "", "", "", "", balance)
