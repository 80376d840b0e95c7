"""Compare what devices hold with what they should hold, and repair the difference (D10, R-12).

Drift comes from a router that rebooted, a hand that edited it, or an answer that was lost. Lines with an
order under way are left to that order; lines whose order was vetoed are left to whoever vetoed it. Under the global
pause devices are read and compared, and nothing is repaired.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import F

from accounts.models import Account
from accounts.queries import open_pause
from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected, Unavailable
from billing_project.kernel.locks import lock_rows

from .dispatch import deliver, devices_named, identify, note_contact
from .drivers.port import Change, Driver
from .drivers.registry import driver_for
from .drivers.turn import turn_on
from .models import Device, EnforcementTask, LinePlacement, LineState
from .operations import requeue
from .queries import open_tasks
from .rules.commands import Drift, diff, seen_level
from .rules.desired import OPEN

State = EnforcementTask.State


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReport:
    """What was found on one device: the drift by class, what was repaired, or why it could not be read."""

    device: str
    missing: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)
    stale: dict[str, str] = field(default_factory=dict)
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
    desired: str
    observed: str
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
            held = dict(driver.read_all(device))
        except (Refused, Rejected, Unavailable, OutcomeUnknown) as error:
            if not dry_run:
                note_contact(device, str(error))
            return DeviceReport(device=device.name, failure=str(error))
        if not dry_run:
            note_contact(device, "")
        lines = _lines_on(device, driver)
        drift = _drift(lines, held)
        repaired = 0
        failure = ""
        if not dry_run:
            _record(lines, held)
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
            missing=drift.missing,
            extra=drift.extra,
            stale=drift.stale,
            repaired=repaired,
            failure=failure,
            pending=sum(line.pending for line in lines),
        )


def _lines_on(device: Device, driver: Driver) -> list[_Line]:
    """Return all lines of the device, in a constant number of queries."""
    placements = LinePlacement.objects.filter(device=device).select_related("line__network_state").order_by("line_id")
    placed = list(placements)
    line_ids = [placement.line_id for placement in placed]
    waiting = set(open_tasks(line_ids)) | set(
        EnforcementTask.objects.filter(
            line__placement__device=device,
            state=State.CANCELLED,
            generation=F("line__network_state__generation"),
        ).values_list("line_id", flat=True)
    )
    lines = []
    for placement in placed:
        state = getattr(placement.line, "network_state", None)
        lines.append(
            _Line(
                line_id=placement.line_id,
                account_id=placement.line.account_id,
                addresses=identify(driver, placement.line),
                desired=state.desired_level if state else OPEN,
                observed=state.observed_level if state else OPEN,
                pending=placement.line_id in waiting,
            )
        )
    return lines


def _drift(lines: Sequence[_Line], held: dict[str, str]) -> Drift:
    """Return the drift of the device, without the lines that have an order under way."""
    left_alone = {address for line in lines if line.pending for address in line.addresses}
    wanted = {address: line.desired for line in lines if line.desired != OPEN for address in line.addresses}
    return diff(
        {address: level for address, level in wanted.items() if address not in left_alone},
        {address: level for address, level in held.items() if address not in left_alone},
    )


def _record(lines: Sequence[_Line], held: dict[str, str]) -> None:
    """Write down what the device says now of every line it knows."""
    by_level: dict[str, list[int]] = {}
    for line in lines:
        if line.addresses:
            by_level.setdefault(seen_level(line.addresses, held, line.desired), []).append(line.line_id)
    for level, line_ids in sorted(by_level.items()):
        LineState.objects.filter(line_id__in=line_ids).update(observed_level=level, observed_at=clock.now())


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
        known = set(LineState.objects.filter(line_id__in=drifted).values_list("line_id", flat=True))
        LineState.objects.bulk_create(
            [LineState(line_id=line_id) for line_id in sorted(drifted.keys() - known)], ignore_conflicts=True
        )
        # Meanwhile somebody may have ordered something newer for a line: then that is the repair.
        idle = LineState.objects.filter(line_id__in=drifted.keys() - open_tasks(drifted).keys())
        requeue(idle, why="The device did not hold what it should.")
    deliver(device)
    now_held = driver.read(device, list(commands))
    return sum(now_held.get(address, OPEN) == level for address, level in commands.items())
