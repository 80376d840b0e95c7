"""Free lines at once: restores have a door and a worker of their own, and never wait behind a sweep (R-13).

While another worker has its turn on a device the restore is tried again every few milliseconds: that worker lets
restores in between its batches, so either it has freed the line by then, or its turn has ended.
"""

import time
from collections import Counter

from accounts.queries import open_pause
from billing_project.kernel import clock

from .dispatch import drain, waiting_devices
from .drivers.turn import turn_on

TRY_AGAIN_SECONDS = 0.05


def restore_lines(*, wait_seconds: float = 20) -> Counter[str]:
    """Free every line that is to be freed now, and return how many ended how.

    A device that is in another worker's hands is waited for up to ``wait_seconds``; after that the rows wait for the
    next pass, or for that worker.
    """
    outcomes: Counter[str] = Counter()
    dead: set[int] = set()
    give_up_at = clock.monotonic() + wait_seconds
    while not open_pause() and (waiting := list(waiting_devices(restores=True).exclude(pk__in=dead))):
        done = outcomes.total()
        for device in waiting:
            with turn_on(device.pk) as got:
                if got and not drain(device, restores=True, outcomes=outcomes, stop_at=None):
                    dead.add(device.pk)
        if outcomes.total() == done:
            if clock.monotonic() >= give_up_at:
                break
            time.sleep(TRY_AGAIN_SECONDS)
    return +outcomes
