"""Whether an account's stored cards are charged by themselves, as its customer or a clerk decided (E8, X8)."""

from django.db import transaction

from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_row
from invoicing.models import BillingParameters

from . import ledger
from .history import save_with_reason


@transaction.atomic
def set_autopay(account: Account, on: bool, *, why: str, by: User | None = None) -> bool:
    """Turn automatic payment on or off and return whether that changed anything.

    A charge that is with the gateway already is not taken back; what is queued asks again before it is made. Raises
    Refused without a reason, and for an account without billing terms.
    """
    locked = ledger.lock_account(account.pk)
    if not why.strip():
        raise Refused("reason_missing", f"Say why automatic payment of account {locked.number} is changed.")
    if not BillingParameters.objects.filter(account=locked).exists():
        raise Refused("no_terms", f"Account {locked.number} has no billing terms yet; give it a billing default first.")
    terms = lock_row(BillingParameters.objects.all(), BillingParameters.objects.get(account=locked).pk)
    if terms.autopay == on:
        return False
    terms.autopay = on
    save_with_reason(terms, ["autopay"], why, at=clock.now(), by=by)
    return True


def autopay_of(account: Account) -> bool:
    """Tell whether an account's cards are charged by themselves; without terms nothing ever charges them."""
    return BillingParameters.objects.filter(account=account, autopay=True).exists()
