"""Share long calculations out over the machine's cores."""

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import current_process, get_context, parent_process
from pathlib import Path
from typing import TypeVar

import django
from django.db import connection, connections

P = TypeVar("P")
R = TypeVar("R")

# Starting a process costs a second or two; fewer parts than this are done sooner where we are.
PARTS_MIN = 8


def share_out(work: Callable[[P], R], parts: Sequence[P]) -> Iterator[R]:
    """Do some work for each part, and yield what each came to as soon as it is done, in any order.

    The work may run in other processes: it is a function of a module (or a partial of one), takes and returns what can
    be pickled, and only reads the database.
    """
    processes = min(_cores(), len(parts))
    if processes < 2 or len(parts) < PARTS_MIN or not _may_share():
        yield from map(work, parts)
        return
    # Spawned, not forked: a fork would share its parent's database connection, and locks held by its threads.
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin, (connection.settings_dict["NAME"],))
    try:
        for done in as_completed([pool.submit(work, part) for part in parts]):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _may_share() -> bool:
    """Tell whether other processes may be started, and would see the rows that this one sees.

    Celery's workers are daemons, which may have no children; a new process begins by reading the program's own file,
    and one that was piped in has none; and nobody else sees what is not committed yet.
    """
    program = getattr(sys.modules["__main__"], "__file__", None)
    readable = program is None or Path(program).exists()
    return readable and not current_process().daemon and not connection.in_atomic_block


def _begin(database: str) -> None:
    """Make a new process ready: the same database as its parent reads, and no longer life than its parent's."""
    django.setup()
    # It makes and drops hundreds of thousands of small rows that hold no rings; looking for rings costs a third.
    gc.freeze()
    gc.set_threshold(200_000)
    connections["default"].settings_dict["NAME"] = database
    parent = parent_process()
    assert parent is not None
    threading.Thread(target=_end_after, args=(parent.join,), daemon=True).start()


def _end_after(ended: Callable[[], None]) -> None:
    ended()
    os._exit(1)
