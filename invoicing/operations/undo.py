"""Take back what was given away, each by a compensating entry (U07): a waiver, a write-off, a credit note.

A void is final, since its invoice never counted; bill it anew. A refund is final, since the money has left.
"""

from decimal import Decimal

from django.db import transaction
from django.db.models import Sum

from accounts.models import User
from billing_project.kernel import clock, texts
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_row
from invoicing.models import Charge, Invoice, LedgerEntry
from invoicing.signals import balance_changed, fee_waiver_undone

from . import ledger
from .history import save_with_reason
from .ledger import ZERO, Kind
from .payments import parts_of


@transaction.atomic
def unwaive_charge(charge: Charge, why: str, by: User | None = None) -> Charge:
    """Ask for a waived charge after all: it waits for the next invoice again.

    Raises Refused without a reason, or if it is not waived.
    """
    ledger.lock_account(charge.account_id)
    locked = lock_row(Charge.objects.all(), charge.pk)
    _require_reason(why)
    if locked.waived_at is None:
        raise Refused("not_waived", f"{locked.description} is not waived; nothing was changed.")
    now = clock.now()
    locked.waived_at, locked.waived_why = None, ""
    save_with_reason(locked, ["waived_at", "waived_why"], f"no longer waived: {why}", at=now, by=by)
    count = LedgerEntry.objects.filter(charge=locked, kind=Kind.WAIVER).count()
    cause = f"waiver_undone:{count}"
    ledger.write([ledger.on_charge(Kind.WAIVER, locked.amount, locked, cause=cause, at=now, by=by, reason=why)])
    if locked.kind == Charge.Kind.LATE_FEE and locked.about_invoice_id is not None:
        fee_waiver_undone.send(sender=Charge, invoice_id=locked.about_invoice_id, why=why, by=by)
    balance_changed.send(sender=Charge, account_ids=[locked.account_id])
    charge.waived_at, charge.waived_why = None, ""
    return locked


@transaction.atomic
def undo_write_off(*, invoice: Invoice, why: str, by: User | None = None) -> Invoice:
    """Ask for what was written off after all: the invoice is open again with its own due date.

    Raises Refused without a reason, or if nothing of it is written off.
    """
    ledger.lock_account(invoice.account_id)
    locked = lock_row(Invoice.objects.all(), invoice.pk)
    _require_reason(why)
    rows = LedgerEntry.objects.filter(invoice=locked, kind=Kind.WRITE_OFF)
    given_up = -(rows.aggregate(all=Sum("amount"))["all"] or ZERO)
    if locked.state == Invoice.State.VOID or given_up <= 0:
        raise Refused("not_written_off", f"Nothing of invoice {locked.number} is written off; nothing was changed.")
    cause = f"write_off_undone:{rows.count()}"
    entry = ledger.on_invoice(Kind.WRITE_OFF, given_up, locked, cause=cause, at=clock.now(), by=by, reason=why)
    return _reopen(locked, given_up, [entry], invoice)


@transaction.atomic
def undo_credit_note(*, entry: LedgerEntry, why: str, by: User | None = None) -> Invoice:
    """Take a credit note back: its amount is owed again, and money that it had freed is put back where that is unused.

    Raises Refused without a reason, for what is no credit note, for one that was taken back, or on a void invoice.
    """
    _require_reason(why)
    if not is_credit_note(entry) or entry.invoice is None:
        raise Refused("no_credit_note", "This entry is no credit note; choose one that lowered an invoice.")
    ledger.lock_account(entry.account_id)
    locked = lock_row(Invoice.objects.all(), entry.invoice.pk)
    cause = f"undone:{entry.pk}"
    if LedgerEntry.objects.filter(key=f"{cause}:{locked.pk}").exists():
        raise Refused("undone_already", f"This credit note on {locked.number} was taken back before.")
    if locked.state == Invoice.State.VOID:
        raise Refused("invoice_void", f"Invoice {locked.number} is void; nothing of it can be owed again.")
    now, amount = clock.now(), -entry.amount
    entries = [ledger.on_invoice(Kind.CREDIT_NOTE, amount, locked, cause=cause, at=now, by=by, reason=why)]
    freed = LedgerEntry.objects.filter(invoice=locked, payment__isnull=False, key__startswith=f"{_cause_of(entry)}:")
    for part in freed.order_by("pk"):
        assert part.payment_id is not None  # filtered
        back = min(part.amount, parts_of(part.payment_id).get(None, ZERO), amount)
        if back <= 0:
            continue
        own = f"{cause}:{part.payment_id}"
        entries.append(
            ledger.on_invoice(
                Kind.CREDIT_NOTE, -back, locked, cause=own, at=now, payment=part.payment_id, by=by, reason=why
            )
        )
        entries.append(
            ledger.on_credit(
                Kind.CREDIT_NOTE, back, locked.account_id, cause=own, at=now, payment=part.payment_id, by=by, reason=why
            )
        )
        amount -= back
    return _reopen(locked, amount, entries, entry.invoice)


def is_credit_note(entry: LedgerEntry) -> bool:
    """Tell whether an entry is a credit note itself: not the money that one freed, and not one taken back."""
    return entry.kind == Kind.CREDIT_NOTE and entry.payment_id is None and entry.amount < 0


def standing_credit_notes(invoice: Invoice) -> list[LedgerEntry]:
    """Return the credit notes on an invoice that were not taken back, latest first."""
    rows = LedgerEntry.objects.filter(invoice=invoice, kind=Kind.CREDIT_NOTE, payment=None).order_by("-pk")
    undone = {row.key for row in rows if row.amount > 0}
    return [row for row in rows if row.amount < 0 and f"undone:{row.pk}:{invoice.pk}" not in undone]


def _cause_of(entry: LedgerEntry) -> str:
    """Return what the entries of one credit note have in common: its key without the invoice's own at the end."""
    return entry.key.rsplit(":", 1)[0]


def _reopen(locked: Invoice, delta: Decimal, entries: list[ledger.Entry], given: Invoice) -> Invoice:
    ledger.move(locked, delta)
    ledger.write(entries, [locked])
    balance_changed.send(sender=Invoice, account_ids=[locked.account_id])
    given.remaining, given.state = locked.remaining, locked.state
    return locked


def _require_reason(why: str) -> None:
    if not why.strip():
        raise Refused("reason_missing", "Say why it is taken back; the reason is kept in the ledger.")
    texts.refuse_cards("reason", why)
