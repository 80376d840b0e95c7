"""Which devices there are to speak to, whether they answer, and the breaker of each that does not (R-12).

After three failures in a row the breaker of a device opens: the passes leave it alone until ``retry_at``, its orders
stay queued, and no tries are counted. The first pass after that sends it a few orders to see whether it is back;
if it is, the breaker closes and everything flows at once. One exception stands for all the lines that wait meanwhile.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, F, Q
from django.db.models.functions import Coalesce

from accounts.models import Attention
from accounts.operations import AttentionRequest, raise_attentions, resolve_attentions
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused

from .models import Device, EnforcementTask
from .queries import OPEN_STATES
from .rules.breaker import OPENS_AFTER, rest_after

FAILURE_LENGTH = 300
UNREACHABLE = "device-unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """An enabled device that did not answer last time, and what waits for it.

    ``retry_at`` is None while it is still tried at every pass. ``waiting`` counts lines with an open order, and
    ``to_free`` those of them that are to be freed, such as after a payment.
    """

    device_id: int
    device: str
    failures_in_row: int
    failing_since_at: datetime | None
    retry_at: datetime | None
    failure: str
    waiting: int
    to_free: int

    @property
    def words(self) -> str:
        """Tell in a sentence what waits for the device."""
        if not self.waiting:
            return "No line waits for it."
        lines = "1 line waits" if self.waiting == 1 else f"{self.waiting} lines wait"
        return f"{lines} for it, {self.to_free} of them to be freed."


def note_contact(device: Device, failure: str) -> None:
    """Write down that a device answered, or since when it does not and why; open and close its breaker."""
    rows = Device.objects.filter(pk=device.pk)
    now = clock.now()
    if not failure:
        well = {
            "last_contact_at": now, "failing_since_at": None, "failure": "", "failures_in_row": 0, "retry_at": None,
        }  # fmt: skip
        if rows.filter(failures_in_row__gte=OPENS_AFTER).update(**well):
            resolve_attentions(UNREACHABLE, [_key(device)], "the device answers again")
            # What waits longer only because it was tried in vain goes out now as well.
            tried = EnforcementTask.objects.filter(device=device.pk, state=EnforcementTask.State.QUEUED, attempts__gt=0)
            tried.filter(due_at__gt=now).update(due_at=now)
        else:
            rows.update(**well)
        device.failures_in_row, device.retry_at = 0, None
        return
    rows.update(
        failure=failure[:FAILURE_LENGTH],
        failures_in_row=F("failures_in_row") + 1,
        failing_since_at=Coalesce(F("failing_since_at"), now),
    )
    device.failures_in_row = rows.values_list("failures_in_row", flat=True).get()
    rest = rest_after(device.failures_in_row)
    if rest is not None:
        device.retry_at = now + rest
        rows.update(retry_at=device.retry_at)
        _tell(device)


def is_open(device: Device) -> bool:
    """Tell whether the breaker of a device is open, so that it is to be left alone now."""
    return device.retry_at is not None and device.retry_at > clock.now()


def is_trial(device: Device) -> bool:
    """Tell whether the next orders for a device are to find out whether it is back."""
    return device.failures_in_row >= OPENS_AFTER


def close_breaker(device: Device) -> None:
    """Let the very next pass speak to a device, such as when somebody asks to check it now.

    What is known of its failures stays until it answers.
    """
    Device.objects.filter(pk=device.pk).update(retry_at=None)
    device.retry_at = None


def forget_disabled() -> None:
    """End the exceptions of devices that were disabled while they did not answer; enabled again they start anew."""
    keys = {row.pk: _key(row) for row in Device.objects.filter(enabled=False, failures_in_row__gte=OPENS_AFTER)}
    if keys:
        resolve_attentions(UNREACHABLE, keys.values(), "the device was disabled")
        Device.objects.filter(pk__in=keys, enabled=False).update(
            failures_in_row=0, retry_at=None, failing_since_at=None, failure=""
        )


def breakers(device_ids: Iterable[int] | None = None) -> list[Breaker]:
    """Return the enabled devices that did not answer last time, by name; one query."""
    rows = Device.objects.filter(Q(failures_in_row__gt=0) | Q(failing_since_at__isnull=False), enabled=True)
    if device_ids is not None:
        rows = rows.filter(pk__in=list(device_ids))
    is_waiting = Q(enforcement_tasks__state__in=OPEN_STATES)
    counted = rows.annotate(
        waiting=Count("enforcement_tasks", filter=is_waiting),
        to_free=Count("enforcement_tasks", filter=is_waiting & Q(enforcement_tasks__restores=True)),
    )
    return [
        Breaker(
            device_id=row.pk, device=row.name, failures_in_row=row.failures_in_row, retry_at=row.retry_at,
            failing_since_at=row.failing_since_at, failure=row.failure, waiting=row.waiting, to_free=row.to_free,
        )
        for row in counted.order_by("name")
    ]  # fmt: skip


def devices_named(name: str | None) -> Iterable[Device]:
    """Return the enabled devices, or the one of a name; raises Refused if there is none such."""
    rows = Device.objects.filter(enabled=True).order_by("name")
    if name is None:
        return rows
    found = list(rows.filter(name=name))
    if not found:
        raise Refused(
            "unknown_device",
            f"There is no enabled device named {name!r}; 'reconcile' alone lists all of them.",
        )
    return found


def _key(device: Device) -> str:
    return f"device:{device.pk}"


def _tell(device: Device) -> None:
    """Put one exception for the device before the clerks, with what waits for it now."""
    for found in breakers([device.pk]):
        since = f"{found.failing_since_at:%Y-%m-%d %H:%M} UTC" if found.failing_since_at else "a moment ago"
        words = (
            f"Device {found.device} has not answered since {since}: {found.failure} {found.words} It is tried again by"
            " itself every few minutes, and then everything goes out, lines to be freed first. See to the device, or"
            " disable it if it is gone for good."
        )
        with transaction.atomic():
            Attention.objects.filter(code=UNREACHABLE, key=_key(device), resolved_at__isnull=True).update(words=words)
            raise_attentions([AttentionRequest(code=UNREACHABLE, key=_key(device), words=words)])
