"""Pure: for how long an open payment page keeps an account from being cut."""

from collections.abc import Iterable
from datetime import datetime, timedelta


def pages_protect(opened: Iterable[datetime], now: datetime, *, length: timedelta, most: int) -> bool:
    """Tell whether a payment page protects now: ``length`` from the first press on, and at most ``most`` times.

    ``opened`` are the presses of one day, the open page's among them. Presses within the time of an earlier one go on
    with that time and do not lengthen it, so nobody stays protected by pressing again and again.
    """
    times: list[datetime] = []
    for at in sorted(opened):
        if not times or at >= times[-1] + length:
            times.append(at)
    return 0 < len(times) <= most and times[-1] <= now < times[-1] + length
