"""Charges that wait for the next invoice: make them once, waive them (A20, contract section 3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction

from accounts.models import Account, User
from billing_project.kernel import clock, money, texts
from billing_project.kernel.bulk import insert_with_history
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_row
from invoicing.models import Approval, Charge, Invoice, LedgerEntry
from invoicing.signals import balance_changed, fee_waived

from . import ledger, limits
from .history import save_with_reason
from .ledger import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeOrder:
    """A charge to make: for whom, what, how much; the key makes it once for the account."""

    account_id: int
    kind: str
    key: str
    amount: Decimal
    description: str
    charged_on: date
    effective_at: datetime
    about_invoice_id: int | None = None
    reason: str = ""


def add_charge(
    *,
    account: Account,
    kind: str,
    key: str,
    amount: Decimal,
    description: str,
    charged_on: date,
    effective_at: datetime,
    about_invoice: Invoice | None = None,
) -> Charge | None:
    """Make one waiting charge; return None if its key was charged before or it rounds to 0.00."""
    made = add_charges(
        [
            ChargeOrder(
                account_id=account.pk,
                kind=kind,
                key=key,
                amount=amount,
                description=description,
                charged_on=charged_on,
                effective_at=effective_at,
                about_invoice_id=about_invoice.pk if about_invoice else None,
            )
        ]
    )
    return made[0] if made else None


@transaction.atomic
def add_charges(orders: Sequence[ChargeOrder]) -> list[Charge]:
    """Make waiting charges and return the new ones; a key that was charged before and 0.00 are left out.

    The accounts must be locked by the caller when others may charge them at the same time; the database
    refuses a key twice in any case. A constant number of queries.
    """
    account_ids = {order.account_id for order in orders}
    known = set(
        Charge.objects.filter(account_id__in=account_ids, key__in={order.key for order in orders})
        .order_by()
        .values_list("account_id", "key")
    )
    charges, instants = [], []
    for order in orders:
        amount = money.quantize(order.amount)
        if not amount or (order.account_id, order.key) in known:
            continue
        known.add((order.account_id, order.key))
        charges.append(
            Charge(
                account_id=order.account_id,
                kind=order.kind,
                key=order.key,
                amount=amount,
                description=order.description[:200],
                charged_on=order.charged_on,
                about_invoice_id=order.about_invoice_id,
            )
        )
        instants.append((order.effective_at, order.reason))
    insert_with_history(charges)
    ledger.write(
        [
            ledger.on_charge(Kind.CHARGE, charge.amount, charge, cause="charge", at=at, reason=reason)
            for charge, (at, reason) in zip(charges, instants, strict=True)
        ]
    )
    if charges:
        balance_changed.send(sender=Charge, account_ids=sorted({charge.account_id for charge in charges}))
    return charges


@transaction.atomic
def waive_charge(
    charge: Charge, why: str, by: User | None = None, *, code: str = "", approval: Approval | None = None
) -> Charge:
    """Waive a waiting charge; `undo.unwaive_charge` takes that back.

    Raises Refused if it is invoiced or waived already, without a reason, or above the limit of who waives it (SEC-21).
    """
    ledger.lock_account(charge.account_id)
    locked = lock_row(Charge.objects.select_related("invoice"), charge.pk)
    if not why.strip():
        raise Refused("reason_missing", f"Say why {locked.description} is waived.")
    texts.refuse_cards("reason", why)
    if locked.waived_at is not None:
        raise Refused("already_waived", f"{locked.description} was waived before: {locked.waived_why}.")
    if locked.invoice is not None:
        raise Refused(
            "charge_invoiced",
            f"{locked.description} is on invoice {locked.invoice.number} already; give a credit note there.",
        )
    limits.require_within(by, Approval.Kind.WAIVE, locked.amount, approval)
    now = clock.now()
    locked.waived_at, locked.waived_why = now, why[:200]
    save_with_reason(locked, ["waived_at", "waived_why"], f"waived: {why}", at=now, by=by)
    # A charge may be waived again after that was taken back; the account's lock makes the count a key.
    before = LedgerEntry.objects.filter(charge=locked, kind=Kind.WAIVER).count()
    cause = f"waiver:{before}" if before else "waiver"
    entry = ledger.on_charge(Kind.WAIVER, -locked.amount, locked, cause=cause, at=now, by=by, reason=why, code=code)
    ledger.write([entry])
    if locked.kind == Charge.Kind.LATE_FEE and locked.about_invoice_id is not None:
        fee_waived.send(sender=Charge, invoice_id=locked.about_invoice_id, why=why, by=by)
    balance_changed.send(sender=Charge, account_ids=[locked.account_id])
    charge.waived_at, charge.waived_why = locked.waived_at, locked.waived_why
    return locked
