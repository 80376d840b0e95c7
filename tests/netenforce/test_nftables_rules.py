"""Options, elements and ruleset of a Linux inline device: pure, without a device."""

import base64
import ipaddress
import json
import os
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from billing_project.kernel.errors import Refused
from netenforce.drivers.nftables_wire import PROGRAM, Said, sections
from netenforce.rules.desired import Held
from netenforce.rules.lists import ListView
from netenforce.rules.nftables_entries import (
    Unreadable,
    base_of,
    held_by_others,
    held_by_us,
    own_address,
    own_addresses,
    plan,
    read_table,
    same_sets,
    sets_of,
)  # fmt: skip
from netenforce.rules.nftables_notes import Facts, notes
from netenforce.rules.nftables_options import Options, parse_options
from netenforce.rules.nftables_ruleset import ruleset, slowed_lists
from netenforce.rules.options import check_options
from netenforce.rules.routeros_entries import Wanted
from tests.peers import nft_rig

KEY = "ssh-ed25519 " + base64.b64encode(b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + b"k" * 32).decode()
SLOW = ListView(name="Slow", level="throttle", rate_down_kbit=1024, rate_up_kbit=512)
GARDEN, OFF = ListView(name="Walled-Garden", level="walled_garden"), ListView(name="Off", level="suspend")
FULL = {
    "interfaces": {"customers": "eth1", "upstream": "eth0"},
    "garden": {"dns": ["192.0.2.53"], "hosts": ["192.0.2.80", "192.0.2.0/25", "checkout.stripe.com"], "ports": [443]},
    "portal": "192.0.2.80:80",
}


def made(*lists: ListView, **options: Any) -> str:
    return ruleset("edge", lists, parse_options({**FULL, **options}), program=PROGRAM)


def test_what_is_left_out_has_a_default() -> None:
    assert parse_options({}) == Options()
    assert parse_options({}).line_prefix == {4: 29, 6: 56}


@pytest.mark.parametrize("line", [KEY, f"edge.example.net {KEY}", f"[192.0.2.1]:2222 {KEY} root@edge"])
def test_a_host_key_may_be_pasted_as_ssh_keyscan_prints_it(line: str) -> None:
    assert parse_options({"via": "ssh", "ssh": {"known_host": line}}).known_host == KEY


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "no JSON object"),
        ({"tls": True}, "'tls' is no option of a Linux inline device; it knows via, ssh, table"),
        ({"via": "telnet"}, '"local" or "ssh"'),
        ({"via": "ssh"}, 'names no "known_host", and an unknown host is never trusted'),
        ({"via": "ssh", "ssh": {"known_host": "AAAA"}}, "that is no host key"),
        ({"via": "ssh", "ssh": {"known_host": "ssh-ed25519 AAAA"}}, "that is no host key"),
        ({"via": "ssh", "ssh": {"known_host": f"{KEY[:-8]}\nProxyCommand x"}}, "that is no host key"),
        ({"via": "ssh", "ssh": {"user": "root"}}, "'ssh' names 'user'; it knows known_host"),
        ({"ssh": {"known_host": KEY}}, '"via" is not "ssh"'),
        ({"table": "my table"}, "'table' is 'my table'"),
        ({"table": "x; flush ruleset"}, "use a short name"),
        ({"namespace": "-x"}, "'namespace' is '-x'"),
        ({"interfaces": {"customers": "eth1; reboot"}}, "'interfaces.customers' is 'eth1; reboot'"),
        ({"interfaces": ["eth0"]}, "it knows customers, upstream"),
        ({"garden": {"dns": ["resolver.example.net"]}}, "name server 'resolver.example.net'; write its IP address"),
        ({"garden": {"hosts": ["0.0.0.0/0"]}}, "lets everybody reach everything"),
        ({"garden": {"hosts": ["$(reboot)"]}}, "has a host '$(reboot)'"),
        ({"garden": {"hosts": "192.0.2.80"}}, "write a list of texts"),
        ({"garden": {"ports": ["443"]}}, "write a list of TCP ports"),
        ({"portal": "portal.example.net:80"}, "write address and port"),
        ({"portal": ["192.0.2.80:80", "192.0.2.81:80"]}, "two places for IPv4"),
        ({"portal": "192.0.2.80:99999"}, "write address and port"),
        ({"line_prefix": {"ipv6": 20}}, "'ipv6' is 20; write a whole number of bits from 48 to 128"),
        ({"timeout_seconds": 0}, "from 1 to 40"),
        ({"address_list": {"open": "X"}}, "names a level 'open'"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_to_mend_it(given: Any, words: str) -> None:
    with pytest.raises(Refused) as refused:
        check_options("nftables", given)
    assert refused.value.code == "bad_options"
    assert words in refused.value.words


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("Delinquent-Throttle", "Delinquent_Throttle"),
        ("1st", "l_1st"),
        (".x", "l__x"),
        ("_x", "l__x"),
        ("a.b-c", "a_b_c"),
    ],
)
def test_a_set_is_named_by_its_list(name: str, base: str) -> None:
    assert base_of(name) == base
    assert sets_of(name) == (f"{base}_4", f"{base}_4_nets", f"{base}_6", f"{base}_6_nets")


