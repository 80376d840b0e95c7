"""The floor of a measurement: the very rows that a run wrote, written once more by one set-based statement per table.

The run works on one copy of a database, the floor on another. Which rows the run wrote is told by PostgreSQL itself
(the transaction that wrote a row is kept in it), so that nothing is forgotten and nothing is counted twice: rows with
a new key are inserted, others updated in the columns that differ. What the tables' triggers write they write for both.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection

from billing_project.kernel.clock import monotonic

# What triggers write is not written by statements of anybody.
BY_TRIGGERS = ("accounts_auditentry", "delinquency_webhookdelivery")
SAVED = "measured_{}"


@dataclass(frozen=True, slots=True)
class Written:
    """The rows of one table that a run wrote: how many, its columns, and the rows as COPY gives them."""

    table: str
    rows: int
    columns: tuple[str, ...]
    data: bytes


def mark() -> str:
    """Return the mark of this moment in the database in use: everything written from now on is newer."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::xid::text")
        return str(cursor.fetchone()[0])


def written_since(moment: str) -> list[Written]:
    """Return the rows that were written since a mark, table by table."""
    return list(_written(moment))


def _written(moment: str) -> Iterator[Written]:
    with connection.cursor() as cursor:
        for table, columns in _tables(cursor):
            names = ", ".join(f'"{name}"' for name in columns)
            # Our own names of tables and columns; the mark is a number that the database gave.
            newer = f"age(xmin) < age('{int(moment)}'::xid)"
            data = bytearray()
            with cursor.copy(f'COPY (SELECT {names} FROM "{table}" WHERE {newer}) TO STDOUT') as source:
                for block in source:
                    data += block
            if data:
                yield Written(table, data.count(b"\n"), columns, bytes(data))


def _tables(cursor: Any) -> list[tuple[str, tuple[str, ...]]]:
    """Return the tables with a key of one column, and their columns, the key first."""
    cursor.execute(
        """
        SELECT c.relname, array_agg(a.attname ORDER BY a.attnum <> i.indkey[0], a.attnum)::text[]
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
        JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary AND i.indnkeyatts = 1
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        WHERE c.relkind = 'r' AND c.relname <> ALL(%s) GROUP BY c.relname ORDER BY c.relname
        """,
        [list(BY_TRIGGERS)],
    )
    return [(name, tuple(columns)) for name, columns in cursor.fetchall()]


def write_again(written: list[Written]) -> float:
    """Write saved rows into the database in use, in one transaction; return the seconds it took.

    Bringing them there as tables of their own is not counted.
    """
    with connection.cursor() as cursor:
        statements = [statement for one in written for statement in _prepare(cursor, one)]
        cursor.execute("CHECKPOINT")
        began = monotonic()
        cursor.execute("BEGIN")
        for statement in statements:
            cursor.execute(statement)
        cursor.execute("COMMIT")
        return monotonic() - began


def _prepare(cursor: Any, one: Written) -> Iterator[str]:
    """Save the rows in a table beside theirs, and return the statements that write them where they belong."""
    saved, table, key = SAVED.format(one.table), one.table, one.columns[0]
    names = ", ".join(f'"{name}"' for name in one.columns)
    cursor.execute(f'CREATE UNLOGGED TABLE "{saved}" AS SELECT {names} FROM "{table}" WHERE false')
    with cursor.copy(f'COPY "{saved}" ({names}) FROM STDIN') as sink:
        sink.write(one.data)
    cursor.execute(f'ANALYZE "{saved}"')
    known = f'EXISTS (SELECT 1 FROM "{table}" t WHERE t."{key}" = s."{key}")'
    cursor.execute(f'SELECT count(*) FILTER (WHERE NOT {known}), count(*) FILTER (WHERE {known}) FROM "{saved}" s')
    new, old = cursor.fetchone()
    if new:
        which = "" if not old else f" WHERE NOT {known}"
        yield f'INSERT INTO "{table}" ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM "{saved}" s{which}'
    if old:
        differs = ", ".join(f'bool_or(t."{name}" IS DISTINCT FROM s."{name}")' for name in one.columns)
        cursor.execute(f'SELECT {differs} FROM "{table}" t JOIN "{saved}" s USING ("{key}")')
        changed = [name for name, is_other in zip(one.columns, cursor.fetchone(), strict=True) if is_other]
        if changed:
            sets = ", ".join(f'"{name}" = s."{name}"' for name in changed)
            yield f'UPDATE "{table}" t SET {sets} FROM "{saved}" s WHERE t."{key}" = s."{key}"'
