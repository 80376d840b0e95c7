"""The MikroTik driver against a device that answers wrongly, late, half or not at all."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable
from netenforce.drivers import routeros_wire
from netenforce.drivers.port import Change, Probe
from netenforce.drivers.routeros import RouterOSDriver, uptime_seconds
from netenforce.models import Device
from tests.devices import all_of, some_of
from tests.peers.routeros_fake import RouterFake, running
from tests.peers.routeros_fake_books import CONNECTIONS, EVERYTHING, V4, V6

LISTS = {"throttle": "Slow", "walled_garden": "Garden", "suspend": "Off"}
SECRET = "s3cret-Zürich"
A, B, C = "100.64.0.1", "100.64.0.2", "2001:db8:1::/56"

driver = RouterOSDriver()


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[RouterFake]:
    with running(tmp_path / "router.log") as found:
        yield found


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a moment for an answer and not ten seconds."""
    monkeypatch.setattr(routeros_wire, "ANSWER_SECONDS", 0.3)


def device(fake: RouterFake, **options: Any) -> Device:
    return Device(
        name="edge", driver="routeros", host="127.0.0.1", port=fake.port, username="billing", secret=SECRET,
        options={"tls": False, "address_list": LISTS, **options},
    )  # fmt: skip


def change(address: str, level: str) -> Change:
    return Change(address=address, level=level, list_name=LISTS.get(level, ""))


THREE = [change(A, "throttle"), change(B, "suspend"), change(C, "walled_garden")]
HELD = {A: "throttle", B: "suspend", C: "walled_garden"}


def test_an_entry_is_static_and_carries_our_mark(fake: RouterFake) -> None:
    driver.apply(device(fake), THREE)
    assert list(fake.router.tables[V4].values()) == [
        {"address": A, "list": "Slow", "comment": "billing:throttle", "disabled": "false", "dynamic": "false"},
        {"address": B, "list": "Off", "comment": "billing:suspend", "disabled": "false", "dynamic": "false"},
    ]
    assert fake.router.entries(V6) == {C: ("Garden", "billing:walled_garden")}


@pytest.mark.parametrize("address", [A, f"{A}/32", "203.0.113.8/29", "2001:db8::1", "2001:db8::1/128", "2001:DB8::/56"])
def test_an_address_comes_back_as_its_line_writes_it(fake: RouterFake, address: str) -> None:
    edge = device(fake)
    for level in ("throttle", "suspend"):
        driver.apply(edge, [change(address, level)])
        assert all_of(driver, edge) == some_of(driver, edge, [address]) == {address: level}
    driver.apply(edge, [change(address, "open")])
    assert (fake.router.tables[V4], fake.router.tables[V6]) == ({}, {})


def test_a_list_named_at_the_device_goes_before_the_one_of_the_admin(fake: RouterFake) -> None:
    edge = device(fake, address_list="Delinquent")
    driver.apply(edge, [change(A, "throttle"), change(B, "suspend")])
    assert fake.router.entries() == {A: ("Delinquent", "billing:throttle"), B: ("Delinquent", "billing:suspend")}
    assert all_of(driver, edge) == {A: "throttle", B: "suspend"}


def test_two_hundred_lines_cost_as_many_round_trips_as_one(fake: RouterFake, monkeypatch: pytest.MonkeyPatch) -> None:
    flights: list[int] = []
    flush = routeros_wire._Line._flush

    def counted(line: Any) -> None:
        if line._out:
            flights.append(len(line._out))
        flush(line)

    monkeypatch.setattr(routeros_wire._Line, "_flush", counted)
    counts = []
    for many in (1, 100):
        driver.apply(device(fake), [change(f"100.64.{many}.{n}", "throttle") for n in range(many)])
        counts.append(len(flights))
        flights.clear()
    assert counts == [3, 3]  # log in, look, change


def test_foreign_and_dynamic_entries_are_never_touched_and_never_ours(fake: RouterFake) -> None:
    fake.router.put(V4, list="Slow", address="198.51.100.1", comment="VIP of Zürich", dynamic="false")
    fake.router.put(V4, list="Slow", address="198.51.100.2", comment="billing:throttle", dynamic="true", timeout="1h")
    fake.router.put(V4, list="ddos", address=A, comment="", dynamic="false")
    fake.router.put(V4, list="Slow", address="ads.example.com", comment="billing:throttle", dynamic="false")
    before = {key: dict(row) for key, row in fake.router.tables[V4].items()}
    edge = device(fake)
    assert all_of(driver, edge) == {}
    for level in ("throttle", "suspend", "open"):
        driver.apply(edge, [change(A, level)])
    assert fake.router.tables[V4] == before


