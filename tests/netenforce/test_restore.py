"""Who has paid is freed first: between the batches of a sweep, and by a worker of its own (R-13)."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from django.db import connections

from accounts.models import ServiceLine
from accounts.operations import pause_everything
from billing_project.kernel import clock
from billing_project.kernel.nudge import Nudge
from netenforce import signals, tasks
from netenforce.dispatch import dispatch_enforcement
from netenforce.drivers.simulated import SimulatedDriver
from netenforce.drivers.turn import turn_on
from netenforce.models import Device, SimulatedEntry
from netenforce.operations import lift_hold, place_hold
from netenforce.restore import restore_lines
from tests.factories import instant, make_account, make_device, make_line

pytestmark = pytest.mark.django_db(transaction=True)

NINE = instant("2026-01-21 09:00")


@pytest.fixture(autouse=True)
def _nine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for signal in (signals.about_to_restrict, signals.enforcement_settled):
        monkeypatch.setattr(signal, "receivers", [])
    with clock.at(NINE):
        yield


def cut(line: ServiceLine) -> None:
    place_hold(account_id=line.account_id, cause="abuse", cause_key="k", level="suspend", why="w")


def free(line: ServiceLine) -> None:
    lift_hold(account_id=line.account_id, cause_key="k", why="paid")


def lines(device: Device, count: int, *, first: int = 1) -> list[ServiceLine]:
    return [make_line(make_account(), f"100.64.5.{n}", device=device) for n in range(first, first + count)]


def elsewhere(work: Any, *args: Any, **more: Any) -> Any:
    """Do work at nine on a connection of this thread's own."""
    try:
        with clock.at(NINE):
            return work(*args, **more)
    finally:
        connections.close_all()


def test_between_two_batches_of_a_sweep_those_who_have_paid_are_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netenforce.dispatch.BATCH", 2)
    device = make_device()
    payer, *late = lines(device, 7)
    cut(payer)
    assert dispatch_enforcement() == {"confirmed": 1}
    for line in late:
        cut(line)
    told: list[set[str]] = []
    real = SimulatedDriver.apply

    def apply(self: SimulatedDriver, device: Device, changes: Any) -> Mapping[str, str]:
        if not told:
            free(payer)
        told.append({change.level for change in changes})
        return real(self, device, changes)

    monkeypatch.setattr(SimulatedDriver, "apply", apply)
    assert dispatch_enforcement() == {"confirmed": 7}
    assert told == [{"suspend"}, {"open"}, {"suspend"}, {"suspend"}]


def test_a_restore_waits_for_the_end_of_anothers_turn_and_no_longer() -> None:
    device = make_device()
    (line,) = lines(device, 1)
    cut(line)
    dispatch_enforcement()
    free(line)
    began, end = Event(), Event()

    def busy() -> None:
        with turn_on(device.pk):
            began.set()
            assert end.wait(10)

    with ThreadPoolExecutor(max_workers=2) as pool:
        turn = pool.submit(elsewhere, busy)
        assert began.wait(10)
        assert restore_lines(wait_seconds=0) == {}
        assert SimulatedEntry.objects.exists()
        restore = pool.submit(elsewhere, restore_lines, wait_seconds=10)
        end.set()
        assert restore.result() == {"confirmed": 1}
        turn.result()
    assert not SimulatedEntry.objects.exists()


def test_the_door_for_restores_cuts_nobody_and_does_nothing_under_the_pause() -> None:
    device = make_device()
    payer, late = lines(device, 2)
    cut(payer)
    dispatch_enforcement()
    free(payer)
    cut(late)
    pause_everything(reason="wrong amounts")
    assert restore_lines() == {}
    with clock.at(NINE):
        from accounts.operations import resume_everything

        resume_everything(reason="mended")
    assert restore_lines() == {"confirmed": 1}
    assert not SimulatedEntry.objects.exists()


def test_a_device_that_is_dead_keeps_no_other_from_being_freed() -> None:
    dead, alive = make_device("a-dead"), make_device("b-alive")
    there, here = lines(dead, 1) + lines(alive, 1, first=9)
    for line in (there, here):
        cut(line)
    dispatch_enforcement()
    for line in (there, here):
        free(line)
    Device.objects.filter(pk=dead.pk).update(options={"down": True})
    assert restore_lines(wait_seconds=0)["confirmed"] == 1
    assert list(SimulatedEntry.objects.values_list("device__name", flat=True)) == ["a-dead"]


def test_a_sweep_whose_time_is_over_lets_others_in_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, nudges: list[Nudge]
) -> None:
    monkeypatch.setattr("netenforce.dispatch.BATCH", 1)
    monkeypatch.setattr(tasks, "DISPATCH_SECONDS", 0.0)
    device = make_device()
    for line in lines(device, 2):
        cut(line)
    nudges.clear()
    monkeypatch.setattr(clock, "monotonic", iter(float(second) for second in range(100)).__next__)
    assert tasks.dispatch() == 0
    assert nudges == []
    monkeypatch.setattr(tasks, "DISPATCH_SECONDS", 3.0)
    assert tasks.dispatch() == 1
    assert nudges == [("netenforce.dispatch", ())]
