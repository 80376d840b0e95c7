"""Read devices, compare them with what they should hold, and repair the difference within a budget (D10, R-12).

Drift comes from a router that was started anew, a hand that edited it, or an answer that was lost. Lines with an order
under way are left to that order; lines whose order was vetoed are left to whoever vetoed it. Under the global pause
devices are read and compared, and nothing is repaired. Each comparison leaves a reading behind, unless it is dry.
"""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection

from accounts.models import User
from accounts.operations import AttentionRequest, raise_attentions, resolve_attentions
from accounts.queries import open_pause
from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected, Unavailable

from .comparing import Line, details_of, drift_of, lines_on, record
from .contact import devices_named, note_contact
from .drivers.port import Driver, Held, Inventory
from .drivers.registry import driver_for
from .drivers.turn import turn_on
from .models import Device, DeviceReading
from .operations.lists import follow_lists, lists_wanted
from .repairing import repair
from .rules.commands import Drift
from .rules.desired import OPEN

logger = logging.getLogger(__name__)

Trigger = DeviceReading.Trigger

BUSY = "Another worker is speaking to it; try again in a minute."
LOST_ITS_LISTS = "device-lost-its-lists"
# From so many restricted lines on, that all of them are missing is told even where the budget covers them.
MANY_LINES = 20
FAILURE_LENGTH = 300
ALL_KEPT, DAILY_KEPT = timedelta(days=7), timedelta(days=365)
FORGOTTEN_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReport:
    """What was found on one device: the drift by class, what was repaired, or why it could not be read.

    ``left`` counts the addresses that wait for the next comparison, ``pending`` the lines that are left to an order.
    """

    device: str
    missing: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)
    stale: dict[str, str] = field(default_factory=dict)
    foreign: dict[str, str] = field(default_factory=dict)
    pending: int = 0
    repaired: int = 0
    left: int = 0
    failure: str = ""
    held: int = field(default=0, compare=False)
    seconds: float = field(default=0, compare=False)

    @property
    def drifted(self) -> int:
        """Count the addresses that were not as they should be."""
        return len(self.missing) + len(self.extra) + len(self.stale)


def reconcile(
    device_name: str | None = None, *, dry_run: bool = False, at: datetime | None = None, by: User | None = None
) -> list[DeviceReport]:
    """Compare one device or all enabled ones, and repair unless dry; raises Refused for an unknown name.

    It is told as done by hand, by ``by`` if somebody is named, and also asks devices that are left in peace.
    """
    with ExitStack() as stack:
        if at is not None and not clock.is_set():
            stack.enter_context(clock.at(at))
        return [compare_device(device, dry_run=dry_run, by=by) for device in devices_named(device_name)]


def compare_device(
    device: Device, *, dry_run: bool = False, trigger: str = Trigger.HAND, by: User | None = None,
    turn_seconds: float = 0,
) -> DeviceReport:  # fmt: skip
    """Compare a device with what it should hold, and repair it unless dry.

    A device in another worker's hands is waited for up to ``turn_seconds``; after that nothing was compared, and the
    report says so.
    """
    began = clock.monotonic()
    with turn_on(device.pk, seconds_max=turn_seconds) as got:
        if not got:
            return DeviceReport(device=device.name, failure=BUSY)
        try:
            driver = driver_for(device)
            held = driver.read_all(device)
        except (Refused, Rejected, Unavailable, OutcomeUnknown) as error:
            return _unread(device, str(error), dry_run, trigger, by, began)
        except Exception as error:  # a driver that breaks is told as such, and stops no other device
            logger.exception("device %s: the driver broke", device.name)
            return _unread(device, f"The driver broke: {type(error).__name__}.", dry_run, trigger, by, began)
        if dry_run:
            # What follows the lists is not written down by a dry run, but counts in it all the same.
            lines = lines_on(device, driver, held, lists=lists_wanted(device))
            return _report(device, lines, held, drift_of(lines, held), began=began)
        note_contact(device, "")
        follow_lists(device)
        lines = lines_on(device, driver, held)
        found = drift_of(lines, held)
        record(device, driver, lines, held)
        _tell_if_lost(device, lines, found)
        report = _repaired(device, driver, lines, held, found, began)
        _keep(device, report, trigger, by, details_of(lines, held, found))
        return report


