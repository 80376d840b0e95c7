"""Ask the devices of one line what it is now, at somebody's word."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.models import Account, ServiceLine
from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected, Unavailable
from billing_project.kernel.locks import lock_row

from .contact import note_contact
from .dispatch import deliver, identify
from .drivers.port import Driver, Held
from .drivers.registry import driver_for
from .drivers.turn import turn_on
from .models import Device, LinePlacement, LineState
from .operations import requeue
from .queries import open_tasks
from .rules.commands import seen
from .rules.desired import OPEN

TURN_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCheck:
    """What one device said of a line: what it should be, what it is (None: nobody knows) or why it did not say."""

    device: str
    wanted: Held
    seen: Held | None
    failure: str
    seconds: float
    at: datetime


def check_line(line: ServiceLine) -> list[LineCheck]:
    """Read a line on each of its devices now, write down what was seen, and free it where it should be open."""
    placements = LinePlacement.objects.filter(line=line).select_related("device").order_by("device__name")
    return [_check(line, placement.device) for placement in placements]


def _check(line: ServiceLine, device: Device) -> LineCheck:
    began = clock.monotonic()
    state = LineState.objects.filter(line=line, device=device).first()
    wanted = Held(level=state.desired_level, list_name=state.desired_list) if state else Held(level=OPEN)
    found, failure = None, ""
    with turn_on(device.pk, seconds_max=TURN_SECONDS) as got:
        if not got:
            failure = "Another worker is speaking to it; try again in a minute."
        else:
            try:
                found = _read(line, device, wanted)
                if wanted.level == OPEN and found.level != OPEN:
                    _free(line, device)
                    found = _read(line, device, wanted)
            except (Refused, Rejected, Unavailable, OutcomeUnknown) as error:
                failure = str(error)
                note_contact(device, failure)
    seconds = round(clock.monotonic() - began, 3)
    return LineCheck(device=device.name, wanted=wanted, seen=found, failure=failure, seconds=seconds, at=clock.now())


def _read(line: ServiceLine, device: Device, wanted: Held) -> Held:
    driver: Driver = driver_for(device)
    mine = identify(driver, line)
    if not mine:
        raise Refused("unknown_line", f"{device.name} has no way to know line {line}; give the line an address.")
    held: Mapping[str, Held] = driver.read(device, mine)
    note_contact(device, "")
    found = seen(mine, held, wanted)
    LineState.objects.filter(line=line, device=device).update(
        observed_level=found.level, observed_list=found.list_name, observed_at=clock.now()
    )
    return found


def _free(line: ServiceLine, device: Device) -> None:
    with transaction.atomic():
        lock_row(Account.objects.order_by(), line.account_id)
        if (line.pk, device.pk) not in open_tasks([line.pk]):
            mine = LineState.objects.filter(line=line, device=device, desired_level=OPEN)
            requeue(mine, why="It was seen restricted, and should be open.")
    deliver(device)
