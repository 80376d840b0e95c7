"""A device that was started anew is noticed within a minute and compared at once."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from billing_project.kernel import clock
from billing_project.kernel.nudge import recorded
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import Device, DeviceReading, SimulatedEntry
from netenforce.operations import place_hold
from netenforce.tasks import reconcile, tell_alarms, watch, watch_device
from tests.factories import instant, make_account, make_device, make_line

pytestmark = pytest.mark.django_db

NINE = instant("2026-01-21 09:00")


def asked(device: Device, uptime: int | None, at: datetime, **options: Any) -> bool:
    """Let the device say so, and look at it."""
    told = {} if uptime is None else {"uptime_seconds": uptime}
    Device.objects.filter(pk=device.pk).update(options=told | options)
    with clock.at(at):
        return watch_device(device.pk)


def test_a_restart_is_seen_by_the_uptime_and_repaired_at_once_while_foreign_entries_stay() -> None:
    device = make_device()
    line = make_line(make_account(), "100.64.0.1", device=device)
    with clock.at(NINE):
        place_hold(account_id=line.account_id, cause="abuse", cause_key="k", level="suspend", why="worm")
        dispatch_enforcement()
    assert not asked(device, 5000, NINE), "the first word of a device is no restart"
    SimulatedEntry.objects.all().delete()
    SimulatedEntry.objects.create(device=device, address="198.51.100.9", level="suspend", ours=False)
    assert asked(device, 20, NINE + timedelta(minutes=1))
    assert dict(SimulatedEntry.objects.values_list("address", "ours")) == {"100.64.0.1": True, "198.51.100.9": False}
    reading = DeviceReading.objects.get()
    assert (reading.trigger, reading.missing, reading.repaired) == ("restart", 1, 1)


@pytest.mark.parametrize(
    ("uptime", "anew"), [(1060, False), (1031, False), (1030, False), (1029, True), (2000, False), (None, False)]
)
def test_only_an_uptime_that_has_fallen_is_a_restart(uptime: int | None, anew: bool) -> None:
    device = make_device()
    asked(device, 1000, NINE)
    assert asked(device, uptime, NINE + timedelta(minutes=1)) is anew
    assert DeviceReading.objects.count() == int(anew)


def test_what_a_device_says_of_itself_is_kept() -> None:
    device = make_device()
    asked(device, 1000, NINE)
    device.refresh_from_db()
    assert (device.version, device.model, device.uptime_seconds, device.probed_at) == ("1", "simulated", 1000, NINE)
    assert (device.notes, device.last_contact_at) == ([], NINE)


def test_a_device_that_answers_again_is_compared_at_once() -> None:
    device = make_device()
    asked(device, 1000, NINE)
    asked(device, 1000, NINE + timedelta(minutes=1), down=True)
    assert Device.objects.get().failing_since_at == NINE + timedelta(minutes=1)
    assert not DeviceReading.objects.exists()
    assert not asked(device, 1120, NINE + timedelta(minutes=2))
    assert DeviceReading.objects.get().trigger == "clock"


def test_each_enabled_device_that_is_not_left_in_peace_has_tasks_of_its_own(
    django_capture_on_commit_callbacks: Any,
) -> None:
    make_device("off", enabled=False)
    make_device("resting", retry_at=NINE + timedelta(seconds=1))
    awake = [make_device("well"), make_device("to-be-tried", retry_at=NINE)]
    with clock.at(NINE), recorded() as nudges, django_capture_on_commit_callbacks(execute=True):
        assert (watch(), reconcile(), tell_alarms()) == (2, 2, 0)
    tasks = ("netenforce.watch_device", "netenforce.reconcile_device")
    assert nudges == [(task, (device.pk,)) for task in tasks for device in awake]


def test_a_device_that_is_left_in_peace_is_not_asked() -> None:
    device = make_device(retry_at=NINE + timedelta(minutes=1), options={"down": True})
    with clock.at(NINE):
        assert not watch_device(device.pk)
    assert Device.objects.get().failing_since_at is None


def test_a_device_whose_driver_tells_no_uptime_is_left_to_the_comparisons_on_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from dataclasses import replace

    from netenforce.drivers.simulated import SimulatedDriver

    silent = replace(SimulatedDriver.capabilities, tells_uptime=False)
    monkeypatch.setattr(SimulatedDriver, "capabilities", silent)
    device = make_device()
    assert not asked(device, 1000, NINE)
    assert Device.objects.get().probed_at is None
