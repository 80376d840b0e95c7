"""Leave the search for garbage until a chunk is done.

A chunk makes some ten thousand rows and holds all of them until it is written. Python's search for cycles starts anew
with every few hundred objects and finds nothing among them: a third of a sweep's processor time. What a chunk leaves
behind is freed by counting references as ever, and the cycles among it by the first search afterwards.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class _Waiting:
    """How many chunks of this process are under way; threads may have one each."""

    lock = Lock()
    chunks = 0
    was_on = False


@contextmanager
def left_for_later() -> Iterator[None]:
    """Let no search for cycles begin until all that runs within has ended; it may be nested."""
    with _Waiting.lock:
        if not _Waiting.chunks:
            _Waiting.was_on = gc.isenabled()
            gc.disable()
        _Waiting.chunks += 1
    try:
        yield
    finally:
        with _Waiting.lock:
            _Waiting.chunks -= 1
            if not _Waiting.chunks and _Waiting.was_on:
                gc.enable()
