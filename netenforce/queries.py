"""Questions about the network state, each answered with a constant number of queries."""

from collections import defaultdict
from collections.abc import Iterable

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Q

from .models import AddressList, Device, EnforcementTask, Hold, LineState, PaymentWindow
from .rules.desired import hardest
from .rules.lists import ListView, carried

OPEN_STATES = (EnforcementTask.State.QUEUED, EnforcementTask.State.CLAIMED, EnforcementTask.State.SENDING)


def active_holds(account_ids: Iterable[int]) -> dict[int, list[Hold]]:
    """Return the active holds of each account that has some, oldest first."""
    holds: dict[int, list[Hold]] = defaultdict(list)
    for hold in Hold.objects.filter(account_id__in=list(account_ids), lifted_at__isnull=True).order_by(
        "placed_at", "pk"
    ):
        holds[hold.account_id].append(hold)
    return dict(holds)


def running_windows(account_ids: Iterable[int]) -> dict[int, PaymentWindow]:
    """Return the payment window of each account that has one which nobody has ended yet."""
    rows = PaymentWindow.objects.filter(account_id__in=list(account_ids), ended_at__isnull=True)
    return {window.account_id: window for window in rows}


def counting_holds(account_ids: Iterable[int]) -> dict[int, list[Hold]]:
    """Return the active holds that restrict lines now: none over money while a window or a release runs (P07)."""
    windows = running_windows(account_ids)
    return {
        account_id: [hold for hold in holds if not rests(hold, windows.get(account_id))]
        for account_id, holds in active_holds(account_ids).items()
    }


def rests(hold: Hold, window: PaymentWindow | None) -> bool:
    """Tell whether a hold does not restrict while a window runs; a release lets more of them rest than a payment."""
    if window is None:
        return False
    released = window.kind == PaymentWindow.Kind.RELEASE
    return hold.cause in (PaymentWindow.RELEASED if released else (Hold.Cause.NON_PAYMENT,))


def line_states(account_ids: Iterable[int]) -> dict[int, list[LineState]]:
    """Return the states of each line, by account: what it should be on a device and what that last said (D10)."""
    states: dict[int, list[LineState]] = defaultdict(list)
    rows = LineState.objects.filter(line__account_id__in=list(account_ids)).select_related("line").order_by("line_id")
    for state in rows:
        states[state.line.account_id].append(state)
    return dict(states)


def observed_levels(account_ids: Iterable[int]) -> dict[int, str]:
    """Return the hardest level that a device last reported for any line of each account."""
    return {
        account_id: hardest(state.observed_level for state in states)
        for account_id, states in line_states(account_ids).items()
    }


def open_tasks(line_ids: Iterable[int]) -> dict[tuple[int, int], EnforcementTask]:
    """Return the order that is under way for each line and device that has one."""
    rows = EnforcementTask.objects.filter(line_id__in=list(line_ids), state__in=OPEN_STATES)
    return {(task.line_id, task.device_id): task for task in rows}


def all_lists() -> tuple[ListView, ...]:
    """Return every address list with its criteria, in one query (S16, S20, X10)."""
    rows = AddressList.objects.order_by("position", "name").annotate(
        status_ids=_keys("statuses"), account_type_ids=_keys("account_types"), device_ids=_keys("devices")
    )
    return tuple(
        ListView(
            name=row.name, level=row.level, position=row.position, rate_down_kbit=row.rate_down_kbit,
            rate_up_kbit=row.rate_up_kbit, cause=row.cause, status_ids=frozenset(row.status_ids),
            account_type_ids=frozenset(row.account_type_ids), device_ids=frozenset(row.device_ids),
            by_account=row.by_account, key=row.pk,
        )
        for row in rows
    )  # fmt: skip


def lists_on(device: Device) -> tuple[ListView, ...]:
    """Return the address lists that a device carries, under the names it knows them by, first ones first."""
    return carried(all_lists(), device.pk, device.options)


def _keys(path: str) -> ArrayAgg:
    return ArrayAgg(path, distinct=True, filter=Q(**{f"{path}__isnull": False}), default=[])


def failing_devices() -> list[Device]:
    """Return the enabled devices that did not answer last time."""
    return list(Device.objects.filter(enabled=True, failing_since_at__isnull=False))
