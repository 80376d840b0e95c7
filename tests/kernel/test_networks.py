"""Which proxies are believed is read from the environment, and a wrong word ends the start."""

import pytest
from environs import Env

from billing_project.channels import Wrong
from billing_project.networks import read_networks


def read(text: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("TRUSTED_PROXIES", text)
    return [str(network) for network in read_networks(Env(), "TRUSTED_PROXIES")]


def test_addresses_and_networks_of_both_kinds_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read("", monkeypatch) == []
    assert read(" 10.0.0.0/8 ,192.0.2.1, 2001:db8::/64,", monkeypatch) == [
        "10.0.0.0/8", "192.0.2.1/32", "2001:db8::/64",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["proxy.example", "10.0.0.1/8", "10.0.0.0/33", "0.0.0.0/0", "::/0", "10.0.0.1;10.0.0"])
def test_what_is_no_network_or_everybody_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Wrong, match="TRUSTED_PROXIES"):
        read(text, monkeypatch)
