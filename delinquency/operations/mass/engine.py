"""Do one thing to many: choose, look at all, confirm, carry out, pause, go on, cancel, try again, undo.

Everything is a row: an action, and an item for each object. A chunk of items is looked at or carried out in one
transaction that holds their rows and their accounts; so several workers share an action, and whatever is killed when,
nothing is done twice and nothing is left out. Before an item is done it is judged again, under its account's lock.
"""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import QuerySet

from accounts.models import User
from billing_project.kernel import clock, texts
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row
from billing_project.kernel.moves import check_move
from billing_project.kernel.nudge import nudge

from ...models import MassAction, MassItem
from .chunks import work_on_chunk
from .kinds import KINDS, check_right, kind_of

logger = logging.getLogger(__name__)

State = MassAction.State
AT_WORK = (State.COUNTING, State.RUNNING)
MOVES: Mapping[str, set[str]] = {
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
# A million items are one statement, which takes longer than a page usually may; the limit ends with the transaction.
LONGER = "SELECT set_config('statement_timeout', '300s', true)"


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

    The rows never pass through the program: the database writes an item for each. Raises Refused for who may not do
    this to many, and where nothing is chosen.
    """
    check_right(KINDS[kind], by)
    with transaction.atomic():
        action = MassAction.objects.create(
            kind=kind, parameters=dict(parameters or {}), chosen=dict(chosen or {}), chosen_words=chosen_words[:300],
            asked_by=by,
        )  # fmt: skip
        action.total = _write_items(action, rows)
        if not action.total:
            raise Refused("nothing_chosen", "Nothing is chosen; choose at least one, or widen the search.")
        action.save(update_fields=["total"])
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
        locked.items.update(state=MassItem.State.NEW)
        locked.state, locked.looked_at, locked.to_do, locked.looked_at_at = State.COUNTING, 0, 0, None
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
    locked.state, locked.finished_at = State.CANCELLED, clock.now()
    locked.save(update_fields=["state", "finished_at"])
    return locked


def try_again(action: MassAction, *, by: User) -> MassAction:
    """Try those again that failed; raises Refused if none did."""
    check_right(kind_of(action), by)
    with transaction.atomic():
        locked = lock_row(MassAction.objects.all(), action.pk)
        if locked.state != State.DONE:
            raise StaleState(f"It is {locked.get_state_display()}; what failed can be tried again when it is done.")
        count = locked.items.filter(state=MassItem.State.FAILED).update(
            state=MassItem.State.WAITING, reason="", code=""
        )
        if not count:
            raise Refused("none_failed", "None of them failed.")
        locked.failed -= count
        locked.confirmed_by, locked.finished_at = by, None
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
        total = _write_undo_items(back, locked)
        back.total = back.looked_at = back.to_do = total
        back.state, back.looked_at_at = State.READY, clock.now()
        if not kind.is_money:
            back.confirmed_by, back.started_at = by, clock.now()
            _go(back)
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
    if action.undone_by.filter(state__in=(State.COUNTING, State.READY, State.RUNNING, State.PAUSED)).exists():
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
            found = work_on_chunk(action_id)
        except StaleState as busy:
            logger.info("action %d waits: %s", action_id, busy)
            return done
        if not found:
            return done
        done += found
        if clock.monotonic() > until:
            nudge("delinquency.mass_action", action_id)
            return done


def work_on_all() -> int:
    """Take up every action that is not finished: what a lost wake-up or a killed worker left."""
    waiting = MassAction.objects.filter(state__in=AT_WORK).order_by("pk")
    return sum(work_on(pk) for pk in waiting.values_list("pk", flat=True))


def _go(action: MassAction) -> None:
    """Set a locked action to work from here on."""
    action.state, action.paused_why = State.RUNNING, ""
    action.resumed_at, action.resumed_from = clock.now(), action.dealt_with
    action.save()


def _begin(action: MassAction) -> MassAction:
    if action.state in AT_WORK:
        work_on(action.pk, seconds_max=SECONDS_AT_ONCE)
    return MassAction.objects.select_related("undo_of").get(pk=action.pk)


_COLUMNS = (
    "action_id, object_id, account_id, state, label, code, reason, before, amount, currency, notices, lines, effect,"
    " undoes_id"
)


def _write_items(action: MassAction, rows: QuerySet[Any]) -> int:
    """Write an item for each row, in one statement in the database; return how many."""
    try:
        chosen, given = rows.order_by().values("pk").query.sql_with_params()
    except EmptyResultSet:
        return 0
    words = (
        f"INSERT INTO delinquency_massitem ({_COLUMNS})"  # noqa: S608 - made of our own words; values are bound
        " SELECT DISTINCT %s::bigint, chosen.pk, NULL::bigint, 'new', '', '', '', '{}'::jsonb, NULL::numeric, '', 0, 0,"
        f" '', NULL::bigint FROM ({chosen}) AS chosen(pk) ORDER BY chosen.pk"
    )
    with connection.cursor() as cursor:
        cursor.execute(LONGER)
        cursor.execute(words, [action.pk, *given])
        return int(cursor.rowcount)


def _write_undo_items(back: MassAction, action: MassAction) -> int:
    """Write an item for each that was done, to be undone; return how many."""
    words = (
        f"INSERT INTO delinquency_massitem ({_COLUMNS})"  # noqa: S608 - made of our own words; values are bound
        " SELECT %s, object_id, account_id, 'waiting', label, '', '', '{}'::jsonb, amount, currency, 0, lines, '', id"
        " FROM delinquency_massitem WHERE action_id = %s AND state = 'done' ORDER BY id"
    )
    with connection.cursor() as cursor:
        cursor.execute(LONGER)
        cursor.execute(words, [back.pk, action.pk])
        return int(cursor.rowcount)
