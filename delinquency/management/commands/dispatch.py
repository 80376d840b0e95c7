"""``dispatch``: one pass over what is waiting to leave, without Celery."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandParser

from accounts.outreach.dispatch import dispatch_notices
from accounts.queries import Stop, open_pause
from billing_project.kernel import clock, command
from invoicing.dispatch import dispatch_charges, resolve_unknown
from invoicing.operations.expiring import announce_expiring
from invoicing.operations.gateway_events import process_events
from netenforce.dispatch import dispatch_enforcement


def _charges() -> Counter[str]:
    """Handle the gateway's reports, look up what is unclear, charge what is due, and announce cards that expire."""
    at = clock.now()
    reported = Counter({"reported": process_events(at), "announced": announce_expiring(at)})
    return reported + Counter(resolve_unknown(at)) + Counter(dispatch_charges(at))


# Money first: what it clears need not be sent, and what it restores goes out in the same pass.
QUEUES: dict[str, Callable[[], Counter[str]]] = {
    "charges": _charges,
    "enforcement": dispatch_enforcement,
    "notices": dispatch_notices,
}


class Command(command.Command):
    """Answer with counts by outcome for each queue."""

    help = (
        "One pass over what is waiting: send, charge, apply and read back; counts by outcome. Under a pause: nothing."
    )

    def arguments(self, parser: CommandParser) -> None:
        """Add which queue, and ``--at``."""
        parser.add_argument("queue", choices=["notices", "charges", "enforcement", "all"])
        command.add_at(parser)

    def work(self, **options: Any) -> command.Answer:
        """Send what is due; the clock stands at ``--at`` if it was given."""
        names = list(QUEUES) if options["queue"] == "all" else [options["queue"]]
        pause = open_pause()
        counts = {name: {key: number for key, number in QUEUES[name]().items() if number} for name in names}
        if pause is None:
            return command.Answer(counts, [_line(name, found) for name, found in counts.items()])
        until = "you go live" if pause.is_shadow else "everything is resumed"
        return command.Answer(
            {**counts, "shadow" if pause.is_shadow else "paused": _document(pause)},
            [f"{pause.words} Nothing was sent; what is queued waits until {until} in the back office."],
        )


def _line(name: str, found: dict[str, int]) -> str:
    words = ", ".join(f"{number} {outcome}" for outcome, number in sorted(found.items()))
    return f"{name}: {words or 'nothing due'}"


def _document(pause: Stop) -> dict[str, Any]:
    return {"since": pause.started_at, "by": pause.started_by or None, "why": pause.why}
