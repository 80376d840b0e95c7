"""How long a device that does not answer is left alone."""

import pytest

from netenforce.rules.breaker import rest_after


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, None), (1, None), (2, None), (3, 30), (4, 60), (5, 120), (6, 240), (7, 300), (8, 300), (100_000, 300)],
)
def test_a_device_rests_from_the_third_failure_on_longer_each_time_and_five_minutes_at_most(
    failures: int, seconds: int | None
) -> None:
    rest = rest_after(failures)
    assert (rest.total_seconds() if rest else None) == seconds
