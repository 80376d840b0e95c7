"""Bring what is queued to the devices: claim per device, look once more, apply, read back, settle.

Several devices are spoken to at once, and restores are begun on all of them before restrictions on any; on each device
they go first as well. Only what a device confirmed is recorded (D10). One worker at a time speaks to one device, so an
order cannot overtake another; a dead device stops nobody else, and after some failures it is left alone for a while
(:mod:`netenforce.contact`). Repeating an order is harmless, since it says what a line should be and not what to do.

Before each call to a device the global pause is asked for: while it is on, no line is changed, freed ones included. A
call carries at most BATCH orders, so that a pause takes hold within seconds, and before each call that cuts the lines
that are to be freed on that device go first: nobody who has paid waits for a sweep to end (R-13).

Every pass begins by ending the payment windows whose time is over, so that no task has to be remembered for it.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import F, Q, QuerySet

from accounts.models import ServiceLine
from accounts.queries import open_pause
from billing_project.kernel import clock
from billing_project.kernel.claims import claim_due, release_claimed
from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected, Unavailable
from billing_project.kernel.locks import lock_rows

from .consult import VETOED, consult
from .contact import forget_disabled, is_open, is_trial, note_contact
from .drivers.port import Change, Driver
from .drivers.registry import driver_for
from .drivers.turn import turn_on
from .lanes import Lanes
from .models import Device, EnforcementTask
from .operations.by_hand import lift_holds_due
from .operations.windows import close_windows_due
from .queries import lists_on
from .rules.commands import addresses
from .settle import ATTEMPTS_MAX, REJECTED, Answer, park, settle

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
BATCH = 25
# So many orders find out whether a device that was left alone is back.
TRIAL_BATCH = 5

State = EnforcementTask.State
NOT_YET, MISMATCH, UNAVAILABLE, UNKNOWN = "not_yet", "mismatch", "unavailable", "unknown"


def dispatch_enforcement(
    at: datetime | None = None, *, seconds_max: float | None = None, turn_seconds: float = 0
) -> Counter[str]:
    """Send the network changes that are due at an instant (default: now); return how many ended how.

    Stops after ``seconds_max`` seconds; the rest waits for the next pass. A device in another worker's hands is waited
    for up to ``turn_seconds``. A pass over a device that breaks off is counted as *broken*.
    """
    outcomes: Counter[str] = Counter()
    stop_at = clock.monotonic() + seconds_max if seconds_max is not None else None
    with ExitStack() as stack:
        if at is not None and not clock.is_set():
            stack.enter_context(clock.at(at))
        close_windows_due()
        lift_holds_due()
        forget_disabled()
        with Lanes(outcomes) as lanes:
            # Lanes begin work in this order, so restores of all devices come before restrictions of any.
            for restores in (True, False):
                seconds = 0 if restores else turn_seconds
                for device in waiting_devices(restores):
                    lanes.start(device.pk, partial(_visit, device.pk, restores, seconds, stop_at))
    return +outcomes  # without the zeros


def _visit(device_id: int, restores: bool, turn_seconds: float, stop_at: float | None, outcomes: Counter[str]) -> bool:
    """Do what is due on one device when it is our turn; tell whether it may be spoken to again in this pass."""
    if stop_at is not None and clock.monotonic() >= stop_at:
        return True
    with turn_on(device_id, seconds_max=turn_seconds) as got:
        if not got:
            return True
        # Whoever had the turn before may have found that it does not answer, or somebody has changed it.
        device = Device.objects.filter(pk=device_id, enabled=True).first()
        if device is None or is_open(device):
            return False
        return drain(device, restores=restores, outcomes=outcomes, stop_at=stop_at)


def waiting_devices(restores: bool) -> QuerySet[Device]:
    """Return the enabled devices that have something to do, or a worker's remains to be cleared.

    Those that are left alone for a while because they do not answer are not among them.
    """
    open_rows = EnforcementTask.objects.filter(restores=restores)
    due = open_rows.filter(state=State.QUEUED, due_at__lte=clock.now())
    expired = open_rows.filter(state__in=[State.CLAIMED, State.SENDING], lease_until_at__lt=clock.now())
    answering = Device.objects.filter(Q(retry_at=None) | Q(retry_at__lte=clock.now()), enabled=True)
    return answering.filter(pk__in=(due | expired).values("device_id")).order_by("pk")


def deliver(device: Device) -> Counter[str]:
    """Send all that is due on one device, restores first; the caller must have its turn on the device."""
    outcomes: Counter[str] = Counter()
    for restores in (True, False):
        if not drain(device, restores=restores, outcomes=outcomes, stop_at=None):
            break
    return outcomes


def drain(device: Device, *, restores: bool, outcomes: Counter[str], stop_at: float | None) -> bool:
    """Do what is due on one device, batch by batch; tell whether the device answered.

    The caller must have its turn on the device. Restrictions let restores in before each of their batches.
    """
    _recover(device)
    queue = EnforcementTask.objects.filter(device=device, restores=restores)
    while not open_pause():
        if not restores and not drain(device, restores=True, outcomes=outcomes, stop_at=stop_at):
            return False
        rows_max = min(BATCH, TRIAL_BATCH) if is_trial(device) else BATCH
        if not (pks := claim_due(queue, at=clock.now(), lease=LEASE, rows_max=rows_max)):
            break
        vetoed, waiting = ([], []) if restores else consult(pks)
        outcomes[VETOED] += len(vetoed)
        outcomes[NOT_YET] += len(waiting)
        if open_pause():
            release_claimed(EnforcementTask.objects.all(), pks)
            break
        tasks = _begin([pk for pk in pks if pk not in {*vetoed, *waiting}])
        if tasks and not _do(device, tasks, outcomes):
            return False
        if stop_at is not None and clock.monotonic() >= stop_at:
            break
    return True


def _recover(device: Device) -> None:
    """Put what a dead worker left back into the queue: an order may be repeated, but not for ever."""
    left = EnforcementTask.objects.filter(
        device=device, state__in=[State.CLAIMED, State.SENDING], lease_until_at__lt=clock.now()
    )
    with transaction.atomic():
        tasks = lock_rows(left.select_related("line__account", "device"))
        again = [task.pk for task in tasks if task.attempts < ATTEMPTS_MAX]
        EnforcementTask.objects.filter(pk__in=again).update(state=State.QUEUED, lease_until_at=None)
    park({task: "Every worker that tried it stopped in the middle." for task in tasks if task.pk not in set(again)})


@transaction.atomic
def _begin(pks: Sequence[int]) -> list[EnforcementTask]:
    """Move claimed orders to *sending*, counting the attempt; those taken back meanwhile fall out."""
    claimed = EnforcementTask.objects.filter(state=State.CLAIMED).select_related("line__account", "device")
    tasks = lock_rows(claimed, pks)
    EnforcementTask.objects.filter(pk__in=[task.pk for task in tasks]).update(
        state=State.SENDING, attempts=F("attempts") + 1, lease_until_at=clock.now() + LEASE
    )
    for task in tasks:
        task.attempts += 1
    return tasks


def _do(device: Device, tasks: Sequence[EnforcementTask], outcomes: Counter[str]) -> bool:
    """Apply a batch, read it back and settle it; tell whether the device answered."""
    known: dict[int, tuple[str, ...]] = {}
    try:
        driver = driver_for(device)
        known = {task.pk: _reach(driver, task) for task in tasks}
        answer = _ask(driver, device, tasks, known)
    except Refused as refusal:
        answer = Answer(held=None, outcome=REJECTED, detail=refusal.words)
    except Exception as error:  # a driver that breaks parks its own rows and no others
        logger.exception("device %s: the driver broke", device.name)
        answer = Answer(held=None, outcome=UNKNOWN, detail=f"{type(error).__name__}: {error}", alive=False)
    if answer.outcome == REJECTED and answer.held is not None and len(tasks) > 1:
        # The device took none of them because of one: find out which.
        return _one_by_one(device, tasks, outcomes)
    note_contact(device, "" if answer.alive else answer.detail)
    settle(tasks, known, answer, outcomes)
    return answer.alive


def _one_by_one(device: Device, tasks: Sequence[EnforcementTask], outcomes: Counter[str]) -> bool:
    alive = True
    for place, task in enumerate(tasks):
        if open_pause():
            # None of these was taken by the device, so they wait as if they had not been sent.
            left = EnforcementTask.objects.filter(pk__in=[task.pk for task in tasks[place:]], state=State.SENDING)
            left.update(state=State.QUEUED, lease_until_at=None)
            break
        alive = _do(device, [task], outcomes) and alive
    return alive


def _ask(
    driver: Driver, device: Device, tasks: Sequence[EnforcementTask], known: Mapping[int, Sequence[str]]
) -> Answer:
    """Apply and read back; no transaction is open while the device is spoken to."""
    lists = {(one.level, one.name): one for one in lists_on(device)}
    changes = []
    for task in tasks:
        row = lists.get((task.level, task.list_name))
        changes += [
            Change(
                address=address,
                level=task.level,
                list_name=task.list_name,
                rate_down_kbit=row.rate_down_kbit if row else None,
                rate_up_kbit=row.rate_up_kbit if row else None,
            )
            for address in known[task.pk]
        ]
    outcome, detail = MISMATCH, "The device holds something else than it was told."
    remarks: Mapping[str, str] = {}
    try:
        remarks = driver.apply(device, changes)
    except Unavailable as error:
        return Answer(held=None, outcome=UNAVAILABLE, detail=str(error), alive=False)
    except OutcomeUnknown as error:
        outcome, detail = UNKNOWN, str(error)
    except Rejected as error:
        outcome, detail = REJECTED, error.words
    try:
        # Whatever the answer was, the device itself says what it holds now.
        held = driver.read(device, [change.address for change in changes])
        return Answer(held=held, outcome=outcome, detail=detail, remarks=remarks)
    except (Unavailable, OutcomeUnknown, Rejected) as error:
        return Answer(held=None, outcome=UNKNOWN, detail=f"{detail} It could not be read back: {error}", alive=False)


def _reach(driver: Driver, task: EnforcementTask) -> tuple[str, ...]:
    """Return by which addresses a device knows the line of a task; none if it cannot do that level."""
    return identify(driver, task.line) if task.level in driver.capabilities.levels else ()


def identify(driver: Driver, line: ServiceLine) -> tuple[str, ...]:
    """Return by which addresses a kind of device knows a line."""
    fields = {"ipv4": line.ipv4, "ipv6": line.ipv6, "radius_username": line.radius_username}
    return addresses(fields, driver.capabilities.identifiers)
