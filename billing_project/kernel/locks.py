"""Lock rows always in key order, and wait for a lock only for a limited time.

Two transactions that lock the same rows in the same order cannot deadlock. The
house order is: account, then its invoices by key, then its payments by key.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from django.db import OperationalError, connections
from django.db.models import Model, QuerySet

from .errors import StaleState

M = TypeVar("M", bound=Model)

# SQLSTATE 55P03: lock_timeout ran out.
_LOCK_NOT_AVAILABLE = "55P03"


def lock_rows(rows: QuerySet[M], pks: Iterable[int] | None = None, *, seconds_max: float = 10) -> list[M]:
    """Lock the rows (all of the queryset, or those with the given keys) in key order.

    Must run inside a transaction. Raises StaleState if somebody else holds one
    of them for longer than ``seconds_max``. Keys without a row are left out.
    """
    wanted = rows if pks is None else rows.filter(pk__among=list(pks))
    return _locked(wanted.select_for_update(of=("self",)).order_by("pk"), seconds_max)


def lock_values(
    rows: QuerySet[Any], pks: Iterable[int], fields: Sequence[str], *, seconds_max: float = 10
) -> list[tuple[Any, ...]]:
    """Lock the rows with the given keys in key order and return the named fields of each, without objects.

    As `lock_rows` in everything else.
    """
    wanted = rows.filter(pk__among=list(pks)).select_for_update(of=("self",)).order_by("pk")
    return _locked(wanted.values_list(*fields), seconds_max)


def lock_free(rows: QuerySet[Any], pks: Iterable[int]) -> list[int]:
    """Lock those rows with the given keys that nobody else holds, and return their keys; it never waits.

    So several workers share one list of work: who comes second takes what the first has not.
    """
    wanted = rows.filter(pk__among=list(pks)).select_for_update(of=("self",), skip_locked=True)
    return list(wanted.order_by("pk").values_list("pk", flat=True))


def _locked(rows: QuerySet[Any, Any], seconds_max: float) -> list[Any]:
    with connections[rows.db].cursor() as cursor:
        # LOCAL: the limit ends with the transaction that asked for it.
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{int(seconds_max * 1000)}ms"])
    try:
        return list(rows)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            name = rows.model._meta.verbose_name
            raise StaleState(
                f"This {name} has been in use by another task for {seconds_max:g} s; try again in a moment.",
                code="locked",
            ) from error
        raise


def lock_row(rows: QuerySet[M], pk: int, *, seconds_max: float = 10) -> M:
    """Lock one row by its key; raises the model's DoesNotExist if there is none."""
    found = lock_rows(rows, [pk], seconds_max=seconds_max)
    if not found:
        raise rows.model.DoesNotExist(  # type: ignore[attr-defined]
            f"{rows.model._meta.label} with key {pk} does not exist"
        )
    return found[0]


def try_advisory_lock(key: str, *, using: str = "default") -> bool:
    """Take the advisory lock of a name until the transaction ends, or return False at once."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [key])
        return bool(cursor.fetchone()[0])


def advisory_lock(key: str, *, using: str = "default") -> None:
    """Wait for the advisory lock of a name, and hold it until the transaction ends."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])
