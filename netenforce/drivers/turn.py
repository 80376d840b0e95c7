"""One worker at a time on one device, so that orders cannot overtake each other."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def turn_on(device_id: int) -> Iterator[bool]:
    """Hold a device for the block and tell whether we got it; somebody else's turn is not waited for.

    It is a lock of the database session, not of a transaction: none is open while a device is spoken
    to. A worker that dies lets go with its connection.
    """
    key = f"netenforce.device.{device_id}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [key])
        got = bool(cursor.fetchone()[0])
    try:
        yield got
    finally:
        if got:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [key])