def test_a_line_that_others_hold_is_left_to_them_and_told_when_it_should_be_open(fake: RouterFake) -> None:
    fake.router.put(V4, list="Slow", address=A, comment="by hand", dynamic="false")
    edge = device(fake)
    driver.apply(edge, [change(A, "throttle")])
    assert some_of(driver, edge, [A]) == {A: "throttle"}
    with pytest.raises(Rejected, match=r"in list Slow on edge by an entry that is not ours \(comment 'by hand'\)"):
        driver.apply(edge, [change(A, "open")])
    assert fake.writes() == []


def test_a_switched_off_entry_of_others_in_the_way_is_named(fake: RouterFake) -> None:
    fake.router.put(V4, list="Slow", address=A, comment="by hand", dynamic="false", disabled="true")
    with pytest.raises(Rejected, match="not ours and is switched off"):
        driver.apply(device(fake), [change(A, "throttle")])


@pytest.mark.parametrize("kind", ["drop_after", "cut_reply", "hang_after", "garbage"])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_lost_answer_is_told_as_unknown_and_doing_it_again_is_harmless(
    fake: RouterFake, kind: str, after: int
) -> None:
    edge = device(fake)
    fake.inject(kind, after=after)
    with pytest.raises(OutcomeUnknown):
        driver.apply(edge, THREE)
    driver.apply(edge, THREE)
    assert all_of(driver, edge) == HELD
    assert fake.writes() == ["add", "add", "add"]


@pytest.mark.parametrize("kind", ["drop_before", "hang", "fatal", "garbage", "cut_reply", "drop_after"])
@pytest.mark.parametrize("verb", ["login", "print"])
def test_what_broke_before_the_first_change_did_certainly_not_happen(fake: RouterFake, kind: str, verb: str) -> None:
    fake.inject(kind, on=(verb,))
    with pytest.raises(Unavailable, match="edge"):
        driver.apply(device(fake), THREE)
    assert fake.writes() == []


def test_a_command_that_met_what_was_there_already_is_a_success_after_a_second_look(fake: RouterFake) -> None:
    edge, other = device(fake), RouterOSDriver()
    taken: list[str] = []

    real = routeros_wire.Talk.change

    def meanwhile(talk: Any, asks: Any) -> Any:
        """Do the same by somebody else's hand, between our look and our change."""
        if not taken:
            taken.append("once")
            other.apply(edge, [change(A, "throttle"), change(B, "open")])
        return real(talk, asks)

    driver.apply(edge, [change(B, "suspend")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routeros_wire.Talk, "change", meanwhile)
        driver.apply(edge, [change(A, "throttle"), change(B, "open")])
    assert all_of(driver, edge) == {A: "throttle"}
    assert {row["trap"] for row in fake.done} == {"", "failure: already have such entry", "no such item"}


def test_a_device_that_is_silent_has_an_end(fake: RouterFake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routeros_wire, "ANSWER_SECONDS", 60)
    fake.inject("hang", on=("print",))
    with pytest.raises(Unavailable, match="edge did not answer in time"):
        driver.read(device(fake, timeout_seconds=1), [A])


def test_a_device_that_answers_drop_by_drop_has_an_end_too(fake: RouterFake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routeros_wire, "ANSWER_SECONDS", 5)
    fake.inject("delay", on=("print", "add"), times=100, seconds=0.4)
    with pytest.raises(OutcomeUnknown, match="edge did not answer in time"):
        driver.apply(device(fake, timeout_seconds=1), THREE)


def test_a_wrong_password_is_refused_in_words_that_do_not_repeat_it(fake: RouterFake) -> None:
    edge = device(fake)
    edge.secret = "a-wrong-Wörd"
    for call in (lambda: driver.read_all(edge), lambda: driver.apply(edge, THREE)):
        with pytest.raises(
            Rejected, match=r"refuses the log-in of 'billing': invalid user name or password"
        ) as refusal:
            call()
        error: BaseException | None = refusal.value
        while error is not None:
            assert "Wörd" not in str(error)
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert "W\\u00f6rd" not in fake.log.read_text()


def test_a_user_who_may_only_read_is_told_which_policies_are_lacking(fake: RouterFake) -> None:
    fake.router.users["billing"] = (SECRET, EVERYTHING - {"write"})
    with pytest.raises(Rejected, match=r"not enough permissions \(9\)\); give the group .* api, read and write"):
        driver.apply(device(fake), THREE)
    assert all_of(driver, device(fake)) == {}
    fake.router.users["billing"] = (SECRET, EVERYTHING - {"read"})
    with pytest.raises(Rejected, match="not enough permissions"):
        driver.read_all(device(fake))


@pytest.mark.parametrize(
    ("words", "kind"),
    [("action timed out - try again, if error continues contact support (13)", OutcomeUnknown),
     ("failure: list is full", Rejected)],
)  # fmt: skip
def test_a_trap_is_told_in_the_devices_own_words(fake: RouterFake, words: str, kind: type[Exception]) -> None:
    fake.inject("trap", after=1, words=words)
    with pytest.raises(kind) as told:
        driver.apply(device(fake), THREE)
    assert words in str(told.value)


@pytest.mark.parametrize("says_empty", [True, False])
def test_an_empty_table_is_read_with_and_without_the_word_for_it(fake: RouterFake, says_empty: bool) -> None:
    fake.router.says_empty = says_empty
    assert all_of(driver, device(fake)) == {}
    assert some_of(driver, device(fake), [A, C]) == {A: "open", C: "open"}


def test_a_router_without_ipv6_still_serves_the_others(fake: RouterFake) -> None:
    fake.router.has_ipv6 = False
    edge = device(fake)
    driver.apply(edge, THREE[:2])
    assert all_of(driver, edge) == {A: "throttle", B: "suspend"}
    with pytest.raises(Rejected, match="no such command"):
        driver.apply(edge, THREE)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (change("0.0.0.0/0", "suspend"), "wider than one customer's line"),
        (change("::/0", "throttle"), "wider than one customer's line"),
        (change("10.0.0.0/8", "throttle"), "wider than one customer's line"),
        (change("100.64.0.1/24", "throttle"), "is no IP address or prefix"),
        (change("alice@example.net", "throttle"), "is no IP address or prefix"),
        (Change(address=A, level="throttle"), "no address list for 'throttle' lines"),
    ],
)
def test_what_can_never_be_listed_is_refused_before_a_word_is_sent(fake: RouterFake, bad: Change, words: str) -> None:
    edge = device(fake)
    del edge.options["address_list"]
    with pytest.raises(Rejected, match=words):
        driver.apply(edge, [change(B, "throttle"), bad])
    assert fake.connections == 0


