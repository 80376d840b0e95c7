"""Record invoices and payments from elsewhere, thousands at a time, as if that had been done in time.

Per account the new facts are played in order of time by the allocation rule: issues, payments and reversals
interleaved, credit used when the next invoice issues (A21). What is in the ledger already is never rewritten:
what it left unpaid is open to new money from the day it was issued, and what it left as credit to new
invoices.

Write the facts of one file in one call; both kinds may share a transaction of the caller.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction

from accounts.models import Account
from billing_project.kernel.bulk import copy_rows, reserve_keys, update_rows
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_rows
from invoicing import queries
from invoicing.models import Invoice, InvoiceLine, LedgerEntry, Payment
from invoicing.rules.allocation import Book, Issued, Key, Received
from invoicing.signals import balance_changed

from . import ledger
from .ledger import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedInvoice:
    """An invoice that another program issued; it counts from `effective_at`, 00:05 local on its date."""

    account_id: int
    number: str
    issued_on: date
    due_on: date
    amount: Decimal
    effective_at: datetime
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedPayment:
    """A payment that was received elsewhere, and perhaps returned.

    `effective_at` is given where the account's story is decided beyond `received_at`; it then counts from
    there.
    """

    account_id: int
    reference: str
    received_at: datetime
    amount: Decimal
    invoice_id: int | None = None
    method: str = Payment.Method.IMPORTED
    reversed_at: datetime | None = None
    effective_at: datetime | None = None


@dataclass(slots=True)
class _Played:
    """One account's facts while they are played, and the entries that come of them."""

    book: Book = field(default_factory=Book)
    invoices: dict[int, Invoice] = field(default_factory=dict)  # all that are open or new
    payments: dict[str, Payment] = field(default_factory=dict)  # all that are new or have credit, by reference
    old_references: set[str] = field(default_factory=set)
    queue: list[tuple[datetime, int, date, str, Invoice | Payment]] = field(default_factory=list)
    entries: list[ledger.Entry] = field(default_factory=list)


# On one instant, as everywhere: money, reversals, invoices.
_PAYMENT, _REVERSAL, _ISSUE = 0, 1, 2


@transaction.atomic
def record_imported_invoices(items: Sequence[ImportedInvoice]) -> int:
    """Issue invoices from elsewhere and return how many; waiting credit is used as of their dates.

    The caller has checked that numbers are new; the database refuses one that is not.
    """
    plays = _load({item.account_id for item in items})
    fresh = [
        Invoice(
            account_id=item.account_id,
            number=item.number,
            source=Invoice.Source.IMPORTED,
            description=item.description[:300],
            issued_on=item.issued_on,
            due_on=item.due_on,
            amount=item.amount,
            remaining=item.amount,
            effective_at=item.effective_at,
        )
        for item in items
    ]
    reserve_keys(fresh)
    for invoice in fresh:
        play = plays[invoice.account_id]
        play.invoices[invoice.pk] = invoice
        play.queue.append((invoice.effective_at, _ISSUE, invoice.due_on, invoice.number, invoice))
        play.entries.append(
            ledger.on_invoice(Kind.INVOICE, invoice.amount, invoice, cause="invoice", at=invoice.effective_at)
        )
    _play_all(plays, new_ids={invoice.pk for invoice in fresh})
    copy_rows(Invoice, fresh)
    copy_rows(InvoiceLine, [_line(invoice) for invoice in fresh])
    _write(plays, new_ids={invoice.pk for invoice in fresh})
    return len(fresh)


