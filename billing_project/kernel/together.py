"""Read several things in one statement: what a page shows is of one moment, and costs one round trip.

A reading is a generator: it yields the querysets it needs next, is sent their rows, and returns what it made of them.
So the same reading may be driven one query after the other, as the sweeps do with their chunks, or side by side with
others in one statement, as a page does with one account.
"""

import json
from collections.abc import Generator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import QuerySet

T = TypeVar("T")
Asked = tuple["QuerySet[Any, Any]", ...]
Rows = tuple[list[Any], ...]
Reading = Generator[Asked, Rows, T]

# How a value that went through JSON becomes what the database driver would have given.
_PARSERS: dict[str, Any] = {
    "DateField": date.fromisoformat,
    "DateTimeField": datetime.fromisoformat,
    "TimeField": time.fromisoformat,
    "UUIDField": UUID,
    "DecimalField": lambda value: Decimal(str(value)),
    "FloatField": float,
    "JSONField": lambda value: json.dumps(value, default=float),
}


def in_turn(reading: Reading[T]) -> T:
    """Drive a reading one query after the other."""
    return _drive(reading, lambda asked: tuple(list(queryset.all()) for queryset in asked))


def at_once(reading: Reading[T]) -> T:
    """Drive a reading with one statement for each of its rounds."""
    return _drive(reading, read_at_once)


def side_by_side(*readings: Reading[Any]) -> Reading[tuple[Any, ...]]:
    """Return a reading that takes the rounds of several together, and returns what each of them made."""
    made: list[Any] = [None] * len(readings)
    waiting: dict[int, Asked] = {}
    for place, reading in enumerate(readings):
        _step(reading, None, place, waiting, made)
    while waiting:
        round_of = dict(waiting)
        rows = yield tuple(queryset for asked in round_of.values() for queryset in asked)
        waiting.clear()
        start = 0
        for place, asked in round_of.items():
            _step(readings[place], rows[start : start + len(asked)], place, waiting, made)
            start += len(asked)
    return tuple(made)


def read_at_once(querysets: Sequence["QuerySet[Any, Any]"]) -> Rows:
    """Return the rows of several querysets, as each would give them, in one statement.

    Columns of raw bytes do not fit through it: defer them.
    """
    plans = [_plan(queryset) for queryset in querysets]
    written = [plan for plan in plans if plan[2]]
    texts: list[Any] = []
    if written:
        columns = ", ".join(_as_text(sql, compiler.col_count) for _, compiler, sql, _ in written)
        with connections[querysets[0].db].cursor() as cursor:
            cursor.execute(f"SELECT {columns}", [value for plan in written for value in plan[3]])
            texts = list(cursor.fetchone() or ())
    answers = iter(texts)
    return tuple(_rows(clone, compiler, next(answers) if sql else None) for clone, compiler, sql, _ in plans)


def _drive(reading: Reading[T], read: Any) -> T:
    try:
        asked = next(reading)
        while True:
            asked = reading.send(read(asked))
    except StopIteration as end:
        made: T = end.value
        return made


def _step(reading: Reading[Any], rows: Rows | None, place: int, waiting: dict[int, Asked], made: list[Any]) -> None:
    """Take a reading to its next round, or to its end."""
    try:
        waiting[place] = next(reading) if rows is None else reading.send(rows)
    except StopIteration as end:
        made[place] = end.value


def _plan(queryset: "QuerySet[Any, Any]") -> tuple[Any, Any, str, Sequence[Any]]:
    """Return a copy of a queryset, its compiler, and its statement; a blank one where it can have no rows."""
    clone: Any = queryset.all()
    compiler: Any = clone.query.get_compiler(using=clone.db)
    try:
        sql, params = compiler.as_sql()
    except EmptyResultSet:
        return clone, compiler, "", ()
    return clone, compiler, sql, params


def _as_text(sql: str, columns: int) -> str:
    names = ", ".join(f"c{place}" for place in range(columns))
    return f"(SELECT json_agg(t)::text FROM ({sql}) AS t({names}))"  # noqa: S608 (statements that the ORM wrote)


def _rows(clone: Any, compiler: Any, text: str | None) -> list[Any]:
    """Return the rows as the queryset itself makes them: instances, tuples or values."""
    if not text:
        return []
    parsers = [_PARSERS.get(chosen[0].output_field.get_internal_type()) for chosen in compiler.select]
    rows = [
        tuple(
            value if value is None or parse is None else parse(value)
            for value, parse in zip(row.values(), parsers, strict=False)
        )
        for row in json.loads(text, parse_float=Decimal)
    ]
    compiler.execute_sql = lambda *_args, **_kwargs: [rows]
    clone.query.get_compiler = lambda *_args, **_kwargs: compiler
    return list(clone._iterable_class(clone))
