"""Record a payment and take one back (A21, A23)."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum

from accounts.models import Account, FundingSource, User
from accounts.operations import bar_funding_source
from billing_project.kernel import clock, money, texts
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_row
from invoicing.models import Invoice, LedgerEntry, Payment, PaymentAttempt, RefundAttempt
from invoicing.queries import pot
from invoicing.rules.allocation import allocate
from invoicing.signals import balance_changed, payment_recorded

from . import ledger
from .ledger import Kind

REFERENCE_LENGTH = 64


@transaction.atomic
def record_payment(
    *,
    account: Account,
    reference: str,
    amount: Decimal,
    received_at: datetime,
    method: str = "cash",
    invoice: Invoice | None = None,
    funding_source: FundingSource | None = None,
    by: User | None = None,
    effective_at: datetime | None = None,
    not_before: datetime | None = None,
    despite_charge: bool = False,
) -> Payment:
    """Record money received and put it on the named invoice, then the oldest due; the rest is credit (A21).

    It counts from ``effective_at``, or else from when it was received, but not before ``not_before``: the
    instant up to which the account's story has been decided. Raises Refused for a reference that exists, an
    amount of 0 or less, or another account's invoice; and, where a person records it (``by``), while a charge of the
    account is under way, which might take the same money twice (R-05): one whose outcome is unclear is no hindrance
    if ``despite_charge`` says so.
    """
    locked = ledger.lock_account(account.pk)
    if by is not None:
        _refuse_while_charged(locked, despite=despite_charge)
    if by is not None:
        refuse_typed(reference)
    _check_payment(locked, reference, amount, invoice)
    counts_at = effective_at or max(received_at, not_before or received_at)
    payment = Payment.objects.create(
        account=locked,
        reference=reference,
        received_at=received_at,
        amount=money.quantize(amount),
        method=method,
        invoice=invoice,
        funding_source=funding_source,
        effective_at=counts_at,
        recorded_by=by,
    )
    _put_on_invoices(payment, by)
    balance_changed.send(sender=Payment, account_ids=[locked.pk])
    payment_recorded.send(sender=Payment, payment_id=payment.pk)
    return payment


@transaction.atomic
def reverse_payment(
    *,
    payment: Payment,
    why: str,
    at: datetime | None = None,
    by: User | None = None,
    as_: Payment.Reversal = Payment.Reversal.RETURNED,
) -> Payment:
    """Take back a payment that was returned: what it paid is owed again, its credit is gone (A21, A23).

    Its invoices reopen with their own due dates, and its funding source is charged no more until it is
    re-verified; not so where it was only recorded by mistake. Raises Refused if it was taken back before, and while
    money of it is being given back through the gateway.
    """
    if by is None:
        why = texts.mask_cards(why)  # a gateway's words: they are not for us to refuse
    texts.refuse_cards("reason", why)
    ledger.lock_account(payment.account_id)
    locked = lock_row(Payment.objects.select_related("funding_source"), payment.pk)
    if locked.reversed_at is not None:
        raise Refused(
            "already_reversed",
            f"Payment {locked.reference} was reversed before; a payment can be reversed once.",
        )
    if RefundAttempt.objects.filter(payment=locked, state__in=RefundAttempt.OPEN).exists():
        raise Refused(
            "refund_under_way",
            f"Money of payment {locked.reference} is being given back; wait for the outcome among the refunds.",
        )
    moment = max(at or clock.now(), locked.effective_at)
    by_mistake = as_ == Payment.Reversal.MISTAKE
    # Money that never came is no returned payment: its entries are adjustments, so that no fee is asked for them.
    _take_back(locked, moment, why, by, Kind.ADJUSTMENT if by_mistake else Kind.REVERSAL)
    locked.reversed_at, locked.reversed_why, locked.reversed_as = moment, why[:200], as_
    locked.save(update_fields=["reversed_at", "reversed_why", "reversed_as"])
    if locked.funding_source is not None and not by_mistake:
        bar_funding_source(locked.funding_source, f"payment {locked.reference} was returned: {why}", at=moment)
    balance_changed.send(sender=Payment, account_ids=[locked.account_id])
    payment.reversed_at, payment.reversed_why = locked.reversed_at, locked.reversed_why
    return locked


def refuse_typed(reference: str) -> None:
    """Raise Refused for a reference that somebody typed, if it looks like a card number or a payment has it already.

    A gateway's own reference may look like anything, and its money must be recorded.
    """
    texts.refuse_cards("reference", reference)
    refuse_known(reference)


def refuse_known(reference: str) -> None:
    """Raise Refused if a payment has this reference already, saying where it is."""
    first = Payment.objects.filter(reference=reference).select_related("account__company").first()
    if first is not None:
        day = clock.local(first.received_at, first.account.timezone).date()
        raise Refused(
            "payment_exists",
            f"A payment with the reference {reference} is recorded already: {first.amount:,.2f}"
            f" {first.account.company.currency} of account {first.account.number}, received on {day}.",
        )


def parts_of(payment_id: int) -> dict[int | None, Decimal]:
    """Return where a payment's money is now: by invoice key, and None for what is left as credit."""
    rows = (
        LedgerEntry.objects.filter(payment_id=payment_id)
        .order_by()
        .values_list("invoice_id")
        .annotate(total=Sum("amount"))
    )
    return {invoice_id: -total for invoice_id, total in rows if total}


