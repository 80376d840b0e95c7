"""One chunk of an action on many: looked at, or carried out, in one transaction."""

import json
import logging
from collections.abc import Sequence

from django.db import connection, transaction
from django.db.models import F

from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row, lock_rows

from ...models import MassAction, MassItem
from .kinds import Fits, LeftOut, MassKind, Verdict, changes, check_right, kind_of

logger = logging.getLogger(__name__)

State = MassAction.State
Item = MassItem.State
# Accounts are locked while a chunk is carried out, so that is short.
LOOKED_AT, CARRIED_OUT = 500, 25
LABEL_LENGTH, REASON_LENGTH = 200, 400
# What is written of an item that was looked at, and its type in the database.
LOOKED = {
    "account_id": "bigint", "state": "text", "label": "text", "code": "text", "reason": "text", "before": "jsonb",
    "amount": "numeric", "currency": "text", "notices": "int", "lines": "int",
}  # fmt: skip
ENDED = ("state", "code", "reason", "effect", "decided_at")
GONE = Refused("gone", "It does not exist any more.")


def work_on_chunk(action_id: int) -> int:
    """Deal with the next items of an action; return how many, 0 if there are none that nobody else has in hand.

    Raises StaleState where an account is in use by somebody else for too long; then nothing of the chunk is done.
    """
    with transaction.atomic():
        action = MassAction.objects.select_related("confirmed_by", "asked_by").get(pk=action_id)
        if action.state == State.COUNTING:
            items = _claim(action, Item.NEW, LOOKED_AT)
            _look_at(action, items)
        elif action.state == State.RUNNING:
            items = _claim(action, Item.WAITING, CARRIED_OUT)
            if items and not _may_go_on(action):
                return 0
            _carry_out(action, items)
        else:
            return 0
        if not items:
            _finish(action_id)
        return len(items)


def _claim(action: MassAction, state: str, most: int) -> list[MassItem]:
    """Lock the next items that nobody else has in hand."""
    rows = action.items.filter(state=state).order_by("pk").select_for_update(skip_locked=True, of=("self",))
    return list(rows[:most])


def _finish(action_id: int) -> None:
    """End a phase if nothing of it is left, also not in another worker's hands."""
    action = lock_row(MassAction.objects.all(), action_id)
    if action.state == State.COUNTING and not action.items.filter(state=Item.NEW).exists():
        action.state, action.looked_at_at = State.READY, clock.now()
    elif action.state == State.RUNNING and not action.items.filter(state=Item.WAITING).exists():
        action.state, action.finished_at = State.DONE, clock.now()
        if action.undo_of_id is not None:  # what that one comes to is another sum now
            MassAction.objects.filter(pk=action.undo_of_id).update(outcomes=[])
    action.save(update_fields=["state", "looked_at_at", "finished_at"])


def _may_go_on(action: MassAction) -> bool:
    """Tell whether whoever confirmed it still may; otherwise pause it, saying why."""
    assert action.confirmed_by is not None  # a constraint
    try:
        check_right(kind_of(action), action.confirmed_by)
    except Refused as refusal:
        running = MassAction.objects.filter(pk=action.pk, state=State.RUNNING)
        running.update(state=State.PAUSED, paused_why=refusal.words[:200])
        return False
    return True


# --- Looking ---


def _look_at(action: MassAction, items: Sequence[MassItem]) -> None:
    if not items:
        return
    assert action.asked_by is not None
    verdicts = _judged(kind_of(action), items, action, action.asked_by)
    fits = 0
    for item in items:
        verdict = verdicts[item.object_id]
        item.account_id, item.label = verdict.account_id, verdict.label[:LABEL_LENGTH]
        if isinstance(verdict, LeftOut):
            item.state, item.code, item.reason = Item.EXCLUDED, verdict.why.code[:40], verdict.why.words[:REASON_LENGTH]
            continue
        fits += 1
        item.state, item.code, item.reason, item.before = Item.WAITING, verdict.code, verdict.note, verdict.before
        item.amount, item.currency = verdict.amount, verdict.currency
        item.notices, item.lines = verdict.notices, verdict.lines
    _write(items)
    MassAction.objects.filter(pk=action.pk).update(looked_at=F("looked_at") + len(items), to_do=F("to_do") + fits)


def _write(items: Sequence[MassItem]) -> None:
    """Write what was found at a chunk in one statement: many times quicker than a CASE for each column."""
    rows = [{"id": item.pk, **{name: getattr(item, name) for name in LOOKED}} for item in items]
    sets = ", ".join(f"{name} = new.{name}" for name in LOOKED)
    types = ", ".join(f"{name} {kind}" for name, kind in LOOKED.items())
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE delinquency_massitem AS item SET {sets}"  # noqa: S608 - made of our own words; values are bound
            f" FROM jsonb_to_recordset(%s::jsonb) AS new(id bigint, {types}) WHERE item.id = new.id",
            [json.dumps(rows, default=str)],
        )


