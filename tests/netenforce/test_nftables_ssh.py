"""A Linux inline device over SSH: the known host only, the right key only, no customer in any command line."""

import base64
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable
from netenforce.drivers import nftables_wire
from netenforce.drivers.nftables import NftablesDriver
from netenforce.drivers.nftables_wire import Said, run
from netenforce.models import Device
from netenforce.operations.lines import ensure_basics
from netenforce.rules.nftables_options import parse_options
from tests.devices import all_of
from tests.peers import nft_sshd
from tests.peers.nft_rig import INSIDE6, INTERNET, INTERNET6, LINE, PREFIX6, ask, inside, lacking, namespace, standing
from tests.peers.nft_sshd import Server, make_key, serving
from tests.peers.nft_town import installed, make

WHY = lacking() or nft_sshd.lacking()
pytestmark = pytest.mark.django_db
REAL = pytest.mark.skipif(bool(WHY), reason=WHY or "-")

driver = NftablesDriver()
A, B, C = "100.64.0.1", "100.64.0.2", "2001:db8:1::/56"


def known(device: Device, server: Server, **options: Any) -> Device:
    """Let a device be reached through a server."""
    device.host, device.port, device.username, device.secret = "127.0.0.1", server.port, server.user, server.private_key
    device.options |= {"via": "ssh", "ssh": {"known_host": server.host_key}, **options}
    return device


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as found:
        yield found


@pytest.fixture
def edge(server: Server, tmp_path: Path) -> Iterator[Device]:
    """Return a device in a namespace, reached over SSH."""
    ensure_basics()
    with namespace() as name:
        device = Device.objects.create(name="edge", driver="nftables")
        device.options = {"garden": {"hosts": ["192.0.2.80"]}, "interfaces": {"customers": "lo", "upstream": "lo"}}
        device.options |= {"namespace": name, "timeout_seconds": 20}
        device.save()
        call_command("nftables_ruleset", "edge", out=str(tmp_path / "billing-line"), stdout=io.StringIO())
        inside(name, "sh", str(tmp_path / "billing-line"), "load")
        yield known(device, server)


@REAL
def test_a_line_is_restricted_and_freed_over_ssh_and_its_old_connections_end(server: Server, tmp_path: Path) -> None:
    with standing() as rig:
        device = known(installed(rig, tmp_path), server)
        make(device, {LINE: "walled_garden", PREFIX6: "walled_garden"})
        with rig.connect(LINE, INTERNET) as sock, rig.connect(INSIDE6, INTERNET6) as sock6:
            assert (ask(sock), ask(sock6)) == ("portal", "portal")
            assert make(device, {LINE: "open", PREFIX6: "open"}) == {}
            assert (rig.connections(LINE), rig.connections(INSIDE6)) == (0, 0)
            assert (rig.get(LINE, INTERNET), rig.get(INSIDE6, INTERNET6)) == ("internet", "internet")


