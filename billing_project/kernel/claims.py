"""Take due rows of a queue for a limited time, so that several workers may share it.

A queue row has ``state``, ``due_at`` and ``lease_until_at``. It goes ``queued``
-> ``claimed`` (a lease runs) -> ``sending`` (just before the provider is
called) -> its end. An expired lease on a *claimed* row is harmless: nothing
was sent, so the row goes back to the queue. On a row in *sending* nobody knows
what happened; the queue's own app decides that, never this module.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Model, QuerySet


def claim_due(
    queue: QuerySet[Any],
    *,
    at: datetime,
    lease: timedelta,
    rows_max: int,
    extra: dict[str, Any] | None = None,
) -> list[int]:
    """Claim up to ``rows_max`` due rows in order of due time and return their keys.

    Rows that another worker is claiming at this moment are skipped, not waited
    for. ``extra`` is set on the claimed rows in the same stroke.
    """
    with transaction.atomic(using=queue.db):
        due = queue.filter(state="queued", due_at__lte=at).order_by("due_at", "pk")
        pks = list(due.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)[:rows_max])
        _base(queue).filter(pk__in=pks).update(state="claimed", lease_until_at=at + lease, **(extra or {}))
    return pks


def release_expired(queue: QuerySet[Any], *, at: datetime) -> int:
    """Put claimed rows whose lease has run out back into the queue; return how many."""
    return queue.filter(state="claimed", lease_until_at__lt=at).update(state="queued", lease_until_at=None)


def release_claimed(queue: QuerySet[Any], pks: Iterable[int]) -> int:
    """Put rows that were claimed and not begun back into the queue, due as before; return how many."""
    return queue.filter(pk__in=list(pks), state="claimed").update(state="queued", lease_until_at=None)


def hold_lease(queue: QuerySet[Any], pk: int, *, to_state: str, until_at: datetime) -> bool:
    """Move one claimed row to ``to_state`` if the lease is still ours; tell whether it was.

    The row counts as ours while it is claimed and its lease has not run out;
    whoever comes too late gets False and must leave the row alone.
    """
    from .clock import now

    return bool(
        queue.filter(pk=pk, state="claimed", lease_until_at__gte=now()).update(state=to_state, lease_until_at=until_at)
    )


def _base(queue: QuerySet[Any]) -> QuerySet[Any]:
    model: type[Model] = queue.model
    return model._base_manager.using(queue.db)
