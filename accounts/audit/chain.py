"""The chain itself: how an entry is written down, and how a link is made of it. Pure but for reading the entries.

A link is the SHA-256 of three lines: the hash of the link before it, its own number, and the entry as JSON. So nobody
can change, take out, put in or swap entries without changing every hash that follows, up to the head.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.db import connection

FIRST = "0" * 64
# What is sealed, in this order. Values are read as PostgreSQL writes them, so that no digit is rounded away.
FIELDS = (
    "id", "at", "by_id", "by", "at_place", "mark", "table", "row_key", "account_id", "act", "before", "after", "why",
)  # fmt: skip
COLUMNS = (
    "e.id, to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), e.by_id, e.by, e.at_place, e.mark,"
    ' e."table", e.row_key, e.account_id, e.act, e.before::text, e.after::text, e.why'
)


def written(entry: Iterable[Any]) -> str:
    """Return an entry, read by COLUMNS, as the one text that is sealed."""
    return json.dumps(list(entry), ensure_ascii=False, separators=(",", ":"))


def link_hash(before: str, number: int, text: str) -> str:
    """Return the hash of a link: over the hash before it, its number and the entry's text."""
    return hashlib.sha256(f"{before}\n{number}\n{text}".encode()).hexdigest()


def rows(statement: str, given: Iterable[Any] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the rows of a statement; the caller keeps them few."""
    with connection.cursor() as cursor:
        cursor.execute(statement, list(given))
        yield from cursor.fetchall()
