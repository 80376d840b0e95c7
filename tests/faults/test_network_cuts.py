"""T19 and T20 by their mistakes: a driver that never looks before it writes, and one that takes all for its own.

That the driver itself passes with every cut is in tests/netenforce/test_routeros_storm.py.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Account
from billing_project.kernel import clock
from netenforce import signals
from netenforce.dispatch import dispatch_enforcement
from netenforce.drivers import routeros
from netenforce.models import EnforcementTask, LineState
from netenforce.reconcile import reconcile
from tests.factories import instant
from tests.faults.network_devices import TimedFake, accounts_on, change, devices
from tests.peers.routeros_fake_books import LISTS, V4

pytestmark = pytest.mark.django_db

NINE = instant("2026-01-21 09:00")
LINES = 40


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[TimedFake, list[Account]]]:
    """Return a device and the accounts on it, each with one line."""
    for signal in (signals.about_to_restrict, signals.enforcement_settled):
        monkeypatch.setattr(signal, "receivers", [])
    with devices(1, tmp_path) as (group, [device]):
        yield group.fakes[0], accounts_on(device, [f"100.64.0.{n}" for n in range(LINES)])


def all_slowed() -> dict[str, str]:
    return {f"100.64.0.{n}": "throttle" for n in range(LINES)}


def cut_and_try_again(fake: TimedFake, accounts: list[Account]) -> dict[str, str]:
    """Order all slow; cut the connection after ten were done, and the read-back; return what it holds a pass later."""
    fake.inject("drop_after", after=10, times=2, on=("login", "add"))
    with clock.at(NINE):
        change(accounts, "throttle")
        dispatch_enforcement()
    assert len(fake.levels()) == 10, "the connection was not cut after ten"
    assert not EnforcementTask.objects.filter(state="confirmed").exists(), "the answers were not lost"
    with clock.at(NINE + timedelta(minutes=1)):
        dispatch_enforcement()
    return fake.levels()


def test_a_lost_answer_is_made_good_by_the_next_pass_and_no_account_is_half_blocked(
    town: tuple[TimedFake, list[Account]],
) -> None:
    fake, accounts = town
    assert cut_and_try_again(fake, accounts) == all_slowed()
    # By the device's own log nothing was written twice, or tried to be.
    assert fake.writes() == ["add"] * LINES
    assert [row["trap"] for row in fake.done if row["trap"]] == []
    assert not EnforcementTask.objects.exclude(state="confirmed").exists()
    assert set(LineState.objects.values_list("observed_level", flat=True)) == {"throttle"}


def test_a_driver_that_does_not_look_first_meets_its_own_entries_and_is_found_out(
    town: tuple[TimedFake, list[Account]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seeded defect: it adds blindly, and after a lost answer the device says that it has such an entry already."""
    fake, accounts = town
    real = routeros.RouterOSDriver.apply

    def blind(self: Any, *args: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(routeros, "_entries", lambda talk, networks: [])
            return real(self, *args)

    monkeypatch.setattr(routeros.RouterOSDriver, "apply", blind)
    cut_and_try_again(fake, accounts)
    refused = [row["trap"] for row in fake.done if row["trap"]]
    assert "failure: already have such entry" in refused


def reboot_without_ours(fake: TimedFake) -> dict[str, dict[str, str]]:
    """Let a device start anew from a backup that knows nothing of us; return the twenty entries of somebody's hand."""
    for n in range(20):
        comment = ("", "by hand", "Zürich", "billing: ask Anna")[n % 4]
        list_name = ("Delinquent-Throttle", "Suspended", "allowed")[n % 3]
        fake.router.put(V4, list=list_name, address=f"198.51.100.{n}", comment=comment, dynamic="false")
    fake.router.put(V4, list="ddos", address="192.0.2.99", comment="billing:suspend", dynamic="true", timeout="10m")
    before, met = fake.router.uptime, len(fake.router.tables[V4])
    for path in LISTS:
        fake.router.tables[path] = {
            key: row for key, row in fake.router.tables[path].items() if row["comment"] != "billing:throttle"
        }
    fake.reboot()
    left = {key: dict(row) for key, row in fake.router.tables[V4].items()}
    # The fault was there: it counts anew, and what was ours and what was dynamic is gone.
    assert fake.router.uptime < before
    assert (met, len(left)) == (LINES + 21, 20)
    return left


def after_a_reboot(fake: TimedFake, accounts: list[Account]) -> tuple[dict[str, str], bool]:
    """Compare once after a reboot; return what is there by our mark, and whether what was foreign is as it was."""
    with clock.at(NINE):
        change(accounts, "throttle")
        dispatch_enforcement()
    foreign = reboot_without_ours(fake)
    with clock.at(NINE + timedelta(minutes=5)):
        reconcile()
    now = fake.router.tables[V4]
    kept = {key: row for key, row in now.items() if key in foreign} == foreign
    return {row["address"]: "throttle" for row in now.values() if row["comment"] == "billing:throttle"}, kept


def test_after_a_reboot_one_comparison_brings_ours_back_and_leaves_the_twenty_others_as_they_were(
    town: tuple[TimedFake, list[Account]],
) -> None:
    fake, accounts = town
    assert after_a_reboot(fake, accounts) == (all_slowed(), True)


def test_a_driver_that_takes_every_entry_in_our_lists_for_its_own_is_found_out(
    town: tuple[TimedFake, list[Account]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seeded defect: it looks at the list and not at the mark, and frees people that somebody listed by hand."""
    real = routeros.entry_of

    def by_list(row: Any) -> Any:
        level = {"Delinquent-Throttle": "throttle", "Suspended": "suspend"}.get(row.get("list", ""))
        return real({**row, "comment": f"billing:{level}"} if level else row)

    monkeypatch.setattr(routeros, "entry_of", by_list)
    fake, accounts = town
    ours, kept = after_a_reboot(fake, accounts)
    assert ours == all_slowed()
    assert not kept
