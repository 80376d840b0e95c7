"""``dispatch``: one pass over what is waiting to leave, without Celery."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandParser

from accounts.outreach.dispatch import dispatch_notices
from billing_project.kernel import clock, command
from invoicing.dispatch import dispatch_charges, resolve_unknown
from netenforce.dispatch import dispatch_enforcement


def _charges() -> Counter[str]:
    """Look up the charges whose outcome is unknown, then make the ones that are due."""
    at = clock.now()
    return Counter(resolve_unknown(at)) + Counter(dispatch_charges(at))


# Money first: what it clears need not be sent, and what it restores goes out in the same pass.
QUEUES: dict[str, Callable[[], Counter[str]]] = {
    "charges": _charges,
    "enforcement": dispatch_enforcement,
    "notices": dispatch_notices,
}


class Command(command.Command):
    """Answer with counts by outcome for each queue."""

    help = "One pass over what is waiting: send, charge, apply and read back; counts by outcome."

    def arguments(self, parser: CommandParser) -> None:
        """Add which queue, and ``--at``."""
        parser.add_argument("queue", choices=["notices", "charges", "enforcement", "all"])
        command.add_at(parser)

    def work(self, **options: Any) -> command.Answer:
        """Send what is due; the clock stands at ``--at`` if it was given."""
        names = list(QUEUES) if options["queue"] == "all" else [options["queue"]]
        counts = {name: {key: number for key, number in QUEUES[name]().items() if number} for name in names}
        return command.Answer(counts, [_line(name, found) for name, found in counts.items()])


def _line(name: str, found: dict[str, int]) -> str:
    words = ", ".join(f"{number} {outcome}" for outcome, number in sorted(found.items()))
    return f"{name}: {words or 'nothing due'}"