@REAL
def test_another_host_key_is_refused_and_nothing_is_sent(edge: Device, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other")
    edge.options["ssh"] = {"known_host": other}
    with pytest.raises(Rejected, match="shows another host key than the one in its options") as refused:
        make(edge, {A: "suspend"})
    assert refused.value.code == "host_key"


@REAL
def test_a_key_that_the_device_does_not_know_and_a_text_that_is_no_key_are_told_apart(
    edge: Device, tmp_path: Path
) -> None:
    make_key(tmp_path / "strange")
    edge.secret = (tmp_path / "strange").read_text()
    with pytest.raises(Rejected, match="refuses the log-in"):
        driver.read_all(edge)
    edge.secret = "open sesame"
    with pytest.raises(Rejected, match="no private key that ssh takes"):
        driver.read_all(edge)


@REAL
def test_a_device_that_cannot_be_reached_is_unavailable(edge: Device) -> None:
    edge.port = 1
    for call in (lambda: driver.read_all(edge), lambda: make(edge, {A: "suspend"})):
        with pytest.raises(Unavailable, match="cannot be reached over SSH"):
            call()


@REAL
@pytest.mark.parametrize("field", ["host", "username"])
def test_what_would_be_read_as_an_option_of_ssh_is_refused(edge: Device, field: str) -> None:
    setattr(edge, field, "-oProxyCommand=touch /tmp/x")
    with pytest.raises(Rejected, match="correct it at the device"):
        driver.read_all(edge)


@REAL
def test_a_key_may_be_bound_to_one_command_that_is_in_the_generated_file(tmp_path: Path) -> None:
    ensure_basics()
    with namespace() as name:
        device = Device.objects.create(
            name="edge", driver="nftables",
            options={"garden": {"hosts": ["192.0.2.80"]}, "interfaces": {"customers": "lo", "upstream": "lo"}},
        )  # fmt: skip
        file = tmp_path / "billing-line"
        call_command("nftables_ruleset", "edge", out=str(file), stdout=io.StringIO())
        inside(name, "sh", str(file), "load")
        with serving(tmp_path, forced=f"ip netns exec {name} {file} serve") as server:
            known(device, server)
            make(device, {A: "walled_garden", C: "suspend"})
            make(device, {A: "open", B: "throttle"})
            assert all_of(driver, device) == {C: "suspend", B: "throttle"}
            assert driver.probe(device).version.startswith("nft 1.")


@REAL
def test_a_program_that_is_not_ours_at_the_other_end_changes_nothing(edge: Device, tmp_path: Path) -> None:
    for forced in ("true", "false", "echo hello"):
        folder = tmp_path / forced.split()[0]
        folder.mkdir()
        with serving(folder, forced=forced) as server:
            known(edge, server)
            with pytest.raises(Unavailable):
                driver.read_all(edge)
            with pytest.raises(Unavailable):
                make(edge, {A: "suspend"})


@REAL
def test_many_are_freed_with_three_calls_though_the_device_cannot_search_for_prefixes(
    edge: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [f"2001:db8:{n:x}::/56" for n in range(3000)] + [f"100.64.{n // 250}.{n % 250}" for n in range(2000)]
    heads: list[str] = []

    def counted(words: Any, stdin: str, until: float) -> Said:
        heads.append(stdin.split()[0])
        return run(words, stdin, until)

    monkeypatch.setattr(nftables_wire, "run", counted)
    make(edge, dict.fromkeys(many, "suspend"))
    assert len(all_of(driver, edge)) == 5000
    assert make(edge, dict.fromkeys(many, "open")) == {}
    assert all_of(driver, edge) == {}
    assert heads == ["look", "change", "look", "look", "flows", "change", "look"]


def fake_ssh(words: str, status: int) -> Any:
    return lambda *_: Said(status=status, err=words)


KEY = base64.b64encode(b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + b"k" * 32).decode()
REMOTE = {"via": "ssh", "ssh": {"known_host": f"ssh-ed25519 {KEY}"}}


@pytest.mark.parametrize(
    ("words", "status", "error"),
    [
        ("ssh: connect to host edge port 22: Connection refused", 255, Unavailable),
        ("ssh: connect to host edge port 22: Connection timed out", 255, Unavailable),
        ("ssh: Could not resolve hostname edge: Name or service not known", 255, Unavailable),
        ("client_loop: send disconnect: Broken pipe", 255, OutcomeUnknown),
        ("Host key verification failed.", 255, Rejected),
        ("root@edge: Permission denied (publickey).", 255, Rejected),
    ],
)
def test_how_ssh_ends_says_whether_a_change_may_have_happened(
    monkeypatch: pytest.MonkeyPatch, words: str, status: int, error: type[Exception]
) -> None:
    device = Device(name="edge", driver="nftables", host="edge", username="root", secret="key", options=REMOTE)
    way = nftables_wire.way_to(device, parse_options(REMOTE), seconds=5)
    monkeypatch.setattr(nftables_wire, "run", fake_ssh(words, status))
    with pytest.raises(error):
        way.change('{"nftables": []}', [])
    with pytest.raises(Unavailable if error is OutcomeUnknown else error):
        way.look()


def test_the_command_line_is_fixed_and_the_key_is_readable_by_us_alone_and_gone_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []

    def watch(words: list[str], stdin: str, until: float) -> Said:
        files = {one.split("=")[1] for one in words if one.startswith(("-oIdentityFile=", "-oUserKnownHostsFile="))}
        seen.append((words, stdin, {name: stat.S_IMODE(os.stat(name).st_mode) for name in files}))
        return Said(out="\n@ nft 0\n\n@ flows 0\n")

    monkeypatch.setattr(nftables_wire, "run", watch)
    device = Device(name="edge", driver="nftables", host="edge", username="bill", secret="s3cret", options=REMOTE)
    for document, freed in (('{"nftables": [1]}', ["100.64.0.1"]), ('{"nftables": [2]}', ["2001:db8::/56"])):
        nftables_wire.way_to(device, parse_options(REMOTE), seconds=5).change(document, freed)
    (first, data, modes), (second, _, _) = seen
    assert set(modes.values()) == {0o600}
    assert [os.path.exists(name) for name in modes] == [False, False]
    changing = [one for one in first if "billing-line-" not in one]
    assert changing == [one for one in second if "billing-line-" not in one]
    for secret in ("s3cret", "100.64.0.1", 'nftables": '):
        assert not [one for one in first if secret in one]
    assert data == 'change billing - -\n100.64.0.1\n.\n{"nftables": [1]}'
    for choice in ("-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oIdentitiesOnly=yes", "-oIdentityAgent=none"):
        assert choice in first
    assert first[:3] == ["ssh", "-F", "/dev/null"]
