"""From what the lines of an account should be to one order for each device that has to hear of it.

Each line has a state on each device it is on: which level, by which address list. Where that changes, an order is
queued, and one that is under way is superseded or taken back. On a device that a line was taken off it should be open.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from django.db.models import Exists, OuterRef, Q

from accounts.models import Account, ServiceLine
from accounts.operations import AttentionRequest, raise_attentions, resolve_attentions
from billing_project.kernel import clock
from billing_project.kernel.bulk import copy_rows, update_rows
from billing_project.kernel.locks import lock_rows
from billing_project.kernel.nudge import nudge

from ..models import Device, EnforcementTask, LinePlacement, LineState
from ..queries import OPEN_STATES, all_lists, why_a_devices_own
from ..rules.desired import NOTHING, OPEN, Held, rank
from ..rules.lists import ListView, Standing, carried, choose
from ..rules.supersede import Pending, decide

WHY_LENGTH = 300
State = EnforcementTask.State


@dataclass(slots=True, kw_only=True)
class Target:
    """What the lines of one account should be from now on, and what to write into the order."""

    level: str
    why: str
    at: datetime
    not_before: datetime | None
    placed: bool
    causes: frozenset[str] = frozenset()
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
    attention: list[AttentionRequest] = field(default_factory=list)
    settled_keys: list[str] = field(default_factory=list)


class _Owner(NamedTuple):
    """What the lists and the words about an order ask of an account."""

    status_id: int
    account_type_id: int
    number: str


@dataclass(slots=True, kw_only=True)
class _Place:
    """A line on one device: what is known of it there; without a device it is on none."""

    line: ServiceLine
    owner: _Owner
    device: Device | None
    placed: bool
    state: LineState | None
    wanted: Held
    pending: EnforcementTask | None
    sure: bool
    vetoed: bool


def retarget(targets: Mapping[int, Target]) -> None:
    """Write what the lines of the accounts should be, and queue, supersede or cancel the orders that follow.

    The accounts' rows must be locked by the caller.
    """
    lines = list(ServiceLine.objects.filter(account_id__among=list(targets)).order_by("pk"))
    if not lines:
        return
    outcome = _Outcome()
    for place in _places(lines, targets):
        target = targets[place.line.account_id]
        if place.device is not None and place.wanted.level != OPEN:
            _spare_ourselves(place, outcome)
        known = _desired(place.state)
        # One that was vetoed waits for the next decision to restrict; it is not repeated by whatever else changes.
        refused_before = place.vetoed and target.placed and place.pending is None
        if known.agrees(place.wanted) and not refused_before:
            if place.state is not None and known != place.wanted:
                place.state.desired_list = place.wanted.list_name
                outcome.changed_states.append(place.state)
            continue
        _retarget_line(place, target, outcome)
    _write(outcome)


def _places(lines: Sequence[ServiceLine], targets: Mapping[int, Target]) -> Iterator[_Place]:
    """Return each line on each device it is on, or still has a state on."""
    keys = [line.pk for line in lines]
    # Locked: a worker that is about to send one of these waits, and then finds it taken back.
    open_rows = lock_rows(EnforcementTask.objects.filter(line_id__among=keys, state__in=OPEN_STATES))
    pending = {(task.line_id, task.device_id): task for task in open_rows}
    unsure, vetoed = doubtful(lines)
    lists = all_lists()
    owners = _owners(targets)
    placed_on: dict[int, list[int]] = defaultdict(list)
    for line_id, device_id in (
        LinePlacement.objects.filter(line_id__among=keys).order_by("pk").values_list("line_id", "device_id")
    ):
        placed_on[line_id].append(device_id)
    states: dict[int, dict[int | None, LineState]] = defaultdict(dict)
    for state in LineState.objects.filter(line_id__among=keys).order_by("pk"):
        states[state.line_id][state.device_id] = state
    devices = Device.objects.in_bulk({
        *(key for mine in placed_on.values() for key in mine),
        *(key for mine in states.values() for key in mine if key is not None),
    })  # fmt: skip
    for line in lines:
        target, owner, own = targets[line.account_id], owners[line.account_id], states[line.pk]
        placed = placed_on[line.pk]
        everywhere: list[int | None] = [*placed, *(key for key in own if key is not None and key not in placed)]
        for key in everywhere if placed else [*everywhere, None]:
            on_it, device = key in placed, None if key is None else devices[key]
            yield _Place(
                line=line, owner=owner, device=device, placed=on_it, state=own.get(key),
                pending=pending.get((line.pk, key or 0)),
                wanted=_wanted_on(owner, device if on_it else None, target, lists) if on_it or key is None else NOTHING,
                sure=(line.pk, key) not in unsure, vetoed=(line.pk, key) in vetoed,
            )  # fmt: skip


def _owners(account_ids: Iterable[int]) -> dict[int, _Owner]:
    rows = Account.objects.filter(pk__among=list(account_ids)).order_by()
    fields = ("pk", "status_id", "account_type_id", "number")
    return {key: _Owner(status_id, type_id, number) for key, status_id, type_id, number in rows.values_list(*fields)}


def wanted_on(line: ServiceLine, device: Device | None, target: Target, lists: Sequence[ListView]) -> Held:
    """Return what a line should be on a device: the level, and the list that the device carries for such accounts."""
    account = line.account
    return _wanted_on(_Owner(account.status_id, account.account_type_id, account.number), device, target, lists)


def _wanted_on(owner: _Owner, device: Device | None, target: Target, lists: Sequence[ListView]) -> Held:
    if target.level == OPEN or device is None:
        return Held(level=target.level)
    account = Standing(status_id=owner.status_id, account_type_id=owner.account_type_id, causes=target.causes)
    chosen = choose(target.level, account, carried(lists, device.pk, device.options))
    return Held(level=target.level, list_name=chosen.name if chosen else "")


def doubtful(lines: Sequence[ServiceLine]) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """Return the lines, by device, that an order may have reached unseen, and those whose last order was vetoed."""
    same = LineState.objects.filter(line=OuterRef("line"), device=OuterRef("device"), generation=OuterRef("generation"))
    rows = EnforcementTask.objects.filter(line_id__among=[line.pk for line in lines])
    newest = Exists(same)
    unsure = rows.filter(Q(state=State.SUPERSEDED, settled_at__isnull=True) | Q(state=State.PARKED) & Q(newest))
    vetoed = rows.filter(newest, state=State.CANCELLED)
    return set(unsure.values_list("line_id", "device_id")), set(vetoed.values_list("line_id", "device_id"))


def _desired(state: LineState | None) -> Held:
    return Held(level=state.desired_level, list_name=state.desired_list) if state else NOTHING


def _retarget_line(place: _Place, target: Target, outcome: _Outcome) -> None:
    line, device, task, wanted = place.line, place.device, place.pending, place.wanted
    state = place.state
    if state is None:
        state = LineState(line=line, device=device)
        outcome.new_states.append(state)
    else:
        outcome.changed_states.append(state)
    if state.desired_level != wanted.level:
        state.desired_since_at = target.at
    state.desired_level, state.desired_list = wanted.level, wanted.list_name
    state.generation += 1
    if device is None:
        _note_homeless(line, place.owner, target, outcome)
        return
    may_have_left = task is not None and (task.state == State.SENDING or task.attempts > 0)
    pending = (
        Pending(level=task.level, may_have_left=may_have_left, same_list=task.list_name == wanted.list_name)
        if task is not None
        else None
    )
    same_list = "" in (state.observed_list, wanted.list_name) or state.observed_list == wanted.list_name
    decision = decide(
        wanted=wanted.level, observed=state.observed_level, pending=pending, sure=place.sure, same_list=same_list
    )
    if task is not None and decision.end_pending_as:
        # An order to a device that the line has left was replaced by those to its new devices.
        outcome.ended[decision.end_pending_as if place.placed else State.SUPERSEDED].append(task.pk)
        if may_have_left:
            outcome.left_behind.append(task.pk)
    if decision.send:
        now = clock.now()
        level_before = target.levels_before.get(line.pk, OPEN)
        outcome.tasks.append(
            EnforcementTask(
                line=line, device=device, level=wanted.level, list_name=wanted.list_name,
                restores=decision.restores, generation=state.generation,
                recloses=not decision.restores and rank(wanted.level) <= rank(level_before),
                why=target.why[:WHY_LENGTH], created_at=now,
                due_at=now if decision.restores else max(target.not_before or now, now),
            )
        )  # fmt: skip


def _spare_ourselves(place: _Place, outcome: _Outcome) -> None:
    """Leave a line open where restricting it would cut us off from the very device that is to free it again."""
    assert place.device is not None
    words = why_a_devices_own([text for text in (place.line.ipv4, place.line.ipv6) if text], [place.device])
    if words:
        place.wanted = NOTHING
        outcome.attention.append(
            AttentionRequest(
                code="line-is-device",
                key=f"line:{place.line.pk}:{place.device.pk}",
                account_id=place.line.account_id,
                words=f"Line {place.line} of account {place.owner.number} should be restricted, but is not: {words}",
            )
        )


def _note_homeless(line: ServiceLine, owner: _Owner, target: Target, outcome: _Outcome) -> None:
    """Tell the clerks about a line that should be restricted and is on no device."""
    if target.level == OPEN:
        outcome.settled_keys.append(f"line:{line.pk}")
        return
    outcome.attention.append(
        AttentionRequest(
            code="line-without-device",
            key=f"line:{line.pk}",
            account_id=line.account_id,
            words=f"Line {line} of account {owner.number} should be restricted, but is on no device:"
            " nothing was sent. Choose the device of the line, or end the restriction.",
        )
    )


def _write(outcome: _Outcome) -> None:
    now = clock.now()
    copy_rows(LineState, outcome.new_states)
    update_rows(outcome.changed_states, ["desired_level", "desired_list", "desired_since_at", "generation"])
    for state, pks in outcome.ended.items():
        EnforcementTask.objects.filter(pk__in=pks).update(state=state, settled_at=now, lease_until_at=None)
    if outcome.left_behind:
        # Of these nobody knows yet what they did: their worker, or the next confirmed order, settles them.
        EnforcementTask.objects.filter(pk__in=outcome.left_behind).update(settled_at=None)
    copy_rows(EnforcementTask, outcome.tasks)
    raise_attentions(outcome.attention)
    if outcome.settled_keys:
        resolve_attentions("line-without-device", outcome.settled_keys, "the restriction ended")
    wake([task for task in outcome.tasks if task.due_at <= now])


def wake(due: Sequence[EnforcementTask]) -> None:
    """Wake the worker that frees lines, and the one that does the rest, for orders that are due."""
    if any(task.restores for task in due):
        nudge("netenforce.restore")
    if not all(task.restores for task in due):
        nudge("netenforce.dispatch")
