"""What must hold whatever went wrong, checked over the live rows and the outside world's own books.

Each invariant of the reliability page is one or more set-based queries: their number does not grow with the
accounts. A query returns where the invariant is broken; what that means and how to mend it stand beside it.
"""

from collections.abc import Iterator
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
        broken = [row for check in (*MONEY, *LETTERS, *SERVICE, *DISPUTES, *JOURNAL) for row in _run(check, moment)]
    return sorted(broken, key=lambda row: CHECKED.index(row.invariant))


def _run(check: Check, at: datetime) -> Iterator[Broken]:
    with connection.cursor() as cursor:
        cursor.execute(check.sql, {"at": at})
        rows = cursor.fetchall()
    for (where,) in rows[:ROWS_SHOWN]:
        yield Broken(check.invariant, check.what, str(where), check.mend)
    if len(rows) > ROWS_SHOWN:
        yield Broken(check.invariant, check.what, f"and in {len(rows) - ROWS_SHOWN} more places", check.mend)
