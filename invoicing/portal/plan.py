"""What a payment would pay, worked out by the rule that shares it out, and a mark of what was shown (A21)."""

from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256

from invoicing.models import Invoice
from invoicing.queries import Position, pot
from invoicing.rules.allocation import allocate


@dataclass(frozen=True, slots=True)
class Share:
    """What of a payment goes to an invoice, and what stays unpaid on it."""

    invoice: Invoice
    part: Decimal

    @property
    def left(self) -> Decimal:
        """Return what stays unpaid on the invoice."""
        return self.invoice.remaining - self.part


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a payment goes: to invoices, the rest to credit; and what is owed after it."""

    shares: tuple[Share, ...]
    credit: Decimal
    left: Decimal


def plan_of(position: Position, amount: Decimal, named: Invoice | None) -> Plan:
    """Return where an amount would go now: the named invoice first, then the oldest due."""
    rows = {invoice.pk: invoice for invoice in position.open_invoices}
    parts = allocate(amount, [pot(row) for row in rows.values()], named=named.pk if named else None)
    shares = tuple(Share(rows[int(str(key))], part) for key, part in parts)
    return Plan(shares, amount - sum((share.part for share in shares), Decimal("0.00")), position.pay_all - amount)


def mark_of(position: Position) -> str:
    """Return a mark of what is owed; it changes with every invoice and every payment."""
    open_ones = ";".join(f"{row.pk}:{row.remaining}:{row.frozen}" for row in position.open_invoices)
    return sha256(f"{position.balance}|{open_ones}".encode()).hexdigest()[:16]
