"""Over TLS nothing is said to a device that is not known by its certificate."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from billing_project.kernel.errors import Unavailable
from netenforce.drivers import routeros_wire
from netenforce.drivers.port import Change
from netenforce.drivers.routeros import RouterOSDriver
from netenforce.models import Device
from tests.devices import all_of
from tests.house.tree import ROOT
from tests.peers.routeros_fake import RouterFake, running
from tests.peers.routeros_fake_books import V4
from tests.peers.routeros_fake_tls import Certificate, make_certificate

ADDRESS = "100.64.0.1"
driver = RouterOSDriver()


def device(port: int, **options: Any) -> Device:
    return Device(
        name="edge", driver="routeros", host="127.0.0.1", port=port, username="billing", secret="s3cret-Zürich",
        options={"address_list": "Delinquent", **options},
    )  # fmt: skip


@pytest.fixture
def own(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path)


def use(edge: Device) -> None:
    driver.apply(edge, [Change(address=ADDRESS, level="suspend")])
    assert all_of(driver, edge) == {ADDRESS: "suspend"}


@pytest.mark.parametrize("known_by", ["ca_pem", "fingerprint", "verify"])
def test_a_device_is_known_by_its_authority_by_its_fingerprint_or_not_at_all(
    own: Certificate, tmp_path: Path, known_by: str
) -> None:
    options = {"ca_pem": own.pem, "fingerprint": own.fingerprint.upper(), "verify": False}
    with running(tmp_path / "log", tls=own.context) as fake:
        use(device(fake.port, **{known_by: options[known_by]}))
        assert fake.router.entries(V4) == {ADDRESS: ("Delinquent", "billing:suspend")}


def refused(fake: RouterFake, words: str, **options: Any) -> None:
    """Expect that every call is refused, and that the device never heard a word, least of all the password."""
    edge = device(fake.port, **options)
    for call in (
        lambda: driver.read_all(edge),
        lambda: driver.apply(edge, [Change(address=ADDRESS, level="suspend")]),
    ):
        with pytest.raises(Unavailable, match=words):
            call()
    assert fake.done == []


def test_a_certificate_of_nobody_we_know_is_not_accepted(own: Certificate, tmp_path: Path) -> None:
    with running(tmp_path / "log", tls=own.context) as fake:
        refused(fake, "certificate is not accepted .self.signed certificate")
        refused(fake, "certificate is not accepted", ca_pem=make_certificate(tmp_path).pem)


def test_an_expired_certificate_is_not_accepted(tmp_path: Path) -> None:
    old = make_certificate(tmp_path, expired=True)
    with running(tmp_path / "log", tls=old.context) as fake:
        refused(fake, "certificate has expired.*nothing was sent.*Renew it", ca_pem=old.pem)


def test_a_certificate_for_another_address_is_not_accepted(tmp_path: Path) -> None:
    other = make_certificate(tmp_path, address="192.0.2.7")
    with running(tmp_path / "log", tls=other.context) as fake:
        refused(fake, "certificate is not accepted .IP address mismatch", ca_pem=other.pem)
        use(device(fake.port, fingerprint=other.fingerprint))


def test_another_fingerprint_is_not_accepted_and_the_one_seen_is_told(own: Certificate, tmp_path: Path) -> None:
    with running(tmp_path / "log", tls=own.context) as fake:
        refused(fake, f"fingerprint {own.fingerprint}, not the one in its options", fingerprint="ab" * 32)


def test_a_port_that_speaks_no_tls_is_told_from_a_bad_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routeros_wire, "CONNECT_SECONDS", 0.3)
    with running(tmp_path / "log") as fake:
        refused(fake, "no secure connection|did not answer in time|connection broke|closed")


def test_a_port_where_nobody_listens_is_unavailable_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unavailable, match="edge refuses the connection; check port"):
        driver.read_all(device(port))


def test_a_device_in_a_process_of_its_own_serves_the_driver_too(own: Certificate, tmp_path: Path) -> None:
    [pem] = tmp_path.glob("*.pem")
    log = tmp_path / "log"
    command = [sys.executable, "-m", "tests.peers.routeros_fake", "--log", str(log), "--tls", str(pem)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            use(device(int(process.stdout.readline()), ca_pem=own.pem))
            assert "billing:suspend" in log.read_text()
        finally:
            process.terminate()
