"""Charge funding sources: queue, reserve, and settle what came of it (E7, E8, R-05, R-07).

The gateway is called between `reserve` and one of the `settle_…` functions, with no transaction open; that is
done in `dispatch.py`. Each function here is one transaction under the account's lock.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Q

from accounts.models import Account
from accounts.operations import raise_attention, resolve_attention
from billing_project.kernel import clock, money
from billing_project.kernel.errors import Rejected
from billing_project.kernel.locks import lock_row, lock_rows
from billing_project.kernel.moves import check_move
from billing_project.kernel.nudge import nudge
from invoicing.gateways.port import ChargeReceipt, ChargeRequest, Pending
from invoicing.models import Invoice, Payment, PaymentAttempt
from invoicing.rules import collection
from invoicing.signals import charge_settled, payment_page_left, payment_started

from . import chargeable, ledger
from .chargeable import ChargeAttemptOrder
from .payments import record_payment

State = PaymentAttempt.State

ATTEMPT_MOVES: dict[str, set[str]] = {
    State.QUEUED: {State.CLAIMED, State.REFUSED},
    State.CLAIMED: {State.QUEUED, State.SENDING, State.REFUSED},
    State.SENDING: {State.QUEUED, State.DONE, State.DECLINED, State.UNKNOWN, State.PENDING, State.PARKED},
    State.UNKNOWN: {State.QUEUED, State.DONE, State.DECLINED, State.PENDING, State.PARKED},
    State.PENDING: {State.DONE, State.DECLINED},
}
ATTEMPTS_MAX = 5
# How long to wait before the next call, after each call that certainly did not happen.
BACKOFF = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))
# A call may take as long as this before its outcome counts as unknown.
LEASE = timedelta(minutes=2)
# An outcome unknown for as long as this is put before the clerks; a bank debit may take its fortnight.
UNKNOWN_TOO_LONG, PENDING_TOO_LONG = timedelta(hours=24), timedelta(days=14)

# What a gateway's mark may hold of invoice numbers.
NUMBERS_LENGTH = 400
UNKNOWN_CODE, PARKED_CODE, PENDING_CODE = "charge-unknown", "charge-parked", "charge-pending"


def queue_charge(
    *, account: Account, invoice: Invoice, rank: int, key: str, amount: Decimal, due_at: datetime, why: str
) -> PaymentAttempt | None:
    """Queue one charge; see queue_charges. Returns None if its key was queued before."""
    made = queue_charges(
        [
            ChargeAttemptOrder(
                account_id=account.pk,
                invoice_id=invoice.pk,
                rank=rank,
                key=key,
                amount=amount,
                due_at=due_at,
                why=why,
            )
        ]
    )
    return made[0] if made else None


@transaction.atomic
def queue_charges(orders: Sequence[ChargeAttemptOrder]) -> list[PaymentAttempt]:
    """Queue charges, each once by its key, and return those that are new; a constant number of queries.

    One whose source may not be asked (there is none, it is barred, it was declined for good, or the customer pays by
    hand) is kept as refused with the reason: that day counts as declined, and the list of attempts explains what was
    tried (G19). Where everything that is due is charged at once, one charge of the day does it, and the others say so.
    """
    known = set(PaymentAttempt.objects.filter(key__in=[order.key for order in orders]).values_list("key", flat=True))
    fresh = list({order.key: order for order in orders if order.key not in known}.values())
    if not fresh:
        return []
    facts = chargeable.read(order.account_id for order in fresh)
    together = chargeable.lead_the_day(fresh, facts)
    attempts = []
    for order in fresh:
        source = facts.sources.get(order.account_id, {}).get(order.rank)
        covered = together.get(order.key, "")
        later = order.due_at > clock.now()
        refusal = covered or facts.refusal(order.account_id, order.invoice_id, source, later=later)
        attempts.append(
            PaymentAttempt(
                account_id=order.account_id,
                invoice_id=order.invoice_id,
                funding_source=source,
                key=order.key,
                rank=order.rank,
                amount=order.amount,
                due_at=order.due_at,
                why=(refusal or order.why)[:300],
                code=chargeable.TOGETHER if covered else "",
                whole=together.get(order.key) == "",
                state=State.REFUSED if refusal else State.QUEUED,
                settled_at=clock.now() if refusal else None,
            )
        )
    PaymentAttempt.objects.bulk_create(attempts)
    if any(attempt.state == State.QUEUED for attempt in attempts):
        nudge("invoicing.dispatch_charges")
    return attempts


@transaction.atomic
def reserve(attempt_id: int, at: datetime) -> tuple[PaymentAttempt, ChargeRequest] | None:
    """Move a claimed attempt to sending, for no more than is unpaid now; return what to ask the gateway.

    Returns None if it is not ours any more, or was refused because nothing is due, the source may not be
    charged, or a source before it has the word. The caller commits before it calls (R-05).
    """
    found = _lock(attempt_id)
    if found is None or found.state != State.CLAIMED:
        return None
    invoices = _lock_invoices(found)
    turn = collection.may_try(found.rank, _latest_states_before(found))
    if turn.next is collection.Next.WAIT or chargeable.waits_for(found):
        found.state, found.lease_until_at = State.QUEUED, None
        found.save(update_fields=["state", "lease_until_at"])
        return None
    covered = _covered(found, invoices, at)
    stopped = f"Not tried: {turn.why}." if turn.next is collection.Next.STOP else ""
    refusal = stopped or _refusal(found, invoices[found.invoice_id], covered)
    if refusal:
        _settle(found, State.REFUSED, why=refusal)
        return None
    _begin(found, covered, at)
    payment_started.send(sender=PaymentAttempt, account_id=found.account_id, attempt_id=found.pk)
    return found, _request(found, covered)


def _begin(found: PaymentAttempt, covered: Sequence[Invoice], at: datetime) -> None:
    check_move(ATTEMPT_MOVES, found.state, State.SENDING)
    due = sum((row.remaining for row in covered), start=money.ZERO)
    # A repeated call keeps its key, so it must never ask for more than the first one did.
    most = due if found.whole and not found.attempts else min(found.amount, due)
    found.state, found.amount = State.SENDING, most
    found.attempts, found.lease_until_at = found.attempts + 1, at + LEASE
    found.source_mark = chargeable.mark_of(found.funding_source)
    found.covers = chargeable.in_words(covered)
    if found.whole:
        found.why = f"Everything that is due, at once: {found.covers}."[:300]
    found.save(
        update_fields=["state", "amount", "attempts", "lease_until_at", "source_mark", "covers", "why"]
    )  # fmt: skip


def _request(found: PaymentAttempt, covered: Sequence[Invoice]) -> ChargeRequest:
    source, account = found.funding_source, found.account
    assert source is not None  # _refusal refuses an attempt without one
    numbers = ", ".join(row.number for row in covered)[:NUMBERS_LENGTH]
    return ChargeRequest(
        key=found.key,
        amount=found.amount,
        currency=account.company.currency,
        customer_token=source.customer_token,
        source_token=source.source_token,
        description=f"Account {account.number}, {'invoices' if len(covered) > 1 else 'invoice'} {numbers}",
        account_ref=str(account.public_id),
        invoices=numbers,
    )


@transaction.atomic
def settle_done(attempt_id: int, receipt: ChargeReceipt, at: datetime) -> str:
    """Record the payment of a charge that was made and return the attempt's state; twice is once."""
    found = _lock(attempt_id)
    if found is None or found.state not in PaymentAttempt.ASKED:
        return found.state if found else State.REFUSED
    return _write_down(found, receipt, at)


