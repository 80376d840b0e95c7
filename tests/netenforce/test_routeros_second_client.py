"""The simulated MikroTik device by librouteros, a client that shares nothing with ours, so that it is tuned to neither.

That library is under the GPL: it is no dependency, stands in a folder of its own and is run in a process of its own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from netenforce.drivers.port import Change
from netenforce.drivers.routeros import RouterOSDriver, uptime_seconds
from netenforce.models import Device
from tests.devices import all_of
from tests.house.tree import ROOT
from tests.peers.routeros_fake import RouterFake, running
from tests.peers.routeros_fake_books import V4, V6

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
LIBRARY = CACHE / "billing-peers" / "librouteros-4.2.2"
CLIENT = ROOT / "tests" / "peers" / "routeros_second_client.py"
SECRET = "s3cret-Zürich"

pytestmark = pytest.mark.skipif(
    not (LIBRARY / "librouteros").is_dir(), reason="librouteros is not installed; .ci/run does that"
)


class Client:
    """Hand calls to the other process, one at a time."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def __call__(self, verb: str, path: str = V4, **more: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": verb, "path": path, **more}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def rows(self, path: str = V4) -> list[dict[str, Any]]:
        answer = self("print", path)
        assert "error" not in answer, answer
        return list(answer["rows"])

    def add(self, path: str = V4, **fields: Any) -> str:
        answer = self("add", path, fields=fields)
        assert "error" not in answer, answer
        return str(answer["id"])


@contextmanager
def client_of(fake: RouterFake, *encoding: str) -> Iterator[Client]:
    environment = {**os.environ, "PYTHONPATH": str(LIBRARY), "PYTHONUTF8": "1"}
    command = [sys.executable, str(CLIENT), str(fake.port), SECRET, *encoding]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        try:
            yield Client(process)
        finally:
            process.kill()


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[RouterFake]:
    with running(tmp_path / "log") as found:
        yield found


@pytest.fixture
def other(fake: RouterFake) -> Iterator[Client]:
    with client_of(fake) as client:
        assert client("connect") == {}
        yield client


def test_a_wrong_password_is_refused(fake: RouterFake, other: Client) -> None:
    assert other("connect", password="no")["error"] == ["TrapError", "invalid user name or password (6)"]


@pytest.mark.parametrize("says_empty", [True, False])
def test_an_empty_print_is_empty_with_and_without_the_word_for_it(
    fake: RouterFake, other: Client, says_empty: bool
) -> None:
    fake.router.says_empty = says_empty
    assert other("print")["rows"] in ([], [{}])
    assert [row for row in other.rows() if row] == []


def test_entries_are_added_printed_changed_and_removed(other: Client) -> None:
    key = other.add(list="Slow", address="100.64.0.1/32", comment="Zürich")
    assert other.rows() == [
        {".id": key, "list": "Slow", "address": "100.64.0.1", "comment": "Zürich", "disabled": False, "dynamic": False}
    ]
    assert other("set", id=key, fields={"list": "Off", "disabled": True}) == {}
    [row] = other.rows()
    assert (row["list"], row["disabled"], row["comment"]) == ("Off", True, "Zürich")
    wide = other.add(V6, list="Slow", address="2001:db8:1::/56")
    assert other.rows(V6)[0]["address"] == "2001:db8:1::/56"
    second = other.add(list="Slow", address="100.64.0.2")
    assert other("remove", ids=[key, second]) == {}
    assert other("remove", V6, ids=[wide]) == {}
    assert [row for path in (V4, V6) for row in other.rows(path) if row] == []


def test_the_traps_are_those_of_the_device(other: Client) -> None:
    key = other.add(list="Slow", address="100.64.0.1")
    again = other("add", fields={"list": "Slow", "address": "100.64.0.1/32"})
    assert again["error"] == ["TrapError", "failure: already have such entry"]
    assert other("remove", ids=[key]) == {}
    assert other("remove", ids=[key])["error"] == ["TrapError", "no such item"]
    assert other("set", id=key, fields={"list": "Off"})["error"] == ["TrapError", "no such item"]
    assert other("print", "/ip/nonsense")["error"] == ["TrapError", "no such command prefix"]
    assert other.rows() in ([], [{}])  # the connection goes on after a trap


