"""Give money back: reserve, call, settle (R-05, R-07). A refund is final.

The ledger holds the money from the moment it is reserved, so that no bill uses it meanwhile and a report of the gateway
finds it noted; a refund that was not made gives it back. What lies on invoices is freed by a credit note first. Money
that came through no gateway is paid out by hand and only noted.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum

from accounts.models import User
from accounts.operations import raise_attention, resolve_attention
from billing_project.kernel import clock, money, texts
from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected, Unavailable
from billing_project.kernel.locks import lock_row
from billing_project.kernel.nudge import nudge
from invoicing.gateways.registry import gateway
from invoicing.models import Approval, Invoice, LedgerEntry, Payment, PaymentAttempt, RefundAttempt
from invoicing.rules.collection import next_lookup
from invoicing.signals import balance_changed

from . import adjust, ledger, limits, shadow
from .ledger import ZERO, Kind
from .payments import parts_of

State = RefundAttempt.State
LEASE = timedelta(minutes=2)
# A refund that the gateway still knows nothing of so long after the call was not made.
SURELY_NOT_MADE = timedelta(hours=1)
UNKNOWN_CODE = "refund-unknown"


@dataclass(frozen=True, slots=True)
class Refundable:
    """What can be given back of a payment: what is unused, and what would have to be freed on which invoices."""

    most: Decimal
    unused: Decimal
    on_invoices: tuple[tuple[Invoice, Decimal], ...]
    through_gateway: bool


def refundable(payment: Payment) -> Refundable:
    """Return what can be given back of a payment now; nothing of one that was reversed."""
    parts = parts_of(payment.pk) if payment.reversed_at is None else {}
    invoices = Invoice.objects.in_bulk([key for key in parts if key is not None])
    on = sorted(
        ((invoices[key], part) for key, part in parts.items() if key is not None and part > 0),
        key=lambda pair: (pair[0].due_on, pair[0].pk),
        reverse=True,
    )
    unused = max(parts.get(None, ZERO), ZERO)
    most = unused + sum((part for _, part in on), ZERO)
    return Refundable(most, unused, tuple(on), goes_through_gateway(payment))


def goes_through_gateway(payment: Payment) -> bool:
    """Tell whether the money came through the gateway, and so goes back the same way."""
    return (
        PaymentAttempt.objects.filter(payment=payment, provider_id=payment.reference).exclude(provider_id="").exists()
    )


def check(payment: Payment, amount: Decimal) -> Refundable:
    """Return what can be given back; raises Refused if the amount cannot be, or a refund is under way."""
    if payment.reversed_at is not None:
        raise Refused("reversed", f"Payment {payment.reference} was reversed; there is nothing to give back.")
    found = refundable(payment)
    if amount != money.quantize(amount) or not 0 < amount <= found.most:
        raise Refused(
            "bad_amount",
            f"Of payment {payment.reference} from 0.01 to {found.most:,.2f} can be given back, not {amount}.",
        )
    if RefundAttempt.objects.filter(payment=payment, state__in=RefundAttempt.OPEN).exists():
        raise Refused(
            "refund_under_way",
            f"Money of payment {payment.reference} is being given back; wait for the outcome among the refunds.",
        )
    return found


@transaction.atomic
def begin(
    *,
    payment: Payment,
    amount: Decimal,
    why: str,
    by: User | None = None,
    code: str = "",
    approval: Approval | None = None,
) -> RefundAttempt | None:
    """Hold the money and reserve the call that gives it back; the caller then commits and calls `send`.

    What of it lies on invoices is credited there. Returns None for money that came through no gateway: it is noted as
    paid out. Raises Refused as check does, without a reason, and above the limit of who gives it back (SEC-21).
    """
    ledger.lock_account(payment.account_id)
    locked = lock_row(Payment.objects.select_related("account"), payment.pk)
    if not why.strip():
        raise Refused("reason_missing", f"Say why payment {locked.reference} is refunded; the reason is kept.")
    texts.refuse_cards("reason", why)
    found = check(locked, amount)
    limits.require_within(by, Approval.Kind.REFUND, amount, approval)
    # The account's lock makes the count a key; money noted by hand counts as well.
    number = LedgerEntry.objects.filter(payment=locked, kind=Kind.REFUND).count() + 1
    _free(locked, amount - found.unused, found, f"refund_credit:{locked.pk}:{number}", why, by, code)
    if not found.through_gateway:
        adjust.refund(payment=locked, amount=amount, why=why, by=by, code=code, approval=approval)
        return None
    shadow.refuse_in_shadow("In shadow mode no money goes back through the gateway; refund it in the old system.")
    attempt = RefundAttempt.objects.create(
        payment=locked, key=f"refund:{locked.public_id}:{number}", amount=amount, reason=why[:300], asked_by=by,
        created_at=clock.now(),
    )  # fmt: skip
    ledger.write([_held(attempt, amount, by=by, why=why, code=code)])
    balance_changed.send(sender=Payment, account_ids=[locked.account_id])
    nudge("invoicing.dispatch_charges")
    return attempt


def send(attempt_id: int, at: datetime | None = None) -> str:
    """Call the gateway for one reserved refund, settle it, and return its state; one that was sent is left alone."""
    moment = at or clock.now()
    attempt = None if shadow.is_shadow() else _claim(attempt_id, moment)
    if attempt is None:
        return RefundAttempt.objects.values_list("state", flat=True).get(pk=attempt_id)
    try:
        receipt = gateway().refund(
            key=attempt.key, provider_id=attempt.payment.reference, amount=attempt.amount
        )  # fmt: skip
    except Rejected as rejected:
        return _not_made(attempt_id, rejected.words, rejected.code)
    except Unavailable as unavailable:
        return _not_made(attempt_id, f"It did not happen: {unavailable} Try again.", "unavailable")
    except OutcomeUnknown as unknown:
        return _unknown(attempt_id, str(unknown), moment)
    return _done(attempt_id, receipt.provider_id)


def dispatch_refunds(at: datetime) -> int:
    """Send the refunds whose sender was lost before the call, look up those that are unknown; return how many ended."""
    lost = RefundAttempt.objects.filter(state=State.SENDING, lease_until_at__lt=at)
    for attempt_id in list(lost.values_list("pk", flat=True)):
        _unknown(attempt_id, "The program ended before the gateway's answer came.", at)
    ended = 0
    for attempt_id in list(RefundAttempt.objects.filter(state=State.QUEUED).values_list("pk", flat=True)):
        ended += send(attempt_id, at) in (State.DONE, State.DECLINED)
    due = RefundAttempt.objects.filter(state=State.UNKNOWN, due_at__lte=at).order_by("due_at", "pk")
    for attempt_id in list(due.values_list("pk", flat=True)):
        ended += look_up(attempt_id, at) in (State.DONE, State.DECLINED)
    return ended


def look_up(attempt_id: int, at: datetime) -> str:
    """Ask the gateway how much of the payment it has given back, settle by that, and return the state; repeats nothing.

    An hour after the call, what the gateway still does not know of was not made.
    """
    attempt = RefundAttempt.objects.select_related("payment").get(pk=attempt_id)
    if attempt.state != State.UNKNOWN:
        return attempt.state
    try:
        facts = gateway().charge_facts(attempt.payment.reference)
    except (Unavailable, OutcomeUnknown) as unanswered:
        return _unknown(attempt_id, str(unanswered), at)
    others = LedgerEntry.objects.filter(payment=attempt.payment, kind=Kind.REFUND)
    noted = others.exclude(key__startswith=f"{_cause(attempt)}:").aggregate(all=Sum("amount"))["all"] or ZERO
    if facts is not None and facts.refunded - noted >= attempt.amount:
        return _done(attempt_id, "")
    if at - attempt.created_at < SURELY_NOT_MADE:
        return _unknown(attempt_id, "The gateway does not know of it yet.", at)
    return _not_made(attempt_id, "The gateway knows nothing of this refund.", "not_made")


@transaction.atomic
def _claim(attempt_id: int, at: datetime) -> RefundAttempt | None:
    attempt = lock_row(RefundAttempt.objects.select_related("payment"), attempt_id)
    if attempt.state != State.QUEUED:
        return None
    attempt.state, attempt.lease_until_at = State.SENDING, at + LEASE
    attempt.save(update_fields=["state", "lease_until_at"])
    return attempt


@transaction.atomic
def _done(attempt_id: int, provider_id: str) -> str:
    attempt = _lock(attempt_id)
    if attempt.state not in RefundAttempt.OPEN:
        return attempt.state
    attempt.provider_id = provider_id or attempt.provider_id
    return _end(attempt, State.DONE, "", "")


@transaction.atomic
def _not_made(attempt_id: int, words: str, code: str) -> str:
    """Give the held money back, and take back the credit notes that had freed it."""
    attempt = _lock(attempt_id)
    if attempt.state not in RefundAttempt.OPEN:
        return attempt.state
    why = f"not given back: {words}"
    entries = [_held(attempt, -attempt.amount, by=None, why=why, undone=True)]
    # A note and the money that it freed cancel out on their invoice: what is unpaid there stays as it is.
    freed = LedgerEntry.objects.filter(key__startswith=f"{_freed_by(attempt)}:")
    entries += [_mirrored(row, why) for row in freed.order_by("pk")]
    ledger.write(entries)
    state = _end(attempt, State.DECLINED, words, code)
    balance_changed.send(sender=Payment, account_ids=[attempt.payment.account_id])
    return state


@transaction.atomic
def _unknown(attempt_id: int, words: str, at: datetime) -> str:
    attempt = _lock(attempt_id)
    if attempt.state not in RefundAttempt.OPEN:
        return attempt.state
    attempt.state, attempt.words, attempt.lease_until_at = State.UNKNOWN, words[:300], None
    attempt.due_at = next_lookup(attempt.created_at, at)
    attempt.save(update_fields=["state", "words", "lease_until_at", "due_at"])
    raise_attention(
        code=UNKNOWN_CODE, key=f"refund:{attempt.pk}", account=attempt.payment.account,
        words=f"Nobody knows whether {attempt.amount} of payment {attempt.payment.reference} were given back: {words}"
        " It is looked up after 5 minutes, an hour, and then daily; do not give it back another way meanwhile.",
    )  # fmt: skip
    return attempt.state


def _mirrored(row: LedgerEntry, why: str) -> ledger.Entry:
    """Return the entry that takes one of a credit note back."""
    return ledger.Entry(
        account_id=row.account_id, kind=LedgerEntry.Kind(row.kind), amount=-row.amount, invoice_id=row.invoice_id,
        payment_id=row.payment_id, key=f"undone:{row.pk}:{row.invoice_id or 'credit'}", effective_at=clock.now(),
        reason=why[:300],
    )  # fmt: skip


def _lock(attempt_id: int) -> RefundAttempt:
    rows = RefundAttempt.objects.select_related("payment__account")
    ledger.lock_account(rows.get(pk=attempt_id).payment.account_id)
    return lock_row(rows, attempt_id)


def _end(attempt: RefundAttempt, state: State, words: str, code: str) -> str:
    attempt.state, attempt.words, attempt.code = state, words[:300], code[:60]
    attempt.settled_at, attempt.lease_until_at, attempt.due_at = clock.now(), None, None
    attempt.save(update_fields=["state", "words", "code", "settled_at", "lease_until_at", "due_at", "provider_id"])
    resolve_attention(UNKNOWN_CODE, f"refund:{attempt.pk}", str(attempt.get_state_display()))
    return attempt.state


def _cause(attempt: RefundAttempt) -> str:
    return f"refund_attempt:{attempt.pk}"


def _freed_by(attempt: RefundAttempt) -> str:
    return f"refund_credit:{attempt.payment_id}:{attempt.key.rsplit(':', 1)[1]}"


def _held(
    attempt: RefundAttempt, amount: Decimal, *, by: User | None, why: str, code: str = "", undone: bool = False
) -> ledger.Entry:
    return ledger.on_credit(
        Kind.REFUND, amount, attempt.payment.account_id,
        cause=f"{_cause(attempt)}:{'undone' if undone else 'held'}", at=clock.now(), payment=attempt.payment_id,
        by=by, reason=why, code=code,
    )  # fmt: skip


def _free(
    payment: Payment, missing: Decimal, found: Refundable, cause: str, why: str, by: User | None, code: str
) -> None:
    """Credit on the invoices that a payment paid as much as is to be given back of it, the latest due first.

    What is unpaid there stays as it is: the invoice is lowered by just the money that leaves it.
    """
    now, entries = clock.now(), []
    locked = ledger.lock_invoices(invoice.pk for invoice, _ in found.on_invoices)
    for invoice, part in found.on_invoices:
        take = min(part, missing)
        if take <= 0:
            break
        missing -= take
        own = locked[invoice.pk]
        note = Kind.CREDIT_NOTE
        entries += [
            ledger.on_invoice(note, -take, own, cause=f"{cause}:note", at=now, by=by, reason=why, code=code),
            ledger.on_invoice(note, take, own, cause=f"{cause}:freed", at=now, payment=payment, by=by, reason=why),
            ledger.on_credit(
                note, -take, payment.account_id, cause=f"{cause}:{own.pk}", at=now, payment=payment, by=by, reason=why
            ),
        ]
    ledger.write(entries)
