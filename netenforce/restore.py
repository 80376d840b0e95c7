"""Free lines at once: restores have a door and a worker of their own, and never wait behind a sweep (R-13).

While another worker has its turn on a device the restore is tried again every few milliseconds: that worker lets
restores in between its batches, so either it has freed the line by then, or its turn has ended. A device that hangs
keeps its own lane busy and no other: whoever pays meanwhile is freed on the other devices.
"""

import time
from collections import Counter
from functools import partial

from accounts.queries import open_pause
from billing_project.kernel import clock

from .contact import is_open
from .dispatch import drain, waiting_devices
from .drivers.turn import turn_on
from .lanes import Lanes
from .models import Device

TRY_AGAIN_SECONDS = 0.05


def restore_lines(*, wait_seconds: float = 20, seconds_max: float | None = None) -> Counter[str]:
    """Free every line that is to be freed now, and return how many ended how.

    A device that is in another worker's hands is waited for up to ``wait_seconds``; after that the rows wait for the
    next pass, or for that worker. After ``seconds_max`` nothing more is begun.
    """
    outcomes: Counter[str] = Counter()
    began = clock.monotonic()
    give_up_at = began + wait_seconds
    stop_at = None if seconds_max is None else began + seconds_max
    with Lanes(outcomes) as lanes:
        while not open_pause() and (stop_at is None or clock.monotonic() < stop_at):
            done = outcomes.total()
            waiting = list(waiting_devices(restores=True).exclude(pk__in=lanes.left_out | lanes.busy))
            if not waiting and not lanes.busy:
                break
            # In a lane of its own a device may be waited for; else the other devices go first.
            patience = give_up_at if lanes.parallel else None
            for device in waiting:
                lanes.start(device.pk, partial(_free, device.pk, patience, stop_at))
            # While one is busy the others are looked at again and again: somebody may pay at any moment.
            lanes.collect(seconds_max=TRY_AGAIN_SECONDS)
            if not lanes.busy and outcomes.total() == done:
                if clock.monotonic() >= give_up_at:
                    break
                time.sleep(TRY_AGAIN_SECONDS)
    return +outcomes


def _free(device_id: int, patience: float | None, stop_at: float | None, outcomes: Counter[str]) -> bool:
    """Free what is to be freed on one device; tell whether it may be asked again in this pass."""
    while waiting_devices(restores=True).filter(pk=device_id).exists():
        with turn_on(device_id) as got:
            if got:
                device = Device.objects.filter(pk=device_id, enabled=True).first()
                if device is None or is_open(device):
                    return False
                return drain(device, restores=True, outcomes=outcomes, stop_at=stop_at)
        if patience is None or clock.monotonic() >= patience or open_pause():
            return patience is None
        time.sleep(TRY_AGAIN_SECONDS)
    return True