@transaction.atomic
def settle_found(attempt_id: int, receipt: ChargeReceipt, at: datetime) -> str:
    """Record the payment of a charge that the gateway says was made, whatever we believed of it; twice is once.

    The money has moved: an attempt that had been given up, or had gone back to the queue, is done all the same.
    """
    found = _lock(attempt_id)
    if found is None or found.state == State.DONE:
        return found.state if found else State.REFUSED
    return _write_down(found, receipt, at)


def _write_down(found: PaymentAttempt, receipt: ChargeReceipt, at: datetime) -> str:
    payment = Payment.objects.filter(reference=receipt.provider_id, account_id=found.account_id).first()
    if payment is None:
        payment = record_payment(
            account=found.account,
            reference=receipt.provider_id,
            amount=receipt.amount,
            received_at=at,
            method=receipt.method,
            invoice=None if found.whole else found.invoice,  # what is due of all of them: oldest first
            funding_source=found.funding_source,
        )
    found.payment, found.provider_id, found.code = payment, receipt.provider_id, ""
    _resolve(found, "the charge was made", UNKNOWN_CODE, PENDING_CODE, PARKED_CODE)
    if found.state not in PaymentAttempt.ASKED:
        found.why = f"The gateway charged it although it was {found.get_state_display()} here."
    return _end(found, State.DONE)


