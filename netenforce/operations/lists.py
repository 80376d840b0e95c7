"""Follow the address lists: when one is renamed or its criteria change, its lines belong elsewhere (X10)."""

from collections.abc import Iterable

from billing_project.kernel.bulk import update_rows

from ..models import Device, Hold, LineState
from ..queries import all_lists, counting_holds
from ..rules.desired import OPEN
from ..rules.lists import Standing, carried, choose


def lists_wanted(device: Device) -> dict[int, str]:
    """Return the list that each restricted line belongs into on a device, by the line; blank if it carries none.

    The number of queries does not grow with the lines.
    """
    states = list(LineState.objects.filter(device=device).exclude(desired_level=OPEN).select_related("line__account"))
    lists = carried(all_lists(), device.pk, device.options)
    holds = counting_holds({state.line.account_id for state in states})
    found = {}
    for state in states:
        account = state.line.account
        causes = _causes(holds.get(account.pk, ()), state.desired_level)
        standing = Standing(status_id=account.status_id, account_type_id=account.account_type_id, causes=causes)
        chosen = choose(state.desired_level, standing, lists)
        found[state.line_id] = chosen.name if chosen else ""
    return found


def follow_lists(device: Device) -> int:
    """Write which list each restricted line of a device belongs into now, and return how many have moved.

    Nothing is sent: the next comparison finds the difference and repairs it.
    """
    wanted = lists_wanted(device)
    moved = [
        state
        for state in LineState.objects.filter(device=device, line_id__in=wanted)
        if state.desired_list != wanted[state.line_id]
    ]
    for state in moved:
        state.desired_list = wanted[state.line_id]
    update_rows(moved, ["desired_list"])
    return len(moved)


def _causes(holds: Iterable[Hold], level: str) -> frozenset[str]:
    return frozenset(hold.cause for hold in holds if hold.level == level)