def test_no_two_lists_share_a_set_unseen() -> None:
    assert same_sets(["A-b", "C", "A.b"]) == ("A-b", "A.b")
    assert same_sets(["A", "A_4", "A_4_nets", "A_6"]) is None
    names = ["A", "A_4", "A_4_nets", "A_6"]
    assert len({one for name in names for one in sets_of(name)}) == 16


def test_what_nft_does_not_print_is_no_empty_table() -> None:
    for text in ("", "{}", "[]", '{"nftables": [{"set": {"type": "ipv4_addr"}}]}', '{"nftables": [1'):
        with pytest.raises(Unreadable):
            read_table(text)


def table_of(**sets: list[Any]) -> Any:
    rows = [
        {"set": {"family": "inet", "name": name, "table": "billing", "type": f"ipv{6 if '_6' in name else 4}_addr",
                 "elem": elements}}
        for name, elements in sets.items()
    ]  # fmt: skip
    return read_table(json.dumps({"nftables": rows}))


def elem(value: Any, comment: str = "", **more: Any) -> Any:
    return {"elem": {"val": value, **({"comment": comment} if comment else {}), **more}}


def test_an_element_is_ours_by_its_whole_comment_and_without_a_timeout() -> None:
    table = table_of(
        Off_4=[
            "192.0.2.1", elem("192.0.2.2", "billing:suspend"), elem("192.0.2.3", "billing:suspended"),
            elem("192.0.2.4", "xbilling:suspend"), elem("192.0.2.5", "billing:suspend", timeout=60, expires=5),
            elem("192.0.2.6", "billing:open"), elem("192.0.2.7", "billing:suspend 192.0.2.7/32"),
        ],
        Off_4_nets=[elem({"range": ["192.0.2.64", "192.0.2.66"]})],
    )  # fmt: skip
    held = Held(level="suspend", list_name="Off")
    assert held_by_us(table, {"Off": "suspend"}) == {"192.0.2.2": held, "192.0.2.7/32": held}
    others = ["192.0.2.1", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.64-192.0.2.66"]
    assert list(held_by_others(table, {"Off": "suspend"})) == others


def want(address: str, level: str, list_name: str = "") -> Wanted:
    return Wanted(network=ipaddress.ip_network(address), asked=address, level=level, list_name=list_name)


def test_a_move_takes_out_and_puts_in_by_one_document_in_that_order() -> None:
    table = table_of(Off_4=[elem("192.0.2.2", "billing:suspend")], Slow_4=[])
    planned = plan([want("192.0.2.2", "throttle", "Slow")], table)
    document = json.loads(planned.document("billing"))["nftables"]
    assert [list(command) for command in document] == [["delete"], ["add"]]
    assert [command[verb]["element"]["name"] for command in document for verb in command] == ["Off_4", "Slow_4"]
    assert [str(one) for one in planned.freed] == ["192.0.2.2/32"]


def test_thousands_of_prefixes_leave_with_their_set_unless_somebody_elses_is_in_it() -> None:
    ours = [elem({"prefix": {"addr": f"2001:db8:{n:x}::", "len": 56}}, "billing:suspend") for n in range(600)]
    wanted = [want(f"2001:db8:{n:x}::/56", "open") for n in range(599)]
    document = json.loads(plan(wanted, table_of(Off_6_nets=ours)).document("billing"))["nftables"]
    assert [list(command) for command in document] == [["flush"], ["add"]]
    assert document[1]["add"]["element"]["elem"] == ours[599:]
    theirs = [*ours, elem({"prefix": {"addr": "2001:db9::", "len": 56}}, "by hand")]
    document = json.loads(plan(wanted, table_of(Off_6_nets=theirs)).document("billing"))["nftables"]
    assert [list(command) for command in document] == [["delete"]]


def test_what_is_so_already_costs_nothing_and_a_harder_level_frees_nobody() -> None:
    table = table_of(Off_4=[elem("192.0.2.2", "billing:suspend")], Slow_4=[elem("192.0.2.3", "billing:throttle")])
    assert plan([want("192.0.2.2", "suspend", "Off")], table).document("billing") == ""
    assert plan([want("192.0.2.3", "suspend", "Off")], table).freed == []


def test_a_line_that_is_open_already_has_its_old_connections_ended_all_the_same() -> None:
    """An answer may have been lost between the change and that."""
    planned = plan([want("192.0.2.9", "open")], table_of(Off_4=[]))
    assert (planned.document("billing"), len(planned.freed)) == ("", 1)


@pytest.mark.parametrize(
    ("network", "own"),
    [
        ("192.0.2.1", "192.0.2.1/24"), ("192.0.2.0/29", "192.0.2.1/24"), ("192.0.2.0/29", "192.0.2.1/32"),
        ("2001:db8::1/128", "2001:db8::1/64"), ("192.0.2.8/29", ""), ("203.0.113.0/29", ""),
    ],
)  # fmt: skip
def test_the_devices_own_address_is_known(network: str, own: str) -> None:
    has = [own] if own else ["192.0.2.9/29", "2001:db8::1/64"]
    assert own_address(ipaddress.ip_network(network), has) == own.split("/")[0]


def test_addresses_are_read_from_what_ip_prints() -> None:
    text = '[{"ifname":"lo","addr_info":[]},{"addr_info":[{"local":"192.0.2.1","prefixlen":24},{"x":1}]}]'
    assert own_addresses(text) == ("192.0.2.1/24",)
    with pytest.raises(Unreadable):
        own_addresses("ip: not found")


def test_the_file_is_a_shell_script_and_its_rules_name_every_set() -> None:
    text = made(SLOW, GARDEN, OFF)
    assert subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True).stderr == ""
    for name in ("Slow", "Walled-Garden", "Off"):
        for one in sets_of(name):
            assert f"saddr @{one} " in text
            assert f"daddr @{one} " in text
    assert "established" not in text.split("chain customers {\n")[1].split("}")[0]
    assert "%" not in text.replace("%s", "").replace("%x", "").split("program() {")[0]


