"""How long an open payment page keeps an account from being cut."""

from datetime import datetime, timedelta

import pytest

from invoicing.rules.pages import pages_protect

NOON = datetime(2026, 1, 21, 12, 0)


def protects(now: float, *presses: float) -> bool:
    opened = [NOON + timedelta(minutes=minute) for minute in presses]
    return pages_protect(opened, NOON + timedelta(minutes=now), length=timedelta(minutes=15), most=2)


@pytest.mark.parametrize(
    ("now", "presses", "expected"),
    [
        (0, (0,), True),
        (14.9, (0,), True),
        (15, (0,), False),  # the page itself may be open for longer
        (20, (0, 10), False),  # pressing again does not lengthen it
        (20, (0, 16), True),
        (31, (0, 15, 30), False),  # twice in a day, and no third time
        (200, (0, 1, 2, 3, 199), True),  # four presses in one time count as one
        (5, (), False),
        (-1, (0,), False),  # a clock that was set back
    ],
)
def test_it_protects_from_the_first_press_and_only_so_often(
    now: float, presses: tuple[float, ...], expected: bool
) -> None:
    assert protects(now, *presses) is expected
