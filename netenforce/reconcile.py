"""Compare what devices hold with what they should hold, and repair the difference (D10, R-12).

Drift comes from a router that rebooted, a hand that edited it, or an answer that was lost. Lines with an
order under way are left to that order; lines whose order was vetoed are left to whoever vetoed it. Under the global
pause devices are read and compared, and nothing is repaired.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef

from accounts.models import Account
from accounts.queries import open_pause
from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected, Unavailable
from billing_project.kernel.locks import lock_rows

from .contact import devices_named, note_contact
from .dispatch import deliver, identify
from .drivers.port import Change, Driver, Held, Inventory
from .drivers.registry import driver_for
from .drivers.turn import turn_on
from .models import Device, EnforcementTask, LinePlacement, LineState
from .operations import requeue
from .operations.lists import follow_lists, lists_wanted
from .queries import OPEN_STATES, open_tasks
from .rules.commands import Drift, diff, seen
from .rules.desired import NOTHING, OPEN

State = EnforcementTask.State


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReport:
    """What was found on one device: the drift by class, what was repaired, or why it could not be read."""

    device: str
    missing: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)
    stale: dict[str, str] = field(default_factory=dict)
    foreign: dict[str, str] = field(default_factory=dict)
    pending: int = 0
    repaired: int = 0
    failure: str = ""

    @property
    def drifted(self) -> int:
        """Count the addresses that were not as they should be."""
        return len(self.missing) + len(self.extra) + len(self.stale)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line on the device, as far as the comparison needs it."""

    line_id: int
    account_id: int
    addresses: tuple[str, ...]
    desired: Held
    pending: bool


def reconcile(
    device_name: str | None = None, *, dry_run: bool = False, at: datetime | None = None
) -> list[DeviceReport]:
    """Compare one device or all enabled ones, and repair unless dry; raises Refused for an unknown name."""
    with ExitStack() as stack:
        if at is not None and not clock.is_set():
            stack.enter_context(clock.at(at))
        return [_reconcile_device(device, dry_run) for device in devices_named(device_name)]


def _reconcile_device(device: Device, dry_run: bool) -> DeviceReport:
    with turn_on(device.pk) as got:
        if not got:
            return DeviceReport(device=device.name, failure="Another worker is speaking to it; try again in a minute.")
        try:
            driver = driver_for(device)
            held = driver.read_all(device)
        except (Refused, Rejected, Unavailable, OutcomeUnknown) as error:
            if not dry_run:
                note_contact(device, str(error))
            return DeviceReport(device=device.name, failure=str(error))
        if not dry_run:
            note_contact(device, "")
        lines = _lines_on(device, driver, lists_wanted(device))
        if not dry_run:
            follow_lists(device)
        drift = _drift(lines, held)
        repaired = 0
        failure = ""
        if not dry_run:
            _record(device, lines, held)
            pause = open_pause()
            try:
                if pause is None:
                    repaired = _repair(device, driver, lines, drift)
                elif drift.commands():
                    failure = f"Nothing is repaired now. {pause.words}"
            except (Rejected, Unavailable, OutcomeUnknown) as error:
                note_contact(device, str(error))
                failure = str(error)
        return DeviceReport(
            device=device.name,
            missing=_levels(drift.missing),
            extra=_levels(drift.extra),
            stale=_levels(drift.stale),
            foreign=_levels(drift.foreign),
            repaired=repaired,
            failure=failure,
            pending=sum(line.pending for line in lines),
        )


def _levels(held: Mapping[str, Held]) -> dict[str, str]:
    return {address: one.level for address, one in held.items()}


def _lines_on(device: Device, driver: Driver, lists: Mapping[int, str]) -> list[_Line]:
    """Return all lines of the device, and those that were taken off it, in a constant number of queries."""
    states = {state.line_id: state for state in LineState.objects.filter(device=device).select_related("line")}
    placed = LinePlacement.objects.filter(device=device).select_related("line").order_by("line_id")
    lines = {placement.line_id: placement.line for placement in placed}
    lines |= {line_id: state.line for line_id, state in states.items() if line_id not in lines}
    same = LineState.objects.filter(device=device, line=OuterRef("line"), generation=OuterRef("generation"))
    tasks = EnforcementTask.objects.filter(device=device)
    waiting = set(tasks.filter(state__in=OPEN_STATES).values_list("line_id", flat=True))
    waiting |= set(tasks.filter(Exists(same), state=State.CANCELLED).values_list("line_id", flat=True))
    return [
        _Line(
            line_id=line_id,
            account_id=line.account_id,
            addresses=identify(driver, line),
            desired=(
                Held(level=states[line_id].desired_level, list_name=lists.get(line_id, ""))
                if line_id in states
                else NOTHING
            ),
            pending=line_id in waiting,
        )
        for line_id, line in lines.items()
    ]


def _drift(lines: Sequence[_Line], held: Inventory) -> Drift:
    """Return the drift of the device, without the lines that have an order under way."""
    left_alone = {address for line in lines if line.pending for address in line.addresses}
    wanted = {address: line.desired for line in lines if line.desired.level != OPEN for address in line.addresses}
    # What somebody else put there has its effect as well: a line that should be so needs nothing more.
    by_others = {
        address: one for address, one in held.foreign.items() if address in wanted and address not in held.ours
    }
    found = diff(
        {address: level for address, level in wanted.items() if address not in left_alone},
        {address: level for address, level in {**held.ours, **by_others}.items() if address not in left_alone},
    )
    return replace(found, foreign=dict(held.foreign))


def _record(device: Device, lines: Sequence[_Line], held: Inventory) -> None:
    """Write down what the device says now of every line it knows."""
    everything = {**held.foreign, **held.ours}
    by_held: dict[tuple[str, str], list[int]] = {}
    for line in lines:
        if line.addresses:
            now_seen = seen(line.addresses, everything, line.desired)
            by_held.setdefault((now_seen.level, now_seen.list_name), []).append(line.line_id)
    for (level, list_name), line_ids in sorted(by_held.items()):
        LineState.objects.filter(device=device, line_id__in=line_ids).update(
            observed_level=level, observed_list=list_name, observed_at=clock.now()
        )


def _repair(device: Device, driver: Driver, lines: Sequence[_Line], drift: Drift) -> int:
    """Free what no line should have, order the rest anew, deliver it, and count what is right now."""
    commands = drift.commands()
    if not commands:
        return 0
    owned = {address: line for line in lines for address in line.addresses}
    strangers = [address for address in commands if address not in owned]
    if strangers:
        driver.apply(device, [Change(address=address, level=OPEN) for address in strangers])
    drifted = {owned[address].line_id: owned[address] for address in commands if address in owned}
    with transaction.atomic():
        lock_rows(Account.objects.order_by(), {line.account_id for line in drifted.values()})
        mine = LineState.objects.filter(device=device, line_id__in=drifted)
        known = set(mine.values_list("line_id", flat=True))
        LineState.objects.bulk_create(
            [LineState(line_id=line_id, device=device) for line_id in sorted(drifted.keys() - known)],
            ignore_conflicts=True,
        )
        # Meanwhile somebody may have ordered something newer for a line: then that is the repair.
        busy = {line_id for line_id, device_id in open_tasks(drifted) if device_id == device.pk}
        requeue(mine.exclude(line_id__in=busy), why="The device did not hold what it should.")
    deliver(device)
    now_held = driver.read(device, list(commands))
    return sum(now_held.get(address, NOTHING).agrees(wanted) for address, wanted in commands.items())
