"""What one person asks for and a second one decides (SEC-21): asked above a limit, carried out when it is approved."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from billing_project.kernel import clock, texts
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row
from invoicing.models import Approval, Charge, Invoice, Payment, ReasonCode

from . import adjust, ledger, limits, refunds
from .charges import waive_charge

Kind = Approval.Kind
State = Approval.State
Thing = Charge | Invoice | Payment

# Beside the right to decide for others, each act asks for its own.
RIGHTS = {
    Kind.WAIVE: "invoicing.waive_fee",
    Kind.CREDIT_NOTE: "invoicing.credit_invoice",
    Kind.WRITE_OFF: "invoicing.write_off_invoice",
    Kind.VOID: "invoicing.void_invoice",
    Kind.REFUND: "invoicing.refund_payment",
}
RIGHT_TO_DECIDE = "invoicing.approve_money"


@transaction.atomic
def do_or_ask(kind: Kind, thing: Thing, *, amount: Decimal, code: str, reason: str, by: User) -> Approval | None:
    """Carry something out if it is within the limit of who wants it, and return None; otherwise ask for it.

    Raises Refused without a reason code, for "other" without words, without the right to do this at all, for a request
    that waits already, and as the act itself does.
    """
    _check(kind, code, reason, by)
    if limits.is_within(by, kind, amount):
        _carry_out(kind, thing, amount, code, reason, by, None)
        return None
    account = ledger.lock_account(thing.account_id)
    found = Approval(
        kind=kind, account=account, amount=amount, reason_code=code, reason=reason.strip()[:200], asked_by=by,
        charge=thing if isinstance(thing, Charge) else None, invoice=thing if isinstance(thing, Invoice) else None,
        payment=thing if isinstance(thing, Payment) else None, asked_at=clock.now(),
    )  # fmt: skip
    waiting = Approval.objects.filter(
        kind=kind, charge=found.charge, invoice=found.invoice, payment=found.payment, state=State.WAITING
    ).select_related("asked_by")
    if (first := waiting.first()) is not None:
        raise Refused(
            "asked_already",
            f"{first.asked_by} has asked for this already ({first.amount:,.2f}); it waits for a second person.",
        )
    _would_work(kind, thing, amount, code, reason, by)
    found.save()
    return found


@transaction.atomic
def approve(approval: Approval, *, by: User, note: str = "") -> Approval:
    """Approve what another person asked for, and carry it out in the same transaction; it counts as done by them.

    Raises Refused for one's own request, without the right to decide, for one that is decided, and if the act is not
    possible any more: the request then still waits, and can be refused.
    """
    locked = _lock(approval, by)
    _decide(locked, State.APPROVED, by, note, clock.now())
    words = f"{reason_words(locked.reason_code, locked.reason)} (approved by {by})"
    _carry_out(
        Kind(locked.kind), _thing(locked), locked.amount, locked.reason_code, words, locked.asked_by, locked
    )  # fmt: skip
    return locked


@transaction.atomic
def refuse(approval: Approval, *, by: User, note: str) -> Approval:
    """Refuse what another person asked for, saying why; raises Refused as approve does."""
    if not note.strip():
        raise Refused("reason_missing", "Say why it is refused; whoever asked reads it.")
    locked = _lock(approval, by)
    _decide(locked, State.REFUSED, by, note, clock.now())
    return locked


@transaction.atomic
def withdraw(approval: Approval, *, by: User) -> Approval:
    """Take one's own request back; raises Refused for another's, and for one that is decided."""
    ledger.lock_account(approval.account_id)
    locked = lock_row(Approval.objects.select_related("asked_by"), approval.pk)
    if locked.asked_by_id != by.pk:
        raise Refused("not_yours", f"{locked.asked_by} has asked for this; only they can take it back.")
    _still_waiting(locked)
    locked.state, locked.decided_at = State.WITHDRAWN, clock.now()
    locked.save(update_fields=["state", "decided_at"])
    return locked


def reason_words(code: str, reason: str) -> str:
    """Return a reason as the ledger keeps it: the code's words, and what was said beside it."""
    words = str(ReasonCode(code).label) if code and code != ReasonCode.OTHER else ""
    return ": ".join(part for part in (words, reason.strip()) if part)


