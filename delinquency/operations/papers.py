"""Each new invoice, and each receipt, goes to the customer by e-mail with its PDF; a company can leave either out."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from django.db.models import CharField, Exists, OuterRef, Q, QuerySet, Sum, Value
from django.db.models.functions import Cast, Concat

from accounts.models import Notice
from accounts.models.outreach import Courtesy
from billing_project.kernel import clock, money
from invoicing.models import Invoice, Payment

from .courtesies import AFTER_CHECK, Wish, write

Row = TypeVar("Row", Invoice, Payment)
EMAIL = ("email",)
BY_GATEWAY = (Payment.Method.CARD, Payment.Method.BANK)
# An invoice is sent on its own day or the one after; an older one says nothing new.
SENT_WITHIN = timedelta(days=1)
CHUNK = 500
LETTER_OF_INVOICE, LETTER_OF_PAYMENT = "issued", "paid"


def send_receipts(at: datetime) -> int:
    """Write the letters with the receipts of payments that have just been recorded, each once; return how many.

    For money that a gateway took or a member of staff recorded: what is brought in from elsewhere had its receipt
    there. Apart from the payment itself, so that nobody's line waits for a letter.
    """
    fresh = Payment.objects.filter(
        Q(method__in=BY_GATEWAY) | Q(recorded_by__isnull=False), ~Exists(_told("payment", LETTER_OF_PAYMENT)),
        recorded_at__gt=at - SENT_WITHIN, recorded_at__lte=at, reversed_at__isnull=True,
    )  # fmt: skip
    return _write_each(fresh, _of_payments)


def send_invoices(at: datetime) -> int:
    """Write the letters with the invoices that billing has just issued, each once; return how many.

    Not where a policy writes one about the same invoice, nor for what was paid from credit or taken back meanwhile.
    """
    # A day more than the oldest that is sent: the date line runs through the accounts' zones.
    fresh = Invoice.objects.filter(
        ~Exists(_told("invoice", LETTER_OF_INVOICE)), issued_on__gte=at.date() - SENT_WITHIN - timedelta(days=1),
        source=Invoice.Source.BILLING_RUN, state=Invoice.State.OPEN,
    )  # fmt: skip
    return _write_each(fresh, lambda invoices: [_of_invoice(row, at) for row in invoices if _is_news(row, at)])


def why_not_sent(notice: Notice) -> str:
    """Return why a letter with an invoice or a receipt is not true any more, right before it goes; empty if it may."""
    kind, _, key = notice.anchor_key.partition(":")
    if kind == "payment":
        taken_back = Payment.objects.filter(pk=int(key), reversed_at__isnull=False).exists()
        return "The payment was taken back." if taken_back else ""
    if not Invoice.objects.filter(pk=int(key), state__in=(Invoice.State.OPEN, Invoice.State.PAID)).exists():
        return "The invoice is void."
    others = Notice.objects.filter(
        account=notice.account_id, anchor_key=notice.anchor_key, template=LETTER_OF_INVOICE
    ).exclude(step_key__in=Courtesy.values)
    return "A step of the policy sends this invoice." if others.filter(state__in=Notice.TAKEN).exists() else ""


def _told(kind: str, template: str) -> QuerySet[Notice]:
    """Return the letters of a template about the row of a query around it."""
    return Notice.objects.filter(
        account=OuterRef("account"), template=template,
        anchor_key=Concat(Value(f"{kind}:"), Cast(OuterRef("pk"), CharField())),
    )  # fmt: skip


def _write_each(fresh: QuerySet[Row], wishes: Callable[[Sequence[Row]], list[Wish]]) -> int:
    written, last = 0, 0
    while chunk := list(fresh.filter(pk__gt=last).select_related("account").order_by("pk")[:CHUNK]):
        last = chunk[-1].pk
        written += write(wishes(chunk))
    return written


def _of_payments(payments: Sequence[Payment]) -> list[Wish]:
    unpaid = Invoice.objects.filter(account__in={row.account_id for row in payments}, state=Invoice.State.OPEN)
    left = dict(unpaid.order_by().values_list("account_id").annotate(left=Sum("remaining")))
    return [_of_payment(row, left.get(row.account_id, money.ZERO)) for row in payments]


def _of_payment(payment: Payment, left: Decimal) -> Wish:
    paid_on = clock.local(payment.received_at, payment.account.timezone).date()
    return Wish(
        account_id=payment.account_id, courtesy=Courtesy.RECEIPT, template=LETTER_OF_PAYMENT, ways=EMAIL,
        anchor_key=f"payment:{payment.pk}", why=f"Payment {payment.reference} came in: its receipt.",
        context={
            "paid_amount": money.text(payment.amount), "paid_on": paid_on.isoformat(),
            "reference": payment.reference, "amount_due": money.text(left),
        },
    )  # fmt: skip


def _is_news(invoice: Invoice, at: datetime) -> bool:
    today = clock.local(at, invoice.account.timezone).date()
    return today - SENT_WITHIN <= invoice.issued_on <= today


def _of_invoice(invoice: Invoice, at: datetime) -> Wish:
    zone = invoice.account.timezone
    after_check = clock.instant(datetime.combine(invoice.issued_on, AFTER_CHECK), zone)
    return Wish(
        account_id=invoice.account_id, courtesy=Courtesy.INVOICE, template=LETTER_OF_INVOICE, ways=EMAIL,
        anchor_key=f"invoice:{invoice.pk}", why=f"Invoice {invoice.number} was issued.", due_at=max(at, after_check),
        context={
            "invoice_number": invoice.number, "invoice_total": money.text(invoice.amount),
            "due_on": invoice.due_on.isoformat(), "amount_due": money.text(invoice.remaining),
        },
    )  # fmt: skip
