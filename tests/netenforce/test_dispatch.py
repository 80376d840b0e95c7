"""Bringing orders to devices: only what the device confirmed is recorded."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Attention, ServiceLine
from billing_project.kernel import clock
from billing_project.kernel.errors import Rejected
from netenforce import signals
from netenforce.drivers.simulated import SimulatedDriver
from netenforce.models import Device, EnforcementTask, LineState, SimulatedEntry
from netenforce.operations import place_hold
from tests.cuts import NINE, free, heard, held, restrict, run
from tests.factories import make_account, make_device, make_line

pytestmark = pytest.mark.django_db


@pytest.fixture
def line() -> ServiceLine:
    return make_line(make_account(), "100.64.0.1", device=make_device(), ipv6="2001:db8:1::/56")


def test_an_order_is_applied_read_back_and_recorded(line: ServiceLine) -> None:
    task = restrict(line)
    with heard(signals.enforcement_settled) as settled:
        assert run() == {"confirmed": 1}
        assert run() == {}
    assert held() == {"100.64.0.1": "throttle", "2001:db8:1::/56": "throttle"}
    assert set(SimulatedEntry.objects.values_list("list_name", flat=True)) == {"Delinquent-Throttle"}
    task.refresh_from_db()
    assert (task.state, task.attempts, task.settled_at) == ("confirmed", 1, NINE)
    state = LineState.objects.get(line=line)
    assert (state.observed_level, state.observed_at) == ("throttle", NINE)
    assert [(row.outcome, row.read_back) for row in task.attempt_rows.all()] == [("confirmed", "throttle")]
    assert settled == [{"task_id": task.pk, "account_id": line.account_id, "state": "confirmed", "frees": False}]
    device = Device.objects.get()
    assert (device.last_contact_at, device.failing_since_at) == (NINE, None)


def test_payment_takes_it_off_the_device_again(line: ServiceLine) -> None:
    restrict(line)
    run()
    free(line, NINE + timedelta(hours=14))
    assert run(NINE + timedelta(hours=14)) == {"confirmed": 1}
    assert held() == {}
    assert LineState.objects.get(line=line).observed_level == "open"


def test_a_restriction_waits_for_its_hour_and_a_restore_does_not(line: ServiceLine) -> None:
    night = NINE - timedelta(hours=6)
    with clock.at(night):
        place_hold(
            account_id=line.account_id,
            cause="non_payment",
            cause_key="k",
            level="throttle",
            why="w",
            not_before=NINE,
        )
    assert run(NINE - timedelta(seconds=1)) == {}
    assert run(NINE) == {"confirmed": 1}


def test_a_device_that_pretends_is_believed_only_by_its_read_back_and_given_up_after_five_tries(
    line: ServiceLine,
) -> None:
    Device.objects.update(options={"ignores": True})
    task = restrict(line)
    at, waits = NINE, []
    for _ in range(4):
        assert run(at) == {"mismatch": 1}
        task.refresh_from_db()
        waits.append((task.due_at - at).total_seconds())
        assert run(task.due_at - timedelta(seconds=1)) == {}
        at = task.due_at
    assert waits == [30, 60, 120, 240]
    with heard(signals.enforcement_settled) as settled:
        assert run(at) == {"parked": 1}
    assert [call["state"] for call in settled] == ["parked"]
    task.refresh_from_db()
    assert (task.state, task.attempts) == ("parked", 5)
    assert LineState.objects.get(line=line).observed_level == "open"
    exception = Attention.objects.get(code="enforcement-parked")
    assert exception.account_id == line.account_id
    assert run(at + timedelta(hours=1)) == {}


def test_a_lost_answer_is_cleared_up_by_the_read_back(line: ServiceLine) -> None:
    Device.objects.update(options={"lost_answer": True})
    task = restrict(line)
    assert run() == {"confirmed": 1}
    task.refresh_from_db()
    assert task.state == "confirmed"


def test_one_dead_device_stops_nobody_else(line: ServiceLine) -> None:
    Device.objects.update(options={"down": True})
    healthy = make_line(make_account(), "100.64.0.2", device=make_device("edge-2"))
    restrict(line)
    restrict(healthy)
    assert run() == {"unavailable": 1, "confirmed": 1}
    dead = Device.objects.get(name="edge-1")
    assert (dead.failing_since_at, dead.last_contact_at) == (NINE, None)
    assert "cannot be reached" in dead.failure
    assert held() == {"100.64.0.2": "throttle"}
    later = NINE + timedelta(minutes=1)
    assert run(later) == {"unavailable": 1}
    dead.refresh_from_db()
    assert dead.failing_since_at == NINE
    Device.objects.update(options={})
    assert run(later + timedelta(minutes=2)) == {"confirmed": 1}
    dead.refresh_from_db()
    assert (dead.failing_since_at, dead.failure) == (None, "")


def test_restores_go_first_on_every_device(line: ServiceLine, monkeypatch: pytest.MonkeyPatch) -> None:
    other_device = make_device("edge-2")
    blocked = make_line(make_account(), "100.64.0.2", device=other_device)
    restrict(blocked)
    run()
    restrict(line)
    free(blocked, NINE + timedelta(minutes=1))
    told: list[tuple[str, str]] = []
    real = SimulatedDriver.apply

    def spy(self: SimulatedDriver, device: Device, changes: Any) -> Mapping[str, str]:
        told.extend((change.address, change.level) for change in changes)
        return real(self, device, changes)

    monkeypatch.setattr(SimulatedDriver, "apply", spy)
    run(NINE + timedelta(minutes=1))
    assert told[0] == ("100.64.0.2", "open")
    assert ("100.64.0.1", "throttle") in told


def test_one_bad_line_in_a_batch_does_not_take_the_others_with_it(
    line: ServiceLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = make_line(make_account(), "100.64.0.2", device=Device.objects.get())
    real = SimulatedDriver.apply

    def picky(self: SimulatedDriver, device: Device, changes: Any) -> Mapping[str, str]:
        if any(change.address == "100.64.0.1" for change in changes):
            raise Rejected("no such interface")
        return real(self, device, changes)

    monkeypatch.setattr(SimulatedDriver, "apply", picky)
    bad = restrict(line)
    restrict(good)
    assert run() == {"parked": 1, "confirmed": 1}
    assert held() == {"100.64.0.2": "throttle"}
    bad.refresh_from_db()
    assert (bad.state, bad.attempts) == ("parked", 1)
    assert "no such interface" in bad.attempt_rows.get().detail


def test_a_driver_that_breaks_is_the_devices_trouble_and_nobody_elses(
    line: ServiceLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = make_line(make_account(), "100.64.0.2", device=make_device("edge-2"))
    real = SimulatedDriver.apply

    def broken(self: SimulatedDriver, device: Device, changes: Any) -> Mapping[str, str]:
        if device.name == "edge-1":
            raise ZeroDivisionError
        return real(self, device, changes)

    monkeypatch.setattr(SimulatedDriver, "apply", broken)
    restrict(line)
    restrict(good)
    assert run() == {"unknown": 1, "confirmed": 1}
    assert "ZeroDivisionError" in Device.objects.get(name="edge-1").failure


def test_a_device_without_a_driver_parks_its_orders_with_the_way_to_mend_it(
    line: ServiceLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "NETWORK_DRIVERS", {}, raising=False)
    Device.objects.update(driver="routeros")
    restrict(line)
    assert run() == {"parked": 1}
    assert "no driver for MikroTik RouterOS" in Attention.objects.get().words


def test_a_line_without_any_address_is_parked_and_shown() -> None:
    bare = ServiceLine.objects.create(account=make_account())
    from netenforce.operations import place_line

    place_line(bare, make_device())
    restrict(bare)
    assert run() == {"parked": 1}
    assert "give the line an address" in Attention.objects.get().words


def test_a_disabled_device_is_left_alone_until_it_is_enabled(line: ServiceLine) -> None:
    Device.objects.update(enabled=False)
    restrict(line)
    assert run() == {}
    Device.objects.update(enabled=True)
    assert run() == {"confirmed": 1}


def test_what_a_dead_worker_left_is_done_by_the_next_but_not_for_ever(line: ServiceLine) -> None:
    task = restrict(line)
    lease = NINE + timedelta(minutes=2)
    EnforcementTask.objects.update(state="sending", attempts=1, lease_until_at=lease)
    assert run(lease) == {}
    assert run(lease + timedelta(seconds=1)) == {"confirmed": 1}
    EnforcementTask.objects.filter(pk=task.pk).update(state="sending", attempts=5, lease_until_at=lease)
    run(lease + timedelta(minutes=1))
    task.refresh_from_db()
    assert task.state == "parked"


def test_an_order_superseded_while_it_was_sent_still_tells_what_is_there(
    line: ServiceLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = restrict(line)
    real = SimulatedDriver.apply

    seen: list[str] = []

    def paid_meanwhile(self: SimulatedDriver, device: Device, changes: Any) -> Mapping[str, str]:
        answer = real(self, device, changes)
        monkeypatch.setattr(SimulatedDriver, "apply", freed)
        free(line)
        return answer

    def freed(self: SimulatedDriver, device: Device, changes: Any) -> Mapping[str, str]:
        seen.append(LineState.objects.get(line=line).observed_level)
        return real(self, device, changes)

    monkeypatch.setattr(SimulatedDriver, "apply", paid_meanwhile)
    # The same pass frees the line: before its next batch it looks for lines to be freed.
    assert run() == {"superseded": 1, "confirmed": 1}
    task.refresh_from_db()
    assert (task.state, seen) == ("superseded", ["throttle"])
    assert held() == {}
    assert LineState.objects.get(line=line).observed_level == "open"


def test_a_confirmed_restore_resolves_the_exception_of_an_earlier_failure(line: ServiceLine) -> None:
    Device.objects.update(options={"rejects": True})
    restrict(line)
    assert run() == {"parked": 1}
    Device.objects.update(options={})
    free(line)
    assert run() == {"confirmed": 1}
    assert not Attention.objects.filter(resolved_at=None).exists()


@pytest.mark.parametrize("options", [{}, {"down": True}, {"ignores": True}])
def test_a_batch_of_any_size_takes_as_many_statements(options: dict[str, Any]) -> None:
    counts = []
    for number, size in enumerate((5, 25)):
        device = make_device(f"edge-{number}", options=options)
        for place in range(size):
            restrict(make_line(make_account(), f"100.64.{number}.{place}", device=device))
        with CaptureQueriesContext(connection) as asked:
            assert sum(run().values()) == size
        counts.append(len(asked))
        device.enabled = False
        device.save()
    assert counts[0] == counts[1]


def test_giving_up_a_batch_of_any_size_takes_as_many_statements() -> None:
    counts = []
    for number, size in enumerate((5, 25)):
        device = make_device(f"edge-{number}", options={"ignores": True})
        for place in range(size):
            restrict(make_line(make_account(), f"100.64.{number}.{place}", device=device))
        EnforcementTask.objects.filter(device=device).update(attempts=4)
        with CaptureQueriesContext(connection) as asked:
            assert run() == {"parked": size}
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_the_number_of_orders_in_a_batch_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netenforce.dispatch.BATCH", 2)
    device = make_device()
    sizes: list[int] = []
    real = SimulatedDriver.apply

    def spy(self: SimulatedDriver, device: Device, changes: Any) -> Mapping[str, str]:
        sizes.append(len(changes))
        return real(self, device, changes)

    monkeypatch.setattr(SimulatedDriver, "apply", spy)
    for number in range(5):
        restrict(make_line(make_account(), f"100.64.3.{number}", device=device))
    assert run() == {"confirmed": 5}
    assert sizes == [2, 2, 1]
