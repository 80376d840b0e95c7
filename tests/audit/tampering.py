"""Change the audit record behind its back, as the owner of the tables could."""

import json
import random
import string
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

KEPT = ("accounts_auditentry", "accounts_auditlink", "accounts_auditseal")


def sql(statement: str, *given: Any) -> list[tuple[Any, ...]]:
    """Run a statement; return its rows, if it has any."""
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        return cursor.fetchall() if cursor.description else []


def as_shipped() -> None:
    """Switch the guards on that tests of real transactions need off."""
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    for table in KEPT:
        sql(f"ALTER TABLE {table} ENABLE TRIGGER audit_never_emptied")


@contextmanager
def as_owner() -> Iterator[None]:
    """Switch the guards off, as only the owner of the tables can."""
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    for table in KEPT:
        sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    yield
    for table in KEPT:
        sql(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def flip_one_byte(entry_id: int, dice: random.Random) -> str:
    """Change one character of one column of an entry, and return which column."""
    columns = ["by", "table", "row_key", "after", "before", "why", "at_place", "mark"]
    dice.shuffle(columns)
    for column in columns:
        [(text,)] = sql(f'SELECT "{column}"::text FROM accounts_auditentry WHERE id = %s', entry_id)
        places = [place for place, sign in enumerate(text or "") if sign in string.ascii_letters + string.digits]
        dice.shuffle(places)
        for place in places:
            other = dice.choice([s for s in string.ascii_lowercase + "123456789" if s != text[place]])
            changed = text[:place] + other + text[place + 1 :]
            if column in ("after", "before") and not _is_json(changed):
                continue
            sql(f'UPDATE accounts_auditentry SET "{column}" = %s WHERE id = %s', changed, entry_id)
            if sql(f'SELECT "{column}"::text FROM accounts_auditentry WHERE id = %s', entry_id) != [(text,)]:
                return column
    raise AssertionError("nothing to flip")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
