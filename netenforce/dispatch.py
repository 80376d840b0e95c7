"""Bring what is queued to the devices: claim per device, look once more, apply, read back, settle.

Restores go first on every device, then restrictions. Only what a device confirmed is recorded (D10). One
worker at a time speaks to one device, so an order cannot overtake another; a dead device stops nobody else.
Repeating an order is harmless, since it says what a line should be and not what to do.

Before each call to a device the global pause is asked for: while it is on, no line is changed, freed ones included. A
call carries at most BATCH orders, so that a pause takes hold within seconds, and before each call that cuts the lines
that are to be freed on that device go first: nobody who has paid waits for a sweep to end (R-13).

Every pass begins by ending the payment windows whose time is over, so that no task has to be remembered for it.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, QuerySet

from accounts.models import Account, ServiceLine
from accounts.operations import AttentionRequest, raise_attentions, resolve_attentions
from accounts.queries import open_pause
from billing_project.kernel import clock
from billing_project.kernel.claims import claim_due, release_claimed
from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected, Unavailable
from billing_project.kernel.locks import lock_rows

from . import signals
from .drivers.port import Change, Driver
from .drivers.registry import driver_for
from .drivers.turn import turn_on
from .models import Device, EnforcementAttempt, EnforcementTask, LineState
from .operations.windows import close_windows_due
from .queries import address_lists
from .rules.commands import addresses, seen_level

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
BATCH = 25
ATTEMPTS_MAX = 5
BACKOFF = timedelta(seconds=30)
DETAIL_LENGTH = 300

State = EnforcementTask.State
CONFIRMED, VETOED, NOT_YET, PARKED, SUPERSEDED = "confirmed", "vetoed", "not_yet", "parked", "superseded"
MISMATCH, UNAVAILABLE, UNKNOWN, REJECTED = "mismatch", "unavailable", "unknown", "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one call to a device: what it holds now, or why nobody knows."""

    held: Mapping[str, str] | None
    outcome: str = ""
    detail: str = ""
    alive: bool = True


def dispatch_enforcement(
    at: datetime | None = None, *, seconds_max: float | None = None, turn_seconds: float = 0
) -> Counter[str]:
    """Send the network changes that are due at an instant (default: now); return how many ended how.

    Stops after ``seconds_max`` seconds; the rest waits for the next pass. A device in another worker's hands is waited
    for up to ``turn_seconds``.
    """
    outcomes: Counter[str] = Counter()
    stop_at = clock.monotonic() + seconds_max if seconds_max is not None else None
    with ExitStack() as stack:
        if at is not None and not clock.is_set():
            stack.enter_context(clock.at(at))
        close_windows_due()
        dead: set[int] = set()
        for restores in (True, False):
            for device in waiting_devices(restores).exclude(pk__in=dead):
                if stop_at is not None and clock.monotonic() >= stop_at:
                    return +outcomes
                with turn_on(device.pk, seconds_max=0 if restores else turn_seconds) as got:
                    if got and not drain(device, restores=restores, outcomes=outcomes, stop_at=stop_at):
                        dead.add(device.pk)
    return +outcomes  # without the zeros


def waiting_devices(restores: bool) -> QuerySet[Device]:
    """Return the enabled devices that have something to do, or a worker's remains to be cleared."""
    open_rows = EnforcementTask.objects.filter(restores=restores)
    due = open_rows.filter(state=State.QUEUED, due_at__lte=clock.now())
    expired = open_rows.filter(state__in=[State.CLAIMED, State.SENDING], lease_until_at__lt=clock.now())
    return Device.objects.filter(enabled=True, pk__in=(due | expired).values("device_id")).order_by("pk")


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
        if not (pks := claim_due(queue, at=clock.now(), lease=LEASE, rows_max=BATCH)):
            break
        vetoed, waiting = ([], []) if restores else _consult(pks)
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
    for task in tasks:
        if task.attempts >= ATTEMPTS_MAX:
            _park(task, "Every worker that tried it stopped in the middle.")


