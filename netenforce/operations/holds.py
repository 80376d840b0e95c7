"""Place and lift holds, and bring what the lines should be in line with them.

A hold is one reason to restrict all lines of an account; the hardest active hold wins. While a payment window runs,
holds for non-payment do not count. From that follows what each line should be, and where it changed, one order to its
device.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import F, Q

from accounts.models import Account, ServiceLine
from accounts.operations import AttentionRequest, raise_attentions, resolve_attentions
from billing_project.kernel import clock
from billing_project.kernel.bulk import copy_rows, update_rows
from billing_project.kernel.locks import lock_rows
from billing_project.kernel.nudge import nudge

from ..models import EnforcementTask, Hold, LineState
from ..queries import OPEN_STATES, active_holds, running_windows
from ..rules.desired import OPEN, hardest, rank
from ..rules.supersede import Pending, decide

WHY_LENGTH = 300
State = EnforcementTask.State


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceHold:
    """A restriction that somebody wants: why, how hard, and when at the earliest it may reach the line."""

    account_id: int
    cause: str
    cause_key: str
    level: str
    why: str
    at: datetime | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftHold:
    """A restriction that ends, and why."""

    account_id: int
    cause_key: str
    why: str
    at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Target:
    """What the lines of one account should be from now on, and what to write into the order."""

    level: str
    why: str
    at: datetime
    not_before: datetime | None
    placed: bool
    # How each line was restricted when a payment window opened it: to close it again is no new cut.
    levels_before: Mapping[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Outcome:
    """The rows that a change of mind leads to, collected so that they are written in few statements."""

    new_states: list[LineState] = field(default_factory=list)
    changed_states: list[LineState] = field(default_factory=list)
    tasks: list[EnforcementTask] = field(default_factory=list)
    ended: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    left_behind: list[int] = field(default_factory=list)
    homeless: list[AttentionRequest] = field(default_factory=list)
    settled_keys: list[str] = field(default_factory=list)


# --- Holds ---


def place_hold(
    *,
    account_id: int,
    cause: str,
    cause_key: str,
    level: str,
    why: str,
    at: datetime | None = None,
    not_before: datetime | None = None,
) -> Hold:
    """Place a hold and return it; twice is once, and another level for the same key changes the hold."""
    wish = PlaceHold(
        account_id=account_id,
        cause=cause,
        cause_key=cause_key,
        level=level,
        why=why,
        at=at,
        not_before=not_before,
    )
    change_holds(placed=[wish])
    return Hold.objects.get(account_id=account_id, cause_key=cause_key, lifted_at__isnull=True)


def lift_hold(*, account_id: int, cause_key: str, why: str, at: datetime | None = None) -> Hold | None:
    """Lift a hold and return it, or None if none is active. Lines are restored at any hour (D6, R-13)."""
    held = Hold.objects.filter(account_id=account_id, cause_key=cause_key, lifted_at__isnull=True).first()
    if held is None:
        return None
    change_holds(lifted=[LiftHold(account_id=account_id, cause_key=cause_key, why=why, at=at)])
    held.refresh_from_db()
    return held


@transaction.atomic
def change_holds(*, placed: Sequence[PlaceHold] = (), lifted: Sequence[LiftHold] = ()) -> None:
    """Place and lift many holds, lifts first; the number of queries does not grow with them.

    Raises ValueError if a level does not exist. The accounts' rows are locked, in key order.
    """
    if any(rank(wish.level) == 0 for wish in placed):
        raise ValueError("a hold cannot be placed at level open; lift it instead")
    account_ids = sorted({wish.account_id for wish in placed} | {wish.account_id for wish in lifted})
    if not account_ids:
        return
    lock_rows(Account.objects.order_by(), account_ids)
    before = {(hold.account_id, hold.cause_key): hold for holds in active_holds(account_ids).values() for hold in holds}
    _lift(before, lifted)
    _place(before, placed)
    retarget(_targets(account_ids, placed, lifted))


def _lift(active: dict[tuple[int, str], Hold], lifted: Sequence[LiftHold]) -> None:
    ended = []
    for wish in lifted:
        hold = active.pop((wish.account_id, wish.cause_key), None)
        if hold is not None:
            hold.lifted_at = max(wish.at or clock.now(), hold.placed_at)
            hold.lifted_why = wish.why[:WHY_LENGTH]
            ended.append(hold)
    update_rows(ended, ["lifted_at", "lifted_why"])


def _place(active: dict[tuple[int, str], Hold], placed: Sequence[PlaceHold]) -> None:
    fresh, changed = [], []
    for wish in placed:
        key = wish.account_id, wish.cause_key
        hold = active.get(key)
        if hold is None:
            hold = active[key] = Hold(
                account_id=wish.account_id,
                cause=wish.cause,
                cause_key=wish.cause_key,
                level=wish.level,
                why=wish.why[:WHY_LENGTH],
                placed_at=wish.at or clock.now(),
            )
            fresh.append(hold)
        elif hold.level != wish.level:
            hold.level, hold.why = wish.level, wish.why[:WHY_LENGTH]
            if hold.pk is not None:
                changed.append(hold)
    copy_rows(Hold, fresh)
    update_rows(changed, ["level", "why"])


def _targets(account_ids: Iterable[int], placed: Sequence[PlaceHold], lifted: Sequence[LiftHold]) -> dict[int, Target]:
    """Return what each account's lines should be now: as hard as its hardest hold that counts."""
    holds = counting_holds(account_ids)
    wishes: dict[int, list[PlaceHold]] = defaultdict(list)
    for placing in placed:
        wishes[placing.account_id].append(placing)
    endings = {lifting.account_id: lifting for lifting in lifted}
    targets = {}
    for account_id in account_ids:
        mine = holds.get(account_id, [])
        level = hardest(hold.level for hold in mine)
        wish = next((wish for wish in wishes[account_id] if wish.level == level), None)
        ending = endings.get(account_id)
        why = next((hold.why for hold in mine if hold.level == level), ending.why if ending else "")
        moment = wish.at if wish else ending.at if ending else None
        targets[account_id] = Target(
            level=level,
            why=why,
            at=moment or clock.now(),
            not_before=wish.not_before if wish else None,
            placed=wish is not None,
        )
    return targets


