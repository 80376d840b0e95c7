"""Open a payment window and end it: minutes of full access in which the bank's own pages load (P07).

A window lets the holds for non-payment rest, and no others; the holds stay as they are. A slowed line gets one as well,
since a bank's confirmation page that loads for minutes is given up. When a window ends, its lines go back to what
they were. That is no new cut: it may go out at any hour. Nothing needs to be remembered by a worker for it: every pass
of the dispatcher first ends what is over.

A release (:mod:`netenforce.operations.releases`) is a window of hours. When it ends its lines are cut anew, by daylight
and with every question that a cut is asked: nobody expects the line to go at night, a day after somebody was kind.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, time, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from accounts.models import Account, User
from accounts.queries import open_pause
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row

from ..models import EnforcementTask, Hold, LineState, PaymentWindow
from ..queries import OPEN_STATES, active_holds, counting_holds
from ..rules.desired import OPEN, hardest
from .orders import WHY_LENGTH, Target, retarget

logger = logging.getLogger(__name__)

Ended = PaymentWindow.Ended
Kind = PaymentWindow.Kind
# Who leaves the payment page often comes back at once; until then the line is not closed under them.
LINGER = timedelta(seconds=20)
# A release that is taken back so soon was a mistake, and no time to get used to the line.
TAKEN_BACK = timedelta(minutes=10)
# A clock that was set back must not keep a window open.
SKEW = timedelta(minutes=1)


def window_length() -> timedelta:
    """Return how long a payment window lasts."""
    return timedelta(minutes=settings.PAYMENT_WINDOW_MINUTES)


def why_no_window(account: Account, *, scope: str) -> Refused | None:
    """Return why a customer's press of Pay would open no window now; None if it would, or one runs already."""
    holds = active_holds([account.pk]).get(account.pk, [])
    if not any(hold.cause == Hold.Cause.NON_PAYMENT for hold in holds):
        return Refused("not_restricted", _("The line is not limited over money, so there is nothing to open."))
    if any(hold.cause != Hold.Cause.NON_PAYMENT for hold in holds):
        return Refused(
            "held_otherwise", _("The line is limited for another reason as well, which paying does not end.")
        )
    if open_pause() is not None:
        return Refused("paused", _("No line can be changed at the moment; please try again later."))
    rows = PaymentWindow.objects.filter(account=account)
    if rows.filter(_goes_on(clock.now())).exists():
        return None
    # What staff have opened, or released, does not count against the customer.
    rows = rows.filter(kind=Kind.PAYMENT, opened_by__isnull=True)
    today = clock.instant(datetime.combine(clock.today(account.timezone), time.min), account.timezone)
    if rows.filter(opened_at__gte=today).count() >= settings.PAYMENT_WINDOWS_A_DAY:
        return Refused("cap_day", _("The line was opened for paying as often as it can be in a day."))
    if rows.filter(scope=scope).count() >= settings.PAYMENT_WINDOWS_A_CASE:
        return Refused("cap_case", _("The line was opened for paying as often as it can be for what is owed."))
    return None


@transaction.atomic
def open_window(*, account_id: int, key: str, scope: str, why: str, by: User | None = None) -> PaymentWindow:
    """Open full access for a payment, and return the window; while one runs it is that one, and no longer than before.

    The caller names the ``scope`` within which only so many are opened; what staff open is not counted. Raises Refused
    where the lines are not restricted for non-payment alone, where all windows are used up, or under the global pause.
    """
    account = lock_row(Account.objects.order_by(), account_id)
    now = clock.now()
    known = PaymentWindow.objects.filter(key=key).first()
    if known is not None:
        return known
    refusal = why_no_window(account, scope=scope)
    if refusal is not None and (by is None or not refusal.code.startswith("cap_")):
        raise refusal
    # The payment in hand takes the window over: an older page that is left does not end it any more.
    window = PaymentWindow.objects.filter(_goes_on(now), account=account).order_by("-pk").first()
    if window is not None and window.kind == Kind.RELEASE:
        return window  # it gives all that is needed, and leaving the payment page must not end it
    if window is not None:
        window.key, window.ended_at, window.ended_how = key, None, ""
        window.save(update_fields=["key", "ended_at", "ended_how"])
    else:
        window = PaymentWindow.objects.create(
            account=account, key=key, scope=scope, why=why[:WHY_LENGTH], opened_at=now,
            closes_at=now + window_length(), opened_by=by, levels_before=levels_now(account),
        )  # fmt: skip
    retarget_account(account_id, why=f"Open for a payment until {window.closes_at:%H:%M} UTC: {why}")
    return window


