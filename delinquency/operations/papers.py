"""Each new invoice, and each receipt, goes to the customer by e-mail with its PDF; a company can leave either out."""

from datetime import datetime, timedelta

from django.db.models import CharField, Exists, OuterRef, Value
from django.db.models.functions import Cast, Concat

from accounts.models import Notice
from accounts.models.outreach import Courtesy
from billing_project.kernel import clock, money
from invoicing.models import Invoice, Payment
from invoicing.queries import account_position

from .courtesies import AFTER_CHECK, Wish, write

EMAIL = ("email",)
BY_GATEWAY = (Payment.Method.CARD, Payment.Method.BANK)
# An invoice is sent on its own day or the one after; an older one says nothing new.
SENT_WITHIN = timedelta(days=1)
CHUNK = 500
LETTER_OF_INVOICE, LETTER_OF_PAYMENT = "issued", "paid"


def send_receipt(payment_id: int) -> int:
    """Write the letter with the receipt of a payment, once; return 1 if it was written.

    Money that a gateway took or a member of staff recorded: what is brought in from elsewhere had its receipt there.
    """
    payment = Payment.objects.select_related("account").get(pk=payment_id)
    if payment.method not in BY_GATEWAY and payment.recorded_by_id is None:
        return 0
    left = sum((row.remaining for row in account_position(payment.account_id).open_invoices), money.ZERO)
    paid_on = clock.local(payment.received_at, payment.account.timezone).date()
    return write(
        [
            Wish(
                account_id=payment.account_id, courtesy=Courtesy.RECEIPT, template=LETTER_OF_PAYMENT, ways=EMAIL,
                anchor_key=f"payment:{payment.pk}", why=f"Payment {payment.reference} came in: its receipt.",
                context={
                    "paid_amount": money.text(payment.amount), "paid_on": paid_on.isoformat(),
                    "reference": payment.reference, "amount_due": money.text(left),
                },
            )
        ]
    )  # fmt: skip


def send_invoices(at: datetime) -> int:
    """Write the letters with the invoices that billing has just issued, each once; return how many.

    Not where a policy writes one about the same invoice, nor for what was paid from credit or taken back meanwhile.
    """
    told = Notice.objects.filter(
        account=OuterRef("account"), template=LETTER_OF_INVOICE,
        anchor_key=Concat(Value("invoice:"), Cast(OuterRef("pk"), CharField())),
    )  # fmt: skip
    # A day more than the oldest that is sent: the date line runs through the accounts' zones.
    fresh = Invoice.objects.filter(
        ~Exists(told), issued_on__gte=at.date() - SENT_WITHIN - timedelta(days=1),
        source=Invoice.Source.BILLING_RUN, state=Invoice.State.OPEN,
    )  # fmt: skip
    written, last = 0, 0
    while chunk := list(fresh.filter(pk__gt=last).select_related("account").order_by("pk")[:CHUNK]):
        last = chunk[-1].pk
        written += write(wish for invoice in chunk if (wish := _wish(invoice, at)) is not None)
    return written


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


def _wish(invoice: Invoice, at: datetime) -> Wish | None:
    zone = invoice.account.timezone
    today = clock.local(at, zone).date()
    if not today - SENT_WITHIN <= invoice.issued_on <= today:
        return None
    after_check = clock.instant(datetime.combine(invoice.issued_on, AFTER_CHECK), zone)
    return Wish(
        account_id=invoice.account_id, courtesy=Courtesy.INVOICE, template=LETTER_OF_INVOICE, ways=EMAIL,
        anchor_key=f"invoice:{invoice.pk}", why=f"Invoice {invoice.number} was issued.", due_at=max(at, after_check),
        context={
            "invoice_number": invoice.number, "invoice_total": money.text(invoice.amount),
            "due_on": invoice.due_on.isoformat(), "amount_due": money.text(invoice.remaining),
        },
    )  # fmt: skip
