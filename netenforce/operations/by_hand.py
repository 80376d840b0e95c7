"""Restrict an account's lines by hand, for abuse or at the customer's request, and lift that again.

Each cause is a hold of its own: lifting one leaves the others, so what the line is then is asked of ``after_lifting``.
What is owed is not settled here: a hold for non-payment is ended by payment, or by more time (Grace Until).
"""

import logging
from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row

from ..models import Hold
from ..queries import active_holds, counting_holds
from ..rules.desired import hardest
from .holds import LiftHold, PlaceHold, change_holds

logger = logging.getLogger(__name__)

CAUSES = (Hold.Cause.ABUSE, Hold.Cause.REQUEST)
LONGEST = timedelta(days=366)
NOT_FOR_MONEY = (
    "This is restricted for non-payment, which is not lifted by hand: record the payment, or give more time (Grace"
    " Until, with “lift now”) on the account's page. For some minutes or hours, open a payment window or release the"
    " line."
)
NOT_BY_STATUS = (
    "An address list takes all accounts with this status or type. Change the account's status, or the list: the line is"
    " freed at once then."
)


def place_by_hand(
    account: Account, *, cause: str, level: str, reason: str, until_at: datetime | None = None, by: User | None = None
) -> Hold:
    """Restrict an account's lines for abuse or at the customer's request, and return the hold.

    Raises Refused for another cause, for an end that is not ahead or further off than a year, and where the account is
    restricted by hand for the same cause already.
    """
    if cause not in CAUSES:
        raise Refused("cause_not_by_hand", "By hand a line is restricted for abuse or at the customer's request only.")
    now = clock.now()
    if until_at is not None and not now < until_at <= now + LONGEST:
        raise Refused("until_not_ahead", "Until: choose a moment that is ahead, within a year; or leave it blank.")
    key = f"hand:{cause}"
    with transaction.atomic():
        locked = lock_row(Account.objects.order_by(), account.pk)
        known = Hold.objects.filter(account=locked, cause_key=key, lifted_at__isnull=True).first()
        if known is not None:
            raise Refused(
                "held_already",
                f"Account {locked.number} is restricted for that already ({known}). Lift that first, with a reason.",
            )
        wish = PlaceHold(
            account_id=locked.pk, cause=cause, cause_key=key, level=level, why=reason, until_at=until_at,
            by_id=by.pk if by else None,
        )  # fmt: skip
        change_holds(placed=[wish])
        return Hold.objects.get(account=locked, cause_key=key, lifted_at__isnull=True)


def why_not_lifted(hold: Hold) -> Refused | None:
    """Return why a hold cannot be lifted by hand; None if it can."""
    if hold.lifted_at is not None:
        return Refused("lifted_already", "This was lifted already; look at the account's other holds.")
    if hold.cause == Hold.Cause.NON_PAYMENT:
        return Refused("lift_not_for_money", NOT_FOR_MONEY)
    return Refused("lift_not_by_status", NOT_BY_STATUS) if hold.cause == Hold.Cause.STATUS else None


def lift_by_hand(hold: Hold, *, reason: str, by: User | None = None) -> Hold:
    """Lift one hold with a reason and return it; the others stay. Raises Refused where `why_not_lifted` says so."""
    with transaction.atomic():
        lock_row(Account.objects.order_by(), hold.account_id)
        fresh = Hold.objects.get(pk=hold.pk)
        refusal = why_not_lifted(fresh)
        if refusal is not None:
            raise refusal
        wish = LiftHold(account_id=fresh.account_id, cause_key=fresh.cause_key, why=reason, by_id=by.pk if by else None)
        change_holds(lifted=[wish])
        fresh.refresh_from_db()
        return fresh


def lift_holds_due() -> int:
    """Lift the holds whose time is over, and return how many; every pass over the network's queue does so."""
    due = Hold.objects.filter(lifted_at__isnull=True, until_at__lte=clock.now()).order_by("account_id", "pk")
    lifted = 0
    for pk, account_id in list(due.values_list("pk", "account_id")):
        try:
            with transaction.atomic():
                lock_row(Account.objects.order_by(), account_id)
                hold = due.filter(pk=pk).first()
                if hold is not None:
                    why = "Its time was over."
                    change_holds(lifted=[LiftHold(account_id=account_id, cause_key=hold.cause_key, why=why)])
                    lifted += 1
        except StaleState as busy:
            logger.info("hold %d is lifted at the next pass: %s", pk, busy)
    return lifted


def after_lifting(hold: Hold) -> tuple[str, list[Hold]]:
    """Return how hard the lines will be restricted once a hold is lifted, and the holds that are left, oldest first.

    The level heeds a payment window that runs; the holds are all that are in force.
    """
    left = [other for other in active_holds([hold.account_id]).get(hold.account_id, []) if other.pk != hold.pk]
    counting = [other for other in counting_holds([hold.account_id]).get(hold.account_id, []) if other.pk != hold.pk]
    return hardest(other.level for other in counting), left


def after_placing(account: Account, level: str) -> str:
    """Return how hard the lines will be restricted once a hold of a level is added."""
    counting = counting_holds([account.pk]).get(account.pk, [])
    return hardest([level, *(hold.level for hold in counting)])
