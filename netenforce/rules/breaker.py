"""Pure: when a device that does not answer is left alone, and for how long (R-12)."""

from datetime import timedelta

OPENS_AFTER = 3
FIRST_REST = timedelta(seconds=30)
LONGEST_REST = timedelta(minutes=5)


def rest_after(failures_in_row: int) -> timedelta | None:
    """Return how long a device is left alone after so many failures in a row; None while it is tried as usual."""
    if failures_in_row < OPENS_AFTER:
        return None
    # The exponent is bounded: a device that is dead for a year must not make a number that no timedelta holds.
    doublings = min(failures_in_row - OPENS_AFTER, 10)
    return min(FIRST_REST * (1 << doublings), LONGEST_REST)
