"""A device that does not answer is left alone for a while, and its lines wait without being given up (R-12, T18)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import Sum

from accounts.models import Attention, ServiceLine
from billing_project.kernel import clock
from netenforce import contact
from netenforce.dispatch import dispatch_enforcement
from netenforce.drivers.simulated import SimulatedDriver
from netenforce.models import Device, EnforcementTask, SimulatedEntry
from netenforce.operations import lift_hold, place_hold
from netenforce.restore import restore_lines
from tests.factories import instant, make_account, make_device, make_line

pytestmark = pytest.mark.django_db

NINE = instant("2026-01-21 09:00")
Calls = list[list[str]]


@pytest.fixture
def device() -> Device:
    return make_device()


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Record each call that would change a device: the levels it asked for."""
    told: Calls = []
    real = SimulatedDriver.apply

    def apply(self: SimulatedDriver, device: Device, changes: Any) -> Mapping[str, str]:
        told.append([change.level for change in changes])
        return real(self, device, changes)

    monkeypatch.setattr(SimulatedDriver, "apply", apply)
    return told


def minutes(count: float) -> datetime:
    return NINE + timedelta(minutes=count)


def lines(device: Device, count: int) -> list[ServiceLine]:
    return [make_line(make_account(), f"100.64.7.{number}", device=device) for number in range(count)]


def cut(line: ServiceLine) -> None:
    with clock.at(NINE):
        place_hold(account_id=line.account_id, cause="non_payment", cause_key="k", level="suspend", why="unpaid")


def free(line: ServiceLine, at: datetime) -> None:
    with clock.at(at):
        lift_hold(account_id=line.account_id, cause_key="k", why="paid")


def run(at: datetime) -> dict[str, int]:
    with clock.at(at):
        return dict(dispatch_enforcement())


def tries() -> int:
    return int(EnforcementTask.objects.aggregate(sum=Sum("attempts"))["sum"])


