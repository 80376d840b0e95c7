"""The driver of Linux inline devices: what is whose, what is refused, what is said when the device does not do it."""

import io
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable
from netenforce.drivers import nftables, nftables_wire
from netenforce.drivers.nftables import NftablesDriver
from netenforce.drivers.nftables_wire import Local
from netenforce.drivers.port import Change
from netenforce.drivers.trial import TRIAL_ADDRESSES, try_out
from netenforce.models import Device
from netenforce.operations.lines import ensure_basics
from tests.devices import all_of, levels, some_of
from tests.peers.nft_fakes import stand_before
from tests.peers.nft_rig import inside, lacking, namespace
from tests.peers.nft_town import LISTS, make

pytestmark = [pytest.mark.django_db, pytest.mark.skipif(bool(lacking()), reason=lacking() or "-")]

driver = NftablesDriver()
A, B, C = "100.64.0.1", "100.64.0.2", "2001:db8:1::/56"
OPTIONS: dict[str, Any] = {
    "garden": {"hosts": ["192.0.2.80"]}, "interfaces": {"customers": "cust0", "upstream": "up0"},
}  # fmt: skip


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Device]:
    """Return a device in a namespace of its own, with the ruleset loaded."""
    ensure_basics()
    with namespace() as name:
        inside(name, "ip", "link", "add", "cust0", "type", "veth", "peer", "name", "up0")
        device = Device.objects.create(name="edge", driver="nftables", options={**OPTIONS, "namespace": name})
        call_command("nftables_ruleset", "edge", out=str(tmp_path / "billing-line"), stdout=io.StringIO())
        inside(name, "sh", str(tmp_path / "billing-line"), "load")
        yield device