def counting_holds(account_ids: Iterable[int]) -> dict[int, list[Hold]]:
    """Return the active holds that restrict lines now: for non-payment, none while a payment window runs (P07)."""
    open_for_payment = running_windows(account_ids)
    return {
        account_id: [
            hold for hold in holds if hold.cause != Hold.Cause.NON_PAYMENT or account_id not in open_for_payment
        ]
        for account_id, holds in active_holds(account_ids).items()
    }


# --- From what should be to orders ---


def retarget(targets: Mapping[int, Target]) -> None:
    """Write what the lines of the accounts should be, and queue, supersede or cancel the orders that follow.

    The accounts' rows must be locked by the caller.
    """
    lines = list(
        ServiceLine.objects.filter(account_id__in=targets)
        .select_related("placement", "network_state", "account")
        .order_by("pk")
    )
    if not lines:
        return
    # Locked: a worker that is about to send one of these waits, and then finds it taken back.
    pending = {
        task.line_id: task for task in lock_rows(EnforcementTask.objects.filter(line__in=lines, state__in=OPEN_STATES))
    }
    unsure, vetoed = _doubtful_lines(lines)
    outcome = _Outcome()
    for line in lines:
        target = targets[line.account_id]
        state = getattr(line, "network_state", None)
        refused_before = line.pk in vetoed and target.placed and line.pk not in pending
        if target.level == (state.desired_level if state else OPEN) and not refused_before:
            continue
        _retarget_line(line, state, target, pending.get(line.pk), line.pk not in unsure, outcome)
    _write(outcome)


