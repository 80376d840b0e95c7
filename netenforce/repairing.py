"""Repair what a comparison found: free without a limit and first, restrict anew within the device's budget (R-12).

What frees a line, or an address that no line of ours has, is done at once. What restricts is ordered as any other
restriction: it is asked about right before it is sent, so nobody who has paid is cut by a repair.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction

from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable
from billing_project.kernel.locks import lock_rows

from .comparing import Line
from .dispatch import deliver
from .drivers.port import Change, Driver, Inventory
from .models import Device, LineState
from .operations import requeue
from .queries import open_tasks
from .rules.commands import Drift
from .rules.desired import NOTHING, OPEN, Held, rank

logger = logging.getLogger(__name__)

WHY = "The device did not hold what it should."


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """How many addresses are right now, how many are left for the next comparison, and what went wrong.

    ``silent``: the device did not answer.
    """

    repaired: int = 0
    left: int = 0
    failure: str = ""
    silent: bool = False


def repair(device: Device, driver: Driver, lines: Sequence[Line], held: Inventory, found: Drift) -> Repair:
    """Free what should be free, then order anew what should be restricted, deliver it and read it back.

    The caller has its turn on the device, and has written down what was seen.
    """
    commands = found.commands()
    if not commands:
        return Repair()
    owned = {address: line for line in lines for address in line.addresses}
    there = {**held.foreign, **held.ours}
    drifted = {owned[address].line_id: owned[address] for address in commands if address in owned}
    freeing = {owned[address].line_id for address in commands if address in owned and _frees(address, found, there)}
    rest = [line for line_id, line in drifted.items() if line_id not in freeing]
    # Those that were ordered least go first: a line that the device never takes must not use the budget up for ever.
    chosen = sorted(rest, key=lambda line: (line.generation, line.line_id))[: device.repairs_max]
    late = {line.line_id for line in rest} - {line.line_id for line in chosen}
    left = [address for address in commands if address in owned and owned[address].line_id in late]
    strangers = [address for address in commands if address not in owned]
    failure = ""
    try:
        if freeing:
            order_anew(device, [drifted[line_id] for line_id in sorted(freeing)])
            deliver(device)
        if strangers:
            try:
                driver.apply(device, [Change(address=address, level=OPEN) for address in strangers])
            except Rejected as error:
                failure = str(error)
        if chosen:
            order_anew(device, chosen)
            deliver(device)
        repaired = _count_right(device, driver, commands, leaving=left)
    except (Unavailable, OutcomeUnknown) as error:
        return Repair(left=len(left), failure=str(error), silent=True)
    except Rejected as error:
        return Repair(left=len(left), failure=str(error))
    except Exception as error:  # a driver that breaks must not take the reading with it
        logger.exception("device %s: the driver broke", device.name)
        return Repair(left=len(left), failure=f"The driver broke: {type(error).__name__}.", silent=True)
    return Repair(repaired=repaired, left=len(left), failure=failure)


def _frees(address: str, found: Drift, there: Mapping[str, Held]) -> bool:
    """Tell whether what is wrong with an address is that it is restricted harder than it should be."""
    return address in found.extra or (
        address in found.stale and rank(found.stale[address].level) < rank(there[address].level)
    )


def _count_right(device: Device, driver: Driver, commands: Mapping[str, Held], *, leaving: Collection[str]) -> int:
    """Read back what was ordered, and count what is as it should be now."""
    tried = [address for address in commands if address not in set(leaving)]
    now_held = driver.read(device, tried) if tried else {}
    return sum(now_held.get(address, NOTHING).agrees(commands[address]) for address in tried)


@transaction.atomic
def order_anew(device: Device, lines: Sequence[Line]) -> None:
    """Order once more what lines should be; what somebody has ordered meanwhile is the repair itself.

    To restrict a line as it was seen within a day, under the same decision, is no new cut: it may be done at any hour.
    """
    lock_rows(Account.objects.order_by(), {line.account_id for line in lines})
    line_ids = {line.line_id for line in lines}
    mine = LineState.objects.filter(device=device, line_id__in=line_ids)
    known = set(mine.values_list("line_id", flat=True))
    LineState.objects.bulk_create(
        [LineState(line_id=line_id, device=device) for line_id in sorted(line_ids - known)], ignore_conflicts=True
    )
    busy = {line_id for line_id, device_id in open_tasks(line_ids) if device_id == device.pk}
    restored = {line.line_id for line in lines if line.is_no_new_cut(clock.now())}
    requeue(mine.exclude(line_id__in=busy), why=WHY, restored=restored)
