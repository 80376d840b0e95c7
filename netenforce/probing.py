"""Ask a device what it is, at somebody's word: it is reached and logged in to, and nothing is changed on it."""

import logging

from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected, Unavailable

from .contact import close_breaker, note_contact
from .drivers.port import Probe
from .drivers.registry import driver_for
from .drivers.turn import turn_on
from .models import Device

logger = logging.getLogger(__name__)

# Another worker lets go between two calls; a call may take as long as the device's own time-out.
TURN_SECONDS = 5.0
TEXT_LENGTH = 120
NOTES_MAX, NOTE_LENGTH = 50, 300


def probe_device(device: Device) -> Probe:
    """Ask a device for its version, model and uptime, and keep the answer; raises Refused with why there is none.

    Whoever asks by hand is not kept waiting: a device that is left in peace after failures is asked at once.
    """
    close_breaker(device)
    with turn_on(device.pk, seconds_max=TURN_SECONDS) as got:
        if not got:
            raise Refused("busy", f"Another worker is speaking to {device.name} at this moment; try again in a minute.")
        try:
            probe = driver_for(device).probe(device)
        except (Refused, Rejected, Unavailable, OutcomeUnknown) as error:
            words = without_secret(device, str(error))
            note_contact(device, words)
            raise Refused("no_answer", words) from None
        except Exception as error:  # a driver that breaks must not take the page with it
            logger.exception("device %s: the driver broke", device.name)
            words = f"The driver broke ({type(error).__name__}); the log of the server tells where."
            note_contact(device, words)
            raise Refused("broken", words) from None
    note_contact(device, "")
    keep(device, probe)
    return probe


def keep(device: Device, probe: Probe) -> None:
    """Write down what a device said of itself."""
    Device.objects.filter(pk=device.pk).update(
        version=probe.version[:TEXT_LENGTH], model=probe.model[:TEXT_LENGTH], uptime_seconds=probe.uptime_seconds,
        probed_at=clock.now(), notes=[str(note)[:NOTE_LENGTH] for note in probe.notes][:NOTES_MAX],
    )  # fmt: skip


def without_secret(device: Device, words: str) -> str:
    """Return the words without the device's secret, should a library have put it into its message."""
    return words.replace(device.secret, "(secret)") if device.secret else words
