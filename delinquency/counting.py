"""Count many lists in one question to the database, so that a page of numbers costs one query."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet


def count_all(lists: Mapping[str, QuerySet[Any]]) -> dict[str, int]:
    """Return how many rows each list has: each is the very query that its page asks, so the two agree."""
    return {key: int(value) for key, value in _ask(lists, "SELECT count(*) FROM ({}) AS list").items()}


def any_of(lists: Mapping[str, QuerySet[Any]]) -> dict[str, bool]:
    """Return which lists have rows at all."""
    return {key: bool(value) for key, value in _ask(lists, "SELECT EXISTS({})").items()}


def _ask(lists: Mapping[str, QuerySet[Any]], form: str) -> dict[str, Any]:
    parts: list[str] = []
    params: list[Any] = []
    asked: list[str] = []
    found: dict[str, Any] = dict.fromkeys(lists, 0)
    for key, rows in lists.items():
        try:
            sql, values = rows.order_by().values("pk").query.sql_with_params()
        except EmptyResultSet:
            continue  # a list that cannot have rows
        parts.append(f"({form.format(sql)})")
        params += values
        asked.append(key)
    if asked:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(parts)}", params)
            found |= dict(zip(asked, cursor.fetchone(), strict=True))
    return found
