"""Questions about the network state, each answered with a constant number of queries."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models.service_line import lines_overlapping
from accounts.rules.prefixes import holds, network_of
from billing_project.kernel import clock

from .models import AddressList, Device, EnforcementTask, Hold, LinePlacement, LineState, PaymentWindow
from .rules.desired import OPEN, hardest
from .rules.list_words import DeviceView, Finding, findings
from .rules.lists import ListView, carried

# What was restricted for these reasons is not opened by paying, nor by a release.
NEVER_REST = (Hold.Cause.ABUSE, Hold.Cause.REQUEST)
OPEN_STATES = (EnforcementTask.State.QUEUED, EnforcementTask.State.CLAIMED, EnforcementTask.State.SENDING)


def active_holds(account_ids: Iterable[int]) -> dict[int, list[Hold]]:
    """Return the active holds of each account that has some, oldest first."""
    holds: dict[int, list[Hold]] = defaultdict(list)
    for hold in Hold.objects.filter(account_id__among=list(account_ids), lifted_at__isnull=True).order_by(
        "placed_at", "pk"
    ):
        holds[hold.account_id].append(hold)
    return dict(holds)


def ending_holds(rows: QuerySet[Hold]) -> QuerySet[Hold]:
    """Narrow holds to those in force that lift by themselves within seven days."""
    return rows.filter(lifted_at__isnull=True, until_at__lte=clock.now() + timedelta(days=7))


def running_windows(account_ids: Iterable[int]) -> dict[int, PaymentWindow]:
    """Return the payment window of each account that has one which nobody has ended yet."""
    rows = PaymentWindow.objects.filter(account_id__among=list(account_ids), ended_at__isnull=True)
    return {window.account_id: window for window in rows}


def counting_holds(account_ids: Iterable[int]) -> dict[int, list[Hold]]:
    """Return the active holds that restrict lines now; while a payment window runs, some rest (P07)."""
    return counting(active_holds(account_ids))


def counting(holds: Mapping[int, list[Hold]]) -> dict[int, list[Hold]]:
    """Return those of some accounts' active holds that restrict lines now."""
    windows = running_windows(holds)
    return {
        account_id: [hold for hold in mine if not rests(hold, windows.get(account_id))]
        for account_id, mine in holds.items()
    }


def rests(hold: Hold, window: PaymentWindow | None) -> bool:
    """Tell whether a hold does not restrict while a window runs.

    In a window for a payment that is what paying ends: holds for non-payment, and those of a status that was switched
    for money owed, since otherwise the page of the bank does not load (P07, S31). A status that somebody set by hand
    stays as it is when money comes (A19), so its hold does not rest. A release by staff lets all rest but what was
    restricted for abuse or at the customer's request.
    """
    if window is None:
        return False
    return hold.over_money or (window.kind == PaymentWindow.Kind.RELEASE and hold.cause not in NEVER_REST)


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


def why_a_devices_own(prefixes: Iterable[str], devices: Iterable[Device] | None = None) -> str:
    """Return why no line may have these addresses: a device is reached there; empty if none is.

    Restricting such a line would cut us off from the device, and with it everybody who is restricted on it.
    """
    wanted = list(prefixes)
    for device in Device.objects.exclude(host="").order_by("name") if devices is None else devices:
        inside = next((prefix for prefix in wanted if holds(prefix, device.host)), None)
        if inside is not None:
            return (
                f"{inside} is or holds the address of device {device.name} ({device.host}); a line there would cut us"
                " off from it. Mend the line's address, or the device's."
            )
    return ""


def why_host_taken(host: str) -> str:
    """Return why a device cannot be at an address: a customer's line has it; empty for names, and where none has."""
    network = network_of(host.strip("[]"))
    line = next(iter(lines_overlapping([str(network)])), None) if network is not None else None
    if line is None:
        return ""
    return (
        f"{host} lies within {line}, a line of account {line.account.number}: restricting that line would cut us off"
        " from the device. Mend one of the two."
    )


def why_not_switched_off(device: Device) -> str:
    """Return why a device must not be switched off or removed: lines on it are restricted; empty if none is."""
    placed = LinePlacement.objects.filter(device=device, line=OuterRef("line"))
    states = LineState.objects.filter(Exists(placed), device=device)
    held = states.exclude(desired_level=OPEN, observed_level=OPEN).count()
    if not held:
        return ""
    lines = "1 line that is" if held == 1 else f"{held:,} lines that are"
    return (
        f"{device.name} has {lines} restricted, and nobody could free them there any more. Put them on another device"
        " first, or wait until they are free."
    )


def device_views() -> tuple[DeviceView, ...]:
    """Return the enabled devices as far as lists are concerned, in one query."""
    placed = LinePlacement.objects.filter(device=OuterRef("pk"))
    rows = Device.objects.filter(enabled=True).annotate(has_lines=Exists(placed)).order_by("name")
    return tuple(
        DeviceView(
            key=row.pk, name=row.name, driver=row.driver, has_lines=row.has_lines,
            options=row.options if isinstance(row.options, dict) else {},
        )
        for row in rows
    )  # fmt: skip


def list_findings() -> tuple[Finding, ...]:
    """Return what is wrong with the address lists as they are, in two queries."""
    return findings(all_lists(), device_views())


def _keys(path: str) -> ArrayAgg:
    return ArrayAgg(path, distinct=True, filter=Q(**{f"{path}__isnull": False}), default=[])


def failing_devices() -> list[Device]:
    """Return the enabled devices that did not answer last time."""
    return list(Device.objects.filter(enabled=True, failing_since_at__isnull=False))