def test_its_way_to_ask_for_several_values_is_understood(other: Client) -> None:
    for n in range(1, 6):
        other.add(list="Slow" if n % 2 else "Off", address=f"100.64.0.{n}")
    found = other("where", keys=["address"], one_of=["address", ["100.64.0.1", "100.64.0.4", "100.64.0.9"]])
    assert found["rows"] == [{"address": "100.64.0.1"}, {"address": "100.64.0.4"}]
    assert len(other("where", keys=["list"], one_of=["list", ["Slow"]])["rows"]) == 3


@pytest.mark.parametrize(
    ("kind", "error", "done"),
    [
        ("drop_before", "ConnectionClosed", False), ("drop_after", "ConnectionClosed", True),
        ("cut_reply", "ConnectionClosed", True), ("hang", "TimeoutError", False), ("hang_after", "TimeoutError", True),
        ("fatal", "FatalError", False), ("trap", "TrapError", False), ("garbage", "ProtocolError", True),
    ],
)  # fmt: skip
def test_every_fault_is_felt_by_it_as_by_a_real_device(
    fake: RouterFake, other: Client, kind: str, error: str, done: bool
) -> None:
    fake.inject(kind)
    assert other("add", fields={"list": "Slow", "address": "100.64.0.1"})["error"][0] == error
    assert fake.writes() == (["add"] if done else [])  # counted at the device's own log
    assert other("connect") == {}
    again = other("add", fields={"list": "Slow", "address": "100.64.0.1"})
    assert again.get("error", ["", ""])[1] == ("failure: already have such entry" if done else "")
    assert list(fake.router.entries()) == ["100.64.0.1"]


def test_a_reboot_ends_its_connection_and_takes_the_dynamic_entries(fake: RouterFake, other: Client) -> None:
    other.add(list="Slow", address="100.64.0.1", timeout="1h")
    other.add(list="Slow", address="100.64.0.2")
    assert [row["dynamic"] for row in other.rows()] == [True, False]
    before = uptime_seconds(other.rows("/system/resource")[0]["uptime"])
    fake.reboot()
    assert other("print")["error"][0] in ("ConnectionClosed", "ConnectionResetError", "BrokenPipeError")
    assert other("connect") == {}
    assert [row["address"] for row in other.rows()] == ["100.64.0.2"]
    assert uptime_seconds(other.rows("/system/resource")[0]["uptime"]) < 60 < before


def test_both_clients_see_one_device(fake: RouterFake, other: Client) -> None:
    """What our driver wrote is what the other one reads; what the other one wrote is foreign, and stays."""
    driver = RouterOSDriver()
    edge = Device(
        name="edge", driver="routeros", host="127.0.0.1", port=fake.port, username="billing", secret=SECRET,
        options={"tls": False, "address_list": "Delinquent"},
    )  # fmt: skip
    foreign = other.add(list="Delinquent", address="198.51.100.1", comment="VIP of Zürich")
    other.add(list="Delinquent", address="198.51.100.2", comment="billing:suspend", timeout="1h")
    driver.apply(edge, [Change(address="100.64.0.1", level="suspend")])
    ours = [row for row in other.rows() if row.get("comment") == "billing:suspend" and not row["dynamic"]]
    assert [(row["address"], row["list"]) for row in ours] == [("100.64.0.1", "Delinquent")]
    assert all_of(driver, edge) == {"100.64.0.1": "suspend"}
    assert other("remove", ids=[ours[0][".id"]]) == {}  # an operator's hand
    assert all_of(driver, edge) == {}
    driver.apply(edge, [Change(address="100.64.0.1", level="throttle")])
    driver.apply(edge, [Change(address="100.64.0.1", level="open")])
    left = other.rows()
    assert [row["address"] for row in left] == ["198.51.100.1", "198.51.100.2"]
    assert left[0][".id"] == foreign


def test_a_client_of_another_encoding_does_not_harm_the_device(fake: RouterFake, other: Client) -> None:
    """With ASCII, its default, that library cannot read Zürich rightly; the device keeps it all the same."""
    other.add(list="Slow", address="100.64.0.1", comment="Zürich")
    fake.router.users["anna"] = ("plain", fake.router.users["billing"][1])
    with client_of(fake, "ascii") as third:
        assert third("connect", user="anna", password="plain") == {}
        assert third.rows()[0]["comment"] != "Zürich"
    assert other.rows()[0]["comment"] == "Zürich"