@transaction.atomic
def settle_declined(attempt_id: int, rejected: Rejected) -> str:
    """Note the source's final no."""
    found = _lock(attempt_id)
    if found is None or found.state not in PaymentAttempt.ASKED:
        return found.state if found else State.REFUSED
    found.code = rejected.code[:60]
    _resolve(found, "the charge was declined", UNKNOWN_CODE, PENDING_CODE)
    return _settle(found, State.DECLINED, why=rejected.words)


@transaction.atomic
def settle_not_happened(attempt_id: int, why: str, at: datetime) -> str:
    """Queue a charge that certainly did not happen again, later each time; park it after five calls."""
    found = _lock(attempt_id)
    if found is None or found.state not in (State.SENDING, State.UNKNOWN):
        return found.state if found else State.REFUSED
    if found.attempts >= ATTEMPTS_MAX:
        words = f"Charging invoice {found.invoice.number} failed {found.attempts} times: {why}"
        _raise(found, PARKED_CODE, f"{words} Ask the gateway, then charge it by hand.")
        return _settle(found, State.PARKED, why=why)
    check_move(ATTEMPT_MOVES, found.state, State.QUEUED)
    found.state, found.why, found.lease_until_at = State.QUEUED, why[:300], None
    found.due_at, found.unclear_at = at + BACKOFF[min(found.attempts, len(BACKOFF)) - 1], None
    found.save(update_fields=["state", "why", "due_at", "lease_until_at", "unclear_at"])
    return found.state


@transaction.atomic
def settle_unknown(attempt_id: int, why: str, at: datetime) -> str:
    """Note that a charge may have happened: it is looked up from now on, never repeated blindly (R-07).

    One that is under way stays so: that its gateway cannot be asked now takes nothing back.
    """
    found = _lock(attempt_id)
    if found is None or found.state not in PaymentAttempt.ASKED:
        return found.state if found else State.REFUSED
    return _leave_unclear(found, State.PENDING if found.state == State.PENDING else State.UNKNOWN, why, at)


@transaction.atomic
def settle_pending(attempt_id: int, pending: Pending, at: datetime) -> str:
    """Note that a charge has begun and takes days, such as a bank debit; it is looked up until it has ended."""
    found = _lock(attempt_id)
    if found is None or found.state not in PaymentAttempt.ASKED:
        return found.state if found else State.REFUSED
    found.provider_id = pending.provider_id or found.provider_id
    return _leave_unclear(found, State.PENDING, str(pending), at)


def _leave_unclear(found: PaymentAttempt, state: PaymentAttempt.State, why: str, at: datetime) -> str:
    """Move to unknown or pending, or stay there, and say when it is looked up next."""
    if found.state != state:
        check_move(ATTEMPT_MOVES, found.state, state)
        found.state, found.unclear_at = state, at
        _announce(found)
    since = found.unclear_at or at
    found.why, found.lease_until_at, found.due_at = why[:300], None, collection.next_lookup(since, at)
    found.save(update_fields=["state", "why", "due_at", "lease_until_at", "unclear_at", "provider_id"])
    if state == State.UNKNOWN and at - since >= UNKNOWN_TOO_LONG:
        words = f"Nobody knows whether {found.amount} for invoice {found.invoice.number} was charged: {why}"
        _raise(found, UNKNOWN_CODE, f"{words} Ask the gateway by the attempt's key.")
    if state == State.PENDING and at - since >= PENDING_TOO_LONG:
        words = f"{found.amount} for invoice {found.invoice.number} is under way since {since:%Y-%m-%d}: {why}"
        _raise(found, PENDING_CODE, f"{words} Ask the gateway what keeps it.")
    return found.state


def leave_lost_calls_unknown(at: datetime) -> int:
    """Mark calls whose caller died as unknown, since they may have happened; return how many."""
    lost = PaymentAttempt.objects.filter(state=State.SENDING, lease_until_at__lt=at).values_list("pk", flat=True)
    marked = 0
    for attempt_id in list(lost):
        marked += settle_unknown(attempt_id, "The program ended before the gateway's answer came.", at) == State.UNKNOWN
    return marked


