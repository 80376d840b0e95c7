"""Build ledger entries and keep invoices in step with them; nothing else writes either."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from operator import attrgetter

from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.bulk import copy_values, update_rows
from billing_project.kernel.locks import lock_row, lock_rows
from invoicing.models import Charge, Invoice, LedgerEntry, Payment

ZERO = Decimal("0.00")
Kind = LedgerEntry.Kind

_CREDIT = "credit"


@dataclass(slots=True, kw_only=True)
class Entry:
    """An entry that is about to be written; its fields are the ledger's columns. Nothing ever points at one."""

    account_id: int
    kind: LedgerEntry.Kind
    amount: Decimal
    key: str
    effective_at: datetime
    invoice_id: int | None = None
    charge_id: int | None = None
    payment_id: int | None = None
    recorded_at: datetime = field(default_factory=clock.now)
    actor_id: int | None = None
    reason: str = ""
    reason_code: str = ""


FIELDS = tuple(part.name for part in fields(Entry))
_values = attrgetter(*FIELDS)


def lock_account(account_id: int) -> Account:
    """Lock an account: whatever changes its money holds this lock. Raises StaleState after 10 s."""
    return lock_row(Account.objects.all(), account_id)


def lock_open_invoices(account_id: int) -> dict[int, Invoice]:
    """Lock the unpaid invoices of a locked account, by key."""
    rows = Invoice.objects.filter(account_id=account_id, state=Invoice.State.OPEN)
    return {invoice.pk: invoice for invoice in lock_rows(rows)}


def lock_invoices(invoice_ids: Iterable[int]) -> dict[int, Invoice]:
    """Lock these invoices of a locked account, by key."""
    return {invoice.pk: invoice for invoice in lock_rows(Invoice.objects.all(), invoice_ids)}


def on_invoice(
    kind: LedgerEntry.Kind,
    amount: Decimal,
    invoice: Invoice,
    *,
    cause: str,
    at: datetime,
    payment: Payment | int | None = None,
    by: User | None = None,
    reason: str = "",
    code: str = "",
) -> Entry:
    """Return an entry that moves an invoice; it counts from ``at``, but never before the invoice does."""
    return Entry(
        account_id=invoice.account_id,
        kind=kind,
        amount=amount,
        invoice_id=invoice.pk,
        payment_id=_key(payment),
        key=f"{cause}:{invoice.pk}",
        effective_at=max(at, invoice.effective_at),
        actor_id=by.pk if by else None,
        reason=reason[:300],
        reason_code=code,
    )


def on_credit(
    kind: LedgerEntry.Kind,
    amount: Decimal,
    account_id: int,
    *,
    cause: str,
    at: datetime,
    payment: Payment | int,
    by: User | None = None,
    reason: str = "",
    code: str = "",
) -> Entry:
    """Return an entry that moves the account's credit; all credit comes from some payment."""
    return Entry(
        account_id=account_id,
        kind=kind,
        amount=amount,
        payment_id=_key(payment),
        key=f"{cause}:{_CREDIT}",
        effective_at=at,
        actor_id=by.pk if by else None,
        reason=reason[:300],
        reason_code=code,
    )


def on_charge(
    kind: LedgerEntry.Kind,
    amount: Decimal,
    charge: Charge,
    *,
    cause: str,
    at: datetime,
    by: User | None = None,
    reason: str = "",
    code: str = "",
) -> Entry:
    """Return an entry that moves a waiting charge."""
    return Entry(
        account_id=charge.account_id,
        kind=kind,
        amount=amount,
        charge_id=charge.pk,
        key=f"{cause}:{charge.pk}",
        effective_at=at,
        actor_id=by.pk if by else None,
        reason=reason[:300],
        reason_code=code,
    )


def move(invoice: Invoice, delta: Decimal) -> None:
    """Change what is left to pay on a locked invoice, and its state with it; the caller saves."""
    invoice.remaining += delta
    if invoice.remaining > 0:
        invoice.state = Invoice.State.OPEN
    elif invoice.state == Invoice.State.OPEN:
        invoice.state = Invoice.State.PAID


def write(entries: Sequence[Entry], invoices: Iterable[Invoice] = ()) -> None:
    """Write entries, and the remaining and state of the invoices they moved, in one stroke."""
    copy_values(LedgerEntry, FIELDS, map(_values, entries))
    update_rows(list(invoices), ["remaining", "state"])


def _key(payment: Payment | int | None) -> int | None:
    return payment.pk if isinstance(payment, Payment) else payment
