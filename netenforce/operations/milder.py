"""Order the next milder restriction where a harder one may not be sent."""

from collections.abc import Sequence

from django.db import transaction

from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.bulk import copy_rows, update_rows
from billing_project.kernel.locks import lock_rows

from ..models import EnforcementTask, LineState
from ..queries import OPEN_STATES, all_lists, counting_holds
from ..rules.desired import hardest, rank
from .orders import WHY_LENGTH, Target, wake, wanted_on


@transaction.atomic
def order_milder(vetoed: Sequence[EnforcementTask]) -> list[EnforcementTask]:
    """Order what the holds on the accounts ask for below the level of the orders that were kept back.

    The state of a line on a device follows; where no milder hold is, it stays as it is, and so does the line. A line
    about which something else was decided meanwhile is left to that. The number of queries does not grow.
    """
    if not vetoed:
        return []
    account_ids = {task.line.account_id for task in vetoed}
    lock_rows(Account.objects.order_by(), account_ids)
    holds = counting_holds(account_ids)
    milder = {}
    for task in vetoed:
        below = [hold for hold in holds.get(task.line.account_id, []) if rank(hold.level) < rank(task.level)]
        if below:
            milder[task.line_id, task.device_id] = (task, below)
    if not milder:
        return []
    rows = LineState.objects.filter(line__in=[line for line, _ in milder], device__in=[device for _, device in milder])
    locked = lock_rows(rows.select_related("line__account", "device"))
    states = {(state.line_id, state.device_id): state for state in locked}
    taken = set(
        EnforcementTask.objects.filter(line__in=[line for line, _ in milder], state__in=OPEN_STATES).values_list(
            "line_id", "device_id"
        )
    )
    lists = all_lists()
    changed, fresh = [], []
    for place, (task, below) in milder.items():
        state = states.get(place)
        if state is None or place in taken or state.generation != task.generation:
            continue
        level = hardest(hold.level for hold in below)
        if rank(state.observed_level) > rank(level):
            # It was made harder by an earlier order, which was proven: that a new one is not frees nobody.
            continue
        why = next(hold.why for hold in below if hold.level == level)
        target = Target(
            level=level, why=why, at=clock.now(), not_before=None, placed=False,
            causes=frozenset(hold.cause for hold in below if hold.level == level),
        )  # fmt: skip
        wanted = wanted_on(state.line, state.device, target, lists)
        state.desired_level, state.desired_list, state.desired_since_at = wanted.level, wanted.list_name, clock.now()
        state.generation += 1
        changed.append(state)
        if rank(state.observed_level) < rank(level):
            fresh.append(_order(state, task, why))
    update_rows(changed, ["desired_level", "desired_list", "desired_since_at", "generation"])
    copy_rows(EnforcementTask, fresh)
    wake(fresh)
    return fresh


def _order(state: LineState, instead_of: EnforcementTask, why: str) -> EnforcementTask:
    return EnforcementTask(
        line=state.line, device=instead_of.device, level=state.desired_level, list_name=state.desired_list,
        restores=False, recloses=instead_of.recloses, generation=state.generation, why=why[:WHY_LENGTH],
        created_at=clock.now(), due_at=clock.now(),
    )  # fmt: skip
