"""Real packets through a Linux inline device with the generated ruleset: what customers and their neighbours see."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from billing_project.kernel import clock
from netenforce.dispatch import dispatch_enforcement
from netenforce.drivers.nftables_wire import Local, Said
from netenforce.models import Device
from netenforce.operations import lift_hold, place_hold
from netenforce.reconcile import reconcile
from tests.factories import instant, make_account, make_line
from tests.peers.nft_rig import (
    INSIDE,
    INSIDE6,
    INTERNET,
    INTERNET6,
    LINE,
    LINE6,
    NEIGHBOUR,
    NEIGHBOUR6,
    PREFIX,
    PREFIX6,
    PROCESSOR,
    PROCESSOR6,
    RESOLVER,
    RESOLVER6,
    Rig,
    ask,
    inside,
    lacking,
    standing,
    within,
)  # fmt: skip
from tests.peers.nft_town import RATES, installed, make

pytestmark = [pytest.mark.django_db, pytest.mark.skipif(bool(lacking()), reason=lacking() or "-")]

# As its line is known, an address from which its customer speaks, and what that one reaches.
LINES = {
    "IPv4": (LINE, LINE, INTERNET), "IPv6": (LINE6, LINE6, INTERNET6),
    "IPv4 prefix": (PREFIX, INSIDE, INTERNET), "IPv6 prefix": (PREFIX6, INSIDE6, INTERNET6),
}  # fmt: skip
ANY_LINE = pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
NINE = instant("2026-01-21 09:00")


@pytest.fixture
def rig() -> Iterator[Rig]:
    with standing() as found:
        yield found


@pytest.fixture
def device(rig: Rig, tmp_path: Path) -> Device:
    return installed(rig, tmp_path)


@ANY_LINE
def test_a_slowed_line_has_its_speed_both_ways_and_its_neighbour_keeps_theirs(
    rig: Rig, device: Device, line: tuple[str, str, str]
) -> None:
    known_as, source, target = line
    make(device, {known_as: "throttle"})
    down, up = RATES["throttle"]
    measured = rig.kbit_down(source, target, 160_000), rig.kbit_up(source, target, 80_000)
    neighbour = NEIGHBOUR6 if ":" in source else NEIGHBOUR
    beside = rig.kbit_down(neighbour, target, 2_000_000), rig.kbit_up(neighbour, target, 2_000_000)
    print(f"{known_as}: {measured[0]:.0f} of {down} kbit/s down, {measured[1]:.0f} of {up} up; beside it {beside}")
    assert down is not None
    assert up is not None
    assert 0.5 * down <= measured[0] <= 1.2 * down
    assert 0.5 * up <= measured[1] <= 1.2 * up
    assert min(beside) > 20 * down
    make(device, {known_as: "open"})
    assert rig.kbit_down(source, target, 2_000_000) > 20 * down


def test_two_slowed_lines_each_have_the_speed_for_themselves(rig: Rig, device: Device) -> None:
    make(device, {LINE: "throttle", NEIGHBOUR: "throttle"})
    speeds: list[float] = []

    def load(source: str) -> None:
        speeds.append(rig.kbit_down(source, INTERNET, 160_000))

    threads = [threading.Thread(target=load, args=(source,)) for source in (LINE, NEIGHBOUR)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Shared, one of them would have half of it.
    assert [0.75 * 1024 <= speed <= 1.2 * 1024 for speed in speeds] == [True, True], speeds


@ANY_LINE
def test_who_is_in_the_walled_garden_reaches_name_server_portal_and_processor_and_nothing_else(
    rig: Rig, device: Device, line: tuple[str, str, str]
) -> None:
    known_as, source, target = line
    processor, resolver = (PROCESSOR6, RESOLVER6) if ":" in source else (PROCESSOR, RESOLVER)
    make(device, {known_as: "walled_garden"})
    seen = {
        "name server": rig.dns(source, resolver), "processor": rig.get(source, processor, 443),
        "plain page": rig.get(source, target), "https": rig.get(source, target, 443),
    }  # fmt: skip
    assert seen == {
        "name server": "name server", "processor": "processor", "plain page": "portal",
        "https": "ConnectionRefusedError",
    }  # fmt: skip
    # Another name server and QUIC are refused with a word: "at once" is told by what comes, which a time-out is not.
    assert "Timeout" not in rig.dns(source, target) + rig.dns(source, target, 443)
    assert rig.dns(source, target) != "name server"
    neighbour = NEIGHBOUR6 if ":" in source else NEIGHBOUR
    assert (rig.get(neighbour, target), rig.get(neighbour, target, 443)) == ("internet", "internet")
    assert rig.dns(neighbour, target) == "name server"


@ANY_LINE
def test_a_suspended_line_reaches_nothing_and_is_told_so_at_once(
    rig: Rig, device: Device, line: tuple[str, str, str]
) -> None:
    known_as, source, target = line
    make(device, {known_as: "suspend"})
    assert (rig.get(source, target), rig.get(source, target, 443)) == ("ConnectionRefusedError",) * 2
    assert rig.dns(source, RESOLVER6 if ":" in source else RESOLVER) not in ("name server", "TimeoutError")
    neighbour = NEIGHBOUR6 if ":" in source else NEIGHBOUR
    assert rig.get(neighbour, target) == "internet"


@pytest.mark.parametrize("level", ["walled_garden", "suspend"])
@ANY_LINE
def test_a_connection_that_is_open_already_is_cut_when_its_line_is_listed(
    rig: Rig, device: Device, line: tuple[str, str, str], level: str
) -> None:
    known_as, source, target = line
    with rig.connect(source, target) as sock:
        assert ask(sock) == "internet"
        make(device, {known_as: level})
        with pytest.raises(OSError, match=r"reset|refused|timed out"):
            ask(sock)


@ANY_LINE
def test_after_a_release_the_internet_is_there_at_once_and_no_old_connection_leads_to_the_portal(
    rig: Rig, device: Device, line: tuple[str, str, str]
) -> None:
    known_as, source, target = line
    make(device, {known_as: "walled_garden"})
    with rig.connect(source, target) as sock:
        assert ask(sock) == "portal"
        assert rig.connections(source) > 0
        assert make(device, {known_as: "open"}) == {}
        assert rig.connections(source) == 0
        assert rig.get(source, target) == "internet"
        assert rig.get(source, target, 443) == "internet"
        with suppress(OSError):
            assert ask(sock) == "internet"


def test_without_ending_old_connections_the_portal_would_still_answer(
    rig: Rig, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test before: the danger is real."""
    make(device, {LINE: "walled_garden"})
    monkeypatch.setattr(Local, "_flush", lambda *_: Said())
    with rig.connect(LINE, INTERNET) as sock:
        assert ask(sock) == "portal"
        make(device, {LINE: "open"})
        assert ask(sock) == "portal"


