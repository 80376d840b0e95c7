"""Free an account's lines now: whoever may go online and is still blocked waits for nothing."""

from django.db import transaction

from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_row
from billing_project.kernel.nudge import nudge

from ..models import EnforcementTask, LineState
from ..queries import open_tasks
from ..rules.desired import OPEN
from .lines import requeue

State = EnforcementTask.State


@transaction.atomic
def push_restore(account_id: int) -> int:
    """Order at once, or once more, the freeing of lines that should be open; return how many lines.

    An order that waits for its next try is tried now; where none is under way a new one is made. Doing it twice
    orders nothing twice. Raises Refused if no line of the account waits to be freed.
    """
    lock_row(Account.objects.order_by(), account_id)
    states = LineState.objects.filter(line__account=account_id, desired_level=OPEN, device__isnull=False)
    blocked = states.exclude(observed_level=OPEN)
    lines = list(blocked.values_list("pk", "line_id", "device_id"))
    if not lines:
        raise Refused(
            "nothing_blocked",
            "No line of this account waits to be freed any more: each is seen open, or a hold restricts it."
            " Open the account to see which.",
        )
    under_way = open_tasks([line_id for _, line_id, _ in lines])
    EnforcementTask.objects.filter(
        line__in=[line_id for _, line_id, _ in lines], state=State.QUEUED, level=OPEN, due_at__gt=clock.now()
    ).update(due_at=clock.now())
    idle = [pk for pk, line_id, device_id in lines if (line_id, device_id) not in under_way]
    if idle:
        requeue(LineState.objects.filter(pk__in=idle), why="pushed by hand: free to go, still blocked")
    nudge("netenforce.restore")
    return len(lines)
