"""What must hold whatever went wrong, checked over the live rows and the outside world's own books.

Each invariant of the reliability page is one or more set-based checks; those that ask about the same rows go in one
query. Their number does not grow with the accounts. A check returns where the invariant is broken; what that means and
how to mend it stand beside it.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from django.db import connection, transaction

from billing_project.kernel import clock

from .check import Broken, Check
from .disputes import DISPUTES
from .journal import JOURNAL
from .letters import LETTERS
from .money import MONEY
from .service import SERVICE

__all__ = ["CHECKED", "Broken", "check_invariants"]

CHECKED = ("I1", "I2", "I3", "I4", "I6", "I7", "I8", "I9", "I10", "I11", "I12", "I13")
# So many rows of one query are enough to know what is wrong; the last one says how many more there are.
ROWS_SHOWN = 200


def check_invariants(at: datetime | None = None) -> list[Broken]:
    """Return every place where an invariant is broken as of an instant (now), in their order."""
    with transaction.atomic():
        if not connection.savepoint_ids:
            # One picture for all queries, where the transaction is ours: money that arrives between two
            # of them must not look like a broken sum.
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        moment = at or clock.now()
        broken = [row for checks in _asked_together() for row in _run(checks, moment)]
    return sorted(broken, key=lambda row: CHECKED.index(row.invariant))


def _asked_together() -> list[list[Check]]:
    """Return the checks query by query: those that ask the same rows go together, the others each by itself."""
    asked: dict[str, list[Check]] = {}
    for check in (*MONEY, *LETTERS, *SERVICE, *DISPUTES, *JOURNAL):
        asked.setdefault(check.together or check.what, []).append(check)
    return list(asked.values())


def _run(checks: Sequence[Check], at: datetime) -> Iterator[Broken]:
    """Ask checks in one query, and tell what each of them found, in its own order."""
    asked = " UNION ALL ".join(
        f"SELECT {place}, row_number() OVER (), q.place FROM ({check.sql}) AS q (place)"  # noqa: S608 - ours alone
        for place, check in enumerate(checks)
    )
    found: dict[int, list[str]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(f"{asked} ORDER BY 1, 2", {"at": at})
        for place, _, where in cursor.fetchall():
            found[place].append(str(where))
    for place, check in enumerate(checks):
        for where in found[place][:ROWS_SHOWN]:
            yield Broken(check.invariant, check.what, where, check.mend)
        if len(found[place]) > ROWS_SHOWN:
            more = f"and in {len(found[place]) - ROWS_SHOWN} more places"
            yield Broken(check.invariant, check.what, more, check.mend)