@transaction.atomic
def end_window(account_id: int, *, how: Ended, key: str = "") -> PaymentWindow | None:
    """End the window that runs, and close its lines again unless they have been freed; None if none runs.

    With a ``key`` only the window that was opened, or taken over, for it.
    """
    lock_row(Account.objects.order_by(), account_id)
    window = PaymentWindow.objects.filter(account_id=account_id, ended_at__isnull=True).first()
    if window is None or (key and window.key != key):
        return None
    _end(window, how, linger=LINGER if how in PaymentWindow.RESUMED else timedelta(0))
    return window


def close_windows_due() -> int:
    """End all windows whose time is over, and releases that are not needed any more; return how many.

    Every pass over the network's queue begins so.
    """
    over = Q(closes_at__lte=clock.now()) | Q(opened_at__gt=clock.now() + SKEW)
    due = PaymentWindow.objects.filter(over, ended_at__isnull=True).order_by("closes_at")
    ended = _end_freed()
    for pk, account_id in list(due.values_list("pk", "account_id")):
        try:
            with transaction.atomic():
                lock_row(Account.objects.order_by(), account_id)
                window = PaymentWindow.objects.filter(over, pk=pk, ended_at__isnull=True).first()
                if window is not None:
                    _end(window, Ended.RAN_OUT, linger=timedelta(0))
                    ended += 1
        except StaleState as busy:
            logger.info("payment window %d ends at the next pass: %s", pk, busy)
    return ended


def _end_freed() -> int:
    """End the releases of accounts that nothing over money holds back any more: paid, or given more time."""
    holding = Hold.objects.filter(account=OuterRef("account"), lifted_at__isnull=True, cause__in=PaymentWindow.RELEASED)
    released = PaymentWindow.objects.filter(~Exists(holding), kind=Kind.RELEASE, ended_at__isnull=True)
    ended = 0
    for pk, account_id in list(released.values_list("pk", "account_id")):
        try:
            with transaction.atomic():
                lock_row(Account.objects.order_by(), account_id)
                window = released.filter(pk=pk).first()
                if window is not None:
                    _end(window, Ended.FREED, linger=timedelta(0))
                    ended += 1
        except StaleState as busy:
            logger.info("release %d ends at the next pass: %s", pk, busy)
    return ended


def _goes_on(now: datetime) -> Q:
    """Return which windows a press of Pay goes on with: those that run, or were left with minutes to spare."""
    left = Q(ended_at__isnull=True) | Q(ended_how__in=PaymentWindow.RESUMED)
    return left & Q(closes_at__gt=now, opened_at__lte=now + SKEW)


def levels_now(account: Account) -> dict[str, str]:
    """Return how each restricted line is restricted; one that is just being closed again counts as closed."""
    orders = EnforcementTask.objects.filter(line__account=account, recloses=True, state__in=OPEN_STATES)
    seen = LineState.objects.filter(line__account=account).exclude(observed_level=OPEN)
    levels: dict[str, str] = {}
    for line_id, level in [*orders.values_list("line_id", "level"), *seen.values_list("line_id", "observed_level")]:
        levels[str(line_id)] = hardest([level, levels.get(str(line_id), OPEN)])
    return levels


def _end(window: PaymentWindow, how: Ended, *, linger: timedelta) -> None:
    now = clock.now()
    window.ended_at, window.ended_how = max(now, window.opened_at), how
    window.save(update_fields=["ended_at", "ended_how"])
    released = window.kind == Kind.RELEASE
    taken_back = how == Ended.BY_HAND and window.ended_at - window.opened_at <= TAKEN_BACK
    before = window.levels_before if not released or taken_back else {}
    levels = {int(line_id): level for line_id, level in before.items()}
    why = f"The {'release' if released else 'payment window'} has ended ({how.label})."
    retarget_account(window.account_id, why=why, not_before=now + linger, levels_before=levels)


def retarget_account(
    account_id: int, *, why: str, not_before: datetime | None = None, levels_before: Mapping[int, str] | None = None
) -> None:
    """Bring the lines of a locked account in line with the holds that count now."""
    counting = counting_holds([account_id]).get(account_id, [])
    level = hardest(hold.level for hold in counting)
    target = Target(
        level=level, why=why, at=clock.now(), not_before=not_before, placed=False, levels_before=levels_before or {},
        causes=frozenset(hold.cause for hold in counting if hold.level == level),
    )  # fmt: skip
    retarget({account_id: target})
