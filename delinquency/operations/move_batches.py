"""Move many accounts at once: compare, confirm, move chunk by chunk, cancel, undo.

A batch is a row: it can be taken up by any worker where it stopped. Each chunk and the batch's place in the list are
one transaction, so that no account is moved twice or left out, whatever is killed when.
"""

import logging
from collections.abc import Iterable, Mapping
from copy import deepcopy
from datetime import timedelta
from typing import Any

from django.db import transaction

from accounts.models import User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row
from billing_project.kernel.moves import check_move
from billing_project.kernel.nudge import nudge

from ..differing import AHEAD_DAYS, EXAMPLES, add_difference, movable, nothing_yet
from ..models import MoveBatch, PolicyMove, PolicyVersion, Standing
from .moves import CHUNK, REASON_LENGTH, Moved, check_published, move_chunk, why_not

logger = logging.getLogger(__name__)

State = MoveBatch.State
MOVES: Mapping[str, set[str]] = {
    State.COMPARING: {State.READY, State.CANCELLED},
    State.READY: {State.MOVING, State.CANCELLED},
    State.MOVING: {State.DONE, State.CANCELLED},
}
# So many accounts are dealt with while the person waits; more are a worker's.
AT_ONCE = 500
# A comparison older than this no longer shows what a move would do.
STALE_AFTER = timedelta(hours=24)
SECONDS_MAX = 20.0
PROGRESS = ("state", "place", "moved", "left_out", "difference", "compared_at", "finished_at")


def prepare_move(account_ids: Iterable[int], *, version: PolicyVersion, by: User | None = None) -> MoveBatch:
    """Begin to compare accounts as they stand with what they would be under a version; nobody is moved yet.

    Few are compared at once, many by a worker. Raises Refused for a draft and for no accounts.
    """
    check_published(version)
    ids = sorted(set(account_ids))
    if not ids:
        raise Refused("no_accounts", "No account is chosen; choose at least one.")
    batch = MoveBatch.objects.create(
        to_version=version,
        made_by=by,
        account_ids=ids,
        total=len(ids),
        difference=nothing_yet(clock.today() + timedelta(days=AHEAD_DAYS)),
    )
    return _begin(batch)


def confirm_move(batch: MoveBatch, *, reason: str, by: User | None = None) -> MoveBatch:
    """Move the accounts of a compared batch; raises Refused without a reason and where the comparison is too old."""
    with transaction.atomic():
        locked = lock_row(MoveBatch.objects.select_related("to_version__policy"), batch.pk)
        check_move(MOVES, locked.state, State.MOVING)
        if not reason.strip():
            raise Refused("reason_missing", "Say why these accounts move to another version; the reason is kept.")
        if locked.compared_at is None or clock.now() - locked.compared_at > STALE_AFTER:
            raise Refused(
                "old_comparison", "This comparison is more than a day old; compare again, then move the accounts."
            )
        locked.state, locked.place, locked.left_out = State.MOVING, 0, {}
        locked.reason = reason.strip()[:REASON_LENGTH]
        locked.made_by = by or locked.made_by
        locked.save()
    return _begin(locked)


@transaction.atomic
def cancel_move(batch: MoveBatch) -> MoveBatch:
    """Stop a batch; accounts that were moved already stay where they are, and can be moved back by undoing it."""
    locked = lock_row(MoveBatch.objects.all(), batch.pk)
    check_move(MOVES, locked.state, State.CANCELLED)
    locked.state, locked.finished_at = State.CANCELLED, clock.now()
    locked.save()
    return locked


def undo_move(batch: MoveBatch, *, reason: str, by: User | None = None) -> MoveBatch:
    """Move the accounts of a batch back to where they came from, except those that were moved on since.

    Raises Refused without a reason, for a batch that is still at work, and where nobody is left to move back.
    """
    with transaction.atomic():
        locked = lock_row(MoveBatch.objects.all(), batch.pk)
        if locked.state not in (State.DONE, State.CANCELLED):
            raise StaleState("This move is not finished; cancel it first, then undo it.")
        if not reason.strip():
            raise Refused("reason_missing", "Say why this move is undone; the reason is kept.")
        ids = to_move_back(locked)
        if not ids:
            raise Refused("nothing_to_undo", "No account of this move is still where it was moved to.")
        back = MoveBatch.objects.create(
            undo_of=locked,
            state=State.MOVING,
            reason=reason.strip()[:REASON_LENGTH],
            made_by=by,
            account_ids=ids,
            total=len(ids),
        )
    return _begin(back)


def to_move_back(batch: MoveBatch) -> list[int]:
    """Return the accounts of a batch that are still under the version to which it moved them."""
    now = dict(
        Standing.objects.filter(account__policy_moves__batch=batch).values_list("account_id", "policy_version_id")
    )
    rows = PolicyMove.objects.filter(batch=batch).order_by("account_id").values_list("account_id", "to_version_id")
    return [account_id for account_id, version_id in rows if now.get(account_id) == version_id]