def _repaired(
    device: Device, driver: Driver, lines: list[Line], held: Inventory, found: Drift, began: float
) -> DeviceReport:
    """Repair what differs unless everything is paused, and return the report."""
    if pause := open_pause():
        failure = f"Nothing is repaired now. {pause.words}" if found.commands() else ""
        return _report(device, lines, held, found, began=began, failure=failure)
    done = repair(device, driver, lines, held, found)
    if done.silent:
        note_contact(device, done.failure)
    return _report(
        device, lines, held, found, began=began, repaired=done.repaired, left=done.left, failure=done.failure
    )


def _report(
    device: Device, lines: list[Line], held: Inventory, found: Drift, *, began: float, repaired: int = 0,
    left: int = 0, failure: str = "",
) -> DeviceReport:  # fmt: skip
    return DeviceReport(
        device=device.name, missing=_levels(found.missing), extra=_levels(found.extra), stale=_levels(found.stale),
        foreign=_levels(found.foreign), pending=sum(line.pending for line in lines), repaired=repaired, left=left,
        failure=failure[:FAILURE_LENGTH], held=len(held.ours), seconds=_seconds_since(began),
    )  # fmt: skip


def _levels(held: Mapping[str, Held]) -> dict[str, str]:
    return {address: one.level for address, one in held.items()}


def _seconds_since(began: float) -> float:
    return round(clock.monotonic() - began, 3)


def _unread(device: Device, failure: str, dry_run: bool, trigger: str, by: User | None, began: float) -> DeviceReport:
    """Report a device that could not be read; nothing is guessed, and its lines keep what they were last seen as."""
    report = DeviceReport(device=device.name, failure=failure[:FAILURE_LENGTH], seconds=_seconds_since(began))
    if not dry_run:
        note_contact(device, failure)
        _keep(device, report, trigger, by, {})
    return report


def _tell_if_lost(device: Device, lines: list[Line], found: Drift) -> None:
    """Put a device before the operator that lost more than one comparison may restrict anew, or all it had."""
    key = f"device:{device.pk}"
    restricted = [line for line in lines if line.desired.level != OPEN and line.addresses and not line.pending]
    missing = sum(any(address in found.missing for address in line.addresses) for line in restricted)
    if not missing:
        resolve_attentions(LOST_ITS_LISTS, [key], "no restricted line is missing on it")
        return
    if missing <= device.repairs_max and (len(restricted) < MANY_LINES or missing < len(restricted)):
        return
    words = (
        f"Device {device.name} restricts {missing} of {len(restricted)} lines no more that it should restrict, as if it"
        f" had lost its lists or been exchanged. They are restricted anew, at most {device.repairs_max} in each"
        " comparison; whoever has paid meanwhile is not. If that is not what you want, disable the device or pause"
        " everything, and look at it."
    )
    raise_attentions([AttentionRequest(code=LOST_ITS_LISTS, key=key, words=words)])


# --- Readings ---


def _keep(device: Device, report: DeviceReport, trigger: str, by: User | None, details: Mapping[str, object]) -> None:
    """Write down what the comparison found, and forget readings that are old."""
    DeviceReading.objects.create(
        device=device, at=clock.now(), trigger=trigger, by=by, seconds=report.seconds, held=report.held,
        missing=len(report.missing), extra=len(report.extra), stale=len(report.stale), foreign=len(report.foreign),
        repaired=report.repaired, left=report.left, failure=report.failure, details=dict(details),
    )  # fmt: skip
    forget_readings(device)


def forget_readings(device: Device) -> int:
    """Thin out old readings of a device, some hundreds at once: one a day is kept for a year, that with the most drift.

    Those of the last seven days are all kept.
    """
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(
            """DELETE FROM netenforce_devicereading WHERE id IN (
                SELECT id FROM (
                    SELECT id, at, row_number() OVER (
                        PARTITION BY (at AT TIME ZONE 'UTC')::date
                        ORDER BY missing + extra + stale DESC, at DESC, id DESC) AS place
                    FROM netenforce_devicereading WHERE device_id = %s AND at < %s) old
                WHERE place > 1 OR at < %s ORDER BY at LIMIT %s)""",
            [device.pk, now - ALL_KEPT, now - DAILY_KEPT, FORGOTTEN_AT_ONCE],
        )
        return int(cursor.rowcount)
