"""Pages by key: whoever reads on misses nothing and sees nothing twice, however many rows there are."""

from collections.abc import Callable
from typing import Annotated, Any

from django.db.models import Model, QuerySet
from ninja import Query

from .problems import Problem

LARGEST = 2**63 - 1
PAGE_MAX = 200
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]


def page(rows: QuerySet[Any], *, after: str, limit: int, show: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """Return the next rows and where to go on; newest first, by the row's own key.

    Raises Problem for an ``after`` that came from elsewhere.
    """
    if after:
        if not (after.isascii() and after.isdigit()) or int(after) > LARGEST:
            raise Problem(400, "bad_after", "after: give what next said in the answer before, or leave it out.")
        rows = rows.filter(pk__lt=int(after))
    found: list[Model] = list(rows.order_by("-pk")[: limit + 1])
    more = len(found) > limit
    return {"items": [show(row) for row in found[:limit]], "next": str(found[limit - 1].pk) if more else None}
