"""The clock: the only door to the time, and what happens on the two odd nights of a year."""

from datetime import UTC, date, datetime

import pytest

from billing_project.kernel import clock
from billing_project.kernel.errors import Refused

NEW_YORK = "America/New_York"


def test_now_is_aware_and_in_utc() -> None:
    assert clock.now().tzinfo is UTC


def test_the_clock_can_be_set_and_goes_back_after() -> None:
    moment = datetime(2026, 1, 31, 4, 59, tzinfo=UTC)
    with clock.at(moment):
        assert clock.now() == moment
        assert clock.is_set()
        assert clock.today("UTC") == date(2026, 1, 31)
        assert clock.today(NEW_YORK) == date(2026, 1, 30)
        with clock.at(datetime(2027, 1, 1, tzinfo=UTC)):
            assert clock.today() == date(2027, 1, 1)
        assert clock.now() == moment
    assert not clock.is_set()


@pytest.mark.parametrize(
    ("local", "zone", "instant"),
    [
        ("2026-01-15T09:00", NEW_YORK, "2026-01-15T14:00"),
        ("2026-07-15T09:00", NEW_YORK, "2026-07-15T13:00"),
        # The gap: 02:30 does not exist on the morning of the change, and becomes 03:30.
        ("2026-03-08T01:59", NEW_YORK, "2026-03-08T06:59"),
        ("2026-03-08T02:30", NEW_YORK, "2026-03-08T07:30"),
        ("2026-03-08T03:30", NEW_YORK, "2026-03-08T07:30"),
        # The fold: 01:30 comes twice, and the first one is meant.
        ("2026-11-01T01:30", NEW_YORK, "2026-11-01T05:30"),
        ("2026-11-01T02:00", NEW_YORK, "2026-11-01T07:00"),
        # Half an hour only, and a change at midnight.
        ("2026-10-04T02:15", "Australia/Lord_Howe", "2026-10-03T15:45"),
        ("2018-11-04T00:00", "America/Sao_Paulo", "2018-11-04T03:00"),
        ("2026-01-01T00:00", "Pacific/Chatham", "2025-12-31T10:15"),
    ],
)
def test_a_local_time_is_one_instant(local: str, zone: str, instant: str) -> None:
    found = clock.instant(datetime.fromisoformat(local), zone)
    assert found == datetime.fromisoformat(instant).replace(tzinfo=UTC)


def test_the_local_time_of_an_instant_in_the_gap_is_moved_forward() -> None:
    moved = clock.local(clock.instant(datetime(2026, 3, 8, 2, 30), NEW_YORK), NEW_YORK)
    assert moved == datetime(2026, 3, 8, 3, 30)
    assert moved.tzinfo is None


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "/etc/localtime", "america\0", "A" * 500])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(Refused) as refused:
        clock.zone(name)
    assert refused.value.code == "unknown_zone"


def test_naive_instants_and_aware_local_times_are_programmers_errors() -> None:
    with pytest.raises(ValueError, match="naive"):
        clock.local(datetime(2026, 1, 1), "UTC")
    with pytest.raises(ValueError, match="aware"):
        clock.instant(datetime(2026, 1, 1, tzinfo=UTC), "UTC")
    with pytest.raises(ValueError, match="naive"), clock.at(datetime(2026, 1, 1)):
        pass
