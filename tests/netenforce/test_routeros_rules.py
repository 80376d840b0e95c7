"""Pure: a MikroTik device's options, whose an entry is, and which commands make it right."""

from typing import Any

import pytest

from billing_project.kernel.errors import Refused
from netenforce.rules.desired import Held
from netenforce.rules.routeros_entries import (
    Entry,
    Wanted,
    entry_of,
    held_by_others,
    held_by_us,
    marks,
    network_of,
    plan,
    too_wide,
)
from netenforce.rules.routeros_options import Options, parse_options

LISTS = {"throttle": "Slow", "walled_garden": "Garden", "suspend": "Off"}
BY_LIST = {name: level for level, name in LISTS.items()}
HOST = "100.64.0.1"
SLOW = Held(level="throttle", list_name="Slow")


def entry(**row: str) -> Entry:
    found = entry_of({"id": "*1", "list": "Slow", "address": HOST, "comment": "billing:throttle", **row})
    assert found is not None
    return found


def want(level: str, address: str = HOST) -> Wanted:
    network = network_of(address)
    assert network is not None
    return Wanted(network=network, asked=address, level=level, list_name=LISTS.get(level, ""))


def commands(level: str, *entries: Entry, address: str = HOST) -> list[tuple[str, dict[str, str]]]:
    return [(command.verb, dict(command.fields)) for command in plan([want(level, address)], entries)]


def test_a_bare_device_is_spoken_to_over_tls_with_its_certificate_checked() -> None:
    assert parse_options({}) == Options()
    assert (Options().tls, Options().verify, Options().port) == (True, True, 8729)
    assert parse_options({"tls": False, "address_list": "Delinquent"}) == Options(
        tls=False, address_lists=dict.fromkeys(LISTS, "Delinquent")
    )
    assert parse_options({"tls": False}).port == 8728


def test_a_fingerprint_is_taken_with_and_without_colons() -> None:
    colons = ":".join(["AB"] * 32)
    assert parse_options({"fingerprint": colons}).fingerprint == "ab" * 32


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tsl": False}, "'tsl' is no option of a MikroTik device; it knows tls, verify"),
        (["tls"], "this is no JSON object"),
        ({"tls": "no"}, "'tls' is 'no'; write true or false, without quotes"),
        ({"verify": 0}, "'verify' is 0; write true or false"),
        ({"drop_connections": None}, "'drop_connections' is None"),
        ({"ca_pem": "hello"}, "'ca_pem' holds no certificate"),
        ({"ca_pem": 7}, "'ca_pem' holds no certificate"),
        ({"ca_pem": ""}, "'ca_pem' holds no certificate"),
        ({"fingerprint": "ab:cd"}, "write 64 hexadecimal digits"),
        ({"fingerprint": "ab" * 32, "verify": False}, "'verify' is false, so"),
        ({"fingerprint": "ab" * 32, "tls": False}, "'fingerprint' says how the certificate is checked"),
        ({"verify": False, "tls": False}, "'verify' says how the certificate is checked"),
        ({"address_list": ""}, "names a list ''"),
        ({"address_list": "two words"}, "names a list 'two words'"),
        ({"address_list": {"slow": "Slow"}}, "names a level 'slow'; there are throttle, walled_garden, suspend"),
        ({"address_list": {}}, "neither a name nor names by level"),
        ({"address_list": ["Slow"]}, "neither a name nor names by level"),
        ({"timeout_seconds": 0}, "a whole number of seconds from 1 to 40"),
        ({"timeout_seconds": True}, "a whole number of seconds"),
        ({"timeout_seconds": 2.5}, "a whole number of seconds"),
    ],
)
def test_options_that_cannot_be_are_refused_with_the_key_and_the_way_to_mend_them(options: Any, words: str) -> None:
    with pytest.raises(Refused) as refusal:
        parse_options(options)
    assert refusal.value.code == "bad_options"
    assert words in refusal.value.words


@pytest.mark.parametrize(
    ("row", "level"),
    [
        ({}, "throttle"),
        ({"comment": "billing:suspend"}, "suspend"),
        ({"comment": "billing:suspend 100.64.0.1/32"}, "suspend"),
        ({"comment": ""}, ""),
        ({"comment": "Billing:throttle"}, ""),
        ({"comment": "billing:throttle, do not touch (Zürich)"}, ""),
        ({"comment": "billing:open"}, ""),
        ({"dynamic": "true"}, ""),
    ],
)
def test_an_entry_is_ours_by_its_comment_and_by_being_static(row: dict[str, str], level: str) -> None:
    assert entry(**row).level == level


@pytest.mark.parametrize("address", ["ads.example.com", "10.0.0.1-10.0.0.9", ""])
def test_names_and_ranges_are_nobodys_line(address: str) -> None:
    assert entry_of({"id": "*1", "list": "Slow", "address": address, "comment": "billing:throttle"}) is None


