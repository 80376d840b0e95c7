"""Ask the devices of one line what it is now, at somebody's word, and free it there if it should be open.

What differs is ordered anew. An order that frees is delivered at once; one that restricts goes the way of all others.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from accounts.models import ServiceLine
from accounts.queries import open_pause
from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected, Unavailable

from .comparing import Line, is_left_alone, note_seen
from .contact import note_contact
from .dispatch import drain, identify
from .drivers.port import Driver
from .drivers.registry import driver_for
from .drivers.turn import turn_on
from .models import Device, LinePlacement, LineState
from .repairing import order_anew
from .rules.commands import seen
from .rules.desired import NOTHING, Held, rank

TURN_SECONDS = 5.0
DELIVERY_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCheck:
    """What one device said of a line: what it should be, what it is (None: nobody knows), or why it did not say."""

    device: str
    wanted: Held
    seen: Held | None
    failure: str
    seconds: float
    at: datetime


def check_line(line: ServiceLine) -> list[LineCheck]:
    """Read a line on each of its devices now, write down what was seen, and order anew what differs.

    A device that it was taken off is asked as well while it was last seen restricted there. One in another worker's
    hands is waited for up to five seconds. Whoever asks by hand goes past the breaker of a device.
    """
    still_there = LineState.objects.filter(line=line).exclude(observed_level="open").values("device")
    on_it = LinePlacement.objects.filter(line=line).values("device")
    devices = Device.objects.filter(Q(pk__in=on_it) | Q(pk__in=still_there)).order_by("name")
    return [_check(line, device) for device in devices]


def _check(line: ServiceLine, device: Device) -> LineCheck:
    began = clock.monotonic()
    wanted, found, failure = _wanted(line, device), None, ""
    if not device.enabled:
        failure = "The device is disabled; nothing was asked."
    else:
        with turn_on(device.pk, seconds_max=TURN_SECONDS) as got:
            if not got:
                failure = "Another worker is speaking to it; try again in a minute."
            else:
                found, failure = _look(line, device)
    return LineCheck(
        device=device.name, wanted=wanted, seen=found, failure=failure, at=clock.now(),
        seconds=round(clock.monotonic() - began, 3),
    )  # fmt: skip


def _wanted(line: ServiceLine, device: Device) -> Held:
    state = LineState.objects.filter(line=line, device=device).first()
    return Held(level=state.desired_level, list_name=state.desired_list) if state else NOTHING


def _look(line: ServiceLine, device: Device) -> tuple[Held | None, str]:
    """Read, repair what may be repaired now, and return what the line is after that, or why nobody knows."""
    found = None
    try:
        driver = driver_for(device)
        mine = identify(driver, line)
        if not mine:
            return None, f"{device.name} has no way to know line {line}; give the line an address."
        found = _read(line, device, driver, mine)
        wanted = _wanted(line, device)
        if found.agrees(wanted):
            return found, ""
        if not is_left_alone(line, device):
            order_anew(device, [_as_line(line, device, mine, wanted)])
        if rank(found.level) > rank(wanted.level):
            if pause := open_pause():
                return found, f"Nothing is repaired now. {pause.words}"
            drain(device, restores=True, outcomes=Counter(), stop_at=clock.monotonic() + DELIVERY_SECONDS)
            found = _read(line, device, driver, mine)
    except (Refused, Rejected, Unavailable, OutcomeUnknown) as error:
        note_contact(device, str(error))
        return found, str(error)
    return found, ""


def _read(line: ServiceLine, device: Device, driver: Driver, mine: tuple[str, ...]) -> Held:
    held = driver.read(device, mine)
    note_contact(device, "")
    found = seen(mine, held, _wanted(line, device))
    note_seen(LineState.objects.filter(line=line, device=device), found)
    return found


def _as_line(line: ServiceLine, device: Device, mine: tuple[str, ...], wanted: Held) -> Line:
    state = LineState.objects.filter(line=line, device=device).first()
    earlier = (state.earlier_level or "open", state.earlier_at) if state else ("open", None)
    return Line(
        line_id=line.pk, account_id=line.account_id, addresses=mine, desired=wanted, seen_before=earlier,
        desired_since_at=state.desired_since_at if state else None,
    )  # fmt: skip