@transaction.atomic
def record_imported_payments(items: Sequence[ImportedPayment]) -> int:
    """Record payments from elsewhere, with their reversals, and return how many payments.

    Raises Refused for another account's invoice; the database refuses a reference that exists.
    """
    plays = _load({item.account_id for item in items})
    _check_named(items)
    fresh = []
    for item in items:
        counts_at = item.effective_at or item.received_at
        fresh.append(
            Payment(
                account_id=item.account_id,
                reference=item.reference,
                received_at=item.received_at,
                amount=item.amount,
                method=item.method,
                invoice_id=item.invoice_id,
                effective_at=counts_at,
                reversed_at=max(item.reversed_at, counts_at) if item.reversed_at else None,
                reversed_why="imported as returned" if item.reversed_at else "",
            )
        )
    reserve_keys(fresh)
    for payment in fresh:
        play = plays[payment.account_id]
        play.payments[payment.reference] = payment
        for at, order in ((payment.effective_at, _PAYMENT), (payment.reversed_at, _REVERSAL)):
            if at is not None:
                play.queue.append((at, order, at.date(), payment.reference, payment))
    _play_all(plays, new_ids=set())
    copy_rows(Payment, fresh)
    _write(plays, new_ids=set())
    return len(fresh)


def _load(account_ids: set[int]) -> dict[int, _Played]:
    """Lock the accounts and read what is open: their unpaid invoices and their credit."""
    accounts = lock_rows(Account.objects.all(), account_ids, seconds_max=60)
    plays = {account.pk: _Played() for account in accounts}
    if len(plays) != len(account_ids):
        raise Refused("unknown_account", "An account of this import is gone; import the accounts first.")
    rows = Invoice.objects.filter(account_id__in=list(plays), state=Invoice.State.OPEN)
    for invoice in lock_rows(rows, seconds_max=60):
        play = plays[invoice.account_id]
        play.invoices[invoice.pk] = invoice
        play.queue.append((invoice.effective_at, _ISSUE, invoice.due_on, invoice.number, invoice))
    unspent = {part.payment_id: part.left for parts in queries.credit_parts(plays).values() for part in parts}
    for payment in Payment.objects.filter(pk__in=unspent):
        play = plays[payment.account_id]
        play.payments[payment.reference] = payment
        play.old_references.add(payment.reference)
        # Of money that was put to use before, only what is left of it plays along.
        left = Payment(reference=payment.reference, amount=unspent[payment.pk], invoice_id=payment.invoice_id)
        at = payment.effective_at
        play.queue.append((at, _PAYMENT, at.date(), payment.reference, left))
    return plays


def _play_all(plays: dict[int, _Played], *, new_ids: set[int]) -> None:
    for play in plays.values():
        play.queue.sort(key=lambda entry: entry[:4])
        index = 0
        while index < len(play.queue):
            at, order, _, _, row = play.queue[index]
            index += 1
            if isinstance(row, Payment):
                _take_in(play, row) if order == _PAYMENT else _take_back(play, row, at)
                continue
            batch = [row]
            # Invoices of one instant issue together: each first takes the credit that names it.
            while index < len(play.queue) and play.queue[index][:2] == (at, _ISSUE):
                batch.append(play.queue[index][4])  # type: ignore[arg-type]  # an issue is of an invoice
                index += 1
            _issue(play, batch, new_ids)


def _issue(play: _Played, batch: list[Invoice], new_ids: set[int]) -> None:
    old = [invoice for invoice in batch if invoice.pk not in new_ids]
    new = [invoice for invoice in batch if invoice.pk in new_ids]
    for invoices, everything in ((old, False), (new, True)):
        # What the ledger holds was issued before this import: old credit on it would be a change of mind.
        with _only_new_money(play, on=not everything):
            issued = [
                Issued(row.pk, row.number, row.issued_on, row.due_on, row.remaining, row.frozen) for row in invoices
            ]
            before = {key: dict(purse.spent) for key, purse in play.book.purses.items() if purse.credit > 0}
            play.book.issue(issued)
            _note_credit_used(play, before)


@contextmanager
def _only_new_money(play: _Played, *, on: bool) -> Iterator[None]:
    purses = play.book.purses
    if on:
        play.book.purses = {key: purse for key, purse in purses.items() if key not in play.old_references}
    try:
        yield
    finally:
        play.book.purses = purses