def _consult(pks: Sequence[int]) -> tuple[list[int], list[int]]:
    """Ask right before sending whether each restriction may go out; return those that may not, and not yet (D9, D6)."""
    reasons: dict[int, str] = {}
    waits: dict[int, datetime] = {}
    for pk in pks:
        # Robust: whoever cannot answer has not agreed, and must not stop the other lines.
        answers = signals.about_to_restrict.send_robust(sender=EnforcementTask, task_id=pk)
        refusals = [answer for _, answer in answers if answer and not isinstance(answer, datetime)]
        # What fails may have no words of its own, and is a no all the same.
        reason = next((str(refusal) or repr(refusal) for refusal in refusals), "")
        if reason:
            reasons[pk] = reason
        elif later := [answer for _, answer in answers if isinstance(answer, datetime)]:
            waits[pk] = max(later)
    for pk, until in waits.items():
        EnforcementTask.objects.filter(pk=pk, state=State.CLAIMED).update(
            state=State.QUEUED, due_at=until, lease_until_at=None
        )
    if not reasons:
        return [], list(waits)
    with transaction.atomic():
        tasks = lock_rows(EnforcementTask.objects.filter(state=State.CLAIMED).select_related("line"), reasons)
        EnforcementTask.objects.filter(pk__in=[task.pk for task in tasks]).update(
            state=State.CANCELLED, settled_at=clock.now(), lease_until_at=None
        )
        EnforcementAttempt.objects.bulk_create([_attempt(task.pk, VETOED, detail=reasons[task.pk]) for task in tasks])
    _announce(tasks, State.CANCELLED)
    return list(reasons), list(waits)


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
    _settle(tasks, known, answer, outcomes)
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
    lists = address_lists()
    changes = []
    for task in tasks:
        row = lists.get(task.level)
        changes += [
            Change(
                address=address,
                level=task.level,
                list_name=row.name if row else "",
                rate_down_kbit=row.rate_down_kbit if row else None,
                rate_up_kbit=row.rate_up_kbit if row else None,
            )
            for address in known[task.pk]
        ]
    outcome, detail = MISMATCH, "The device holds something else than it was told."
    try:
        driver.apply(device, changes)
    except Unavailable as error:
        return Answer(held=None, outcome=UNAVAILABLE, detail=str(error), alive=False)
    except OutcomeUnknown as error:
        outcome, detail = UNKNOWN, str(error)
    except Rejected as error:
        outcome, detail = REJECTED, error.words
    try:
        # Whatever the answer was, the device itself says what it holds now.
        return Answer(held=driver.read(device, [change.address for change in changes]), outcome=outcome, detail=detail)
    except (Unavailable, OutcomeUnknown, Rejected) as error:
        return Answer(held=None, outcome=UNKNOWN, detail=f"{detail} It could not be read back: {error}", alive=False)


def _reach(driver: Driver, task: EnforcementTask) -> tuple[str, ...]:
    """Return by which addresses a device knows the line of a task; none if it cannot do that level."""
    return identify(driver, task.line) if task.level in driver.capabilities.levels else ()


def identify(driver: Driver, line: ServiceLine) -> tuple[str, ...]:
    """Return by which addresses a kind of device knows a line."""
    fields = {"ipv4": line.ipv4, "ipv6": line.ipv6, "radius_username": line.radius_username}
    return addresses(fields, driver.capabilities.identifiers)


def _settle(
    tasks: Sequence[EnforcementTask],
    known: Mapping[int, Sequence[str]],
    answer: Answer,
    outcomes: Counter[str],
) -> None:
    """Write what the device said; also an order that was superseded while sent tells what is there now."""
    verdicts = [_verdict(task, known.get(task.pk, ()), answer) for task in tasks]
    with transaction.atomic():
        sending = EnforcementTask.objects.filter(state=State.SENDING)
        ours = {task.pk for task in lock_rows(sending, [task.pk for task in tasks])}
        EnforcementAttempt.objects.bulk_create(
            [
                _attempt(task.pk, outcome, read_back=seen, detail=detail)
                for task, (outcome, seen, detail) in zip(tasks, verdicts, strict=True)
            ]
        )
        observed: dict[str, list[int]] = defaultdict(list)
        for task, (_, seen, _) in zip(tasks, verdicts, strict=True):
            observed[seen].append(task.line_id)
        for level in sorted(observed.keys() - {""}):
            LineState.objects.filter(line_id__in=observed[level]).update(observed_level=level, observed_at=clock.now())
        if answer.held is not None:
            late = [task.pk for task in tasks if task.pk not in ours]
            EnforcementTask.objects.filter(pk__in=late, settled_at__isnull=True).update(settled_at=clock.now())
        confirmed = [
            task for task, verdict in zip(tasks, verdicts, strict=True) if task.pk in ours and verdict[0] == CONFIRMED
        ]
        _confirm(confirmed)
    outcomes[SUPERSEDED] += len(tasks) - len(ours)
    outcomes[CONFIRMED] += len(confirmed)
    # After the commit: whoever listens may lock the account, and the house order is account before task.
    _announce(confirmed, State.CONFIRMED)
    for task, (outcome, _, detail) in zip(tasks, verdicts, strict=True):
        if task.pk in ours and outcome != CONFIRMED:
            outcomes[_again(task, outcome, detail)] += 1


