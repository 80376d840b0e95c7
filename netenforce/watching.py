"""Notice within a minute that a device was started anew, and compare it at once: it may have lost its lists (R-12)."""

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected, Unavailable

from .contact import note_contact
from .drivers.port import Driver, Probe
from .drivers.registry import driver_for
from .drivers.turn import turn_on
from .models import Device, DeviceReading
from .probing import keep
from .reconcile import compare_device

Trigger = DeviceReading.Trigger

# Clocks drift, and an answer takes its time: only what is younger by more than this was started anew.
SLACK = timedelta(seconds=30)
# A comparison that waited in a long queue is not made again so soon after the last one.
LATELY = timedelta(minutes=2)
TURN_SECONDS = 5.0


def due_devices() -> QuerySet[Device]:
    """Return the enabled devices that are not being left in peace after failures."""
    return Device.objects.filter(Q(retry_at__isnull=True) | Q(retry_at__lte=clock.now()), enabled=True)


def compared_lately(device: Device) -> bool:
    """Tell whether a device was read and compared in the last two minutes."""
    return DeviceReading.objects.filter(device=device, at__gt=clock.now() - LATELY, failure="").exists()


def look_at(device: Device) -> bool:
    """Ask a device what it says of itself, keep the answer, and compare it at once if it was started anew.

    A device that answers again after it did not is compared as well. One that another worker speaks to is left to the
    next minute, and one whose driver tells no uptime to the comparisons on time. Tells whether it was started anew.
    """
    was_silent = device.failing_since_at is not None
    with turn_on(device.pk) as got:
        if not got:
            return False
        try:
            driver: Driver = driver_for(device)
            if not driver.capabilities.tells_uptime:
                return False
            probe = driver.probe(device)
        except (Refused, Rejected, Unavailable, OutcomeUnknown) as error:
            note_contact(device, str(error))
            return False
        now = clock.now()
        restarted = was_started_anew(device, probe, now)
        note_contact(device, "")
        keep(device, probe)
    if restarted or was_silent:
        trigger = Trigger.RESTART if restarted else Trigger.CLOCK
        compare_device(device, trigger=trigger, turn_seconds=TURN_SECONDS)
    return restarted


def was_started_anew(device: Device, probe: Probe, now: datetime) -> bool:
    """Tell whether a device runs for less long than it must if it had run since it was last asked."""
    if probe.uptime_seconds is None or device.uptime_seconds is None or device.probed_at is None:
        return False
    expected = timedelta(seconds=device.uptime_seconds) + (now - device.probed_at) - SLACK
    return timedelta(seconds=probe.uptime_seconds) < expected