def _note_credit_used(play: _Played, before: dict[str, dict[Key, Decimal]]) -> None:
    for reference, known in before.items():
        payment = play.payments[reference]
        for key, spent in play.book.purses[reference].spent.items():
            used = spent - known.get(key, ledger.ZERO)
            if not used:
                continue
            invoice = play.invoices[int(str(key))]
            cause, at = (
                f"credit_used:{payment.pk}:{invoice.pk}",
                max(invoice.effective_at, payment.effective_at),
            )
            ledger.move(invoice, -used)
            play.entries.append(
                ledger.on_invoice(Kind.CREDIT_USED, -used, invoice, cause=cause, at=at, payment=payment)
            )
            play.entries.append(
                ledger.on_credit(Kind.CREDIT_USED, used, payment.account_id, cause=cause, at=at, payment=payment)
            )


def _take_in(play: _Played, payment: Payment) -> None:
    received = Received(payment.reference, payment.effective_at, payment.amount, payment.invoice_id)
    if payment.reference in play.old_references:
        # Put to use before: what is left of it waits, whatever is unpaid by now.
        pots, play.book.pots = play.book.pots, {}
        play.book.receive(received)
        play.book.pots = pots
        return
    cause, at, left = f"payment:{payment.pk}", payment.effective_at, payment.amount
    for key, delta in play.book.receive(received):
        invoice = play.invoices[int(str(key))]
        ledger.move(invoice, delta)
        left += delta
        play.entries.append(ledger.on_invoice(Kind.PAYMENT, delta, invoice, cause=cause, at=at, payment=payment))
    if left:
        play.entries.append(
            ledger.on_credit(Kind.PAYMENT, -left, payment.account_id, cause=cause, at=at, payment=payment)
        )


def _take_back(play: _Played, payment: Payment, at: datetime) -> None:
    credit = play.book.purses[payment.reference].credit
    cause, why = f"reversal:{payment.pk}", payment.reversed_why
    for key, delta in play.book.take_back(payment.reference):
        invoice = play.invoices[int(str(key))]
        ledger.move(invoice, delta)
        play.entries.append(
            ledger.on_invoice(Kind.REVERSAL, delta, invoice, cause=cause, at=at, payment=payment, reason=why)
        )
    if credit:
        play.entries.append(
            ledger.on_credit(Kind.REVERSAL, credit, payment.account_id, cause=cause, at=at, payment=payment, reason=why)
        )


def _write(plays: dict[int, _Played], *, new_ids: set[int]) -> None:
    entries = [entry for play in plays.values() for entry in play.entries]
    moved = {entry.invoice_id for entry in entries} - new_ids
    ledger.write(sorted(entries, key=lambda entry: entry.effective_at))
    update_rows(
        [row for play in plays.values() for row in play.invoices.values() if row.pk in moved],
        ["remaining", "state"],
    )
    if plays:
        balance_changed.send(sender=LedgerEntry, account_ids=sorted(plays))


def _line(invoice: Invoice) -> InvoiceLine:
    return InvoiceLine(
        invoice=invoice,
        position=1,
        description=invoice.description or f"Invoice {invoice.number}",
        unit_price=invoice.amount,
        amount=invoice.amount,
    )


def _check_named(items: Sequence[ImportedPayment]) -> None:
    owners: dict[int, int] = dict(
        Invoice.objects.filter(pk__in={item.invoice_id for item in items if item.invoice_id}).values_list(
            "pk", "account_id"
        )
    )
    foreign: dict[str, int] = defaultdict(int)
    for item in items:
        if item.invoice_id is not None and owners.get(item.invoice_id) != item.account_id:
            foreign[item.reference] += 1
    for reference in foreign:
        raise Refused(
            "foreign_invoice",
            f"Payment {reference} names an invoice of another account; name one of its own, or none.",
        )