def fail_three_times(device: Device, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Let a device with 30 orders fail until its breaker opens, and return when it is tried again."""
    monkeypatch.setattr("netenforce.dispatch.BATCH", 6)
    monkeypatch.setattr("netenforce.dispatch.TRIAL_BATCH", 2)
    Device.objects.update(options={"down": True})
    assert [run(minutes(minute)) for minute in range(3)] == [{"unavailable": 6}] * 3
    device.refresh_from_db()
    assert device.retry_at == minutes(2.5)
    return device.retry_at


def test_after_three_failures_a_device_is_left_alone_and_no_tries_are_counted(
    device: Device, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    for line in lines(device, 30):
        cut(line)
    retry_at = fail_three_times(device, monkeypatch)
    before = (len(calls), tries())
    assert run(retry_at - timedelta(seconds=1)) == {}
    assert (len(calls), tries()) == before
    assert EnforcementTask.objects.filter(state="queued").count() == 30


def test_it_is_tried_with_a_few_orders_and_rests_longer_each_time(
    device: Device, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    for line in lines(device, 30):
        cut(line)
    at = fail_three_times(device, monkeypatch)
    rests = []
    for _ in range(5):
        calls.clear()
        assert run(at) == {"unavailable": 2}
        assert [len(call) for call in calls] == [2]
        device.refresh_from_db()
        assert device.retry_at is not None
        rests.append((device.retry_at - at).total_seconds())
        at = device.retry_at
    assert rests == [60, 120, 240, 300, 300]


def test_one_exception_stands_for_all_lines_that_wait_and_ends_when_the_device_answers(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    payer, *late = lines(device, 31)
    cut(payer)
    run(NINE)
    for line in late:
        cut(line)
    at = fail_three_times(device, monkeypatch)
    [exception] = Attention.objects.all()
    assert (exception.code, exception.key, exception.account) == (contact.UNREACHABLE, f"device:{device.pk}", None)
    assert "Device edge-1 has not answered since 2026-01-21 14:00 UTC" in exception.words
    assert "30 lines wait for it, 0 of them to be freed." in exception.words
    free(payer, at)
    run(at)
    exception.refresh_from_db()
    assert "31 lines wait for it, 1 of them to be freed." in exception.words
    assert Attention.objects.count() == 1
    Device.objects.update(options={})
    device.refresh_from_db()
    assert device.retry_at is not None
    run(device.retry_at)
    exception.refresh_from_db()
    assert exception.resolved_at == device.retry_at


def test_when_it_is_back_who_has_paid_goes_first_and_everything_flows_at_once(
    device: Device, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    payer, *late = lines(device, 31)
    cut(payer)
    run(NINE)
    for line in late:
        cut(line)
    at = fail_three_times(device, monkeypatch)
    free(payer, at)
    Device.objects.update(options={})
    calls.clear()
    # One was tried so often that it would wait for minutes, another one waits for its hour.
    tried, waits = EnforcementTask.objects.filter(level="suspend", state="queued").order_by("pk")[:2]
    EnforcementTask.objects.filter(pk=tried.pk).update(due_at=minutes(30), attempts=4)
    EnforcementTask.objects.filter(pk=waits.pk).update(due_at=minutes(60), attempts=0)
    assert run(at) == {"confirmed": 30}
    assert calls[0] == ["open"]
    assert [len(call) for call in calls[1:]] == [6, 6, 6, 6, 5], "no more small batches"
    device.refresh_from_db()
    assert (device.failures_in_row, device.retry_at, device.failing_since_at) == (0, None, None)
    assert run(minutes(60)) == {"confirmed": 1}
    assert SimulatedEntry.objects.count() == 30


def test_a_hundred_lines_on_a_device_that_is_dead_for_two_hours_are_not_given_up(device: Device) -> None:
    for line in lines(device, 100):
        cut(line)
    Device.objects.update(options={"down": True})
    for minute in range(120):
        run(minutes(minute))
    assert list(Attention.objects.values_list("code", flat=True)) == [contact.UNREACHABLE]
    assert EnforcementTask.objects.filter(state="queued").count() == 100
    Device.objects.update(options={})
    for minute in (125, 130):
        run(minutes(minute))
    assert SimulatedEntry.objects.count() == 100


def test_the_door_for_restores_leaves_it_alone_as_well(device: Device, calls: Calls) -> None:
    [line] = lines(device, 1)
    cut(line)
    run(NINE)
    free(line, NINE)
    calls.clear()
    Device.objects.update(retry_at=minutes(5), failures_in_row=4)
    with clock.at(minutes(4)):
        assert restore_lines(wait_seconds=0) == {}
    assert calls == []
    with clock.at(minutes(5)):
        assert restore_lines(wait_seconds=0) == {"confirmed": 1}


def test_somebody_who_asks_to_check_now_goes_past_the_breaker(device: Device) -> None:
    [line] = lines(device, 1)
    cut(line)
    Device.objects.update(retry_at=minutes(5), failures_in_row=4)
    assert run(minutes(1)) == {}
    contact.close_breaker(device)
    assert run(minutes(1)) == {"confirmed": 1}


def test_a_device_that_is_disabled_needs_nobody_any_more(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in lines(device, 30):
        cut(line)
    at = fail_three_times(device, monkeypatch)
    Device.objects.update(enabled=False)
    run(at)
    assert Attention.objects.get().resolution == "the device was disabled"
    device.refresh_from_db()
    assert (device.failures_in_row, device.retry_at) == (0, None)


def test_a_device_that_answers_now_and_then_is_not_left_alone(device: Device) -> None:
    for text in ("silent", "silent", "", "silent", "silent"):
        contact.note_contact(device, text)
    device.refresh_from_db()
    assert (device.failures_in_row, device.retry_at) == (2, None)
    assert not Attention.objects.exists()


def test_what_waits_for_each_device_that_does_not_answer_is_told_in_one_query(
    device: Device, django_assert_num_queries: Any
) -> None:
    make_device("edge-0")
    for line in lines(device, 3):
        cut(line)
    Device.objects.update(options={"down": True})
    assert run(NINE) == {"unavailable": 3}
    with django_assert_num_queries(1):
        [found] = contact.breakers()
    assert (found.device, found.failures_in_row, found.waiting, found.to_free) == ("edge-1", 1, 3, 0)
    assert (found.failing_since_at, found.retry_at, found.words) == (
        NINE,
        None,
        "3 lines wait for it, 0 of them to be freed.",
    )
    Device.objects.update(enabled=False)
    assert contact.breakers() == []
