"""Doors of the network room for Celery."""

from celery import shared_task
from django.db.models import QuerySet

from billing_project.kernel import clock
from billing_project.kernel.nudge import nudge

from .alarms import raise_alarms
from .dispatch import dispatch_enforcement
from .models import Device, DeviceReading
from .operations.lists import follow_everybody
from .reconcile import compare_device
from .restore import restore_lines
from .watching import compared_lately, due_devices, look_at

DISPATCH_SECONDS, TURN_SECONDS = 40.0, 5.0
RESTORE_SECONDS = 40.0


@shared_task(name="netenforce.restore", soft_time_limit=60, time_limit=90)
def restore() -> int:
    """Free the lines that are to be freed, before anything else is done; return how many were handled."""
    began = clock.monotonic()
    handled = restore_lines(seconds_max=RESTORE_SECONDS).total()
    if handled and clock.monotonic() - began >= RESTORE_SECONDS:
        nudge("netenforce.restore")  # who came at the end of it must not wait for beat
    return handled


@shared_task(name="netenforce.dispatch", soft_time_limit=60, time_limit=90)
def dispatch() -> int:
    """Send the network changes that are due; return how many were handled."""
    began = clock.monotonic()
    handled = dispatch_enforcement(seconds_max=DISPATCH_SECONDS, turn_seconds=TURN_SECONDS).total()
    if handled and clock.monotonic() - began >= DISPATCH_SECONDS:
        # Its time is over and its work perhaps is not: others get their turn at this worker, then it goes on.
        nudge("netenforce.dispatch")
    return handled


@shared_task(name="netenforce.reconcile", soft_time_limit=60, time_limit=90)
def reconcile() -> int:
    """Have each device compared by a task of its own, so that none waits for another; return how many."""
    return _for_each("netenforce.reconcile_device", due_devices())


@shared_task(name="netenforce.reconcile_device", soft_time_limit=240, time_limit=300)
def reconcile_device(device_id: int) -> int:
    """Compare one device with what it should hold, repair it, and return how much had drifted."""
    return sum(
        compare_device(device, trigger=DeviceReading.Trigger.CLOCK, turn_seconds=TURN_SECONDS).drifted
        for device in due_devices().filter(pk=device_id)
        if not compared_lately(device)
    )


@shared_task(name="netenforce.watch", soft_time_limit=50, time_limit=60)
def watch() -> int:
    """Have each device asked whether it was started anew, by a task of its own; return how many."""
    return _for_each("netenforce.watch_device", due_devices())


@shared_task(name="netenforce.watch_device", soft_time_limit=240, time_limit=300)
def watch_device(device_id: int) -> bool:
    """Ask one device how long it runs, and compare it at once if it was started anew; tell whether it was."""
    return any(look_at(device) for device in due_devices().filter(pk=device_id))


@shared_task(name="netenforce.raise_alarms", soft_time_limit=50, time_limit=60)
def tell_alarms() -> int:
    """Put before the clerks whose line is blocked and should not be, or is not and should be; return how many."""
    return raise_alarms()


def _for_each(task: str, devices: QuerySet[Device]) -> int:
    keys = list(devices.order_by("pk").values_list("pk", flat=True))
    for key in keys:
        nudge(task, key)
    return len(keys)


@shared_task(name="netenforce.follow_lists", soft_time_limit=240, time_limit=300)
def follow_lists() -> int:
    """Bring the accounts that an address list newly takes, leaves or moves in line; return how many there were."""
    return follow_everybody()
