"""What every driver must do, run on each adapter; a new driver adds its bench here."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings

from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected, Unavailable
from netenforce.drivers.nftables import NftablesDriver
from netenforce.drivers.nftables_wire import PROGRAM
from netenforce.drivers.port import Change, Driver
from netenforce.drivers.radius import RadiusDriver
from netenforce.drivers.registry import driver_for
from netenforce.drivers.routeros import RouterOSDriver
from netenforce.drivers.simulated import SimulatedDriver
from netenforce.drivers.webhook import WebhookDriver
from netenforce.models import Device
from netenforce.rules.lists import ListView
from netenforce.rules.nftables_options import parse_options
from netenforce.rules.nftables_ruleset import ruleset
from tests.devices import all_of, some_of
from tests.faults.servers import free_port
from tests.peers import nft_rig, nft_sshd, webhook_fake
from tests.peers.nft_fakes import stand_before
from tests.peers.radius_tables import operator, sockets
from tests.peers.routeros_fake import running
from tests.peers.routeros_fake_books import EVERYTHING

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Bench:
    """A driver, two devices for it, and a switch that makes the first one fail in a named way."""

    driver: Driver
    device: Device
    other: Device
    fail: Callable[[str], None]
    a: str = "100.64.0.1"
    b: str = "2001:db8:1::/56"


def simulated(_: Path) -> Iterator[Bench]:
    device = Device.objects.create(name="bench")

    def fail(how: str) -> None:
        device.options = {how: True} if how else {}
        device.save()

    yield Bench(SimulatedDriver(), device, Device.objects.create(name="other"), fail)


def routeros(folder: Path) -> Iterator[Bench]:
    with running(folder / "bench.log") as fake, running(folder / "other.log") as second:
        device, other = (
            Device.objects.create(
                name=name, driver="routeros", host="127.0.0.1", port=router.port, username="billing",
                secret="s3cret-Zürich", options={"tls": False},
            )
            for name, router in (("bench", fake), ("other", second))
        )  # fmt: skip

        def fail(how: str) -> None:
            fake.down = how == "down"
            fake.inject("drop_after" if how == "lost_answer" else "", times=1000)
            fake.router.ignores = how == "ignores"
            rights = EVERYTHING - {"write"} if how == "rejects" else EVERYTHING
            fake.router.users["billing"] = ("s3cret-Zürich", rights)

        yield Bench(RouterOSDriver(), device, other, fail)


def nftables(folder: Path) -> Iterator[Bench]:
    if why := nft_rig.lacking():
        pytest.skip(why)
    before = os.environ["PATH"]
    programs = stand_before(folder / "bin", "")
    with nft_rig.namespace() as near, nft_rig.namespace() as far:
        device, other = (linux_device(name, folder, inside) for name, inside in (("bench", near), ("other", far)))

        def fail(how: str) -> None:
            device.options["namespace"] = "gone" if how == "down" else near
            stand_before(programs, how if how != "down" else "")

        os.environ["PATH"] = f"{programs}:{before}"
        try:
            yield Bench(NftablesDriver(), device, other, fail)
        finally:
            os.environ["PATH"] = before


def nftables_ssh(folder: Path) -> Iterator[Bench]:
    if why := nft_rig.lacking() or nft_sshd.lacking():
        pytest.skip(why)
    with nft_rig.namespace() as near, nft_rig.namespace() as far, nft_sshd.serving(folder) as server:
        device, other = (linux_device(name, folder, inside) for name, inside in (("bench", near), ("other", far)))
        for one in (device, other):
            one.host, one.port, one.username, one.secret = "127.0.0.1", server.port, server.user, server.private_key
            one.options |= {"via": "ssh", "ssh": {"known_host": server.host_key}, "timeout_seconds": 3}

        def fail(how: str) -> None:
            device.port = 1 if how == "down" else server.port
            stand_before(server.programs, how if how != "down" else "")

        yield Bench(NftablesDriver(), device, other, fail)


def linux_device(name: str, folder: Path, namespace: str) -> Device:
    """Return a device in a namespace, with the ruleset of three lists loaded."""
    options = {"garden": {"hosts": ["192.0.2.80"]}, "namespace": namespace, "timeout_seconds": 1}
    lists = [ListView(name=list_name, level=level) for level, list_name in LISTS.items()]
    file = folder / f"{name}.sh"
    file.write_text(ruleset(name, lists, parse_options(options), program=PROGRAM))
    nft_rig.inside(namespace, "sh", str(file), "load")
    return Device.objects.create(name=name, driver="nftables", options=options)


def webhook(_: Path) -> Iterator[Bench]:
    with webhook_fake.running() as fake, webhook_fake.running() as second:
        device, other = (
            Device.objects.create(
                name=name, driver="webhook", secret=webhook_fake.SECRET, options={"url": program.url}
            )
            for name, program in (("bench", fake), ("other", second))
        )  # fmt: skip

        def fail(how: str) -> None:
            fake.fault = {"lost_answer": "drop_after"}.get(how, how)
            device.options = {"url": f"http://127.0.0.1:{free_port()}/" if how == "down" else fake.url}

        yield Bench(WebhookDriver(), device, other, fail)


def radius(_: Path) -> Iterator[Bench]:
    with operator() as tables, operator() as others:
        device, other = (
            Device.objects.create(
                name=name, driver="radius", host=sockets(), username="app", secret='{"coa": "s3cret"}',
                options={
                    "database": one.database, "schema": one.schema, "sslmode": "disable", "timeout_seconds": 1,
                    "tries": 1, "nas": [{"address": "127.0.0.1", "port": 9}],
                },
            )
            for name, one in (("bench", tables), ("other", others))
        )  # fmt: skip

        def fail(how: str) -> None:
            device.host = "/nowhere" if how == "down" else sockets()
            tables.run("DROP TRIGGER IF EXISTS fault ON radusergroup; DROP FUNCTION IF EXISTS fault()")
            if how in ("ignores", "rejects"):
                does = "RETURN NULL" if how == "ignores" else "RAISE insufficient_privilege"
                tables.run(f"CREATE FUNCTION fault() RETURNS trigger AS 'BEGIN {does}; END' LANGUAGE plpgsql")
                tables.run("CREATE TRIGGER fault BEFORE INSERT ON radusergroup FOR EACH ROW EXECUTE FUNCTION fault()")
            if how == "lost_answer":  # nobody listens where the client of this session should
                tables.session("rosa", "k1")

        yield Bench(RadiusDriver(), device, other, fail, a="rosa", b="hans@isp.example")


@pytest.fixture(
    params=[simulated, routeros, nftables, nftables_ssh, radius, webhook],
    ids=["simulated", "routeros", "nftables", "nftables-ssh", "radius", "webhook"],
)
def bench(request: pytest.FixtureRequest, db: None, tmp_path: Path) -> Iterator[Bench]:
    yield from request.param(tmp_path)


LISTS = {"throttle": "Delinquent-Throttle", "suspend": "Suspended", "walled_garden": "Walled-Garden"}


def change(address: str, level: str) -> Change:
    return Change(address=address, level=level, list_name=LISTS.get(level, ""))


def test_what_was_applied_is_read_back(bench: Bench) -> None:
    bench.driver.apply(bench.device, [change(bench.a, "throttle"), change(bench.b, "suspend")])
    assert all_of(bench.driver, bench.device) == {bench.a: "throttle", bench.b: "suspend"}
    assert some_of(bench.driver, bench.device, [bench.b]) == {bench.b: "suspend"}


def test_an_address_the_device_does_not_hold_is_open(bench: Bench) -> None:
    assert some_of(bench.driver, bench.device, [bench.a]) == {bench.a: "open"}
    assert all_of(bench.driver, bench.device) == {}


def test_doing_it_twice_is_doing_it_once(bench: Bench) -> None:
    for _ in range(2):
        bench.driver.apply(bench.device, [change(bench.a, "throttle")])
    assert all_of(bench.driver, bench.device) == {bench.a: "throttle"}
    for _ in range(2):
        bench.driver.apply(bench.device, [change(bench.a, "open")])
    assert all_of(bench.driver, bench.device) == {}


@pytest.mark.parametrize("level", ["throttle", "walled_garden", "suspend"])
def test_a_line_moves_from_any_level_to_any_other(bench: Bench, level: str) -> None:
    assert level in bench.driver.capabilities.levels
    for before in ("throttle", "walled_garden", "suspend"):
        bench.driver.apply(bench.device, [change(bench.a, before)])
        bench.driver.apply(bench.device, [change(bench.a, level)])
        assert all_of(bench.driver, bench.device) == {bench.a: level}


def test_nothing_to_change_is_no_error(bench: Bench) -> None:
    bench.driver.apply(bench.device, [])
    assert some_of(bench.driver, bench.device, []) == {}


def test_a_device_that_cannot_be_reached_is_unavailable_for_every_call(bench: Bench) -> None:
    bench.fail("down")
    for call in (
        lambda: bench.driver.read_all(bench.device),
        lambda: bench.driver.read(bench.device, [bench.a]),
        lambda: bench.driver.apply(bench.device, [change(bench.a, "throttle")]),
    ):
        with pytest.raises(Unavailable):
            call()
    bench.fail("")
    assert all_of(bench.driver, bench.device) == {}


def test_a_lost_answer_is_an_unknown_outcome_that_the_read_back_clears_up(bench: Bench) -> None:
    bench.fail("lost_answer")
    with pytest.raises(OutcomeUnknown):
        bench.driver.apply(bench.device, [change(bench.a, "throttle")])
    assert some_of(bench.driver, bench.device, [bench.a]) == {bench.a: "throttle"}


def test_a_device_that_pretends_is_found_out_by_the_read_back(bench: Bench) -> None:
    bench.fail("ignores")
    bench.driver.apply(bench.device, [change(bench.a, "throttle")])
    assert some_of(bench.driver, bench.device, [bench.a]) == {bench.a: "open"}


def test_a_refused_change_is_rejected_and_changes_nothing(bench: Bench) -> None:
    bench.fail("rejects")
    with pytest.raises(Rejected):
        bench.driver.apply(bench.device, [change(bench.a, "throttle")])
    assert all_of(bench.driver, bench.device) == {}


def test_two_devices_do_not_share_a_memory(bench: Bench) -> None:
    bench.driver.apply(bench.device, [change(bench.a, "throttle")])
    assert all_of(bench.driver, bench.other) == {}


def test_a_kind_of_device_without_a_driver_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(name="core", driver="routeros")
    monkeypatch.setattr(settings, "NETWORK_DRIVERS", {}, raising=False)
    with pytest.raises(Refused, match="core: this version has no driver for MikroTik RouterOS") as refusal:
        driver_for(device)
    assert refusal.value.code == "driver_not_available"
