"""Put a line on devices, order once more what lines should be, and the rows that ship with the program."""

from collections.abc import Collection, Iterable

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Account, ServiceLine, User
from accounts.operations import resolve_attentions
from billing_project.kernel import clock
from billing_project.kernel.bulk import copy_rows, update_rows
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_row, lock_rows

from ..models import AddressList, Device, EnforcementTask, LinePlacement, LineState
from ..queries import counting_holds, why_a_devices_own
from ..rules.desired import OPEN, hardest, rank
from .orders import WHY_LENGTH, Target, retarget, wake

State = EnforcementTask.State


@transaction.atomic
def place_line(line: ServiceLine, device: Device, *, by: User | None = None) -> LinePlacement:
    """Put a line on this device alone; if it should be restricted, the device is told at once.

    Devices that it was on before are told to free it.
    """
    place_on(line, [device], by=by)
    return LinePlacement.objects.get(line=line, device=device)


@transaction.atomic
def place_on(line: ServiceLine, devices: Iterable[Device], *, by: User | None = None) -> None:
    """Put a line on these devices and take it off all others; what it should be is ordered on each at once.

    Raises Refused where `why_not_placed` says so.
    """
    devices = list(devices)
    refusal = why_not_placed(line, devices)
    if refusal is not None:
        raise refusal
    lock_row(Account.objects.order_by(), line.account_id)
    wanted = {device.pk: device for device in devices}
    placements = {row.device_id: row for row in LinePlacement.objects.filter(line=line)}
    if wanted.keys() == placements.keys():
        return
    gone = [placements[key] for key in sorted(placements.keys() - wanted.keys())]
    fresh = [wanted[key] for key in sorted(wanted.keys() - placements.keys())]
    # A move is told as one: the row goes on with its history.
    for row in gone[len(fresh) :]:
        _with_author(row, by).delete()
    for place, device in enumerate(fresh):
        row = gone[place] if place < len(gone) else LinePlacement(line=line)
        row.device = device
        _with_author(row, by).save()
    nowhere = LineState.objects.filter(line=line, device__isnull=True)
    if wanted:
        nowhere.delete()
        names = ", ".join(sorted(device.name for device in wanted.values()))
        resolve_attentions("line-without-device", [f"line:{line.pk}"], f"it is on {names} now")
    counting = counting_holds([line.account_id]).get(line.account_id, [])
    level = hardest(hold.level for hold in counting)
    names = ", ".join(device.name for device in fresh) or "fewer devices"
    target = Target(
        level=level, why=f"The line is on {names} now.", at=clock.now(), not_before=None, placed=False,
        causes=frozenset(hold.cause for hold in counting if hold.level == level),
    )  # fmt: skip
    retarget({line.account_id: target})


def why_not_placed(line: ServiceLine, devices: Iterable[Device]) -> Refused | None:
    """Return why a line cannot be on these devices: it would cut us off from one of them; None if it can."""
    words = why_a_devices_own([text for text in (line.ipv4, line.ipv6) if text], devices)
    return Refused("line_is_device", words) if words else None


def _with_author(row: LinePlacement, by: User | None) -> LinePlacement:
    if by is not None:
        row._history_user = by  # type: ignore[attr-defined]  # read by simple-history
    return row


def requeue(states: QuerySet[LineState], *, why: str, restored: Collection[int] = ()) -> list[EnforcementTask]:
    """Order once more what idle lines should be; the accounts' rows must be locked by the caller.

    To restrict the lines whose keys are in ``restored`` is no new cut: a device has just lost what it held.
    """
    fresh = []
    locked = lock_rows(states.filter(device__isnull=False).select_related("line", "device"))
    # An order that closes a line again after a payment window stays one when it is repeated.
    before = EnforcementTask.objects.filter(line__in=[state.line_id for state in locked], recloses=True)
    reclosing = set(before.values_list("line_id", "device_id", "generation", "level"))
    for state in locked:
        again = (state.line_id, state.device_id, state.generation, state.desired_level) in reclosing
        again = again or state.line_id in restored
        state.generation += 1
        restores = rank(state.desired_level) < rank(state.observed_level) or state.desired_level == OPEN
        fresh.append((state, EnforcementTask(
            line=state.line, device=state.device, level=state.desired_level, list_name=state.desired_list,
            restores=restores, generation=state.generation, why=why[:WHY_LENGTH], created_at=clock.now(),
            due_at=clock.now(), recloses=not restores and again,
        )))  # fmt: skip
    update_rows([state for state, _ in fresh], ["generation"])
    tasks = [task for _, task in fresh]
    wake(tasks)
    copy_rows(EnforcementTask, tasks)
    return tasks


# --- Rows that ship with the program ---

SHIPPED_LISTS = (
    ("Delinquent-Throttle", "throttle", 1024, 512),
    ("Walled-Garden", "walled_garden", None, None),
    ("Suspended", "suspend", None, None),
)


@transaction.atomic
def ensure_basics() -> None:
    """Write the three address lists into an empty table (S16, S19); devices are each operator's own."""
    if not AddressList.objects.exists():
        for name, level, down, up in SHIPPED_LISTS:
            AddressList(name=name, level=level, rate_down_kbit=down, rate_up_kbit=up).save()