def test_a_slowed_download_goes_on_at_full_speed_when_its_line_is_released(rig: Rig, device: Device) -> None:
    make(device, {LINE: "throttle"})
    with rig.connect(LINE, INTERNET) as sock:
        assert ask(sock) == "internet"
        make(device, {LINE: "open"})
        assert ask(sock) == "internet"


def test_no_packet_slips_through_while_a_line_moves_between_two_lists(rig: Rig, device: Device) -> None:
    make(device, {LINE: "walled_garden"})
    stop = threading.Event()
    answers, tries = [], []

    def knock() -> None:
        with within(rig.customer, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
            sock.settimeout(0.02)
            sock.bind((LINE, 0))
            sock.connect((INTERNET, 53))
            while not stop.is_set():
                with suppress(OSError):
                    tries.append(sock.send(b"?"))
                    answers.append(sock.recv(100))

    thread = threading.Thread(target=knock)
    thread.start()
    for _ in range(10):
        make(device, {LINE: "suspend"})
        make(device, {LINE: "walled_garden"})
    held = len(answers)
    make(device, {LINE: "open"})
    assert rig.dns(LINE, INTERNET) == "name server"
    stop.set()
    thread.join()
    assert len(tries) > 20
    assert held == 0


def test_after_a_reboot_the_next_comparison_restricts_the_lines_again(rig: Rig, device: Device, tmp_path: Path) -> None:
    account = make_account()
    make_line(account, LINE, ipv6=PREFIX6, device=device)
    with clock.at(NINE):
        place_hold(account_id=account.pk, cause="non_payment", cause_key="k", level="suspend", why="unpaid")
        assert dispatch_enforcement() == {"confirmed": 1}
        assert (rig.get(LINE, INTERNET), rig.get(INSIDE6, INTERNET6)) == ("ConnectionRefusedError",) * 2
        assert [report.drifted for report in reconcile()] == [0]
    rig.reboot(tmp_path / "billing-line")
    assert rig.get(LINE, INTERNET) == "internet"
    with clock.at(NINE + timedelta(minutes=5)):
        [report] = reconcile()
        assert (report.missing, report.repaired) == ({LINE: "suspend", PREFIX6: "suspend"}, 2)
        assert (rig.get(LINE, INTERNET), rig.get(INSIDE6, INTERNET6)) == ("ConnectionRefusedError",) * 2
        lift_hold(account_id=account.pk, cause_key="k", why="paid")
        dispatch_enforcement()
    assert (rig.get(LINE, INTERNET), rig.get(INSIDE6, INTERNET6)) == ("internet", "internet")


def test_loading_the_ruleset_again_keeps_who_is_in_the_sets(rig: Rig, device: Device, tmp_path: Path) -> None:
    make(device, {LINE: "walled_garden", PREFIX6: "suspend"})
    for _ in range(2):
        rig.load(tmp_path / "billing-line")
    assert (rig.get(LINE, INTERNET), rig.get(INSIDE6, INTERNET6)) == ("portal", "ConnectionRefusedError")
    rules = inside(rig.device, "nft", "-t", "list", "chain", "inet", "billing", "refuse")
    assert rules.count("reject") == 2


def test_taking_the_ruleset_away_frees_everybody(rig: Rig, device: Device, tmp_path: Path) -> None:
    make(device, {LINE: "suspend", NEIGHBOUR: "throttle"})
    inside(rig.device, "sh", str(tmp_path / "billing-line"), "remove")
    assert rig.get(LINE, INTERNET) == "internet"
    assert rig.kbit_down(NEIGHBOUR, INTERNET, 2_000_000) > 20 * 1024
