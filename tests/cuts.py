"""Short words for cutting lines off and freeing them, one pass at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from accounts.models import ServiceLine
from billing_project.kernel import clock
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import EnforcementTask, SimulatedEntry
from netenforce.operations import lift_hold, place_hold

from .factories import instant

NINE = instant("2026-01-21 09:00")


def restrict(line: ServiceLine, level: str = "throttle", at: datetime = NINE) -> EnforcementTask:
    """Restrict a line for non-payment, and return the order."""
    with clock.at(at):
        place_hold(account_id=line.account_id, cause="non_payment", cause_key="k", level=level, why="unpaid")
    return EnforcementTask.objects.get(line=line, state="queued")


def free(line: ServiceLine, at: datetime = NINE) -> None:
    """Lift that restriction."""
    with clock.at(at):
        lift_hold(account_id=line.account_id, cause_key="k", why="paid")


def run(at: datetime = NINE) -> dict[str, int]:
    """Make one pass over the queue, and return how many ended how."""
    with clock.at(at):
        return dict(dispatch_enforcement())


def held() -> dict[str, str]:
    """Return what the simulated devices hold, by address."""
    return dict(SimulatedEntry.objects.values_list("address", "level"))


@contextmanager
def heard(signal: Any, answer: Any = None) -> Iterator[list[dict[str, Any]]]:
    """Listen to a signal within the block, and collect what it said; a callable answer is called for each."""
    calls: list[dict[str, Any]] = []

    def receiver(**said: Any) -> Any:
        calls.append({key: value for key, value in said.items() if key not in ("signal", "sender")})
        return answer() if callable(answer) else answer

    signal.connect(receiver, weak=False)
    try:
        yield calls
    finally:
        signal.disconnect(receiver)
