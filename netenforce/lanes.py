"""Speak to several devices at once: they are independent, and one that hangs must not keep the others waiting.

Each lane is a thread with a database connection of its own; the clock and whatever else the caller's context holds are
the same in it. Work begins in the order in which it was handed over, and never twice at once for one device.
"""

import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from types import TracebackType
from typing import Self

from django.conf import settings
from django.db import connection, connections

logger = logging.getLogger(__name__)

BROKEN = "broken"
# It is given the counter of its own outcomes, and tells whether the device may be spoken to again in this pass.
Work = Callable[[Counter[str]], bool]


class Lanes:
    """A pass over several devices; ``outcomes`` is added to when the work on a device has ended.

    With one lane, and inside a transaction (whose rows no other connection could see), the work is done at once in the
    caller's own thread.
    """

    def __init__(self, outcomes: Counter[str]) -> None:
        """Make as many lanes as the settings say."""
        self.outcomes = outcomes
        self.left_out: set[int] = set()
        self.parallel = settings.NETWORK_PARALLEL > 1 and not connection.in_atomic_block
        self._pool = ThreadPoolExecutor(settings.NETWORK_PARALLEL, "network") if self.parallel else None
        self._running: dict[Future[tuple[bool, Counter[str]]], int] = {}
        self._next: dict[int, Work] = {}

    def __enter__(self) -> Self:
        """Return the lanes."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish what was handed over; after an error begin nothing more."""
        if kind is None:
            self.finish()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def busy(self) -> set[int]:
        """Return the devices that are being spoken to, or are next."""
        return set(self._running.values())

    def start(self, device_id: int, work: Work) -> None:
        """Hand over work on a device; if there is some already it comes after that, unless the device has failed."""
        if device_id in self.left_out:
            return
        if self._pool is None:
            self._settle(device_id, *_do(device_id, work))
        elif device_id in self.busy:
            self._next[device_id] = work
        else:
            self._running[self._pool.submit(copy_context().run, _do_and_close, device_id, work)] = device_id

    def collect(self, *, seconds_max: float | None) -> bool:
        """Wait until some work has ended, but not longer than that; tell whether any has."""
        if not self._running:
            return False
        done, _ = wait(self._running, timeout=seconds_max, return_when=FIRST_COMPLETED)
        for future in done:
            device_id = self._running.pop(future)
            self._settle(device_id, *future.result())
            if (following := self._next.pop(device_id, None)) is not None:
                self.start(device_id, following)
        return bool(done)

    def finish(self) -> None:
        """Wait until all work has ended."""
        while self._running:
            self.collect(seconds_max=None)

    def _settle(self, device_id: int, again: bool, outcomes: Counter[str]) -> None:
        self.outcomes.update(outcomes)
        if not again:
            self.left_out.add(device_id)


def _do_and_close(device_id: int, work: Work) -> tuple[bool, Counter[str]]:
    try:
        return _do(device_id, work)
    finally:
        # The connection is this thread's own, and nobody else would close it.
        connections.close_all()


def _do(device_id: int, work: Work) -> tuple[bool, Counter[str]]:
    """Do the work on one device; whatever goes wrong is this device's trouble and nobody else's."""
    outcomes: Counter[str] = Counter()
    try:
        return work(outcomes), outcomes
    except Exception:  # what was claimed goes back into the queue when its lease has run out
        logger.exception("device %d: the pass over it broke off", device_id)
        outcomes[BROKEN] += 1
        return False, outcomes
