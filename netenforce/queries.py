"""Questions about the network state, each answered with a constant number of queries."""

from collections import defaultdict
from collections.abc import Iterable

from .models import AddressList, Device, EnforcementTask, Hold, LineState, PaymentWindow
from .rules.desired import hardest

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


def line_states(account_ids: Iterable[int]) -> dict[int, list[LineState]]:
    """Return the state of each line, by account: what it should be and what its device last said (D10)."""
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


def open_tasks(line_ids: Iterable[int]) -> dict[int, EnforcementTask]:
    """Return the order that is under way for each line that has one."""
    rows = EnforcementTask.objects.filter(line_id__in=list(line_ids), state__in=OPEN_STATES)
    return {task.line_id: task for task in rows}


def address_lists() -> dict[str, AddressList]:
    """Return the address list of each level that has one (S16, S20)."""
    return {row.level: row for row in AddressList.objects.all()}


def failing_devices() -> list[Device]:
    """Return the enabled devices that did not answer last time."""
    return list(Device.objects.filter(enabled=True, failing_since_at__isnull=False))
