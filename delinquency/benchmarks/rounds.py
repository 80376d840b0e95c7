"""One sweep measured: the run on one copy of a crowd, the floor of the rows it wrote on another, a few rounds of both.

A run is done by processes of its own, so that their memory and their statements are theirs alone.
"""

import multiprocessing
import resource
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from statistics import median
from typing import Any, Protocol

from django.conf import settings
from django.db import connection

from billing_project.kernel.clock import monotonic
from billing_project.kernel.errors import Refused
from billing_project.kernel.nudge import recorded

from . import floor


class Sweep(Protocol):
    """A sweep that can be measured."""

    @property
    def prepare(self) -> Callable[[int, int, str], None]:
        """Return what makes a crowd in a database, of which some are due."""

    @property
    def run(self) -> Callable[[], int]:
        """Return what does the sweep and returns how many accounts it did something for."""

    @property
    def by_saves(self) -> Callable[[], int] | None:
        """Return what does some of it by the book, and returns for how many; None where there is no such thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run took: seconds from the first worker's start to the last one's end; statements and messages of all."""

    seconds: float
    idle_seconds: float  # of the same sweep once more, with nothing left to do
    queries: int
    messages: int
    peak_mb: float
    done: int


# The same number due among so many times fewer accounts: what the run costs beyond what is due.
FEWER = (10, 100)


def measure(
    sweep: Sweep, accounts: int, *, due: int, rounds: int, workers: int, advance: Callable[[], None]
) -> dict[str, Any]:
    """Return the figures of a sweep, as the contract names them; medians of the rounds.

    Where enough accounts are not due, it is also measured with fewer of those (``growth``). Raises Refused if the sweep
    did not do what was due.
    """
    figures = _measure(sweep, accounts, due=due, rounds=rounds, workers=workers, advance=advance)
    for times in FEWER:
        if due * times <= accounts:
            fewer = _measure(sweep, accounts // times, due=due, rounds=rounds, workers=workers, advance=advance)
            figures[f"seconds_{times}_times_fewer"] = fewer["seconds"]
            figures["growth"] = round(figures["seconds"] / fewer["seconds"], 2)
    return figures


def rounds_of(accounts: int, due: int, rounds: int) -> int:
    """Return how many rounds there will be in all."""
    return rounds * (1 + sum(due * times <= accounts for times in FEWER))


def _measure(
    sweep: Sweep, accounts: int, *, due: int, rounds: int, workers: int, advance: Callable[[], None]
) -> dict[str, Any]:
    trial = import_module(settings.TRIAL)
    with trial.scratch_database() as database:
        sweep.prepare(accounts, due, database)
        connection.close()
        found = []
        for _ in range(rounds):
            with trial.copy_of(database, "run"):
                moment = floor.mark()
                run = timed(sweep.run, workers=workers)
                if run.done != due:
                    raise Refused("not_all_done", f"{run.done} of the {due} accounts that are due were done.")
                written = floor.written_since(moment)
            with trial.copy_of(database, "floor"):
                found.append((run, floor.write_again(written)))
            advance()
        figures = _figures(accounts, due, found, {one.table: one.rows for one in written})
        if sweep.by_saves is not None:
            with trial.copy_of(database, "saves"):
                slow = timed(sweep.by_saves)
            figures["times_faster_than_saves"] = round(slow.seconds / slow.done * due / figures["seconds"], 1)
    return figures


def _figures(accounts: int, due: int, found: list[tuple[Run, float]], rows: dict[str, int]) -> dict[str, Any]:
    runs = [run for run, _ in found]
    seconds, floor_seconds = median(run.seconds for run in runs), median(least for _, least in found)
    return {
        "accounts": accounts,
        "due": due,
        "seconds": round(seconds, 3),
        "floor_seconds": round(floor_seconds, 3),
        "ratio": round(median(run.seconds / least for run, least in found), 2),
        "rounds": len(found),
        "idle_seconds": round(median(run.idle_seconds for run in runs), 4),
        "queries": max(run.queries for run in runs),
        "messages": max(run.messages for run in runs),
        "peak_mb": max(run.peak_mb for run in runs),
        "rows": rows,
    }


def timed(run: Callable[[], int], *, workers: int = 1) -> Run:
    """Do a run in so many processes at once on the database in use."""
    database = str(connection.settings_dict["NAME"])
    connection.close()
    context = multiprocessing.get_context("fork")
    begin, answers = context.Barrier(workers), context.SimpleQueue()
    processes = [context.Process(target=_work, args=(run, database, begin, answers)) for _ in range(workers)]
    for process in processes:
        process.start()
    found: list[Any] = [answers.get() for _ in processes]
    for process in processes:
        process.join()
    if failed := [told for told in found if isinstance(told, str)]:
        raise Refused("run_failed", f"The run failed: {failed[0]}")
    first, last, idle, queries, messages, peak, done = zip(*found, strict=True)
    return Run(
        seconds=max(last) - min(first), idle_seconds=max(idle), queries=sum(queries), messages=sum(messages),
        peak_mb=round(max(peak), 1), done=sum(done),
    )  # fmt: skip


def _work(run: Callable[[], int], database: str, begin: Any, answers: Any) -> None:
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = database
    queries = 0

    def count(execute: Any, *told: Any) -> Any:
        nonlocal queries
        queries += 1
        return execute(*told)

    try:
        connection.ensure_connection()
        begin.wait()
        # The doorbell is not what is measured; how often it would be rung is.
        with connection.execute_wrapper(count), recorded() as nudges:
            began = monotonic()
            done = run()
            ended = monotonic()
            heard = len(nudges)
            run()
            idle = monotonic() - ended
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answers.put((began, ended, idle, queries, heard, peak, done))
    except BaseException as error:
        answers.put(f"{type(error).__name__}: {error}")
        raise
    finally:
        connection.close()
