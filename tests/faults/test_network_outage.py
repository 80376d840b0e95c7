"""T18: a device that nobody reaches for two hours. What became of its lines is counted in its own books."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F

from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.errors import Unavailable
from netenforce import signals
from netenforce.dispatch import dispatch_enforcement
from netenforce.drivers.port import Change, Held, Inventory
from netenforce.drivers.routeros import RouterOSDriver
from netenforce.models import Device, EnforcementTask, LineState
from netenforce.reconcile import reconcile
from tests.factories import instant
from tests.faults.network_devices import TimedFake, accounts_on, change, devices

pytestmark = pytest.mark.django_db(transaction=True)

NINE = instant("2026-01-21 09:00")
BLOCKS, RESTORES, PASSES = 300, 120, 24  # a pass every five minutes, for two hours


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Let no other room speak, and the pass speak to several devices at once."""
    settings.NETWORK_PARALLEL = 4
    for signal in (signals.about_to_restrict, signals.enforcement_settled):
        monkeypatch.setattr(signal, "receivers", [])


def town(device: Device, fake: TimedFake) -> tuple[list[Account], list[Account]]:
    """Return those who will be free and those who will be slowed; the former are slowed now, as the device confirms."""
    payers = accounts_on(device, [f"100.64.1.{n}" for n in range(RESTORES)])
    late = accounts_on(device, [f"100.64.{2 + n // 200}.{n % 200}" for n in range(BLOCKS)])
    with clock.at(NINE):
        change(payers, "throttle")
        dispatch_enforcement()
    assert len(fake.levels()) == RESTORES
    return payers, late


def out_for_two_hours(fake: TimedFake, payers: Sequence[Account], late: Sequence[Account]) -> None:
    """Order blocks and restores, some in each pass, while nobody reaches the device."""
    fake.down = True
    for step in range(PASSES):
        with clock.at(NINE + timedelta(minutes=5 * (step + 1))):
            change(late[step::PASSES], "throttle")
            change(payers[step::PASSES], "", before="throttle")
            dispatch_enforcement()


def expected() -> dict[str, str]:
    return {f"100.64.{2 + n // 200}.{n % 200}": "throttle" for n in range(BLOCKS)}


def restores_first(verbs: Sequence[str]) -> bool:
    """Tell whether no line was restricted before another one was freed."""
    return list(verbs) == sorted(verbs, key=lambda verb: verb != "remove")


def back(fake: TimedFake) -> list[list[str]]:
    """Let the device answer again; return what a pass and then a comparison changed there, in order."""
    fake.down = False
    found = []
    with clock.at(NINE + timedelta(hours=2, minutes=10)):
        for work in (dispatch_enforcement, reconcile):
            first = len(fake.done)
            work()
            found.append(fake.since(first))
    return found


def test_a_device_that_was_away_for_two_hours_holds_what_it_should_after_one_comparison(tmp_path: Path) -> None:
    with devices(1, tmp_path) as (group, [device]):
        [fake] = group.fakes
        payers, late = town(device, fake)
        first, met = len(fake.done), fake.connections
        out_for_two_hours(fake, payers, late)
        # The fault was there: it was called, and nothing was done.
        assert fake.connections - met >= 3
        assert fake.since(first) == []
        device.refresh_from_db()
        assert device.failing_since_at == NINE + timedelta(minutes=5)
        passes = back(fake)
        assert fake.levels() == expected()
        assert all(map(restores_first, passes)), passes
        assert sum(map(len, passes)) == BLOCKS + RESTORES  # each line once, none twice
        device.refresh_from_db()
        assert (device.failing_since_at, device.failure) == (None, "")
        assert not LineState.objects.exclude(observed_level=F("desired_level")).exists()
        assert not EnforcementTask.objects.filter(state__in=["queued", "claimed", "sending"]).exists()
        with clock.at(NINE + timedelta(hours=2, minutes=15)):
            assert [report.drifted for report in reconcile(dry_run=True)] == [0]


class Trusting(RouterOSDriver):
    """The mistake: what was sent counts as done, and the device is never asked."""

    memory: dict[str, Held] = {}

    def apply(self, device: Device, changes: Sequence[Change]) -> Mapping[str, str]:
        self.memory.update({one.address: Held(level=one.level, list_name=one.list_name) for one in changes})
        try:
            return super().apply(device, changes)
        except Unavailable:
            return {}

    def read(self, device: Device, addresses: Any) -> Mapping[str, Held]:
        return {address: self.memory.get(address, Held(level="open")) for address in addresses}

    def read_all(self, device: Device) -> Inventory:
        return Inventory(ours={address: held for address, held in self.memory.items() if held.level != "open"})


def test_a_driver_that_trusts_itself_is_found_out_by_this_test(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seeded defect: were nothing read back, the device would hold what was true two hours ago."""
    monkeypatch.setattr(Trusting, "memory", {})
    settings.NETWORK_DRIVERS = {"routeros": f"{__name__}.Trusting"}
    monkeypatch.setattr("netenforce.drivers.registry._made", lambda path: Trusting())
    with devices(1, tmp_path) as (group, [device]):
        [fake] = group.fakes
        out_for_two_hours(fake, *town(device, fake))
        back(fake)
        assert fake.levels() != expected()
        assert len(fake.levels()) == RESTORES


def test_a_device_that_answers_cuts_nobody_because_another_one_is_away(tmp_path: Path) -> None:
    """Whoever is on both devices is confirmed on the one, and waits on the other."""
    with devices(2, tmp_path) as (group, [away, here]):
        group.fakes[0].down = True
        lines = accounts_on(here, ["100.64.9.1", "100.64.9.2"])
        for account in lines:
            account.service_lines.get().placements.create(device=away)
        with clock.at(NINE):
            change(lines, "suspend")
            dispatch_enforcement()
        assert group.fakes[1].levels() == dict.fromkeys(["100.64.9.1", "100.64.9.2"], "suspend")
        with clock.at(NINE + timedelta(minutes=1)):
            change(lines, "", before="suspend")
            dispatch_enforcement()
        assert [fake.levels() for fake in group.fakes] == [{}, {}]
        group.fakes[0].down = False
        with clock.at(NINE + timedelta(minutes=20)):
            dispatch_enforcement()
        assert [fake.levels() for fake in group.fakes] == [{}, {}]
