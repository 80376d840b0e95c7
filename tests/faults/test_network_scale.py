"""Twenty thousand lines on one device, and a hundred devices of which one is dead; measured at the devices' own logs.

``BILLING_NETWORK_DEVICES`` and ``BILLING_NETWORK_LINES`` change how many there are.
"""

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Account, ServiceLine
from billing_project.kernel import clock
from netenforce import signals
from netenforce.dispatch import dispatch_enforcement
from netenforce.drivers import routeros_wire
from netenforce.models import Device, LinePlacement, LineState
from netenforce.reconcile import reconcile
from tests.factories import instant, make_account
from tests.faults.network_devices import LISTS, Group, TimedFake, accounts_on, change, devices
from tests.peers.routeros_fake_books import V4

pytestmark = pytest.mark.django_db(transaction=True)

NINE = instant("2026-01-21 09:00")
DEVICES = int(os.environ.get("BILLING_NETWORK_DEVICES", "100"))
LINES = int(os.environ.get("BILLING_NETWORK_LINES", "20000"))
LANES = 16
LOGIN_SECONDS = 0.1  # as slow as a far router is to let somebody in
SLOWER_BAR = 0.10


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Let no other room speak, and the pass speak to many devices at once."""
    settings.NETWORK_PARALLEL = LANES
    for signal in (signals.about_to_restrict, signals.enforcement_settled):
        monkeypatch.setattr(signal, "receivers", [])


def filled(device: Device, fake: TimedFake, count: int) -> None:
    """Put lines on a device that are restricted, as they should be and as it knows."""
    account = make_account()
    net = 64 + 32 * (device.pk % 2)
    addresses = [f"100.{net + n // 65536}.{n // 256 % 256}.{n % 256}" for n in range(count)]
    lines = ServiceLine.objects.bulk_create([ServiceLine(account=account, ipv4=one) for one in addresses])
    LinePlacement.objects.bulk_create([LinePlacement(line=line, device=device) for line in lines])
    level, name = "throttle", LISTS["throttle"]
    LineState.objects.bulk_create(
        [
            LineState(
                line=line, device=device, desired_level=level, desired_list=name, observed_level=level,
                observed_list=name, observed_at=NINE, desired_since_at=NINE,
            )
            for line in lines
        ]
    )  # fmt: skip
    for address in addresses:
        fake.router.put(V4, list=name, address=address, comment=f"billing:{level}", disabled="false", dynamic="false")


class Flights:
    """Count what leaves for devices: each is one round trip."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        flush = routeros_wire._Line._flush

        def counted(line: Any) -> None:
            self.count += bool(line._out)
            flush(line)

        monkeypatch.setattr(routeros_wire._Line, "_flush", counted)

    def of(self, work: Any) -> tuple[Any, int, float]:
        """Do work; return what it returned, the round trips, and the seconds."""
        before, began = self.count, clock.monotonic()
        found = work()
        return found, self.count - before, clock.monotonic() - began


@pytest.mark.parametrize("spoilt", [0, 20])
def test_twenty_thousand_lines_are_compared_in_as_many_round_trips_as_twenty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], spoilt: int
) -> None:
    """Also where some of them drifted and are repaired: what it costs grows with the drift alone."""
    flights, trips = Flights(monkeypatch), []
    with devices(2, tmp_path) as (group, rows), clock.at(NINE):
        many = LINES if not spoilt else LINES // 4
        for device, fake, count in zip(rows, group.fakes, (2 * max(spoilt, 10), many), strict=True):
            filled(device, fake, count)
            before = fake.levels()
            for key in list(fake.router.tables[V4])[:spoilt]:
                del fake.router.tables[V4][key]
            done = len(fake.done)
            [report], count_of_trips, seconds = flights.of(lambda device=device: reconcile(device.name))
            assert (len(report.missing), report.repaired, report.failure) == (spoilt, spoilt, "")
            assert fake.levels() == before
            assert len(fake.since(done)) == spoilt  # counted in the device's log: nothing else was touched
            trips.append(count_of_trips)
            with capsys.disabled():
                print(f"\n{count} lines, {spoilt} drifted: {count_of_trips} round trips, {seconds:.2f} s")
    assert trips[0] == trips[1]
    assert trips[0] <= (2 if not spoilt else 10)


def town(rows: Sequence[Device]) -> list[Account]:
    """Return the accounts, one for each device."""
    return [
        account
        for number, device in enumerate(rows)
        for account in accounts_on(device, [f"100.{64 + number // 200}.{number % 200}.1"])
    ]


def slow_to_log_in(group: Group) -> None:
    for fake in group.fakes:
        fake.inject("delay", on=("login",), seconds=LOGIN_SECONDS, times=10**6)


def sweep(accounts: Sequence[Account], level: str, before: str, minute: int) -> float:
    """Order a level for all, send it, and return when that began."""
    with clock.at(NINE + timedelta(minutes=minute)):
        change(accounts, level, before=before)
        # A device that was left alone is asked again in each round.
        Device.objects.update(retry_at=None, failures_in_row=0)
        began = clock.monotonic()
        dispatch_enforcement()
    return began


def test_a_hundred_devices_are_spoken_to_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with devices(DEVICES, tmp_path) as (group, rows):
        accounts = town(rows)
        slow_to_log_in(group)
        began = sweep(accounts, "throttle", "", 0)
        seconds = max(fake.last_write() for fake in group.fakes) - began
        assert all(list(fake.levels().values()) == ["throttle"] for fake in group.fakes)
        with capsys.disabled():
            print(f"\n{DEVICES} devices: {seconds:.2f} s, {group.most} at once")
        # Counted by the devices; a figure in seconds would tell more about this machine.
        assert LANES // 2 <= group.most <= LANES


def test_one_dead_device_slows_the_others_by_less_than_a_tenth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """T18: it accepts and never answers. Best of three each way, since the machine has other work."""
    monkeypatch.setattr(routeros_wire, "ANSWER_SECONDS", 2.0)
    with devices(DEVICES, tmp_path) as (group, rows):
        accounts = town(rows)
        slow_to_log_in(group)
        dead, *alive = group.fakes
        sweep(accounts, "throttle", "", 0)
        level, before, met = "suspend", "throttle", 0
        took: dict[bool, list[float]] = {False: [], True: []}
        for turn in range(6):
            dead.silent = bool(turn % 2)
            calls = dead.connections
            began = sweep(accounts, level, before, 10 * (turn + 1))
            met += (dead.connections - calls) * dead.silent
            took[dead.silent].append(max(fake.last_write() for fake in alive) - began)
            assert all(list(fake.levels().values()) == [level] for fake in alive)
            level, before = before, level
        assert met >= 3, "the dead device was not called, so nothing was measured"
        slower = min(took[True]) / min(took[False]) - 1
        with capsys.disabled():
            print(f"\n{DEVICES - 1} devices: {min(took[False]):.2f} s, beside a dead one {min(took[True]):.2f} s"
                  f" ({slower:+.0%}; bar {SLOWER_BAR:+.0%})")  # fmt: skip
        assert slower < 2 * SLOWER_BAR
