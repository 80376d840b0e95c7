"""Write down what a person has found out about a charge that the gateway cannot tell of (K10, R-07)."""

from django.db import transaction

from accounts.models import User
from billing_project.kernel import clock, texts
from billing_project.kernel.errors import Refused, Rejected, StaleState
from billing_project.kernel.locks import lock_row
from invoicing.gateways.port import ChargeReceipt
from invoicing.models import PaymentAttempt

from . import collect, ledger
from .payments import REFERENCE_LENGTH, refuse_typed

# The reason of a decline that no gateway gave.
NOT_MADE = "not_made_by_hand"


@transaction.atomic
def was_made(attempt: PaymentAttempt, *, reference: str, why: str, by: User) -> str:
    """Record the payment of an unclear charge that a person has found to be made; return the attempt's state.

    Raises Refused without the gateway's reference or a reason, for a reference that is recorded already, and StaleState
    if the charge is not unclear any more.
    """
    _still_unclear(attempt, why)
    reference = reference.strip()
    if not reference or len(reference) > REFERENCE_LENGTH:
        raise Refused("bad_reference", "Give the gateway's reference of the charge; it becomes the payment's.")
    refuse_typed(reference)
    state = collect.settle_found(attempt.pk, ChargeReceipt(reference, attempt.amount), clock.now())
    _note(attempt, f"{by} found that it was charged: {why}")
    return state


@transaction.atomic
def was_not_made(attempt: PaymentAttempt, *, why: str, by: User) -> str:
    """End an unclear charge that a person has found not to be made, for good; return the attempt's state.

    It is not repeated by itself; a later report of the gateway that it was made after all is still believed. Raises
    as was_made does.
    """
    _still_unclear(attempt, why)
    return collect.settle_declined(attempt.pk, Rejected(f"{by} found that it was not charged: {why}", NOT_MADE))


def _still_unclear(attempt: PaymentAttempt, why: str) -> None:
    ledger.lock_account(attempt.account_id)
    locked = lock_row(PaymentAttempt.objects.all(), attempt.pk)
    if locked.state not in (PaymentAttempt.State.UNKNOWN, PaymentAttempt.State.PENDING):
        raise StaleState(f"The charge is {locked.get_state_display()} by now; nothing was changed.")
    if not why.strip():
        raise Refused("reason_missing", "Say how you know; it is kept with the attempt.")
    texts.refuse_cards("reason", why)


def _note(attempt: PaymentAttempt, words: str) -> None:
    row = lock_row(PaymentAttempt.objects.all(), attempt.pk)
    row.why = words[:300]
    row.save(update_fields=["why"])
