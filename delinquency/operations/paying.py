"""Full access while a customer pays: when a payment window is opened, and within what it is counted (P07)."""

import logging

from accounts.models import Account
from billing_project.kernel.errors import Refused
from netenforce.models import PaymentWindow
from netenforce.operations.windows import end_window, open_window, why_no_window
from netenforce.queries import active_holds

from ..models import Case

logger = logging.getLogger(__name__)


def open_for_payment(account_id: int, attempt_id: int) -> PaymentWindow | None:
    """Open a window for a payment page, or return None where there is none to open; paying works all the same."""
    try:
        return open_window(
            account_id=account_id, key=_key(attempt_id), scope=scope_of(account_id), why="the payment page was opened"
        )
    except Refused as refusal:
        logger.info("account %d pays without a payment window: %s", account_id, refusal.code)
        return None


def end_for_payment(account_id: int, attempt_id: int, *, paid: bool) -> PaymentWindow | None:
    """End the window of a payment page before its time; None if it has none, or another page has taken it over."""
    how = PaymentWindow.Ended.PAID if paid else PaymentWindow.Ended.LEFT
    return end_window(account_id, how=how, key=_key(attempt_id))


def scope_of(account_id: int) -> str:
    """Return what windows are counted in: the delinquency that is open, or else the oldest cut's cause."""
    case = Case.objects.filter(account=account_id).exclude(stage=Case.Stage.CLOSED).first()
    if case is not None:
        return f"case:{case.number}"
    holds = active_holds([account_id]).get(account_id, [])
    return holds[0].cause_key if holds else ""


def no_window_for(account: Account) -> Refused | None:
    """Return why pressing Pay would open no window on a line that is restricted over money; None if it would."""
    refusal = why_no_window(account, scope=scope_of(account.pk))
    return None if refusal is not None and refusal.code == "not_restricted" else refusal


def _key(attempt_id: int) -> str:
    return f"attempt:{attempt_id}"