def test_a_device_that_was_not_filled_in_is_refused_in_words(fake: RouterFake) -> None:
    for field, words in (("host", "has no host"), ("username", "has no user name")):
        edge = device(fake)
        setattr(edge, field, "")
        with pytest.raises(Rejected, match=words):
            driver.read_all(edge)
    with pytest.raises(Rejected, match="edge: options: 'tsl' is no option"):
        driver.read_all(device(fake, tsl=True))


def test_live_connections_end_with_a_change_if_the_device_says_so(fake: RouterFake) -> None:
    for path, own, foreign in (
        (CONNECTIONS[0], f"{A}:51234", "100.64.0.11:443"), (CONNECTIONS[1], "2001:db8:1::5", "2001:db8:2::5"),
    ):  # fmt: skip
        fake.router.put(path, src_address=own, dst_address="198.51.100.7:443")
        fake.router.put(path, src_address="198.51.100.7:99", dst_address=own)
        fake.router.put(path, src_address=foreign, dst_address="198.51.100.7:443")
    fake.router.put("/ppp/active", address=A)
    fake.router.put("/ppp/active", address="100.64.0.11")

    def left() -> list[int]:
        return [len(fake.router.tables[path]) for path in (*CONNECTIONS, "/ppp/active")]

    driver.apply(device(fake), [change(A, "throttle"), change(C, "throttle")])
    assert left() == [3, 3, 2]
    edge = device(fake, drop_connections=True, drop_sessions=True)
    driver.apply(edge, [change(A, "throttle"), change(C, "throttle")])
    assert left() == [3, 3, 2]  # nothing changed, so nobody is disturbed
    driver.apply(edge, [change(A, "open"), change(C, "open")])
    assert left() == [1, 1, 1]


def test_a_device_tells_its_version_and_how_long_it_has_been_up(fake: RouterFake) -> None:
    told = Probe(version="7.18.2 (stable)", model="simulated", uptime_seconds=90061)
    assert driver.probe(device(fake)) == told
    fake.reboot()
    assert driver.probe(device(fake)) == replace(told, uptime_seconds=3)
    assert uptime_seconds("1w2d3h4m5s") == 788645
    assert uptime_seconds("3s250ms") == 3


def test_the_log_tells_what_was_done_and_no_secret(fake: RouterFake) -> None:
    driver.apply(device(fake), THREE)
    rows = [json.loads(line) for line in fake.log.read_text().splitlines()]
    assert [row["verb"] for row in rows] == ["login", "print", "print", "add", "add", "add"]
    assert SECRET not in fake.log.read_text()


def test_twenty_thousand_entries_are_read(fake: RouterFake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routeros_wire, "ANSWER_SECONDS", 30)
    for n in range(20_000):
        fake.router.put(V4, list="Slow", address=f"100.64.{n >> 8}.{n & 255}", comment="billing:throttle")
    began = routeros_wire.clock.monotonic()
    held = all_of(driver, device(fake, timeout_seconds=40))
    print(f"20,000 entries read in {routeros_wire.clock.monotonic() - began:.1f} s")
    assert (len(held), set(held.values())) == (20_000, {"throttle"})