def _judged(kind: MassKind, items: Sequence[MassItem], action: MassAction, by: User) -> dict[int, Verdict]:
    """Judge a chunk; where that fails, one by one, so that only the object that causes it is left out."""
    keys = [item.object_id for item in items]
    try:
        with transaction.atomic():
            found = dict(kind.judge(keys, action, by))
    except Refused:
        raise
    except Exception as error:  # whatever it was, only the object that caused it is left out
        if len(items) == 1:
            logger.error("object %d cannot be judged", keys[0], exc_info=error)
            return {keys[0]: LeftOut(items[0].account_id, items[0].label or f"{keys[0]}", _failure(error))}
        logger.warning("judging %d objects is done one by one: %s", len(items), error)
        found = {}
        for item in items:
            found |= _judged(kind, [item], action, by)
    for item in items:
        if item.object_id not in found:
            found[item.object_id] = LeftOut(item.account_id, item.label or f"{item.object_id}", GONE)
    return found


def _failure(error: Exception) -> Refused:
    return Refused("failed", f"It could not be worked out ({type(error).__name__}); the log of the server says more.")


# --- Carrying out ---


def _carry_out(action: MassAction, items: Sequence[MassItem]) -> None:
    if not items:
        return
    by = action.confirmed_by
    assert by is not None
    lock_rows(Account.objects.only("pk"), {item.account_id for item in items if item.account_id is not None})
    if action.undo_of_id is not None:
        _undo_all(action, items, by)
    else:
        kind = kind_of(action)
        verdicts = _judged(kind, items, action, by)
        for item in items:
            _do(kind, item, verdicts[item.object_id], action, by)
    moment = clock.now()
    for item in items:
        item.decided_at = moment
    MassItem.objects.bulk_update(items, ENDED)
    ends = [item.state for item in items]
    # Whoever cancels and then undoes must find all that was done: a chunk that ends after the cancelling is taken back.
    counted = MassAction.objects.filter(pk=action.pk, state__in=(State.RUNNING, State.PAUSED)).update(
        done=F("done") + ends.count(Item.DONE), failed=F("failed") + ends.count(Item.FAILED),
        changed=F("changed") + ends.count(Item.EXCLUDED),
    )  # fmt: skip
    if not counted:
        raise StaleState(f"{action} was cancelled while a chunk of it was done; the chunk is taken back.")


def _do(kind: MassKind, item: MassItem, verdict: Verdict, action: MassAction, by: User) -> None:
    """Do it to one object, unless that has changed since it was looked at."""
    if isinstance(verdict, LeftOut):
        _end(item, Item.EXCLUDED, "changed", f"Changed since the preview: {verdict.why.words}")
        return
    assert isinstance(verdict, Fits)
    different = changes(item.before, verdict.before)
    if different:
        _end(item, Item.EXCLUDED, "changed", f"Changed since the preview: {different}.")
        return
    try:
        with transaction.atomic():
            item.effect = kind.carry_out(item, action, by)[:60]
    except Refused as refusal:
        _end(item, Item.FAILED, refusal.code[:40], refusal.words)
    except Exception as error:  # this one cannot be done; the others can
        logger.error("%s of object %d failed", action, item.object_id, exc_info=error)
        _end(item, Item.FAILED, "failed", _failure(error).words)
    else:
        item.state = Item.DONE


def _undo_all(action: MassAction, items: Sequence[MassItem], by: User) -> None:
    kind = kind_of(action)
    originals = MassItem.objects.select_related("account").in_bulk([item.undoes_id for item in items])
    for item in items:
        original = originals[item.undoes_id]
        if original.state != Item.DONE:
            _end(item, Item.EXCLUDED, "changed", "Changed since the preview: it was undone already.")
            continue
        try:
            with transaction.atomic():
                kind.undo(original, action, by)
        except Refused as refusal:
            _end(item, Item.FAILED, refusal.code[:40], refusal.words)
        except Exception as error:  # this one cannot be undone; the others can
            logger.error("undoing item %d failed", original.pk, exc_info=error)
            _end(item, Item.FAILED, "failed", _failure(error).words)
        else:
            item.state, item.effect = Item.DONE, f"undo:{original.pk}"
            original.state = Item.UNDONE
            original.save(update_fields=["state"])


def _end(item: MassItem, state: str, code: str, words: str) -> None:
    item.state, item.code, item.reason, item.effect = state, code, words[:REASON_LENGTH], ""