def test_each_list_that_slows_has_classes_of_its_own() -> None:
    more = [ListView(name=f"S{n:02}", level="throttle", rate_down_kbit=n + 1) for n in range(15)]
    firsts = [one.first for one in slowed_lists(more)]
    assert all(later - earlier >= 1024 for earlier, later in pairwise(firsts))
    assert firsts[-1] + 1024 <= 0xFFFF
    with pytest.raises(Refused, match="16 lists slow lines"):
        slowed_lists([*more, ListView(name="one more", level="throttle", rate_up_kbit=1)])


def test_a_list_without_a_speed_gets_no_classes_and_a_direction_without_one_no_rule() -> None:
    text = made(ListView(name="Slow", level="throttle", rate_down_kbit=64))
    assert "ip daddr @Slow_4 meta priority" in text
    assert "ip saddr @Slow_4 meta priority" not in text
    assert "    root eth1" in text
    assert "    root eth0" not in text
    assert "no list slows anybody" in made(OFF)


def test_the_garden_holds_the_portal_once_and_looks_names_up_later() -> None:
    text = made(GARDEN)
    assert "add element inet billing garden4 { 192.0.2.0/25 }" in text
    assert "for name in checkout.stripe.com; do" in text
    assert "dnat ip to 192.0.2.80:80" in text
    assert "dnat ip6" not in text


