"""Do one thing to many: choose, look at all, confirm, carry out, pause, go on, cancel, try again, undo.

Everything is a row: an action, and an item for each object. A chunk of items is looked at or carried out in one
transaction that holds their rows and their accounts; so several workers share an action, and whatever is killed when,
nothing is done twice and nothing is left out. Before an item is done it is judged again, under its account's lock.
"""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from billing_project.kernel import clock, texts
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row
from billing_project.kernel.moves import check_move
from billing_project.kernel.nudge import nudge

from ...models import MassAction, MassItem
from . import picking
from .chunks import work_on_chunk
from .kinds import KINDS, check_right, kind_of

logger = logging.getLogger(__name__)

State, From = MassAction.State, MassAction.From
TASK = "delinquency.mass_action"
AT_WORK = (State.PICKING, State.COUNTING, State.RUNNING)
MOVES: Mapping[str, set[str]] = {
    State.PICKING: {State.COUNTING, State.READY, State.RUNNING, State.CANCELLED},
    State.COUNTING: {State.READY, State.CANCELLED},
    State.READY: {State.RUNNING, State.COUNTING, State.CANCELLED},
    State.RUNNING: {State.PAUSED, State.DONE, State.CANCELLED},
    State.PAUSED: {State.RUNNING, State.CANCELLED},
    State.DONE: {State.RUNNING},
}
# So long a person waits for it; the rest is a worker's.
SECONDS_AT_ONCE, SECONDS_MAX = 1.5, 20.0
# What was looked at longer ago no longer shows what would happen.
STALE_AFTER = timedelta(hours=24)
REASON_LENGTH = 200


def prepare(
    kind: MassAction.Kind,
    rows: QuerySet[Any],
    *,
    by: User,
    parameters: Mapping[str, Any] | None = None,
    chosen: Mapping[str, Any] | None = None,
    chosen_words: str = "",
) -> MassAction:
    """Begin to look at rows to which something is to be done; nothing is done yet.

    The rows never pass through the program: the database writes an item for each; where they are many a worker has it
    do so, and this answers at once. Raises Refused for who may not do this to many, and where nothing is chosen.
    """
    check_right(KINDS[kind], by)
    with transaction.atomic():
        action = MassAction.objects.create(
            kind=kind, parameters=dict(parameters or {}), chosen=dict(chosen or {}), chosen_words=chosen_words[:300],
            asked_by=by,
        )  # fmt: skip
        if picking.few(rows) is None:
            picking.keep_query(action, rows)
            picking.begin(action, From.LIST, until=action.pick_until)
        else:
            action.total = picking.pick_all(action, rows)
            if not action.total:
                raise Refused("nothing_chosen", "Nothing is chosen; choose at least one, or widen the search.")
        action.save()
    return _begin(action)


def confirm(action: MassAction, *, reason: str, by: User) -> MassAction:
    """Carry out what was looked at; raises Refused without a reason or the right, and if that was too long ago."""
    check_right(kind_of(action), by)
    with transaction.atomic():
        locked = lock_row(MassAction.objects.all(), action.pk)
        if locked.state != State.READY:
            check_move(MOVES, locked.state, State.READY)
        if not reason.strip():
            raise Refused("reason_missing", "Say why; the reason is kept with each of them.")
        texts.refuse_cards("reason", reason)
        if locked.looked_at_at is None or clock.now() - locked.looked_at_at > STALE_AFTER:
            raise Refused("old_look", "This was looked at more than a day ago; press “Look again”, then confirm.")
        if not locked.to_do:
            raise Refused("nothing_to_do", "There is none of them that this can be done to.")
        locked.reason, locked.confirmed_by = reason.strip()[:REASON_LENGTH], by
        locked.started_at = clock.now()
        _go(locked)
    return _begin(locked)


def look_again(action: MassAction, *, by: User) -> MassAction:
    """Look at all of it anew, before it is confirmed."""
    check_right(kind_of(action), by)
    with transaction.atomic():
        locked = lock_row(MassAction.objects.all(), action.pk)
        check_move(MOVES, locked.state, State.COUNTING)
        if locked.undo_of_id is not None:
            raise Refused("undo_is_fixed", "What an undoing takes back is fixed; there is nothing to look at again.")
        locked.looked_at, locked.to_do, locked.looked_at_at, locked.outcomes = 0, 0, None, []
        if locked.total > picking.AT_ONCE:
            picking.begin(locked, From.AGAIN)
        else:
            locked.items.update(state=MassItem.State.NEW)
            locked.state = State.COUNTING
        locked.save()
    return _begin(locked)


@transaction.atomic
def pause(action: MassAction) -> MassAction:
    """Stop for now; what is being done at this moment is finished."""
    locked = lock_row(MassAction.objects.all(), action.pk)
    check_move(MOVES, locked.state, State.PAUSED)
    locked.state, locked.paused_why = State.PAUSED, ""
    locked.save(update_fields=["state", "paused_why"])
    return locked


def go_on(action: MassAction, *, by: User) -> MassAction:
    """Go on after a pause; whoever goes on with it must be allowed to, and does it from now on."""
    check_right(kind_of(action), by)
    with transaction.atomic():
        locked = lock_row(MassAction.objects.all(), action.pk)
        if locked.state != State.PAUSED:
            raise StaleState(f"It is {locked.get_state_display()}, not paused.")
        locked.confirmed_by = by
        _go(locked)
    return _begin(locked)