def work_on(batch_id: int) -> int:
    """Compare or move what is left of a batch, chunk by chunk; return how many accounts were dealt with.

    A batch that another worker has in hand is left to it. After a while the rest is left to the next task, because
    a worker ends tasks that run long.
    """
    done, until = 0, clock.monotonic() + SECONDS_MAX
    while True:
        if clock.monotonic() > until:
            nudge("delinquency.move_batch", batch_id)
            return done
        with transaction.atomic():
            found = MoveBatch.objects.filter(pk=batch_id, state__in=[State.COMPARING, State.MOVING])
            batch = found.select_for_update(skip_locked=True).first()
            if batch is None:
                return done
            ids = batch.account_ids[batch.place : batch.place + CHUNK]
            if batch.state == State.COMPARING:
                _compare(batch, ids)
            else:
                _move(batch, ids)
            batch.place += len(ids)
            if batch.place >= batch.total:
                _finish(batch)
            batch.save(update_fields=PROGRESS)
            done += len(ids)


def work_on_all() -> int:
    """Take up every batch that is not finished: what a lost wake-up or a killed worker left."""
    waiting = MoveBatch.objects.filter(state__in=[State.COMPARING, State.MOVING]).order_by("pk")
    return sum(work_on(pk) for pk in waiting.values_list("pk", flat=True))


def _begin(batch: MoveBatch) -> MoveBatch:
    if batch.total <= AT_ONCE:
        work_on(batch.pk)
    else:
        nudge("delinquency.move_batch", batch.pk)
    return MoveBatch.objects.select_related("to_version__policy").get(pk=batch.pk)


def _finish(batch: MoveBatch) -> None:
    if batch.state == State.COMPARING:
        batch.state, batch.compared_at, batch.place = State.READY, clock.now(), 0
    else:
        batch.state, batch.finished_at = State.DONE, clock.now()


def _compare(batch: MoveBatch, ids: list[int]) -> None:
    assert batch.to_version is not None
    accounts, versions = movable(ids)
    going = []
    for account_id in ids:
        account = accounts.get(account_id)
        refusal = why_not(account, versions.get(account_id), batch.to_version) if account else None
        if account is not None and refusal is not None:
            _leave_out(batch, account.number, refusal)
        elif account is not None:
            going.append(account_id)
    try:
        batch.difference = _with_difference(batch, going)
    except Exception as error:  # noqa: BLE001 - whatever it was, only the account that caused it is left out
        logger.warning("comparing %d accounts is done one by one: %s", len(going), error)
        for account_id in going:
            try:
                batch.difference = _with_difference(batch, [account_id])
            except Exception as failure:  # noqa: BLE001 - as above
                _leave_out(batch, accounts[account_id].number, _failed(accounts[account_id].number, failure))


def _with_difference(batch: MoveBatch, ids: list[int]) -> dict[str, Any]:
    """Return the batch's difference with more accounts in it."""
    assert batch.to_version is not None
    found: dict[str, Any] = deepcopy(batch.difference)
    add_difference(found, ids, batch.to_version)
    return found


def _failed(number: str, error: Exception) -> Refused:
    logger.error("account %s cannot be played under another version", number, exc_info=error)
    words = f"Account {number} could not be worked out ({type(error).__name__}); press “Look again now” on its page."
    return Refused("failed", words)


def _move(batch: MoveBatch, ids: list[int]) -> None:
    targets = _targets(batch, ids)
    try:
        moved = move_chunk(targets, reason=batch.reason, by=batch.made_by, batch=batch)
    except Exception as error:  # noqa: BLE001 - whatever it was, only the account that caused it may stay behind
        logger.warning("moving %d accounts is done one by one: %s", len(ids), error)
        moved = _one_by_one(batch, targets)
    batch.moved += len(moved.moves)
    for number, refusal in moved.left_out:
        _leave_out(batch, number, refusal)


def _one_by_one(batch: MoveBatch, targets: Mapping[int, PolicyVersion]) -> Moved:
    moved = Moved()
    numbers = {account.pk: account.number for account in movable(list(targets))[0].values()}
    for account_id, version in targets.items():
        try:
            moved.take(move_chunk({account_id: version}, reason=batch.reason, by=batch.made_by, batch=batch))
        except Refused as refusal:
            moved.left_out.append((numbers[account_id], refusal))
        except Exception as error:  # noqa: BLE001 - this account cannot be decided; the others can
            moved.left_out.append((numbers[account_id], _failed(numbers[account_id], error)))
    return moved


def _targets(batch: MoveBatch, ids: list[int]) -> dict[int, PolicyVersion]:
    """Return where each account goes: to the batch's version or, undoing, back; those moved on since stay."""
    if batch.to_version is not None:
        return dict.fromkeys(ids, batch.to_version)
    rows = PolicyMove.objects.filter(batch=batch.undo_of_id, account__in=ids).select_related(
        "from_version__policy", "account"
    )
    now = dict(Standing.objects.filter(account__in=ids).values_list("account_id", "policy_version_id"))
    for row in rows:
        if now.get(row.account_id) != row.to_version_id:
            number = row.account.number
            _leave_out(batch, number, Refused("moved_on", f"Account {number} was moved on since; it stays."))
    return {row.account_id: row.from_version for row in rows if now.get(row.account_id) == row.to_version_id}


def _leave_out(batch: MoveBatch, number: str, refusal: Refused) -> None:
    kept: dict[str, Any] = batch.left_out.setdefault(refusal.code, {"count": 0, "rows": []})
    kept["count"] += 1
    if len(kept["rows"]) < EXAMPLES:
        kept["rows"].append([number, refusal.words])
