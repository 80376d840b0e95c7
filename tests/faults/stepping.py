"""Several actors on connections of their own, led step by step through an order that a number draws."""

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from billing_project.kernel import nudge

_actor = threading.local()


@dataclass
class _Actor:
    """One thread: it waits at each point until it is let go."""

    work: Callable[[], Any]
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    came: threading.Event = field(default_factory=threading.Event)
    ended: bool = False
    result: Any = None


def point() -> None:
    """Stop here until it is this actor's turn; whoever is no actor passes."""
    actor = getattr(_actor, "own", None)
    if actor is not None:
        actor.came.set()
        assert actor.go.acquire(timeout=20), "nobody led on"


def interleave(works: Mapping[str, Callable[[], Any]], seed: int) -> tuple[dict[str, Any], str, int]:
    """Run the works in an order drawn by a number; return what came of each, the order, and how often one had to wait.

    An actor that does not come to its next point soon waits for a lock that another one holds; then that one goes on.
    """
    dice, actors = random.Random(seed), {name: _Actor(work) for name, work in works.items()}
    threads = [threading.Thread(target=_run, args=(actor,)) for actor in actors.values()]
    for thread in threads:
        thread.start()
    for actor in actors.values():
        assert actor.came.wait(20)
    order, waits = "", 0
    haste = {name: dice.random() + 0.05 for name in actors}  # some are far ahead, some neck and neck
    while going := [name for name, actor in actors.items() if not actor.ended]:
        name = dice.choices(going, [haste[name] for name in going])[0]
        actor = actors[name]
        if not actor.came.is_set():
            actor.came.wait(0.02)
            continue
        actor.came.clear()
        order += name[0]
        actor.go.release()
        waits += not actor.came.wait(0.05)
    for thread in threads:
        thread.join(20)
    return {name: actor.result for name, actor in actors.items()}, order, waits


def _run(actor: _Actor) -> None:
    _actor.own = actor
    try:
        with nudge.recorded():
            point()
            actor.result = actor.work()
    except Exception as error:  # noqa: BLE001 - handed to the test
        actor.result = error
    finally:
        _actor.own = None
        connection.close()
        actor.ended = True
        actor.came.set()
