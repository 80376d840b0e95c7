"""Questions about money, each answered with a constant number of queries for any number of accounts."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal

from django.db import connection
from django.db.models import Q, Sum

from .models import Charge, Invoice, LedgerEntry, Payment, PaymentAttempt
from .rules.allocation import Pot

ZERO = Decimal("0.00")
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)

Since = Mapping[int, datetime | None]


@dataclass(frozen=True, slots=True)
class Position:
    """What an account owes and has, now."""

    account_id: int
    balance: Decimal  # the sum of its ledger
    credit: Decimal  # money received that no invoice needed yet
    uninvoiced: Decimal  # charges waiting for the next invoice, credits among them deducted
    open_invoices: tuple[Invoice, ...]  # oldest due first

    @property
    def invoiced(self) -> Decimal:
        """Return what is unpaid on open invoices."""
        return sum((invoice.remaining for invoice in self.open_invoices), ZERO)

    @property
    def pay_all(self) -> Decimal:
        """Return the amount that settles everything, waiting fees included."""
        return max(self.balance, ZERO)


@dataclass(frozen=True, slots=True)
class Movement:
    """A change of what is left to pay on an invoice: negative when money came."""

    effective_at: datetime
    delta: Decimal
    kind: str
    payment_id: int | None


@dataclass(frozen=True, slots=True)
class InvoiceMovements:
    """An invoice and everything that ever moved it, in order; the first movement is its issue."""

    id: int
    account_id: int
    number: str
    issued_on: date
    due_on: date
    amount: Decimal
    remaining: Decimal
    source: str
    state: str
    frozen: bool
    effective_at: datetime
    movements: tuple[Movement, ...]


@dataclass(frozen=True, slots=True)
class PaymentFact:
    """Money that arrived or was taken back, and what that did to invoices at that instant."""

    kind: str  # "payment" or "reversal"
    payment_id: int
    reference: str
    amount: Decimal
    at: datetime
    named_invoice_id: int | None
    moves: tuple[tuple[int, Decimal], ...]  # (invoice id, change of its remaining)


@dataclass(slots=True)
class CreditPart:
    """What is left of one payment as credit, and the invoice its payer named."""

    payment_id: int
    invoice_id: int | None
    effective_at: datetime
    left: Decimal


@dataclass(slots=True)
class _Sums:
    balance: Decimal = ZERO
    credit: Decimal = ZERO
    uninvoiced: Decimal = ZERO
    open: list[Invoice] = field(default_factory=list)


def account_position(account_id: int) -> Position:
    """Return what one account owes and has."""
    return positions([account_id])[account_id]


def positions(account_ids: Iterable[int]) -> dict[int, Position]:
    """Return what each account owes and has; two queries."""
    sums: dict[int, _Sums] = {account_id: _Sums() for account_id in account_ids}
    entries = (
        LedgerEntry.objects.filter(account_id__in=list(sums))
        .order_by()
        .values("account_id")
        .annotate(
            balance=Sum("amount"),
            credit=Sum("amount", filter=Q(invoice__isnull=True, charge__isnull=True)),
            uninvoiced=Sum("amount", filter=Q(charge__isnull=False)),
        )
    )
    for row in entries:
        found = sums[row["account_id"]]
        found.balance = row["balance"]
        found.credit, found.uninvoiced = -(row["credit"] or ZERO), row["uninvoiced"] or ZERO
    for invoice in open_invoices(sums):
        sums[invoice.account_id].open.append(invoice)
    return {
        account_id: Position(account_id, found.balance, found.credit + ZERO, found.uninvoiced, tuple(found.open))
        for account_id, found in sums.items()
    }


def open_invoices(account_ids: Iterable[int]) -> list[Invoice]:
    """Return the unpaid invoices of accounts, oldest due first (A21)."""
    rows = Invoice.objects.filter(account_id__in=list(account_ids), state=Invoice.State.OPEN)
    return list(rows.order_by("due_on", "issued_on", "number"))


def pot(invoice: Invoice) -> Pot:
    """Return an invoice as the allocation rule sees it."""
    return Pot(invoice.pk, invoice.issued_on, invoice.due_on, invoice.number, invoice.remaining, invoice.frozen)


def waiting_charges(account_ids: Iterable[int]) -> dict[int, list[Charge]]:
    """Return the charges that wait for the next invoice, by account, oldest first."""
    waiting: dict[int, list[Charge]] = defaultdict(list)
    rows = Charge.objects.filter(account_id__in=list(account_ids), invoice__isnull=True, waived_at__isnull=True)
    for charge in rows.order_by("charged_on", "pk"):
        waiting[charge.account_id].append(charge)
    return dict(waiting)


def credit_parts(account_ids: Iterable[int]) -> dict[int, list[CreditPart]]:
    """Return the credit of accounts payment by payment, in the order it is used: oldest money first."""
    rows = (
        LedgerEntry.objects.filter(account_id__in=list(account_ids), invoice__isnull=True, charge__isnull=True)
        .exclude(payment=None)
        .order_by()
        .values("account_id", "payment_id", "payment__invoice_id", "payment__effective_at", "payment__reference")
        .annotate(left=-Sum("amount"))
        .filter(left__gt=0)
        .order_by("payment__effective_at", "payment__reference")
    )
    parts: dict[int, list[CreditPart]] = defaultdict(list)
    for row in rows:
        parts[row["account_id"]].append(
            CreditPart(row["payment_id"], row["payment__invoice_id"], row["payment__effective_at"], row["left"])
        )
    return dict(parts)


def open_invoices_with_movements(account_ids: Iterable[int], since: Since) -> dict[int, list[InvoiceMovements]]:
    """Return the invoices of accounts that are open, or moved after an instant, with all their movements.

    ``since`` gives the instant for each account; None or nothing means "ever". Three queries.
    """
    ids = list(account_ids)
    moved = _invoices_moved_after(ids, since)
    rows = Invoice.objects.filter(account_id__in=ids).filter(Q(state=Invoice.State.OPEN) | Q(pk__in=moved))
    return _with_movements(list(rows.order_by("effective_at", "due_on", "number")))


def invoices_issued_since(account_ids: Iterable[int], since: Since) -> dict[int, list[InvoiceMovements]]:
    """Return the invoices that became owed after an instant, with all their movements. Two queries."""
    ids = list(account_ids)
    if not ids:
        return {}
    earliest = min(_instant(since, account_id) for account_id in ids)
    rows = Invoice.objects.filter(account_id__in=ids, effective_at__gt=earliest)
    return _with_movements(
        [
            invoice
            for invoice in rows.order_by("effective_at", "due_on", "number")
            if invoice.effective_at > _instant(since, invoice.account_id)
        ]
    )


def payments_since(account_ids: Iterable[int], since: Since) -> dict[int, list[PaymentFact]]:
    """Return payments that count from after an instant, and reversals recorded after it. Two queries."""
    ids = list(account_ids)
    if not ids:
        return {}
    earliest = min(_instant(since, account_id) for account_id in ids)
    payments = Payment.objects.filter(account_id__in=ids).filter(
        Q(effective_at__gt=earliest) | Q(reversed_at__gt=earliest)
    )
    found = {payment.pk: payment for payment in payments}
    moves = _payment_moves(found)
    facts: dict[int, list[PaymentFact]] = defaultdict(list)
    for payment in found.values():
        after = _instant(since, payment.account_id)
        for kind, at in (("payment", payment.effective_at), ("reversal", payment.reversed_at)):
            if at is not None and at > after:
                facts[payment.account_id].append(
                    PaymentFact(
                        kind,
                        payment.pk,
                        payment.reference,
                        payment.amount,
                        at,
                        payment.invoice_id,
                        tuple(moves.get((payment.pk, kind), ())),
                    )
                )
    for rows in facts.values():
        rows.sort(key=lambda fact: (fact.at, fact.kind, fact.reference))
    return dict(facts)


def accounts_with_unsettled(account_ids: Iterable[int]) -> set[int]:
    """Return which accounts have a charge of unknown outcome: nothing may be cut meanwhile (R-07, I9)."""
    states = [PaymentAttempt.State.SENDING, PaymentAttempt.State.UNKNOWN]
    rows = PaymentAttempt.objects.filter(account_id__in=list(account_ids), state__in=states)
    return set(rows.order_by().values_list("account_id", flat=True).distinct())


def invoices_being_charged(account_ids: Iterable[int]) -> set[int]:
    """Return the invoices with a charge that is waiting, under way, or unknown."""
    rows = PaymentAttempt.objects.filter(account_id__in=list(account_ids), state__in=PaymentAttempt.UNSETTLED)
    return set(rows.order_by().values_list("invoice_id", flat=True).distinct())


def _payment_moves(payment_ids: Collection[int]) -> dict[tuple[int, str], list[tuple[int, Decimal]]]:
    kinds = {LedgerEntry.Kind.PAYMENT: "payment", LedgerEntry.Kind.REVERSAL: "reversal"}
    entries = (
        LedgerEntry.objects.filter(payment_id__in=list(payment_ids), kind__in=list(kinds), invoice__isnull=False)
        .order_by("pk")
        .values_list("payment_id", "kind", "invoice_id", "amount")
    )
    moves: dict[tuple[int, str], list[tuple[int, Decimal]]] = defaultdict(list)
    for payment_id, kind, invoice_id, amount in entries:
        if payment_id is not None and invoice_id is not None:
            moves[payment_id, kinds[LedgerEntry.Kind(kind)]].append((invoice_id, amount))
    return moves


def _instant(since: Since, account_id: int) -> datetime:
    return since.get(account_id) or _BEGINNING


def _invoices_moved_after(account_ids: list[int], since: Since) -> list[int]:
    if not account_ids:
        return []
    with connection.cursor() as cursor:
        # Each account has its own instant, which the ORM cannot join.
        cursor.execute(
            "SELECT DISTINCT e.invoice_id FROM invoicing_ledgerentry e"
            " JOIN unnest(%s::bigint[], %s::timestamptz[]) AS s(account_id, since)"
            " ON s.account_id = e.account_id AND e.effective_at > s.since WHERE e.invoice_id IS NOT NULL",
            [account_ids, [_instant(since, account_id) for account_id in account_ids]],
        )
        return [invoice_id for (invoice_id,) in cursor.fetchall()]


def _with_movements(invoices: list[Invoice]) -> dict[int, list[InvoiceMovements]]:
    movements: dict[int, list[Movement]] = defaultdict(list)
    entries = LedgerEntry.objects.filter(invoice_id__in=[invoice.pk for invoice in invoices])
    rows = entries.order_by("effective_at", "pk").values_list(
        "invoice_id", "effective_at", "amount", "kind", "payment_id"
    )
    for invoice_id, effective_at, amount, kind, payment_id in rows:
        if invoice_id is not None:
            movements[invoice_id].append(Movement(effective_at, amount, kind, payment_id))
    found: dict[int, list[InvoiceMovements]] = defaultdict(list)
    for invoice in invoices:
        found[invoice.account_id].append(
            InvoiceMovements(
                id=invoice.pk,
                account_id=invoice.account_id,
                number=invoice.number,
                issued_on=invoice.issued_on,
                due_on=invoice.due_on,
                amount=invoice.amount,
                remaining=invoice.remaining,
                source=invoice.source,
                state=invoice.state,
                frozen=invoice.frozen,
                effective_at=invoice.effective_at,
                movements=tuple(movements[invoice.pk]),
            )
        )
    return dict(found)
