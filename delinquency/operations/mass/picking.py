"""Picking what an action on many is done to: a few at once, many by a worker, in chunks of one statement each.

Whoever chose a list with a million rows is not kept waiting: the list's query is kept as it was asked, with its values
of that moment and signed, and a worker writes the items. No row passes through the program, and each chunk looks at
so many rows of the table and no more, so that neither memory nor the time of a statement grows with the list.
"""

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.core import signing
from django.core.exceptions import EmptyResultSet
from django.db import ProgrammingError, connection, transaction
from django.db.models import Max, QuerySet

from billing_project.kernel import clock

from ...models import MassAction, MassItem

State, From = MassAction.State, MassAction.From
# So many are picked while somebody waits for the page; more is a worker's.
AT_ONCE = 2_000
# So many rows of the table one statement of a worker looks at.
CHUNK = 20_000
# The signature says what the text is for: no other signed text of the program passes for a query.
SALT = "delinquency.mass.pick"
LOST = "What was chosen cannot be read any more, because the program was changed since. Choose it again."
_COLUMNS = (
    "action_id, object_id, account_id, state, label, code, reason, before, amount, currency, notices, lines, effect,"
    " undoes_id"
)
_NEW = (
    f"INSERT INTO delinquency_massitem ({_COLUMNS})"  # noqa: S608 - made of our own words; values are bound
    " SELECT DISTINCT %s::bigint, chosen.pk, NULL::bigint, 'new', '', '', '', '{{}}'::jsonb, NULL::numeric, '', 0, 0,"
    " '', NULL::bigint FROM ({chosen}) AS chosen(pk) WHERE chosen.pk > %s AND chosen.pk <= %s ORDER BY chosen.pk"
)
_UNDO = (
    f"INSERT INTO delinquency_massitem ({_COLUMNS})"  # noqa: S608 - made of our own words; values are bound
    " SELECT %s, object_id, account_id, 'waiting', label, '', '', '{}'::jsonb, amount, currency, 0, lines, '', id"
    " FROM delinquency_massitem WHERE action_id = %s AND state = 'done' AND object_id > %s AND object_id <= %s"
    " ORDER BY object_id"
)


def few(rows: QuerySet[Any]) -> int | None:
    """Return how many rows are chosen; None if they are more than somebody waits for."""
    count = rows.order_by().values("pk")[: AT_ONCE + 1].count()
    return count if count <= AT_ONCE else None


def keep_query(action: MassAction, rows: QuerySet[Any]) -> None:
    """Note in an action which rows are to be picked: those of this moment, by the values of this moment."""
    chosen, given = rows.order_by().values("pk").query.sql_with_params()
    text = connection.ops.compose_sql(chosen, given)  # type: ignore[attr-defined]
    kept = {"rows": rows.model._meta.label_lower, "sql": str(text)}
    action.pick_query = signing.dumps(kept, salt=SALT, compress=True)
    action.pick_until = rows.model._base_manager.aggregate(last=Max("pk"))["last"] or 0


def pick_all(action: MassAction, rows: QuerySet[Any]) -> int:
    """Write an item for each of a few rows; return how many."""
    try:
        chosen, given = rows.order_by().values("pk").query.sql_with_params()
    except EmptyResultSet:
        return 0
    return _run(_NEW.format(chosen=chosen), [action.pk, *given, 0, 2**62])


def begin(action: MassAction, source: str, *, until: int | None = None) -> None:
    """Set a locked action to being picked from its source; the caller saves it."""
    action.state, action.picked_from, action.picked_to = State.PICKING, source, 0
    if until is None:
        of = action.undo_of_id if source == From.UNDONE else action.pk
        until = MassItem.objects.filter(action=of).aggregate(last=Max("object_id"))["last"] or 0
    action.pick_until = until


def pick_undone(back: MassAction) -> int:
    """Write an item for each of the few that the other action did, to be undone; return how many."""
    return _run(_UNDO, [back.pk, back.undo_of_id, 0, 2**62])


