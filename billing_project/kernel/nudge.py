"""After commit, wake a task by its name.

A nudge is only a doorbell: what has to be done is already a row. If the broker
is down the nudge is lost and logged, and the next pass of beat finds the row,
so nothing is lost but a minute. After a loss the broker is left alone for a
while: a thousand payments must not wait a thousand times for a dead broker.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from celery import current_app
from django.db import transaction
from kombu.exceptions import KombuError

from .clock import monotonic

logger = logging.getLogger(__name__)

Nudge = tuple[str, tuple[Any, ...]]

REST_SECONDS = 20.0

_recorder: ContextVar[list[Nudge] | None] = ContextVar("nudge_recorder", default=None)


def nudge(name: str, *args: Any, using: str | None = None) -> None:
    """Send the task ``name`` with plain ``args`` once the running transaction has committed.

    Outside a transaction it is sent at once. Arguments are ids and ISO dates.
    """
    recorder = _recorder.get()
    if recorder is None:
        transaction.on_commit(lambda: _send(name, args), using=using)
    else:
        transaction.on_commit(lambda: recorder.append((name, args)), using=using)


@contextmanager
def recorded() -> Iterator[list[Nudge]]:
    """Collect the nudges of the running context in a list instead of sending them."""
    nudges: list[Nudge] = []
    token = _recorder.set(nudges)
    try:
        yield nudges
    finally:
        _recorder.reset(token)


class _Broker:
    """Until when this process leaves the broker alone."""

    rests_until = float("-inf")


def _send(name: str, args: tuple[Any, ...]) -> None:
    if monotonic() < _Broker.rests_until:
        return
    try:
        # One try, short: the caller has committed and must not wait for a broker that is down.
        current_app.send_task(name, args=args, retry=False, ignore_result=True)
    except (KombuError, OSError) as error:
        _Broker.rests_until = monotonic() + REST_SECONDS
        logger.warning(
            "the nudge of %s%r was lost (%s), as are those of the next %d s; the next pass finds the rows",
            name,
            args,
            error,
            REST_SECONDS,
        )
