"""One worker at a time on one device, so that orders cannot overtake each other."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from billing_project.kernel import clock

TRY_AGAIN_SECONDS = 0.02


@contextmanager
def turn_on(device_id: int, *, seconds_max: float = 0) -> Iterator[bool]:
    """Hold a device for the block and tell whether we got it; somebody else's turn is waited for so many seconds.

    It is a lock of the database session, not of a transaction: none is open while a device is spoken
    to. A worker that dies lets go with its connection.
    """
    key = f"netenforce.device.{device_id}"
    give_up_at = clock.monotonic() + seconds_max if seconds_max else 0.0
    while not (got := _try(key)) and seconds_max and clock.monotonic() < give_up_at:
        time.sleep(TRY_AGAIN_SECONDS)
    try:
        yield got
    finally:
        if got:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [key])


def _try(key: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [key])
        return bool(cursor.fetchone()[0])