@transaction.atomic
def cancel(action: MassAction) -> MassAction:
    """Leave the rest undone; what was done already stays, and can be undone where that is possible."""
    locked = lock_row(MassAction.objects.all(), action.pk)
    check_move(MOVES, locked.state, State.CANCELLED)
    locked.state, locked.finished_at, locked.outcomes = State.CANCELLED, clock.now(), []
    locked.save(update_fields=["state", "finished_at", "outcomes"])
    if locked.total > picking.AT_ONCE:
        nudge(TASK, locked.pk)  # what it comes to is added up by a worker
    return locked


def try_again(action: MassAction, *, by: User) -> MassAction:
    """Try those again that failed; raises Refused if none did."""
    check_right(kind_of(action), by)
    with transaction.atomic():
        locked = lock_row(MassAction.objects.all(), action.pk)
        if locked.state != State.DONE:
            raise StaleState(f"It is {locked.get_state_display()}; what failed can be tried again when it is done.")
        if not locked.failed:
            raise Refused("none_failed", "None of them failed.")
        locked.confirmed_by, locked.finished_at = by, None
        if locked.failed > picking.AT_ONCE:
            _go(locked)
            picking.begin(locked, From.FAILED)
            locked.save()
        else:
            rows = locked.items.filter(state=MassItem.State.FAILED)
            locked.failed -= rows.update(state=MassItem.State.WAITING, reason="", code="")
            _go(locked)
    return _begin(locked)


def undo(action: MassAction, *, reason: str, by: User) -> MassAction:
    """Take back what was done: at once where it is no money, and to be confirmed on its own page where it is.

    Raises Refused for what cannot be undone, or not any more, and where nothing is left to undo.
    """
    kind = kind_of(action)
    check_right(kind, by)
    with transaction.atomic():
        locked = lock_row(MassAction.objects.all(), action.pk)
        why_not = why_not_undone(locked)
        if why_not:
            raise Refused("not_undone", why_not)
        if not reason.strip():
            raise Refused("reason_missing", "Say why this is undone; the reason is kept.")
        texts.refuse_cards("reason", reason)
        back = MassAction.objects.create(
            kind=locked.kind, undo_of=locked, asked_by=by, reason=reason.strip()[:REASON_LENGTH],
            parameters=locked.parameters, chosen_words=f"what action {locked.pk} did",
        )  # fmt: skip
        back.state, back.looked_at_at = State.READY, clock.now()
        if locked.done <= picking.AT_ONCE:
            back.total = back.looked_at = back.to_do = picking.pick_undone(back)
        if not kind.is_money:
            back.confirmed_by, back.started_at = by, clock.now()
            _go(back)
        if locked.done > picking.AT_ONCE:
            picking.begin(back, From.UNDONE)
        back.save()
    return _begin(back)


def why_not_undone(action: MassAction) -> str:
    """Say why an action cannot be undone, or not any more; empty if it can."""
    kind = kind_of(action)
    if action.undo_of_id is not None:
        return "This undid another action; do that one again instead."
    if action.state not in (State.DONE, State.CANCELLED):
        return "It is not finished; cancel it first, then undo what was done."
    if not kind.undoes:
        return kind.undo_words
    if action.undone_by.filter(state__in=(*AT_WORK, State.READY, State.PAUSED)).exists():
        return "It is being undone already."
    finished = action.finished_at or clock.now()
    if kind.undo_within is not None and clock.now() - finished > kind.undo_within:
        return f"More than {int(kind.undo_within.total_seconds() // 60)} minutes have passed. {kind.undo_words}"
    if not action.items.filter(state=MassItem.State.DONE).exists():
        return "Nothing of it is left to undo."
    return ""


def work_on(action_id: int, *, seconds_max: float = SECONDS_MAX) -> int:
    """Look at or carry out what is left of an action, chunk by chunk; return how many items were dealt with.

    After a while the rest is left to the next task, because a worker ends tasks that run long. Where an account is in
    use for too long, the next pass of beat goes on.
    """
    done, until = 0, clock.monotonic() + seconds_max
    while True:
        try:
            found = picking.pick_chunk(action_id) or work_on_chunk(action_id)
        except StaleState as busy:
            logger.info("action %d waits: %s", action_id, busy)
            return done
        if not found:
            picking.sum_up(action_id)
            return done
        done += found
        if clock.monotonic() > until:
            nudge(TASK, action_id)
            return done


def work_on_all() -> int:
    """Take up every action that is not finished: what a lost wake-up or a killed worker left."""
    waiting = MassAction.objects.filter(state__in=AT_WORK).order_by("pk")
    done = sum(work_on(pk) for pk in list(waiting.values_list("pk", flat=True)))
    for pk in list(picking.needing_sums().values_list("pk", flat=True)):
        picking.sum_up(pk)
    return done


def _go(action: MassAction) -> None:
    """Set a locked action to work from here on."""
    action.state, action.paused_why, action.outcomes = State.RUNNING, "", []
    action.resumed_at, action.resumed_from = clock.now(), action.dealt_with
    action.save()


def _begin(action: MassAction) -> MassAction:
    if action.state == State.PICKING:
        nudge(TASK, action.pk)
    elif action.state in AT_WORK:
        work_on(action.pk, seconds_max=SECONDS_AT_ONCE)
    return MassAction.objects.select_related("undo_of").get(pk=action.pk)