def cancel_queued(account_ids: Sequence[int], why: str) -> int:
    """Refuse the waiting charges of accounts, such as when they have paid; return how many there were."""
    return PaymentAttempt.objects.filter(account_id__in=account_ids, state=State.QUEUED).update(
        state=State.REFUSED, why=why[:300], settled_at=clock.now(), lease_until_at=None
    )


def _lock(attempt_id: int) -> PaymentAttempt | None:
    account_id = PaymentAttempt.objects.filter(pk=attempt_id).values_list("account_id", flat=True).first()
    if account_id is None:
        return None
    ledger.lock_account(account_id)
    rows = PaymentAttempt.objects.select_related("account__company", "invoice", "funding_source")
    return lock_row(rows, attempt_id)


def _lock_invoices(attempt: PaymentAttempt) -> dict[int, Invoice]:
    """Lock what an attempt may pay, in key order: its invoice, or all open ones of its account."""
    rows = Invoice.objects.filter(account=attempt.account_id)
    if attempt.whole:
        rows = rows.filter(Q(state=Invoice.State.OPEN) | Q(pk=attempt.invoice_id))
    else:
        rows = rows.filter(pk=attempt.invoice_id)
    return {row.pk: row for row in lock_rows(rows)}


def _covered(attempt: PaymentAttempt, invoices: Mapping[int, Invoice], at: datetime) -> list[Invoice]:
    if attempt.whole:
        return chargeable.due_together(invoices.values(), clock.local(at, attempt.account.timezone).date())
    return [invoices[attempt.invoice_id]]


def _refusal(attempt: PaymentAttempt, invoice: Invoice, covered: Sequence[Invoice]) -> str:
    """Return why a claimed attempt may not be sent, by what is true under the lock."""
    if attempt.whole and not covered:
        return "Nothing of the account is due any more."
    if not attempt.whole and (invoice.state != Invoice.State.OPEN or invoice.remaining <= 0):
        return f"Nothing is due on invoice {invoice.number} any more."
    if not attempt.whole and invoice.frozen:
        return f"Invoice {invoice.number} is disputed."
    return chargeable.read([attempt.account_id]).refusal(attempt.account_id, invoice.pk, attempt.funding_source)


def _latest_states_before(attempt: PaymentAttempt) -> list[str]:
    """Return how the sources before this one ended in this round: the latest attempt of each lower rank."""
    rows = PaymentAttempt.objects.filter(account=attempt.account_id, rank__lt=attempt.rank).order_by("pk")
    same = Q(invoice_id=attempt.invoice_id)
    rows = rows.filter(same | Q(whole=True) if attempt.whole else same).exclude(code=chargeable.TOGETHER)
    # By rank, where the later row of a rank wins.
    return list(dict(rows.values_list("rank", "state")).values())


def _settle(attempt: PaymentAttempt, state: PaymentAttempt.State, why: str = "") -> str:
    check_move(ATTEMPT_MOVES, attempt.state, state)
    return _end(attempt, state, why)


def _end(attempt: PaymentAttempt, state: PaymentAttempt.State, why: str = "") -> str:
    attempt.state, attempt.settled_at, attempt.lease_until_at = state, clock.now(), None
    attempt.why = (why or attempt.why)[:300]
    attempt.source_mark = attempt.source_mark or chargeable.mark_of(attempt.funding_source)
    attempt.save(
        update_fields=["state", "settled_at", "lease_until_at", "why", "code", "payment", "provider_id", "source_mark"]
    )
    _announce(attempt)
    if state in (State.DECLINED, State.REFUSED):
        # The next source of this round need not wait for the next minute.
        nudge("invoicing.dispatch_charges")
    return state


def _announce(attempt: PaymentAttempt) -> None:
    charge_settled.send(
        sender=PaymentAttempt, account_id=attempt.account_id, attempt_id=attempt.pk, state=str(attempt.state)
    )
    if attempt.page_id:
        # Robust: money that has moved is written down, whatever becomes of the line.
        payment_page_left.send_robust(
            sender=PaymentAttempt, account_id=attempt.account_id, attempt_id=attempt.pk,
            paid=attempt.state == State.DONE,
        )  # fmt: skip


def _raise(attempt: PaymentAttempt, code: str, words: str) -> None:
    raise_attention(code=code, key=f"attempt:{attempt.pk}", account=attempt.account, words=words)


def _resolve(attempt: PaymentAttempt, how: str, *codes: str) -> None:
    for code in codes:
        resolve_attention(code, f"attempt:{attempt.pk}", how)