def _doubtful_lines(lines: Sequence[ServiceLine]) -> tuple[set[int], set[int]]:
    """Return the lines that an order may have reached unseen, and those whose last order was vetoed."""
    rows = EnforcementTask.objects.filter(line__in=lines)
    newest = Q(generation=F("line__network_state__generation"))
    unsure = rows.filter(Q(state=State.SUPERSEDED, settled_at__isnull=True) | newest & Q(state=State.PARKED))
    vetoed = rows.filter(newest, state=State.CANCELLED)
    return set(unsure.values_list("line_id", flat=True)), set(vetoed.values_list("line_id", flat=True))


def _retarget_line(
    line: ServiceLine,
    state: LineState | None,
    target: Target,
    task: EnforcementTask | None,
    sure: bool,
    outcome: _Outcome,
) -> None:
    if state is None:
        state = LineState(line=line)
        outcome.new_states.append(state)
    else:
        outcome.changed_states.append(state)
    if state.desired_level != target.level:
        state.desired_level, state.desired_since_at = target.level, target.at
    state.generation += 1
    placement = getattr(line, "placement", None)
    if placement is None:
        _note_homeless(line, target, outcome)
        return
    may_have_left = task is not None and (task.state == State.SENDING or task.attempts > 0)
    pending = Pending(level=task.level, may_have_left=may_have_left) if task else None
    decision = decide(wanted=target.level, observed=state.observed_level, pending=pending, sure=sure)
    if task is not None and decision.end_pending_as:
        outcome.ended[decision.end_pending_as].append(task.pk)
        if may_have_left:
            outcome.left_behind.append(task.pk)
    if decision.send:
        now = clock.now()
        outcome.tasks.append(
            EnforcementTask(
                line=line,
                device_id=placement.device_id,
                level=target.level,
                restores=decision.restores,
                generation=state.generation,
                recloses=not decision.restores and rank(target.level) <= rank(target.levels_before.get(line.pk, OPEN)),
                why=target.why[:WHY_LENGTH],
                created_at=now,
                due_at=now if decision.restores else max(target.not_before or now, now),
            )
        )


def _note_homeless(line: ServiceLine, target: Target, outcome: _Outcome) -> None:
    """Tell the clerks about a line that should be restricted and is on no device."""
    if target.level == OPEN:
        outcome.settled_keys.append(f"line:{line.pk}")
        return
    outcome.homeless.append(
        AttentionRequest(
            code="line-without-device",
            key=f"line:{line.pk}",
            account_id=line.account_id,
            words=f"Line {line} of account {line.account.number} should be restricted, but is on no device:"
            " nothing was sent. Choose the device of the line, or end the restriction.",
        )
    )


def _write(outcome: _Outcome) -> None:
    now = clock.now()
    copy_rows(LineState, outcome.new_states)
    update_rows(outcome.changed_states, ["desired_level", "desired_since_at", "generation"])
    for state, pks in outcome.ended.items():
        EnforcementTask.objects.filter(pk__in=pks).update(state=state, settled_at=now, lease_until_at=None)
    if outcome.left_behind:
        # Of these nobody knows yet what they did: their worker, or the next confirmed order, settles them.
        EnforcementTask.objects.filter(pk__in=outcome.left_behind).update(settled_at=None)
    copy_rows(EnforcementTask, outcome.tasks)
    raise_attentions(outcome.homeless)
    if outcome.settled_keys:
        resolve_attentions("line-without-device", outcome.settled_keys, "the restriction ended")
    wake([task for task in outcome.tasks if task.due_at <= now])


def wake(due: Sequence[EnforcementTask]) -> None:
    """Wake the worker that frees lines, and the one that does the rest, for orders that are due."""
    if any(task.restores for task in due):
        nudge("netenforce.restore")
    if not all(task.restores for task in due):
        nudge("netenforce.dispatch")