def why_not_decided_by(approval: Approval, user: User) -> str:
    """Return why somebody may not decide a request, or an empty string."""
    if approval.asked_by_id == user.pk:
        return "You have asked for this yourself; somebody else decides."
    if not user.has_perm(RIGHT_TO_DECIDE):
        return "You may not decide what others ask for; an administrator gives that right."
    return ""


def _lock(approval: Approval, by: User) -> Approval:
    ledger.lock_account(approval.account_id)
    rows = Approval.objects.select_related("asked_by", "charge", "invoice", "payment", "account")
    locked = lock_row(rows, approval.pk)
    why = why_not_decided_by(locked, by)
    if why:
        raise Refused("not_a_second_person", why)
    _still_waiting(locked)
    return locked


def _still_waiting(approval: Approval) -> None:
    if approval.state != State.WAITING:
        raise StaleState(f"This request is {approval.get_state_display()} already; nothing was changed.")


def _decide(approval: Approval, state: State, by: User, note: str, at: datetime) -> None:
    texts.refuse_cards("note", note)
    approval.state, approval.decided_by, approval.decided_at, approval.note = state, by, at, note.strip()[:200]
    approval.save(update_fields=["state", "decided_by", "decided_at", "note"])


def _check(kind: Kind, code: str, reason: str, by: User) -> None:
    if not by.has_perm(RIGHTS[kind]):
        raise Refused("no_right", f"You may not do this ({kind.label}); an administrator gives that right.")
    if code not in ReasonCode.values:
        raise Refused("reason_missing", "Choose a reason from the list; it is kept in the ledger.")
    if code == ReasonCode.OTHER and not reason.strip():
        raise Refused("reason_missing", "Say what the other reason is; it is kept in the ledger.")
    texts.refuse_cards("reason", reason)


def _would_work(kind: Kind, thing: Thing, amount: Decimal, code: str, reason: str, by: User) -> None:
    """Raise Refused for a request that could not be carried out: tried as the program itself, and undone."""
    if isinstance(thing, Payment):
        refunds.check(thing, amount)
        return
    mark = transaction.savepoint()
    try:
        _carry_out(kind, thing, amount, code, reason, None, None)
    finally:
        transaction.savepoint_rollback(mark)
        thing.refresh_from_db()


def _thing(approval: Approval) -> Thing:
    found = approval.about
    assert isinstance(found, Charge | Invoice | Payment)
    return found


def _carry_out(
    kind: Kind,
    thing: Thing,
    amount: Decimal,
    code: str,
    reason: str,
    by: User | None,
    approval: Approval | None,
) -> None:
    why = reason if approval is not None else reason_words(code, reason)
    if isinstance(thing, Charge):
        assert kind == Kind.WAIVE
        waive_charge(thing, why, by, code=code, approval=approval)
    elif isinstance(thing, Payment):
        assert kind == Kind.REFUND
        refunds.begin(payment=thing, amount=amount, why=why, by=by, code=code, approval=approval)
    elif kind == Kind.CREDIT_NOTE:
        adjust.credit_note(invoice=thing, amount=amount, reason=why, by=by, code=code, approval=approval)
    elif kind == Kind.WRITE_OFF:
        adjust.write_off(invoice=thing, why=why, by=by, code=code, approval=approval)
    else:
        assert kind == Kind.VOID
        adjust.void_invoice(invoice=thing, why=why, by=by, code=code, approval=approval)


def amount_of(kind: Kind, thing: Thing) -> Decimal:
    """Return how much an act gives away that takes the whole of a thing: a fee, what is unpaid, or an invoice."""
    if isinstance(thing, Invoice):
        return thing.remaining if kind == Kind.WRITE_OFF else thing.amount
    return thing.amount


def waiting_for(user: User) -> QuerySet[Approval]:
    """Return the requests of others that wait and that somebody may decide."""
    if not user.has_perm(RIGHT_TO_DECIDE):
        return Approval.objects.none()
    return Approval.objects.filter(state=State.WAITING).exclude(asked_by=user)
