"""Which devices there are to speak to, and whether they answer."""

from collections.abc import Iterable

from billing_project.kernel import clock
from billing_project.kernel.errors import Refused

from .models import Device

FAILURE_LENGTH = 300


def note_contact(device: Device, failure: str) -> None:
    """Write down that a device answered, or since when it does not and why."""
    rows = Device.objects.filter(pk=device.pk)
    if not failure:
        rows.update(last_contact_at=clock.now(), failing_since_at=None, failure="", failures_in_row=0, retry_at=None)
        return
    rows.update(failure=failure[:FAILURE_LENGTH])
    rows.filter(failing_since_at__isnull=True).update(failing_since_at=clock.now())


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


def close_breaker(device: Device) -> None:
    """Let the very next pass speak to a device, such as when somebody asks to check it now.

    What is known of its failures stays until it answers.
    """
    Device.objects.filter(pk=device.pk).update(retry_at=None)
    device.retry_at = None
