"""Empty the database after a test of real transactions, as Django's flush does, without a new file for each table.

Django truncates every table and makes content types, permissions and the shipped rows anew: more than a second for each
test, however little it wrote. The first such test of a run ends with a flush; after that, tables with rows are emptied
and what the flush brought back is put back. Where a test wrote much, a flush is quicker, and is made.
"""

from collections.abc import Callable

from django.apps import apps
from django.db import connection, transaction
from django.test import TransactionTestCase

# Beyond this TRUNCATE is quicker, and leaves no dead rows for the next tests to read past.
ROWS_MAX = 2000
# What a flush brings back, table by table, as COPY writes it.
_brought_back: dict[str, bytes] = {}


def empty_quickly() -> None:
    """Let tests of real transactions end with this in place of a whole flush."""
    whole: Callable[[TransactionTestCase], None] = vars(TransactionTestCase)["_fixture_teardown"]

    def teardown(case: TransactionTestCase) -> None:
        if not _emptied():
            whole(case)
            _brought_back.clear()
            _brought_back.update({table: _content(table) for table in _tables_with_rows(_tables(), 1)})

    TransactionTestCase._fixture_teardown = teardown  # type: ignore[attr-defined]


def _emptied() -> bool:
    """Leave what a flush would leave; False, and nothing done, where only a whole flush can do so."""
    tables = _tables()
    if not _brought_back or not set(_brought_back) <= set(tables):
        return False
    with transaction.atomic(), connection.cursor() as cursor:
        # As TRUNCATE does: wait for whoever still writes, so that no row comes in behind us.
        cursor.execute(f"LOCK TABLE {', '.join(map(_quoted, tables))} IN SHARE ROW EXCLUSIVE MODE")
        if _tables_with_rows(tables, ROWS_MAX):
            return False
        # No trigger runs: neither those that keep records from being deleted, nor those of foreign keys.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table in sorted({*_tables_with_rows(tables, 1), *_brought_back}):
            kept = _brought_back.get(table, b"")
            if _content(table) != kept:
                cursor.execute(f"DELETE FROM {_quoted(table)}")
                if kept:
                    with cursor.copy(f"COPY {_quoted(table)} FROM STDIN") as copy:
                        copy.write(kept)
    apps.get_model("contenttypes", "ContentType").objects.clear_cache()
    return True


def _content(table: str) -> bytes:
    with connection.cursor() as cursor, cursor.copy(f"COPY {_quoted(table)} TO STDOUT") as copy:
        return b"".join(map(bytes, copy))


def _tables() -> list[str]:
    return sorted(connection.introspection.django_table_names(only_existing=True, include_views=False))


def _tables_with_rows(tables: list[str], at_least: int) -> list[str]:
    """Return the tables that have so many rows."""
    asked = " UNION ALL ".join(
        f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {_quoted(table)} OFFSET {at_least - 1})" for table in tables
    )
    with connection.cursor() as cursor:
        cursor.execute(asked)
        return [table for (table,) in cursor.fetchall()]


def _quoted(table: str) -> str:
    return str(connection.ops.quote_name(table))
