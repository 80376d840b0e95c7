"""Money taken at the desk: looked at before it is recorded, and taken back within minutes if that was a mistake."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_row
from invoicing.models import Invoice, Payment
from invoicing.queries import account_position, pot
from invoicing.rules.allocation import allocate

from . import ledger
from .payments import record_payment, refuse_typed, reverse_payment

# A payment that was recorded by mistake is taken back by one click for so long, by who recorded it.
UNDO_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Share:
    """What of a payment goes on one invoice, and what is then left to pay of it."""

    invoice: Invoice
    amount: Decimal
    left: Decimal


@dataclass(frozen=True, slots=True)
class Use:
    """What a payment would be used for: invoices in the order in which they are paid; the rest waits as credit."""

    shares: tuple[Share, ...]
    credit: Decimal


def use_of(account: Account, amount: Decimal, named: Invoice | None = None) -> Use:
    """Return what a payment of this account would be used for now (A21); nothing is recorded."""
    invoices = {row.pk: row for row in account_position(account.pk).open_invoices}
    left, shares = amount, []
    for key, part in allocate(amount, [pot(row) for row in invoices.values()], named=named.pk if named else None):
        invoice = invoices[int(str(key))]
        shares.append(Share(invoice, part, invoice.remaining - part))
        left -= part
    return Use(tuple(shares), left)


@transaction.atomic
def take_payment(
    *,
    account: Account,
    reference: str,
    amount: Decimal,
    received_at: datetime,
    method: str,
    by: User,
    invoice: Invoice | None = None,
    not_before: datetime | None = None,
    keep_rest: bool = False,
    despite_charge: bool = False,
) -> Payment:
    """Record money that a member of staff has taken in.

    Raises Refused for a time in the future; for more than is owed unless ``keep_rest`` says that the rest is to wait as
    credit (`already_settled` if nothing is owed any more); while a charge is under way (see record_payment); and as
    record_payment does.
    """
    if received_at > clock.now():
        raise Refused("received_later", f"Payment {reference}: it cannot have been received in the future.")
    ledger.lock_account(account.pk)
    refuse_typed(reference)  # pressed twice: the first one explains more than that nothing is owed
    owed = max(account_position(account.pk).pay_all, ledger.ZERO)
    if amount > owed and not keep_rest:
        if not owed:
            raise Refused(
                "already_settled",
                f"Account {account.number} is already settled: nothing is owed. Tick that the money is to be kept as"
                " credit, or give it back to the payer.",
            )
        raise Refused(
            "more_than_owed",
            f"{amount:,.2f} is more than the {owed:,.2f} that account {account.number} owes. Mend the amount, or tick"
            f" that {amount - owed:,.2f} is to be kept as credit.",
        )
    return record_payment(
        account=account, reference=reference, amount=amount, received_at=received_at, method=method, invoice=invoice,
        by=by, not_before=not_before, despite_charge=despite_charge,
    )  # fmt: skip


def why_not_undone(payment: Payment, by: User, at: datetime) -> str:
    """Return why a payment cannot be taken back as a mistake now, or an empty string."""
    if payment.reversed_at is not None:
        return f"Payment {payment.reference} was reversed before."
    if payment.recorded_by_id is None or payment.recorded_by_id != by.pk:
        return f"Payment {payment.reference} was recorded by {payment.recorded_by or 'the program'}, not by you."
    if at - payment.recorded_at > UNDO_WITHIN:
        return f"Payment {payment.reference} was recorded more than 10 minutes ago; reverse it, and say why."
    if parts_refunded(payment):
        return f"Money of payment {payment.reference} was given back; that is final."
    return ""


def parts_refunded(payment: Payment) -> bool:
    """Tell whether money of a payment was given back."""
    return payment.ledger_entries.filter(kind=ledger.Kind.REFUND).exists()


@transaction.atomic
def undo_payment(payment: Payment, by: User, *, at: datetime | None = None) -> Payment:
    """Take back what was recorded by mistake: as if it had not been, so no fee is asked and no source is barred.

    Only by who recorded it, within ten minutes. Raises Refused otherwise.
    """
    moment = at or clock.now()
    ledger.lock_account(payment.account_id)
    locked = lock_row(Payment.objects.select_related("recorded_by"), payment.pk)
    why = why_not_undone(locked, by, moment)
    if why:
        raise Refused("not_undone", why)
    return reverse_payment(payment=payment, why="recorded by mistake", at=moment, by=by, as_=Payment.Reversal.MISTAKE)