def pick_chunk(action_id: int) -> int:
    """Pick the next rows of an action; return 1, or 0 if another worker is at it or nothing is left to pick."""
    with transaction.atomic():
        rows = MassAction.objects.select_for_update(skip_locked=True, of=("self",))
        action = rows.filter(pk=action_id, state=State.PICKING).first()
        if action is None:
            return 0
        try:
            with transaction.atomic():
                upper = PICKERS[action.picked_from](action)
        except (signing.BadSignature, LookupError, ProgrammingError):
            # Never to be run again: the next try would end the same way.
            action.state, action.finished_at, action.paused_why = State.CANCELLED, clock.now(), LOST
        else:
            action.picked_to = min(upper, action.pick_until)
            if action.picked_to == action.pick_until:
                _go_on_with(action)
        action.save()
    return 1


def _from_list(action: MassAction) -> int:
    kept = signing.loads(action.pick_query, salt=SALT)
    model: Any = apps.get_model(kept["rows"])
    upper = _upper(model._base_manager.all(), "pk", action)
    # What is bound is bound already: a per cent sign in it is one.
    chosen = kept["sql"].replace("%", "%%")
    action.total += _run(_NEW.format(chosen=chosen), [action.pk, action.picked_to, upper])
    return upper


def _from_undone(action: MassAction) -> int:
    upper = _upper(MassItem.objects.filter(action=action.undo_of_id), "object_id", action)
    count = _run(_UNDO, [action.pk, action.undo_of_id, action.picked_to, upper])
    action.total, action.looked_at, action.to_do = (action.total + count,) * 3
    return upper


def _from_its_own(action: MassAction) -> int:
    upper = _upper(action.items.all(), "object_id", action)
    action.items.filter(object_id__gt=action.picked_to, object_id__lte=upper).update(state=MassItem.State.NEW)
    return upper


def _from_failed(action: MassAction) -> int:
    upper = _upper(action.items.all(), "object_id", action)
    rows = action.items.filter(state=MassItem.State.FAILED, object_id__gt=action.picked_to, object_id__lte=upper)
    action.failed -= rows.update(state=MassItem.State.WAITING, reason="", code="")
    return upper


PICKERS: dict[str, Callable[[MassAction], int]] = {
    From.LIST: _from_list,
    From.UNDONE: _from_undone,
    From.AGAIN: _from_its_own,
    From.FAILED: _from_failed,
}


def _upper(rows: QuerySet[Any], key: str, action: MassAction) -> int:
    """Return the key up to which the next statement looks."""
    rest = rows.filter(**{f"{key}__gt": action.picked_to, f"{key}__lte": action.pick_until}).order_by(key)
    found = list(rest.values_list(key, flat=True)[CHUNK - 1 : CHUNK])
    return int(found[0]) if found else action.pick_until


def _go_on_with(action: MassAction) -> None:
    """Go on with an action of which all is picked: it is looked at, carried out, or waits to be confirmed."""
    if action.picked_from in (From.LIST, From.AGAIN):
        action.state = State.COUNTING
    elif action.confirmed_by_id is None:
        action.state, action.looked_at_at = State.READY, clock.now()
    else:
        action.state = State.RUNNING
        action.resumed_at, action.resumed_from = clock.now(), action.dealt_with


def _run(words: str, given: list[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(words, given)
        return int(cursor.rowcount)


# --- What it comes to ---


def outcomes_of(action: MassAction) -> list[list[Any]] | None:
    """Return what the items come to, by state, code and currency; None while a worker still adds many of them up.

    Each is: state, code, currency, how many, money, notices, lines, and the reason of one.
    """
    if action.total > AT_ONCE:
        return action.outcomes or None
    return _add_up(action.pk)


def sum_up(action_id: int) -> None:
    """Add up the items of a large action that came to rest, so that no page has to."""
    if needing_sums().filter(pk=action_id).exists():
        needing_sums().filter(pk=action_id).update(outcomes=_add_up(action_id))


def needing_sums() -> QuerySet[MassAction]:
    """Return the large actions at rest whose items nobody has added up."""
    at_rest = (State.READY, State.DONE, State.CANCELLED)
    return MassAction.objects.filter(state__in=at_rest, total__gt=AT_ONCE, outcomes=[])


def _add_up(action_id: int) -> list[list[Any]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT state, code, currency, count(*), sum(amount)::text, sum(notices), sum(lines),"
            " coalesce(min(reason), '') FROM delinquency_massitem WHERE action_id = %s"
            " GROUP BY state, code, currency ORDER BY state, code, currency",
            [action_id],
        )
        return [list(row) for row in cursor.fetchall()]
