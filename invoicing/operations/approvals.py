"""What one person asks for and a second one decides (SEC-21): asked above a limit, carried out when it is approved."""

from decimal import Decimal

from django.db import transaction

from accounts import second_person
from accounts.models import User
from billing_project.kernel import clock, texts
from billing_project.kernel.errors import Refused
from invoicing.models import Approval, Charge, Invoice, Payment, ReasonCode

from . import adjust, ledger, limits, refunds
from .charges import waive_charge

Kind = Approval.Kind
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
    same = Approval.objects.filter(kind=kind, charge=found.charge, invoice=found.invoice, payment=found.payment)
    second_person.refuse_a_second(same, lambda first: f"{first.amount:,.2f}")
    _would_work(kind, thing, amount, code, reason, by)
    found.save()
    return found


def reason_words(code: str, reason: str) -> str:
    """Return a reason as the ledger keeps it: the code's words, and what was said beside it."""
    words = str(ReasonCode(code).label) if code and code != ReasonCode.OTHER else ""
    return ": ".join(part for part in (words, reason.strip()) if part)


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


def _give(approval: Approval) -> None:
    words = f"{reason_words(approval.reason_code, approval.reason)} (approved by {approval.decided_by})"
    _carry_out(
        Kind(approval.kind), _thing(approval), approval.amount, approval.reason_code, words, approval.asked_by, approval
    )  # fmt: skip


_decisions = second_person.Decisions(
    Approval, right=RIGHT_TO_DECIDE, carry_out=_give, related=("charge", "invoice", "payment")
)
approve, refuse, withdraw = _decisions.approve, _decisions.refuse, _decisions.withdraw
waiting_for = _decisions.waiting_for