@pytest.fixture
def fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a switch that puts a failing nft before the real one."""
    programs = tmp_path / "bin"
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return lambda how: stand_before(programs, how) and None


def nft(device: Device, text: str) -> None:
    inside(device.options["namespace"], "nft", "-f", "-", stdin=text)


def elements(device: Device, set_name: str) -> list[Any]:
    text = inside(device.options["namespace"], "nft", "-j", "list", "set", "inet", "billing", set_name)
    return [row for thing in json.loads(text)["nftables"] for row in thing.get("set", {}).get("elem", [])]


def everything(device: Device) -> str:
    return inside(device.options["namespace"], "nft", "list", "ruleset")


def test_an_element_carries_our_mark_in_the_set_of_its_list_and_kind(edge: Device) -> None:
    make(edge, {A: "throttle", "203.0.113.8/29": "throttle", "2001:db8::1": "suspend", C: "walled_garden"})
    assert elements(edge, "Delinquent_Throttle_4") == [{"elem": {"val": A, "comment": "billing:throttle"}}]
    prefix = {"prefix": {"addr": "203.0.113.8", "len": 29}}
    assert elements(edge, "Delinquent_Throttle_4_nets") == [{"elem": {"val": prefix, "comment": "billing:throttle"}}]
    assert elements(edge, "Suspended_6") == [{"elem": {"val": "2001:db8::1", "comment": "billing:suspend"}}]
    assert len(elements(edge, "Walled_Garden_6_nets")) == 1


@pytest.mark.parametrize("address", [A, f"{A}/32", "203.0.113.8/29", "2001:db8::1", "2001:db8::1/128", "2001:DB8::/56"])
def test_an_address_comes_back_as_its_line_writes_it(edge: Device, address: str) -> None:
    for level in ("throttle", "suspend", "throttle"):
        make(edge, {address: level})
        assert all_of(driver, edge) == some_of(driver, edge, [address]) == {address: level}
        assert driver.read_all(edge).ours[address].list_name == LISTS[level]
    make(edge, {address: "open"})
    assert driver.read_all(edge).ours == {}


def test_an_address_may_be_listed_beside_a_prefix_that_contains_it(edge: Device) -> None:
    make(edge, {"203.0.113.8/29": "suspend", "203.0.113.9": "throttle"})
    assert all_of(driver, edge) == {"203.0.113.8/29": "suspend", "203.0.113.9": "throttle"}
    make(edge, {"203.0.113.9": "open"})
    assert all_of(driver, edge) == {"203.0.113.8/29": "suspend"}


def test_twenty_foreign_elements_with_and_without_a_timeout_are_left_alone(edge: Device) -> None:
    foreign = [f'100.64.9.{n} comment "by hand {n}"' for n in range(6)] + [f"100.64.9.{n}" for n in range(6, 10)]
    foreign += [f'100.64.9.{n} timeout 1h comment "billing:suspend"' for n in range(10, 16)]
    nft(edge, f"add element inet billing Suspended_4 {{ {', '.join(foreign)} }}")
    nft(edge, "add element inet billing Suspended_4_nets { 100.64.9.16/30, 100.64.9.32/28 timeout 1h }")
    nft(edge, "add element inet billing Suspended_6 { 2001:db8::9, 2001:db8::a timeout 1h }")

    def standing() -> list[str]:
        names = ("Suspended_4", "Suspended_4_nets", "Suspended_6")
        return [re.sub(r'"expires": \d+', "", json.dumps(row)) for name in names for row in elements(edge, name)]

    before = standing()
    assert len(before) == 20
    make(edge, {A: "suspend", B: "throttle"})
    assert all_of(driver, edge) == {A: "suspend", B: "throttle"}
    assert len(driver.read_all(edge).foreign) == 20
    assert set(levels(driver.read_all(edge).foreign).values()) == {"suspend"}
    make(edge, {A: "walled_garden", B: "open"})
    make(edge, {A: "open"})
    assert standing() == before


def test_a_line_that_others_hold_is_left_to_them_and_told_when_it_should_be_open(edge: Device) -> None:
    nft(edge, f'add element inet billing Suspended_4 {{ {A} comment "by hand" }}')
    make(edge, {A: "suspend"})
    assert some_of(driver, edge, [A]) == {A: "suspend"}
    with pytest.raises(Rejected, match=r"stands in set Suspended_4 on edge by an entry that is not ours") as told:
        make(edge, {A: "open", B: "throttle"})
    assert "by hand" in told.value.words
    assert some_of(driver, edge, [A, B]) == {A: "suspend", B: "throttle"}


def test_what_others_made_can_be_taken_over_but_not_what_has_a_timeout(edge: Device) -> None:
    nft(edge, f'add element inet billing Suspended_4 {{ {A} comment "by hand" }}')
    nft(edge, "add element inet billing Suspended_4_nets { 203.0.113.8/29 }")
    nft(edge, f"add element inet billing Suspended_4 {{ {B} timeout 1h }}")
    driver.adopt(edge, [A, "203.0.113.8/29", B])
    inventory = driver.read_all(edge)
    assert levels(inventory.ours) == {A: "suspend", "203.0.113.8/29": "suspend"}
    assert levels(inventory.foreign) == {B: "suspend"}
    make(edge, {A: "open", "203.0.113.8/29": "open"})
    assert all_of(driver, edge) == {}


def test_what_stands_in_a_list_that_is_no_longer_carried_is_ours_and_moves(edge: Device) -> None:
    nft(edge, "add set inet billing Old_4 { type ipv4_addr; }")
    nft(edge, f'add element inet billing Old_4 {{ {A} comment "billing:suspend" }}')
    assert driver.read_all(edge).ours[A].list_name == "Old"
    make(edge, {A: "suspend"})
    assert (elements(edge, "Old_4"), driver.read_all(edge).ours[A].list_name) == ([], "Suspended")


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("0.0.0.0/0", "too_wide"), ("::/0", "too_wide"), ("100.64.0.0/23", "too_wide"), ("2001:db8::/47", "too_wide"),
        ("lo", "address"), ("", "address"), ("10.0.0.1; flush ruleset", "address"), ("100.64.0.1/24", "address"),
        ("192.0.2.1", "own_address"), ("192.0.2.0/28", "own_address"), ("2001:db8:aa::1", "own_address"),
    ],
)  # fmt: skip
def test_what_must_never_be_listed_is_refused_and_nothing_changes(edge: Device, address: str, code: str) -> None:
    for own in ("192.0.2.1/24", "2001:db8:aa::1/64"):
        inside(edge.options["namespace"], "ip", "addr", "add", own, "dev", "cust0")
    before = everything(edge)
    with pytest.raises(Rejected) as refused:
        make(edge, {A: "suspend", address: "suspend"})
    assert refused.value.code == code
    assert everything(edge) == before


def test_a_line_whose_gateway_the_device_is_can_be_restricted(edge: Device) -> None:
    inside(edge.options["namespace"], "ip", "addr", "add", "203.0.113.9/29", "dev", "cust0")
    make(edge, {"203.0.113.8/29": "suspend"})
    assert all_of(driver, edge) == {"203.0.113.8/29": "suspend"}


def test_a_prefix_that_overlaps_what_others_listed_is_refused_and_nothing_changes(edge: Device) -> None:
    nft(edge, "add element inet billing Suspended_4_nets { 203.0.113.0-203.0.113.9 }")
    before = everything(edge)
    with pytest.raises(Rejected, match=r"203.0.113.8/29 overlaps a range in set Suspended_4_nets on edge"):
        make(edge, {A: "throttle", "203.0.113.8/29": "suspend"})
    assert everything(edge) == before


def test_a_command_that_the_kernel_refuses_undoes_all_beside_it(edge: Device) -> None:
    make(edge, {A: "suspend"})
    before = everything(edge)
    good = {"add": {"element": {"family": "inet", "table": "billing", "name": "Suspended_4", "elem": [B]}}}
    bad = {"delete": {"element": {"family": "inet", "table": "billing", "name": "Suspended_4", "elem": ["192.0.2.9"]}}}
    way = Local(edge, nftables._options(edge), clock.monotonic() + 10)
    assert way.change(json.dumps({"nftables": [good, bad]}), []).nft.status
    assert everything(edge) == before


def test_a_set_that_is_not_there_and_a_table_that_is_not_there_are_told_with_the_way_to_mend_it(edge: Device) -> None:
    with pytest.raises(Rejected, match=r"no set Other_4 for the list Other .* 'manage.py nftables_ruleset edge'"):
        driver.apply(edge, [Change(address=A, level="throttle", list_name="Other")])
    inside(edge.options["namespace"], "nft", "flush", "ruleset")
    with pytest.raises((Rejected, Unavailable), match=r"ruleset"):
        driver.read_all(edge)


def test_a_device_that_was_started_a_moment_ago_may_be_loading_its_ruleset_yet(
    edge: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside(edge.options["namespace"], "nft", "flush", "ruleset")
    monkeypatch.setattr(nftables, "STARTING_SECONDS", 10**9)
    with pytest.raises(Unavailable, match=r"was started \d+ seconds ago and has no ruleset of ours yet"):
        make(edge, {A: "suspend"})
    monkeypatch.setattr(nftables, "STARTING_SECONDS", 0)
    with pytest.raises(Rejected, match="no nftables table of ours"):
        make(edge, {A: "suspend"})


def test_two_lists_of_the_same_sets_are_refused(edge: Device) -> None:
    with pytest.raises(Rejected, match=r"would be the same sets on edge"):
        driver.apply(edge, [Change(address=A, level="suspend", list_name="Walled_Garden")])


def test_a_device_that_hangs_is_unavailable_when_looked_at_and_unknown_when_changed(
    edge: Device, fault: Callable[[str], None]
) -> None:
    edge.options["timeout_seconds"] = 1
    fault("hangs")
    began = clock.monotonic()
    with pytest.raises(Unavailable, match="did not answer in time"):
        driver.read(edge, [A])
    with pytest.raises(Unavailable, match="did not answer in time"):
        make(edge, {A: "suspend"})
    fault("lost_answer")
    with pytest.raises(OutcomeUnknown, match="did not answer in time"):
        make(edge, {A: "suspend"})
    assert clock.monotonic() - began < 8
    fault("")
    assert all_of(driver, edge) == {A: "suspend"}


def test_a_device_that_may_not_be_changed_says_which_right_it_takes(edge: Device, fault: Callable[[str], None]) -> None:
    fault("rejects")
    with pytest.raises(Rejected, match=r"Operation not permitted.*CAP_NET_ADMIN"):
        make(edge, {A: "suspend"})


def test_the_capability_alone_is_enough(edge: Device, fault: Callable[[str], None]) -> None:
    fault("nobody")
    make(edge, {A: "walled_garden", C: "suspend"})
    assert make(edge, {A: "open"}) == {}
    assert all_of(driver, edge) == {C: "suspend"}
    fault("powerless")
    with pytest.raises(Rejected, match="CAP_NET_ADMIN"):
        make(edge, {A: "suspend"})


def test_old_connections_that_could_not_be_ended_are_a_remark_and_no_failure(
    edge: Device, tmp_path: Path, fault: Callable[[str], None]
) -> None:
    make(edge, {A: "walled_garden", B: "walled_garden"})
    fault("")
    (tmp_path / "bin" / "conntrack").write_text("#!/bin/sh\necho 'Operation failed: strange' >&2\nexit 1\n")
    (tmp_path / "bin" / "conntrack").chmod(0o755)
    remarks = make(edge, {A: "open", B: "suspend"})
    assert list(remarks) == [A]
    assert "could not be ended" in remarks[A]
    assert "Operation failed: strange" in remarks[A]
    assert all_of(driver, edge) == {B: "suspend"}


def test_what_is_worth_mending_is_told(edge: Device) -> None:
    name = edge.options["namespace"]
    probe = driver.probe(edge)
    assert probe.version.startswith("nft 1.")
    assert probe.model.startswith("Linux ")
    assert (probe.uptime_seconds or 0) > 0
    assert [note.split(",")[0] for note in probe.notes] == ["Forwarding of IPv4 is off", "Forwarding of IPv6 is off"]
    inside(name, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    assert driver.probe(edge).notes == ()
    inside(name, "tc", "qdisc", "del", "dev", "cust0", "root")
    nft(
        edge, "flush chain inet billing customers\nflush chain inet billing portal\ndelete set inet billing Suspended_6"
    )
    told = " ".join(driver.probe(edge).notes)
    for words in (
        "List Suspended: the table billing has no set Suspended_6;",
        "List Walled-Garden: no rule looks at Walled_Garden_4 and", "List Delinquent-Throttle: no rule looks at",
        "Interface cust0 has no HTB classes, so the download of Delinquent-Throttle is not slowed",
    ):  # fmt: skip
        assert words in told


def test_try_device_goes_through_every_step(edge: Device) -> None:
    steps = list(try_out(driver, edge, [TRIAL_ADDRESSES["ipv4"], TRIAL_ADDRESSES["ipv6"]]))
    assert [step for step in steps if not step.good] == []
    assert len(steps) == 11


def test_twenty_thousand_members_are_replaced_at_once_and_read_back_in_a_constant_number_of_calls(
    edge: Device, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[str] = []
    run = nftables_wire.run

    def counted(words: Any, stdin: str, until: float) -> Any:
        calls.append(" ".join(words[4:7]))
        return run(words, stdin, until)

    monkeypatch.setattr(nftables_wire, "run", counted)
    many = [f"100.{64 + n // 65536}.{n // 256 % 256}.{n % 256}" for n in range(15_000)]
    many += [f"2001:db8:{n:x}::/56" for n in range(5_000)]
    figures, counts = {}, {}
    for what, addresses, level in (
        ("1 added", ["198.51.100.1"], "suspend"), ("20,000 added", many, "throttle"),
        ("20,000 moved to another list", many, "suspend"), ("20,000 there already", many, "suspend"),
        ("20,000 freed", many, "open"),
    ):  # fmt: skip
        calls.clear()
        began = clock.monotonic()
        make(edge, dict.fromkeys(addresses, level))
        figures[what], counts[what] = clock.monotonic() - began, len(calls)
        began = clock.monotonic()
        held = all_of(driver, edge)
        figures[f"{len(held)} read back"] = clock.monotonic() - began
        if level != "open":
            assert [address for address in addresses if held.get(address) != level] == []
    with capsys.disabled():
        print("\n" + "; ".join(f"{what}: {seconds:.2f} s" for what, seconds in figures.items()), counts)
    assert counts["20,000 added"] == counts["20,000 moved to another list"] == counts["1 added"] == 4
    assert held == {"198.51.100.1": "suspend"}
