"""Put right what was billed, always by a compensating entry: void, write off, credit note, refund, freeze.

With ``by`` a member of staff gives money away: above their limit they need an ``approval`` (SEC-21). How each is taken
back stands in `undo`.
"""

from decimal import Decimal

from django.db import transaction
from django.db.models import Q, Sum

from accounts.models import User
from billing_project.kernel import clock, money, texts
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row
from invoicing.models import Approval, Invoice, LedgerEntry, Payment, PaymentAttempt
from invoicing.signals import balance_changed

from . import ledger, limits
from .ledger import ZERO, Kind
from .payments import parts_of


@transaction.atomic
def void_invoice(
    *, invoice: Invoice, why: str, by: User | None = None, code: str = "", approval: Approval | None = None
) -> Invoice:
    """Void an invoice that should not have been: nothing of it is owed, and money paid on it becomes credit.

    Raises Refused without a reason, while a card is being charged for it, or if it is void or written off.
    """
    locked = _lock(invoice, why)
    _require(locked, Invoice.State.OPEN, Invoice.State.PAID)
    limits.require_within(by, Approval.Kind.VOID, locked.amount, approval)
    now = clock.now()
    entries = _release(locked, None, cause=f"void:{locked.pk}", kind=Kind.VOID, by=by, why=why)
    # What is then left is the amount less earlier credit notes; an invoice that was credited in full has
    # nothing left.
    left = _owed(locked) + sum((entry.amount for entry in entries if entry.invoice_id), ZERO)
    if left:
        entries.append(ledger.on_invoice(Kind.VOID, -left, locked, cause="void", at=now, by=by, reason=why, code=code))
    return _finish(locked, ZERO, Invoice.State.VOID, entries, invoice)


@transaction.atomic
def write_off(
    *, invoice: Invoice, why: str, by: User | None = None, code: str = "", approval: Approval | None = None
) -> Invoice:
    """Give up what is unpaid on an invoice; a later reversal of a payment on it opens it again.

    Raises Refused without a reason, while a card is being charged for it, or if nothing is unpaid.
    """
    locked = _lock(invoice, why)
    _require(locked, Invoice.State.OPEN)
    limits.require_within(by, Approval.Kind.WRITE_OFF, locked.remaining, approval)
    entry = ledger.on_invoice(
        Kind.WRITE_OFF,
        -locked.remaining,
        locked,
        cause=f"write_off:{_count(locked)}",
        at=clock.now(),
        by=by,
        reason=why,
        code=code,
    )
    return _finish(locked, ZERO, Invoice.State.WRITTEN_OFF, [entry], invoice)


@transaction.atomic
def credit_note(
    *,
    invoice: Invoice,
    amount: Decimal,
    reason: str,
    by: User | None = None,
    code: str = "",
    approval: Approval | None = None,
) -> Invoice:
    """Lower an issued invoice; what was paid above the new amount becomes the account's credit.

    Raises Refused without a reason, for 0 or less, or for more than the invoice less earlier credit notes.
    """
    locked = _lock(invoice, reason)
    _require(locked, Invoice.State.OPEN, Invoice.State.PAID)
    amount = money.quantize(amount)
    noted = LedgerEntry.objects.filter(invoice=locked, kind=Kind.CREDIT_NOTE, payment=None).aggregate(all=Sum("amount"))
    most = locked.amount + (noted["all"] or ZERO)
    if not 0 < amount <= most:
        raise Refused(
            "bad_amount", f"Invoice {locked.number}: a credit note must be from 0.01 to {most}, not {amount}."
        )
    limits.require_within(by, Approval.Kind.CREDIT_NOTE, amount, approval)
    cause = f"credit_note:{_count(locked)}"
    entries = [
        ledger.on_invoice(
            Kind.CREDIT_NOTE, -amount, locked, cause=cause, at=clock.now(), by=by, reason=reason, code=code
        )
    ]
    above = max(ZERO, amount - locked.remaining)
    entries += _release(locked, above, cause=cause, kind=Kind.CREDIT_NOTE, by=by, why=reason)
    left = max(ZERO, locked.remaining - amount)
    return _finish(locked, left, Invoice.State.OPEN if left else Invoice.State.PAID, entries, invoice)


