"""Check one line now, on each of its devices."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import ServiceLine
from accounts.operations import pause_everything
from billing_project.kernel import clock
from netenforce.dispatch import dispatch_enforcement
from netenforce.line_check import LineCheck, check_line
from netenforce.models import Device, EnforcementTask, LinePlacement, LineState, SimulatedEntry
from netenforce.operations import lift_hold, place_hold
from netenforce.rules.desired import NOTHING, Held
from tests.factories import instant, make_account, make_device, make_line

pytestmark = pytest.mark.django_db

NINE = instant("2026-01-21 09:00")
LATER = NINE + timedelta(minutes=5)
SUSPENDED = Held(level="suspend", list_name="Suspended")


@pytest.fixture
def line() -> ServiceLine:
    """Return a line on two devices, suspended on both."""
    line = make_line(make_account(), "100.64.0.1", device=make_device("edge-2"))
    LinePlacement.objects.create(line=line, device=make_device("edge-1"))
    with clock.at(NINE):
        place_hold(account_id=line.account_id, cause="non_payment", cause_key="k", level="suspend", why="unpaid")
        dispatch_enforcement()
    return line


def check(line: ServiceLine) -> list[LineCheck]:
    with clock.at(LATER):
        return check_line(line)


def told(checks: list[LineCheck]) -> list[tuple[str, Held, Held | None, str]]:
    return [(one.device, one.wanted, one.seen, one.failure) for one in checks]


def test_each_device_of_the_line_says_what_it_is(line: ServiceLine) -> None:
    checks = check(line)
    assert told(checks) == [("edge-1", SUSPENDED, SUSPENDED, ""), ("edge-2", SUSPENDED, SUSPENDED, "")]
    assert {one.at for one in checks} == {LATER}
    assert set(LineState.objects.values_list("observed_at", flat=True)) == {LATER}


def test_who_has_paid_is_freed_at_once_and_nobody_else_is_touched(line: ServiceLine) -> None:
    with clock.at(NINE):
        other = make_line(make_account(), "100.64.0.2", device=Device.objects.get(name="edge-1"))
        place_hold(account_id=other.account_id, cause="non_payment", cause_key="k", level="suspend", why="unpaid")
        lift_hold(account_id=line.account_id, cause_key="k", why="paid")
    assert told(check(line)) == [("edge-1", NOTHING, NOTHING, ""), ("edge-2", NOTHING, NOTHING, "")]
    assert not SimulatedEntry.objects.exists()
    assert EnforcementTask.objects.get(line=other).state == "queued"


def test_what_a_device_holds_though_the_line_should_be_open_is_freed(line: ServiceLine) -> None:
    with clock.at(NINE):
        lift_hold(account_id=line.account_id, cause_key="k", why="paid")
        dispatch_enforcement()
    device = Device.objects.get(name="edge-1")
    SimulatedEntry.objects.create(device=device, address=line.ipv4, level="throttle")
    assert told(check(line))[0] == ("edge-1", NOTHING, NOTHING, "")
    assert not SimulatedEntry.objects.exists()


def test_what_somebody_else_entered_is_told_and_left(line: ServiceLine) -> None:
    with clock.at(NINE):
        lift_hold(account_id=line.account_id, cause_key="k", why="paid")
        dispatch_enforcement()
    device = Device.objects.get(name="edge-1")
    SimulatedEntry.objects.create(device=device, address=line.ipv4, level="throttle", ours=False)
    assert told(check(line))[0] == ("edge-1", NOTHING, Held(level="throttle"), "")
    assert SimulatedEntry.objects.exists()


def test_a_line_that_lost_its_restriction_is_ordered_and_goes_the_way_of_all_others(line: ServiceLine) -> None:
    SimulatedEntry.objects.filter(device__name="edge-1").delete()
    assert told(check(line))[0] == ("edge-1", SUSPENDED, NOTHING, "")
    task = EnforcementTask.objects.get(state="queued")
    assert (task.device.name, task.restores, task.recloses) == ("edge-1", False, True)
    assert len(check(line)) == 2
    assert EnforcementTask.objects.filter(state="queued").count() == 1, "ordered once"


def test_a_line_whose_restriction_was_vetoed_is_left_to_whoever_vetoed_it(line: ServiceLine) -> None:
    SimulatedEntry.objects.all().delete()
    EnforcementTask.objects.update(state="cancelled")
    assert [one.seen for one in check(line)] == [NOTHING, NOTHING]
    assert not EnforcementTask.objects.filter(state="queued").exists()


def test_a_device_that_does_not_answer_is_told_and_what_was_seen_keeps_its_time(line: ServiceLine) -> None:
    Device.objects.filter(name="edge-1").update(options={"down": True})
    assert told(check(line)) == [
        ("edge-1", SUSPENDED, None, "edge-1 cannot be reached."),
        ("edge-2", SUSPENDED, SUSPENDED, ""),
    ]
    assert LineState.objects.get(device__name="edge-1").observed_at == NINE
    assert Device.objects.get(name="edge-1").failing_since_at == LATER


def test_a_device_that_the_line_was_taken_off_is_asked_while_it_still_holds_it(line: ServiceLine) -> None:
    # Another line that is open there does not hide this one.
    neighbour = make_line(make_account(), "100.64.0.7", device=Device.objects.get(name="edge-2"))
    LineState.objects.create(line=neighbour, device=Device.objects.get(name="edge-2"), desired_since_at=NINE)
    LinePlacement.objects.filter(device__name="edge-2").delete()
    LineState.objects.filter(device__name="edge-2").update(desired_level="open", desired_list="")
    assert told(check(line))[1] == ("edge-2", NOTHING, NOTHING, "")
    assert [one.device for one in check(line)] == ["edge-1"]


def test_under_a_pause_the_line_is_read_and_not_freed(line: ServiceLine) -> None:
    with clock.at(NINE):
        lift_hold(account_id=line.account_id, cause_key="k", why="paid")
    pause_everything(reason="Maintenance.")
    [first, _] = check(line)
    assert (first.seen, "Maintenance." in first.failure) == (SUSPENDED, True)


def test_a_line_that_a_device_cannot_know_and_a_disabled_device_are_told(line: ServiceLine) -> None:
    Device.objects.filter(name="edge-2").update(enabled=False)
    ServiceLine.objects.update(ipv4="")
    line.refresh_from_db()
    [first, second] = check(line)
    assert "give the line an address" in first.failure
    assert "disabled" in second.failure


def test_a_device_in_another_workers_hands_is_waited_for_no_longer_than_five_seconds(
    line: ServiceLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import contextmanager

    waited = []

    @contextmanager
    def taken(_: int, *, seconds_max: float = 0) -> Any:
        waited.append(seconds_max)
        yield False

    monkeypatch.setattr("netenforce.line_check.turn_on", taken)
    assert {one.failure for one in check(line)} == {"Another worker is speaking to it; try again in a minute."}
    assert waited == [5, 5]