@pytest.mark.skipif(bool(nft_rig.lacking()), reason=nft_rig.lacking() or "-")
def test_names_are_looked_up_again_and_what_they_meant_stays_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "billing-line"
    file.write_text(made(GARDEN, interfaces={}))
    getent = tmp_path / "getent"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with nft_rig.namespace() as name:
        for address in ("198.51.100.7", "198.51.100.8"):
            answer = f"for kind in STREAM DGRAM; do echo {address} $kind $2; done; echo 2001:db8::7"
            getent.write_text(f"#!/bin/sh\n{answer}\n")
            getent.chmod(0o755)
            nft_rig.inside(name, "sh", str(file), "load")
        getent.write_text("#!/bin/sh\nexit 2\n")
        nft_rig.inside(name, "sh", str(file), "names")
        held = nft_rig.inside(name, "nft", "list", "ruleset")
    assert held.count("timeout 1d") == 3
    for address in ("198.51.100.7", "198.51.100.8", "2001:db8::7"):
        assert f"{address} timeout 1d" in held


@pytest.mark.parametrize(
    ("lists", "options", "code"),
    [
        ((SLOW,), {"interfaces": {}}, "no_interface"),
        ((SLOW,), {"interfaces": {"customers": "eth1"}}, "no_interface"),
        ((GARDEN,), {"garden": {"dns": ["192.0.2.53"]}, "portal": []}, "no_garden"),
        ((OFF, ListView(name="Off", level="walled_garden")), {}, "two_levels"),
        ((SLOW, ListView(name="Slow", level="throttle", rate_down_kbit=9)), {}, "two_speeds"),
        ((OFF, ListView(name="O-ff", level="suspend"), ListView(name="O.ff", level="suspend")), {}, "same_sets"),
    ],
)
def test_no_file_is_made_of_what_could_not_work(lists: Any, options: Any, code: str) -> None:
    with pytest.raises(Refused) as refused:
        made(*lists, **options)
    assert refused.value.code == code


def test_nothing_to_mend_is_no_note() -> None:
    sets = [*sets_of("Slow"), *sets_of("Off")]
    table = read_table(
        json.dumps({"nftables": [
            *({"set": {"name": name, "type": "ipv4_addr"}} for name in sets),
            *({"rule": {"expr": [{"match": {"right": f"@{name}"}}]}} for name in sets),
        ]})
    )  # fmt: skip
    facts = Facts(
        table="billing", forwarding=("1", "1"), customers="a", upstream="b", classes={"a": ["htb"], "b": ["htb"]}
    )
    assert notes([SLOW, OFF], table, facts) == ()
    told = notes([SLOW], table, Facts(table="billing", forwarding=("0", "1"), ends_connections=False))
    assert [note.split(" ")[0] for note in told] == ['"interfaces"', '"interfaces"', "Forwarding", "conntrack"]


def test_an_answer_that_was_cut_off_lacks_its_last_section() -> None:
    whole = sections(Said(out='{"a": 1}\n@ table 0\n[]\n@ addresses 1\n12.5 3\n@ uptime 0\n'))
    assert {name: (said.status, said.out) for name, said in whole.items()} == {
        "table": (0, '{"a": 1}'), "addresses": (1, "[]"), "uptime": (0, "12.5 3"),
    }  # fmt: skip
    assert list(sections(Said(out='{"a": 1}\n@ table 0\n[]\n@ addr'))) == ["table"]
