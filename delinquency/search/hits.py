"""What a search found: a row's key, how sure it is, and the words that say why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

# More are not looked at: nobody reads them, and a search must answer at once.
MOST = 1000


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that was found. The lower its rank, the surer.

    ``exact``: what was typed is this row's very own mark; ``shared``: a mark that many rows may have, as a card's end.
    """

    pk: int
    rank: int
    why: str
    exact: bool = False
    shared: bool = False


def best_of(hits: Iterable[Hit]) -> dict[int, Hit]:
    """Return the surest hit of each row, the surest rows first."""
    best: dict[int, Hit] = {}
    for hit in hits:
        known = best.get(hit.pk)
        if known is None or (hit.rank, not hit.exact) < (known.rank, not known.exact):
            best[hit.pk] = hit
    return dict(sorted(best.items(), key=lambda pair: pair[1].rank))


def read(rows: Any, *fields: str, most: int = MOST) -> Sequence[tuple[Any, ...]]:
    """Return these fields of the rows found, in no order: sorting a hundred thousand of them would take too long."""
    found: Sequence[tuple[Any, ...]] = list(rows.order_by().values_list(*fields)[: most + 1])
    return found
