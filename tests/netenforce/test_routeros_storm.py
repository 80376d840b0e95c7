"""MikroTik through the real dispatch and reconcile: a connection that breaks anywhere, and a device that starts anew.

``BILLING_ALL_CUTS=1`` tries every place where the connection may break; without it every tenth, shared out among the
ways to break, and for each of these the first and last command and both sides of a batch.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from accounts.models import Account
from billing_project.kernel import clock
from netenforce.dispatch import BATCH, dispatch_enforcement
from netenforce.models import Device, EnforcementTask, LineState
from netenforce.operations import lift_hold, place_hold
from netenforce.reconcile import reconcile
from tests.factories import instant, make_account, make_device, make_line
from tests.peers.routeros_fake import RouterFake, running
from tests.peers.routeros_fake_books import V4, V6

pytestmark = pytest.mark.django_db

NINE = instant("2026-01-21 09:00")
LINES = 100  # of two addresses each: 200 commands
LISTS = {"throttle": "Delinquent-Throttle", "suspend": "Suspended"}
KINDS = ("drop_before", "drop_after", "cut_reply")
EDGES = {0, 2 * BATCH - 1, 2 * BATCH, 200}


def cuts(kind: str) -> list[int]:
    """Return after how many commands the connection breaks, one time after the other."""
    if os.environ.get("BILLING_ALL_CUTS"):
        return list(range(201))
    return sorted(EDGES | set(range(10 * KINDS.index(kind), 201, 30)))


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[RouterFake]:
    with running(tmp_path / "log") as found:
        yield found


@pytest.fixture
def account(fake: RouterFake) -> Account:
    """Return an account with a hundred lines on the router, each with IPv4 and IPv6."""
    account = make_account()
    device = make_device(
        driver="routeros", host="127.0.0.1", port=fake.port, username="billing", secret="s3cret-Zürich",
        options={"tls": False},
    )  # fmt: skip
    for n in range(LINES):
        make_line(account, f"100.64.0.{n}", device=device, ipv6=f"2001:db8:{n + 1:x}::/56")
    return account


def expected(level: str) -> dict[str, tuple[str, str]]:
    """Return what the router must hold, by address; nothing if the lines are open."""
    addresses = [pair for n in range(LINES) for pair in (f"100.64.0.{n}", f"2001:db8:{n + 1:x}::/56")]
    return dict.fromkeys(addresses, (LISTS[level], f"billing:{level}")) if level != "open" else {}


def held(fake: RouterFake) -> dict[str, tuple[str, str]]:
    """Return what the router holds; that an address stands in two lists at once would be found here."""
    return {**fake.router.entries(V4), **fake.router.entries(V6)}


def order(account: Account, level: str, before: str) -> None:
    """Let the account's lines become open, slowed or suspended."""
    if level != "open":
        place_hold(account_id=account.pk, cause="non_payment", cause_key=level, level=level, why="unpaid")
    if before != "open":
        lift_hold(account_id=account.pk, cause_key=before, why="moved on")


@pytest.mark.parametrize("kind", KINDS)
def test_a_connection_cut_after_any_command_converges_in_two_passes(
    fake: RouterFake, account: Account, kind: str
) -> None:
    """T20: blocks, harder blocks and restores in turn, each broken in another place."""
    at, level, turns = NINE, "open", ("throttle", "suspend", "open")
    for place, cut in enumerate(cuts(kind)):
        before, level = level, turns[place % len(turns)]
        at += timedelta(hours=1)
        fake.inject(kind, after=cut)
        with clock.at(at):
            order(account, level, before)
            dispatch_enforcement()
        if "open" not in (before, level):
            assert held(fake).keys() == expected(level).keys(), f"cut {cut}: a line was open in between"
        with clock.at(at + timedelta(minutes=1)):
            dispatch_enforcement()
            assert held(fake) == expected(level), f"cut {cut}"
            assert set(LineState.objects.values_list("observed_level", flat=True)) == {level}
            assert not EnforcementTask.objects.exclude(state__in=["confirmed", "superseded"]).exists()
    [report] = reconcile(dry_run=True)
    assert (report.drifted, report.failure) == (0, "")


def test_a_device_that_starts_anew_is_mended_in_one_pass_and_what_is_foreign_stays(
    fake: RouterFake, account: Account
) -> None:
    """T19: the router lost our entries and all dynamic ones; twenty were written by hand."""
    with clock.at(NINE):
        order(account, "throttle", "open")
        dispatch_enforcement()
    for n in range(20):
        list_name = ("Delinquent-Throttle", "Suspended", "allowed", "ddos")[n % 4]
        comment = ("", "by hand", "Zürich", "billing: ask Anna")[n // 4 % 4]
        fake.router.put(V4, list=list_name, address=f"198.51.100.{n}", comment=comment, dynamic="false")
    fake.router.put(V4, list="ddos", address="192.0.2.99", comment="billing:suspend", dynamic="true", timeout="10m")
    foreign = {address: row for address, row in held(fake).items() if address.startswith("198.51.100.")}
    for path in (V4, V6):
        kept = {k: row for k, row in fake.router.tables[path].items() if not row["comment"].startswith("billing:thr")}
        fake.router.tables[path] = kept
    fake.reboot()
    assert held(fake) == foreign
    with clock.at(NINE + timedelta(minutes=5)):
        [report] = reconcile()
        assert (len(report.missing), report.extra, report.stale, report.failure) == (200, {}, {}, "")
        assert report.repaired == 200
        assert held(fake) == {**expected("throttle"), **foreign}
        assert reconcile()[0].drifted == 0
        order(account, "open", "throttle")
        dispatch_enforcement()
    assert held(fake) == foreign


def test_a_repair_that_is_cut_is_finished_by_the_next_one(fake: RouterFake, account: Account) -> None:
    with clock.at(NINE):
        order(account, "suspend", "open")
        dispatch_enforcement()
        for path in (V4, V6):
            fake.router.tables[path] = {}
        fake.router.put(V4, list="Suspended", address="198.51.100.1", comment="billing:suspend", dynamic="false")
        fake.inject("drop_after", after=70)
        reconcile()
    with clock.at(NINE + timedelta(minutes=1)):
        dispatch_enforcement()
        assert held(fake) == expected("suspend")
        assert reconcile()[0].drifted == 0
        assert Device.objects.get().failure == ""


def test_a_renamed_list_is_seen_and_its_entries_move(fake: RouterFake, account: Account) -> None:
    with clock.at(NINE):
        order(account, "throttle", "open")
        dispatch_enforcement()
        Device.objects.update(options={"tls": False, "address_list": {"throttle": "Slow"}})
        fake.done.clear()
        [report] = reconcile()
        assert (len(report.stale), report.repaired, report.failure) == (200, 200, "")
        assert held(fake) == dict.fromkeys(expected("throttle"), ("Slow", "billing:throttle"))
        assert {row["verb"] for row in fake.done} == {"login", "print", "set"}  # no line was open meanwhile
        assert reconcile()[0].drifted == 0
