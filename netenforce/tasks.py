"""Doors of the network room for Celery."""

from celery import shared_task

from .dispatch import dispatch_enforcement
from .reconcile import reconcile as compare_devices


@shared_task(name="netenforce.dispatch", soft_time_limit=60, time_limit=90)
def dispatch() -> int:
    """Send the network changes that are due; return how many were handled."""
    return dispatch_enforcement(seconds_max=40).total()


@shared_task(name="netenforce.reconcile", soft_time_limit=240, time_limit=300)
def reconcile() -> int:
    """Compare all devices with what they should hold, repair them, and return how much had drifted."""
    return sum(report.drifted for report in compare_devices())
