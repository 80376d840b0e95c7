"""Put a line on a device, order once more what lines should be, and the rows that ship with the program."""

from django.db import transaction
from django.db.models import F, QuerySet

from accounts.models import Account, ServiceLine, User
from accounts.operations import resolve_attentions
from billing_project.kernel import clock
from billing_project.kernel.bulk import copy_rows, update_rows
from billing_project.kernel.locks import lock_row, lock_rows

from ..models import AddressList, Device, EnforcementTask, LinePlacement, LineState
from ..queries import OPEN_STATES
from ..rules.desired import OPEN, rank
from .holds import WHY_LENGTH, wake

State = EnforcementTask.State


@transaction.atomic
def place_line(line: ServiceLine, device: Device, *, by: User | None = None) -> LinePlacement:
    """Put a line on a device; if it should be restricted, the new device is told at once.

    What the old device still holds is drift there, and :mod:`netenforce.reconcile` frees it.
    """
    lock_row(Account.objects.order_by(), line.account_id)
    placement = LinePlacement.objects.filter(line=line).first() or LinePlacement(line=line)
    if placement.pk is not None and placement.device_id == device.pk:
        return placement
    placement.device = device
    if by is not None:
        placement._history_user = by  # type: ignore[attr-defined]  # read by simple-history
    placement.save()
    resolve_attentions("line-without-device", [f"line:{line.pk}"], f"it is on {device.name} now")
    for task in lock_rows(EnforcementTask.objects.filter(line=line, state__in=OPEN_STATES)):
        EnforcementTask.objects.filter(pk=task.pk).update(
            state=State.SUPERSEDED, settled_at=clock.now(), lease_until_at=None
        )
    # Nobody has asked the new device yet: as far as we know the line is open there.
    LineState.objects.filter(line=line).update(observed_level=OPEN, observed_at=None)
    requeue(
        LineState.objects.filter(line=line).exclude(desired_level=OPEN),
        why=f"The line is on {device.name} now.",
    )
    return placement


def requeue(states: QuerySet[LineState], *, why: str) -> list[EnforcementTask]:
    """Order once more what idle lines should be; the accounts' rows must be locked by the caller."""
    fresh = []
    locked = lock_rows(states.select_related("line__placement"))
    # An order that closes a line again after a payment window stays one when it is repeated.
    before = EnforcementTask.objects.filter(
        line__in=[state.line_id for state in locked], generation=F("line__network_state__generation"), recloses=True
    )
    reclosing = set(before.values_list("line_id", "level"))
    for state in locked:
        placement = getattr(state.line, "placement", None)
        if placement is None:
            continue
        state.generation += 1
        restores = rank(state.desired_level) < rank(state.observed_level) or state.desired_level == OPEN
        fresh.append((state, EnforcementTask(
            line=state.line, device_id=placement.device_id, level=state.desired_level, restores=restores,
            generation=state.generation, why=why[:WHY_LENGTH], created_at=clock.now(), due_at=clock.now(),
            recloses=not restores and (state.line_id, state.desired_level) in reclosing,
        )))  # fmt: skip
    update_rows([state for state, _ in fresh], ["generation"])
    tasks = [task for _, task in fresh]
    wake(tasks)
    copy_rows(EnforcementTask, tasks)
    return tasks


# --- Rows that ship with the program ---

SHIPPED_LISTS = (
    ("Delinquent-Throttle", "throttle", 1024, 512),
    ("Walled-Garden", "walled_garden", None, None),
    ("Suspended", "suspend", None, None),
)


@transaction.atomic
def ensure_basics() -> None:
    """Write the three address lists into an empty table (S16, S19); devices are each operator's own."""
    if not AddressList.objects.exists():
        for name, level, down, up in SHIPPED_LISTS:
            AddressList(name=name, level=level, rate_down_kbit=down, rate_up_kbit=up).save()
