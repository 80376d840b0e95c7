"""Order once more what was given up, when whatever stood in the way has been mended."""

from django.db import transaction

from accounts.models import Account
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_row

from ..models import EnforcementTask, LineState
from ..queries import open_tasks
from .lines import requeue

State = EnforcementTask.State


@transaction.atomic
def order_again(task_id: int) -> EnforcementTask:
    """Order anew what a parked order was to make of its line, and return the new order.

    A cut is asked about once more before it leaves. Raises Refused for an order that is not parked, or that a newer
    one has replaced.
    """
    task = EnforcementTask.objects.select_related("line").get(pk=task_id)
    lock_row(Account.objects.order_by(), task.line.account_id)
    task.refresh_from_db(fields=["state"])
    if task.state != State.PARKED:
        raise Refused("not_parked", f"It is {task.get_state_display()}; only what was parked can be tried again.")
    states = LineState.objects.filter(line=task.line_id, device=task.device_id)
    if (task.line_id, task.device_id) in open_tasks([task.line_id]):
        raise Refused("under_way", "A newer order for this line is under way already.")
    orders = requeue(states.filter(generation=task.generation), why=f"Tried again: {task.why}")
    if not orders:
        raise Refused("replaced", "A newer order for this line has replaced it; nothing is left to try.")
    return orders[0]