@pytest.mark.parametrize(
    ("as_shown", "asked", "told"),
    [
        ("100.64.0.1", "", "100.64.0.1"),
        ("100.64.0.1", " 100.64.0.1/32", "100.64.0.1/32"),
        ("2001:db8::1/128", "", "2001:db8::1"),
        ("2001:db8::1/128", " 2001:DB8:0::1", "2001:DB8:0::1"),
        ("2001:db8:1::/56", "", "2001:db8:1::/56"),
        ("100.64.0.1", " 100.64.0.2", "100.64.0.1"),  # a comment that lies about its address is not believed
    ],
)
def test_an_address_is_told_as_its_line_writes_it(as_shown: str, asked: str, told: str) -> None:
    one = entry(address=as_shown, comment=f"billing:throttle{asked}")
    assert held_by_us([one]) == {told: SLOW}


def test_what_is_written_is_read_back_as_it_was_asked_for() -> None:
    for address in ("100.64.0.1", "100.64.0.1/32", "203.0.113.8/29", "2001:db8::1", "2001:DB8::/56"):
        for level in LISTS:
            [command] = plan([want(level, address)], [])
            row = {"id": "*9", **command.fields}
            read = entry_of(row)
            assert read is not None
            assert held_by_us([read]) == {address: Held(level=level, list_name=LISTS[level])}


def test_an_entry_that_is_switched_off_restricts_nobody() -> None:
    assert held_by_us([entry(disabled="true")]) == {}
    assert commands("throttle", entry(disabled="true")) == [
        ("set", {"id": "*1", "list": "Slow", "comment": "billing:throttle", "disabled": "no"})
    ]


@pytest.mark.parametrize("level", ["throttle", "suspend"])
def test_an_entry_in_a_list_that_was_renamed_differs_from_what_it_should_be(level: str) -> None:
    lost = entry(list="Former", comment=f"billing:{level}")
    assert not held_by_us([lost])[HOST].agrees(Held(level=level, list_name=LISTS[level]))
    assert commands(level, lost)[0][0] == "set"


def test_of_two_entries_the_harder_one_counts_and_the_next_order_leaves_one() -> None:
    two = [entry(), entry(id="*2", list="Off", comment="billing:suspend")]
    assert held_by_us(two) == {HOST: Held(level="suspend", list_name="Off")}
    assert commands("suspend", *two) == [("remove", {"id": "*1"})]
    assert commands("throttle", *two) == [("remove", {"id": "*2"})]
    assert [verb for verb, _ in commands("walled_garden", *two)] == ["set", "remove"]
    assert commands("open", *two) == [("remove", {"id": "*1"}), ("remove", {"id": "*2"})]


def test_a_change_of_level_is_one_command_and_never_a_gap() -> None:
    assert commands("suspend", entry()) == [
        ("set", {"id": "*1", "list": "Off", "comment": "billing:suspend", "disabled": "no"})
    ]


def test_what_is_right_already_needs_no_command() -> None:
    assert commands("throttle", entry()) == []
    assert commands("open") == []


def test_what_others_wrote_is_never_touched() -> None:
    others = [entry(comment="VIP"), entry(id="*2", list="Off", dynamic="true"), entry(id="*3", list="ddos", comment="")]
    assert commands("open", *others) == []
    assert commands("throttle", *others) == []  # it is in the list already, and the router takes it only once
    assert commands("walled_garden", *others)[0][0] == "add"
    assert held_by_us(others) == {}


def test_what_others_wrote_counts_for_what_a_line_is() -> None:
    assert held_by_others([entry(comment="VIP")], BY_LIST) == {HOST: SLOW}
    assert held_by_others([entry(comment="VIP", disabled="true")], BY_LIST) == {}
    assert held_by_others([entry(comment="", list="ddos")], BY_LIST) == {}
    both = [entry(comment="VIP"), entry(id="*2", list="Off", dynamic="true")]
    assert held_by_others(both, BY_LIST) == {HOST: Held(level="suspend", list_name="Off")}


def test_what_others_wrote_is_taken_over_by_our_mark_unless_it_is_dynamic() -> None:
    entries = [
        entry(comment="old script"),
        entry(id="*2", list="Off", dynamic="true"), entry(id="*3", list="ddos", comment=""),
        entry(id="*4", list="Garden"),
    ]  # fmt: skip
    assert [(command.verb, dict(command.fields)) for command in marks(entries, BY_LIST)] == [
        ("set", {"id": "*1", "comment": "billing:throttle"})
    ]


@pytest.mark.parametrize(
    ("address", "wide"),
    [("203.0.113.0/24", False), ("203.0.112.0/23", True), ("0.0.0.0/0", True), ("2001:db8::/48", False),
     ("2001:db8::/47", True), ("::/0", True)],
)  # fmt: skip
def test_a_network_wider_than_a_line_is_known(address: str, wide: bool) -> None:
    assert too_wide(want("open", address).network) is wide