@transaction.atomic
def refund(
    *,
    payment: Payment,
    amount: Decimal,
    why: str,
    by: User | None = None,
    code: str = "",
    approval: Approval | None = None,
) -> ledger.Entry:
    """Note that money of a payment was given back; only what is left of it as credit can be.

    Paying it out is done at the bank, at the desk, or by `refunds` through the gateway. It is final. Raises Refused
    without a reason, for more than that credit, and above the limit of who gives it back.
    """
    ledger.lock_account(payment.account_id)
    _require_reason(why, f"payment {payment.reference} is refunded")
    amount = money.quantize(amount)
    credit = parts_of(payment.pk).get(None, ZERO)
    if not 0 < amount <= credit:
        raise Refused(
            "bad_amount",
            f"Payment {payment.reference} has {max(credit, ZERO)} of unused credit; {amount} cannot"
            " be refunded. Give a credit note on the invoice it paid first.",
        )
    limits.require_within(by, Approval.Kind.REFUND, amount, approval)
    count = LedgerEntry.objects.filter(payment=payment, kind=Kind.REFUND).count()
    entry = ledger.on_credit(
        Kind.REFUND,
        amount,
        payment.account_id,
        cause=f"refund:{payment.pk}:{count + 1}",
        at=clock.now(),
        payment=payment,
        by=by,
        reason=why,
        code=code,
    )
    ledger.write([entry])
    balance_changed.send(sender=Payment, account_ids=[payment.account_id])
    return entry


@transaction.atomic
def freeze_invoice(*, invoice: Invoice, frozen: bool) -> Invoice:
    """Mark an invoice as disputed, or end that: while it is, no payment goes on it by itself (X9)."""
    ledger.lock_account(invoice.account_id)
    locked = lock_row(Invoice.objects.all(), invoice.pk)
    if locked.frozen != frozen:
        locked.frozen = frozen
        locked.save(update_fields=["frozen"])
        balance_changed.send(sender=Invoice, account_ids=[locked.account_id])
    invoice.frozen = frozen
    return locked


def _lock(invoice: Invoice, why: str) -> Invoice:
    ledger.lock_account(invoice.account_id)
    locked = lock_row(Invoice.objects.all(), invoice.pk)
    _require_reason(why, f"invoice {locked.number} is changed")
    under_way = [PaymentAttempt.State.CLAIMED, *PaymentAttempt.ASKED]
    may_pay_it = Q(invoice=locked) | Q(account=locked.account_id, whole=True)
    if PaymentAttempt.objects.filter(may_pay_it, state__in=under_way).exists():
        raise StaleState(
            f"A charge for invoice {locked.number} is under way; wait for its outcome, or ask for it among the charge"
            " attempts."
        )
    return locked


def _require(invoice: Invoice, *states: Invoice.State) -> None:
    if invoice.state not in states:
        raise StaleState(f"Invoice {invoice.number} is {invoice.get_state_display()}; this is not possible any more.")


def _require_reason(why: str, what: str) -> None:
    if not why.strip():
        raise Refused("reason_missing", f"Say why {what}; the reason is kept in the ledger.")
    texts.refuse_cards("reason", why)


def _owed(invoice: Invoice) -> Decimal:
    return LedgerEntry.objects.filter(invoice=invoice).aggregate(all=Sum("amount"))["all"] or ZERO


def _count(invoice: Invoice) -> str:
    # Several notes may be given on one invoice; the account's lock makes the count a key.
    return f"{invoice.pk}:{LedgerEntry.objects.filter(invoice=invoice).count()}"


def _release(
    invoice: Invoice, amount: Decimal | None, *, cause: str, kind: LedgerEntry.Kind, by: User | None, why: str
) -> list[ledger.Entry]:
    """Return the entries that turn money paid on an invoice back into credit, the latest payment first.

    ``amount`` None means all of it.
    """
    paid = (
        LedgerEntry.objects.filter(invoice=invoice, payment__isnull=False)
        .order_by()
        .values_list("payment_id", "payment__effective_at")
        .annotate(total=Sum("amount"))
        .order_by("-payment__effective_at", "-payment_id")
    )
    now, entries = clock.now(), []
    for payment_id, _, total in paid:
        part = -total if amount is None else min(-total, amount)
        if payment_id is None or part <= 0:
            continue
        own = f"{cause}:{payment_id}"
        entries.append(ledger.on_invoice(kind, part, invoice, cause=own, at=now, payment=payment_id, by=by, reason=why))
        entries.append(
            ledger.on_credit(kind, -part, invoice.account_id, cause=own, at=now, payment=payment_id, by=by, reason=why)
        )
        if amount is not None:
            amount -= part
    return entries


def _finish(
    locked: Invoice, remaining: Decimal, state: Invoice.State, entries: list[ledger.Entry], given: Invoice
) -> Invoice:
    locked.remaining, locked.state = remaining, state
    ledger.write(entries, [locked])
    balance_changed.send(sender=Invoice, account_ids=[locked.account_id])
    given.remaining, given.state = remaining, state
    return locked
