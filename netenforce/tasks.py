"""Doors of the network room for Celery."""

from celery import shared_task

from billing_project.kernel import clock
from billing_project.kernel.nudge import nudge

from .dispatch import dispatch_enforcement
from .operations.lists import follow_everybody
from .reconcile import reconcile as compare_devices
from .restore import restore_lines

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


@shared_task(name="netenforce.reconcile", soft_time_limit=240, time_limit=300)
def reconcile() -> int:
    """Compare all devices with what they should hold, repair them, and return how much had drifted."""
    return sum(report.drifted for report in compare_devices())


@shared_task(name="netenforce.follow_lists", soft_time_limit=240, time_limit=300)
def follow_lists() -> int:
    """Bring the accounts that an address list newly takes, leaves or moves in line; return how many there were."""
    return follow_everybody()