def _check_payment(account: Account, reference: str, amount: Decimal, invoice: Invoice | None) -> None:
    if not reference.strip() or len(reference) > REFERENCE_LENGTH:
        raise Refused(
            "bad_reference",
            f"A payment needs a reference of 1 to {REFERENCE_LENGTH} characters; give the payer's or bank's.",
        )
    if money.quantize(amount) <= 0 or amount != money.quantize(amount):
        raise Refused("bad_amount", f"Payment {reference}: the amount {amount} must be above 0 and in whole cents.")
    if amount > money.LARGEST:
        raise Refused("bad_amount", f"Payment {reference}: the amount {amount} is above {money.LARGEST}.")
    if invoice is not None and invoice.account_id != account.pk:
        raise Refused(
            "foreign_invoice",
            f"Payment {reference}: invoice {invoice.number} is not account {account.number}'s;"
            " name one of its own, or none.",
        )
    refuse_known(reference)


def _refuse_while_charged(account: Account, *, despite: bool) -> None:
    """Raise Refused while money of an account may be on its way by a charge."""
    open_ones = PaymentAttempt.objects.filter(account=account, state__in=PaymentAttempt.ASKED)
    found = list(open_ones.values_list("state", "page_id"))
    # On a page of the gateway's the customer may sit for half an hour: it can be closed before the money is recorded.
    if any(state == PaymentAttempt.State.SENDING and not page_id for state, page_id in found):
        raise Refused(
            "charge_under_way",
            f"Account {account.number} is paying by card at this moment; wait a minute, then look whether it is already"
            " settled.",
        )
    if found and not despite:
        raise Refused(
            "charge_unclear",
            f"A charge of account {account.number} may have been made, or the customer has a payment page open."
            " Look it up among the charge attempts first, or tick that you record this money all the same.",
        )


def _put_on_invoices(payment: Payment, by: User | None) -> None:
    invoices = ledger.lock_open_invoices(payment.account_id)
    shares = allocate(payment.amount, [pot(row) for row in invoices.values()], named=payment.invoice_id)
    entries, moved, left = [], [], payment.amount
    cause, at = f"payment:{payment.pk}", payment.effective_at
    for key, part in shares:
        invoice = invoices[int(str(key))]
        ledger.move(invoice, -part)
        moved.append(invoice)
        left -= part
        entries.append(ledger.on_invoice(Kind.PAYMENT, -part, invoice, cause=cause, at=at, payment=payment, by=by))
    if left:
        entries.append(
            ledger.on_credit(Kind.PAYMENT, -left, payment.account_id, cause=cause, at=at, payment=payment, by=by)
        )
    ledger.write(entries, moved)


def _take_back(payment: Payment, at: datetime, why: str, by: User | None, kind: LedgerEntry.Kind) -> None:
    parts = parts_of(payment.pk)
    invoices = ledger.lock_invoices(key for key in parts if key is not None)
    entries, cause = [], f"reversal:{payment.pk}"
    for invoice_id, part in sorted(parts.items(), key=lambda item: item[0] or 0):
        if invoice_id is None:
            entries.append(
                ledger.on_credit(
                    kind,
                    part,
                    payment.account_id,
                    cause=cause,
                    at=at,
                    payment=payment,
                    by=by,
                    reason=why,
                )
            )
            continue
        invoice = invoices[invoice_id]
        ledger.move(invoice, part)
        entries.append(ledger.on_invoice(kind, part, invoice, cause=cause, at=at, payment=payment, by=by, reason=why))
    ledger.write(entries, invoices.values())