def _verdict(task: EnforcementTask, mine: Sequence[str], answer: Answer) -> tuple[str, str, str]:
    """Return the outcome for one order, the level read back (blank: nobody knows) and the details."""
    if answer.held is None:
        return answer.outcome, "", answer.detail
    if not mine:
        return (
            REJECTED,
            "",
            f"{task.device} has no way to make line {task.line} so; give the line an address.",
        )
    seen = seen_level(mine, answer.held, task.level)
    return (CONFIRMED, seen, "") if seen == task.level else (answer.outcome, seen, answer.detail)


def _confirm(tasks: Sequence[EnforcementTask]) -> None:
    """Record what the device confirmed; with it all earlier doubts about these lines are settled."""
    lines = [task.line_id for task in tasks]
    if not lines:
        return
    EnforcementTask.objects.filter(pk__in=[task.pk for task in tasks]).update(
        state=State.CONFIRMED, settled_at=clock.now(), lease_until_at=None
    )
    EnforcementTask.objects.filter(line_id__in=lines, state=State.SUPERSEDED, settled_at__isnull=True).update(
        settled_at=clock.now()
    )
    resolve_attentions("enforcement-parked", [f"line:{line}" for line in lines], "the device confirmed it")


def _again(task: EnforcementTask, outcome: str, detail: str) -> str:
    """Queue an order again, later each time; park it after five tries, or at once if it can never work."""
    if outcome == REJECTED or task.attempts >= ATTEMPTS_MAX:
        return _park(task, detail)
    due_at = clock.now() + BACKOFF * 2 ** (task.attempts - 1)
    sending = EnforcementTask.objects.filter(pk=task.pk, state=State.SENDING)
    return outcome if sending.update(state=State.QUEUED, due_at=due_at, lease_until_at=None) else SUPERSEDED


def _park(task: EnforcementTask, why: str) -> str:
    """Give an order up and put it before the clerks; it may have been superseded a moment ago."""
    account = task.line.account
    with transaction.atomic():
        # The exception points at the account, so PostgreSQL locks that row too: account before task.
        lock_rows(Account.objects.order_by(), [account.pk])
        sending = EnforcementTask.objects.filter(pk=task.pk, state__in=[State.CLAIMED, State.SENDING])
        if not sending.update(state=State.PARKED, settled_at=clock.now(), lease_until_at=None):
            return SUPERSEDED
        raise_attentions(
            [
                AttentionRequest(
                    code="enforcement-parked",
                    key=f"line:{task.line_id}",
                    account_id=account.pk,
                    words=f"Line {task.line} of account {account.number} could not be made"
                    f" {task.get_level_display()!r} on device {task.device} in {task.attempts} tries: {why}"
                    " Mend the device; reconcile then repairs the line.",
                )
            ]
        )
    _announce([task], State.PARKED)
    return PARKED


def _announce(tasks: Iterable[EnforcementTask], state: str) -> None:
    for task in tasks:
        signals.enforcement_settled.send_robust(
            sender=EnforcementTask, task_id=task.pk, account_id=task.line.account_id, state=str(state)
        )


def _attempt(task_id: int, outcome: str, *, read_back: str = "", detail: str = "") -> EnforcementAttempt:
    return EnforcementAttempt(
        task_id=task_id, at=clock.now(), outcome=outcome, read_back=read_back, detail=detail[:DETAIL_LENGTH]
    )


def note_contact(device: Device, failure: str) -> None:
    """Write down that a device answered, or since when it does not and why."""
    rows = Device.objects.filter(pk=device.pk)
    if not failure:
        rows.update(last_contact_at=clock.now(), failing_since_at=None, failure="")
        return
    rows.update(failure=failure[:DETAIL_LENGTH])
    rows.filter(failing_since_at__isnull=True).update(failing_since_at=clock.now())


def devices_named(name: str | None) -> Iterable[Device]:
    """Return the enabled devices, or the one of a name; raises Refused if there is none such."""
    rows = Device.objects.filter(enabled=True).order_by("name")
    if name is None:
        return rows
    found = list(rows.filter(name=name))
    if not found:
        raise Refused(
            "unknown_device",
            f"There is no enabled device named {name!r}; 'reconcile' alone lists all of them.",
        )
    return found
