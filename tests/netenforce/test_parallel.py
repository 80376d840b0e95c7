"""Devices are independent: many are spoken to at once, and one that hangs keeps no other waiting (T18)."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Lock
from typing import Any

import pytest
from django.db import connection, connections

from accounts.models import ServiceLine
from accounts.operations import pause_everything
from billing_project.kernel import clock
from billing_project.kernel.errors import Unavailable
from netenforce import dispatch, signals
from netenforce.dispatch import dispatch_enforcement
from netenforce.drivers.simulated import SimulatedDriver
from netenforce.models import Device, SimulatedEntry
from netenforce.operations import LiftHold, PlaceHold, change_holds
from netenforce.restore import restore_lines
from tests.factories import instant, make_account, make_device, make_line

pytestmark = pytest.mark.django_db(transaction=True)

NINE = instant("2026-01-21 09:00")
PATIENCE = 60
Apply = Callable[[Device, Any], object]


@pytest.fixture(autouse=True)
def _nine(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    settings.NETWORK_PARALLEL = 16
    for signal in (signals.about_to_restrict, signals.enforcement_settled):
        monkeypatch.setattr(signal, "receivers", [])
    with clock.at(NINE):
        yield


def before_apply(monkeypatch: pytest.MonkeyPatch, what: Apply) -> None:
    """Do something in the thread of each call that changes a device, before it does."""
    real = SimulatedDriver.apply

    def apply(self: SimulatedDriver, device: Device, changes: Any) -> Mapping[str, str]:
        what(device, changes)
        return real(self, device, changes)

    monkeypatch.setattr(SimulatedDriver, "apply", apply)


def town(devices: int, lines_each: int = 1, *, first: int = 0) -> list[ServiceLine]:
    """Return the lines of so many devices, device by device."""
    return [
        make_line(make_account(), f"100.{64 + number // 200}.{number % 200}.{place}", device=device)
        for number in range(first, first + devices)
        for device in [make_device(f"edge-{number:03}")]
        for place in range(lines_each)
    ]


def cut(lines: list[ServiceLine]) -> None:
    change_holds(
        placed=[
            PlaceHold(account_id=line.account_id, cause="abuse", cause_key="k", level="suspend", why="w")
            for line in lines
        ]
    )


def free(lines: list[ServiceLine]) -> None:
    change_holds(lifted=[LiftHold(account_id=line.account_id, cause_key="k", why="paid") for line in lines])


def elsewhere(work: Any) -> Any:
    """Do work at nine on a connection of this thread's own."""
    try:
        with clock.at(NINE):
            return work()
    finally:
        connections.close_all()


def test_sixteen_devices_are_spoken_to_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = Barrier(16, timeout=PATIENCE)
    before_apply(monkeypatch, lambda device, changes: meeting.wait())
    cut(town(32))
    # Each waits until fifteen others are being spoken to as well; one after the other nobody would ever come.
    assert dispatch_enforcement() == {"confirmed": 32}
    assert SimulatedEntry.objects.count() == 32


def test_a_device_that_hangs_slows_a_hundred_others_by_less_than_a_tenth(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lanes, rounds = 16, 7
    healthy = (lanes - 1) * rounds
    meeting, all_done, lock = Barrier(lanes - 1, timeout=PATIENCE), Event(), Lock()
    seen: Counter[str] = Counter()
    hanging: list[bool] = []

    def slow(device: Device, changes: Any) -> None:
        if device.name == "edge-000":
            hanging.append(all_done.wait(PATIENCE))
            raise Unavailable("It did not answer in 15 s.")
        # As slow as a device may be: it answers when all the other lanes are busy, too.
        meeting.wait()
        with lock:
            seen["answered"] += 1
            if seen["answered"] == healthy:
                all_done.set()

    before_apply(monkeypatch, slow)
    cut(town(healthy + 1))
    assert dispatch_enforcement() == {"confirmed": healthy, "unavailable": 1}
    # It hung until all others had answered, and these always had all the other lanes.
    assert hanging == [True]
    slower = (healthy / (lanes - 1)) / (healthy / lanes) - 1
    with capsys.disabled():
        print(f"\n{healthy} devices beside one that hung: {rounds} rounds of {lanes - 1}, {slower:.1%} slower")
    assert slower <= 0.1


def test_a_payer_is_freed_on_another_device_while_one_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, *others = lines = town(6)
    cut(lines)
    dispatch_enforcement()
    hangs, freed = Event(), Event()
    released: list[bool] = []

    def slow(device: Device, changes: Any) -> None:
        if device.name == "edge-000":
            hangs.set()
            released.append(freed.wait(PATIENCE))
        elif device.name == "edge-005":
            freed.set()

    before_apply(monkeypatch, slow)
    free([stuck])
    with ThreadPoolExecutor(max_workers=1) as pool:
        door = pool.submit(elsewhere, restore_lines)
        assert hangs.wait(PATIENCE)
        # They pay when the pass has long begun, and do not have to wait for the device that hangs.
        free(others)
        assert door.result() == {"confirmed": 6}
    assert released == [True]
    assert not SimulatedEntry.objects.exists()


def test_restores_are_begun_on_all_devices_before_restrictions_on_any(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.NETWORK_PARALLEL = 3
    payers, late = town(3), town(3, first=3)
    cut(payers)
    dispatch_enforcement()
    free(payers)
    cut(late)
    together, begun, lock = Barrier(3, timeout=PATIENCE), [], Lock()

    def note(device: Device, changes: Any) -> None:
        with lock:
            begun.append(changes[0].level)
        if changes[0].level == "open":
            together.wait()

    before_apply(monkeypatch, note)
    assert dispatch_enforcement() == {"confirmed": 6}
    assert begun == ["open"] * 3 + ["suspend"] * 3


def test_on_one_device_restrictions_come_after_its_restores_and_not_at_all_if_these_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    payer, late = town(1, 2)
    cut([payer])
    dispatch_enforcement()
    free([payer])
    cut([late])
    told: list[str] = []
    before_apply(monkeypatch, lambda device, changes: told.extend(change.level for change in changes))
    Device.objects.update(options={"down": True})
    assert dispatch_enforcement() == {"unavailable": 1}
    assert told == ["open"]


def test_a_pause_takes_hold_on_all_devices_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def press() -> None:
        pause_everything(reason="Stop.")

    monkeypatch.setattr(dispatch, "BATCH", 1)
    pressed = Barrier(4, action=press, timeout=PATIENCE)
    before_apply(monkeypatch, lambda device, changes: pressed.wait())
    cut(town(4, 3))
    # What is in the air on each device arrives, and nothing more.
    assert dispatch_enforcement() == {"confirmed": 4}
    assert SimulatedEntry.objects.count() == 4


def test_what_breaks_off_on_one_device_is_counted_and_stops_nobody_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = dispatch.drain

    def drain(device: Device, **more: Any) -> bool:
        if device.name == "edge-001":
            raise MemoryError
        return real(device, **more)

    monkeypatch.setattr(dispatch, "drain", drain)
    cut(town(4))
    assert dispatch_enforcement() == {"confirmed": 3, "broken": 1}
    assert "the pass over it broke off" in caplog.text


def test_the_threads_leave_no_connection_behind() -> None:
    cut(town(12))

    def sessions() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            return int(cursor.fetchone()[0])

    before = sessions()
    assert dispatch_enforcement() == {"confirmed": 12}
    # PostgreSQL needs a moment to notice.
    assert any(sessions() <= before for _ in range(5000))
