"""One round of a measurement: a run on one copy of a town, in processes of its own, and the floor on another."""

import multiprocessing
import resource
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection

from billing_project.kernel.clock import monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What a run took: seconds by the clock of all its workers, and of each its statements and its largest memory."""

    seconds: float
    queries: int
    peak_mb: float
    done: int


def timed(run: Callable[[], int], *, workers: int = 1) -> Round:
    """Do a run in so many processes at once on the database in use; the seconds are from the first to the last."""
    database = str(connection.settings_dict["NAME"])
    connection.close()
    context = multiprocessing.get_context("fork")
    begin, answers = context.Barrier(workers), context.SimpleQueue()
    processes = [context.Process(target=_worker, args=(run, database, begin, answers)) for _ in range(workers)]
    for process in processes:
        process.start()
    found = [answers.get() for _ in processes]
    for process in processes:
        process.join()
    if failed := [row for row in found if isinstance(row, str)]:
        raise RuntimeError(failed[0])
    return Round(
        seconds=max(row[1] for row in found) - min(row[0] for row in found),
        queries=sum(row[2] for row in found),
        peak_mb=round(max(row[3] for row in found), 1),
        done=sum(row[4] for row in found),
    )


def _worker(run: Callable[[], int], database: str, begin: Any, answers: Any) -> None:
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = database
    try:
        connection.ensure_connection()
        begin.wait()
        counted = 0

        def count(execute: Any, *told: Any) -> Any:
            nonlocal counted
            counted += 1
            return execute(*told)

        began = monotonic()
        with connection.execute_wrapper(count):
            done = run()
        ended = monotonic()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answers.put((began, ended, counted, peak, done))
    except BaseException as error:
        answers.put(f"{type(error).__name__}: {error}")
        raise
    finally:
        connection.close()
