"""Pure: the elements of nftables sets, which of them are ours, and the one transaction that makes them right.

Each address list has four sets: single addresses and prefixes of both IP versions, so that an address may be listed
beside a prefix that contains it; nothing is ever merged. An element is ours by its comment, ``billing:<level>``, and by
nothing else. Those without our comment, and those with a timeout, are the operator's.
"""

import ipaddress
import json
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .desired import OPEN, Held, rank
from .nftables_options import Network
from .option_readers import RESTRICTIONS
from .routeros_entries import MARK, Wanted, network_of, shown

FAMILY = "inet"
EMPTIED_FROM = 500
KINDS = ("_4", "_4_nets", "_6", "_6_nets")
_MARKED = re.compile(rf"{MARK}({'|'.join(RESTRICTIONS)})(?: (\S+))?")
_TYPES = {"ipv4_addr", "ipv6_addr"}


class Unreadable(Exception):
    """Say that a document is not what nft prints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One element of a set: from its first to its last address; ``level`` is blank if it is not ours.

    ``network`` is None for a range that is no prefix, which never is a line's.
    """

    set_name: str
    network: Network | None
    first: int
    last: int
    comment: str = ""
    level: str = ""
    asked: str = ""
    timed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What one table holds: the elements of each set of addresses, and the sets that its rules look at."""

    sets: Mapping[str, Sequence[Element]] = field(default_factory=dict)
    looked_at: frozenset[str] = frozenset()

    def ours(self) -> Iterable[Element]:
        """Return our elements, in whatever set of the table they are."""
        return (one for elements in self.sets.values() for one in elements if one.level)


def base_of(list_name: str) -> str:
    """Return what the names of a list's four sets begin with: nftables takes fewer characters than a list's name."""
    base = re.sub(r"[^A-Za-z0-9_]", "_", list_name)
    return base if base[:1].isalpha() else f"l_{base}"


def set_of(list_name: str, network: Network) -> str:
    """Return the set of a list into which a network belongs."""
    single = network.prefixlen == network.max_prefixlen
    return f"{base_of(list_name)}_{network.version}{'' if single else '_nets'}"


def sets_of(list_name: str) -> tuple[str, ...]:
    """Return the four sets of a list."""
    return tuple(base_of(list_name) + kind for kind in KINDS)


def same_sets(names: Iterable[str]) -> tuple[str, str] | None:
    """Return two list names whose sets would be the same ones, if there are any."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(base_of(name), name)
        if other != name:
            return other, name
    return None


def read_table(text: str) -> Table:
    """Return what ``nft -j list table`` printed; raises Unreadable."""
    sets: dict[str, list[Element]] = {}
    looked_at: set[str] = set()
    try:
        for thing in json.loads(text)["nftables"]:
            if "rule" in thing:
                looked_at |= set(re.findall(r'"@([A-Za-z0-9_]+)"', json.dumps(thing["rule"])))
            row = thing.get("set")
            if row and row.get("type") in _TYPES:
                read = (_element(row["name"], one) for one in row.get("elem", []))
                sets[row["name"]] = [one for one in read if one is not None]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise Unreadable(str(error)) from error
    return Table(sets=sets, looked_at=frozenset(looked_at))


def _element(set_name: str, row: Any) -> Element | None:
    more = row["elem"] if isinstance(row, dict) and "elem" in row else {"val": row}
    value = more["val"]
    network: Network | None
    if isinstance(value, str):
        network = ipaddress.ip_network(value)
    elif "prefix" in value:
        network = ipaddress.ip_network((value["prefix"]["addr"], value["prefix"]["len"]), strict=False)
    elif "range" in value:
        first, last = (ipaddress.ip_address(one) for one in value["range"])
        timed = "timeout" in more
        return Element(
            set_name=set_name, network=None, first=int(first), last=int(last), comment=more.get("comment", ""),
            timed=timed,
        )  # fmt: skip
    else:
        return None
    comment, timed = more.get("comment", ""), "timeout" in more or "expires" in more
    mark = None if timed or not comment else _MARKED.fullmatch(comment)
    asked = mark[2] if mark and mark[2] and network_of(mark[2]) == network else shown(network)
    first_int = int(network.network_address)
    return Element(
        set_name=set_name, network=network, first=first_int, last=first_int + network.num_addresses - 1,
        comment=comment, level=mark[1] if mark else "", asked=asked, timed=timed,
    )  # fmt: skip


def held_by_us(table: Table, lists: Mapping[str, str]) -> dict[str, Held]:
    """Return what every address is by our elements, given the level of each list; of several the hardest."""
    names = _list_names(lists)
    return _hardest(
        (one.asked, Held(level=one.level, list_name=names.get(one.set_name) or _base(one.set_name)))
        for one in table.ours()
    )


def held_by_others(table: Table, lists: Mapping[str, str]) -> dict[str, Held]:
    """Return what every address is by elements in our sets that are not ours, given the level of each list."""
    names = _list_names(lists)
    return _hardest(
        (_written(one), Held(level=lists[names[one.set_name]], list_name=names[one.set_name]))
        for one in _theirs(table, names)
    )


def _list_names(lists: Mapping[str, str]) -> dict[str, str]:
    """Return the list of each of our sets."""
    return {set_name: name for name in lists for set_name in sets_of(name)}


def _base(set_name: str) -> str:
    return re.sub(r"_[46](_nets)?$", "", set_name)


def _theirs(table: Table, names: Mapping[str, str]) -> Iterable[Element]:
    return (one for set_name in names if set_name in table.sets for one in table.sets[set_name] if not one.level)


def _written(one: Element) -> str:
    if one.network is not None:
        return shown(one.network)
    kind = ipaddress.IPv6Address if re.search(r"_6(_nets)?$", one.set_name) else ipaddress.IPv4Address
    return f"{kind(one.first)}-{kind(one.last)}"


def _hardest(found: Iterable[tuple[str, Held]]) -> dict[str, Held]:
    held: dict[str, Held] = {}
    for address, one in found:
        if address not in held or rank(one.level) > rank(held[address].level):
            held[address] = one
    return held


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What makes the sets right: elements to take out and to put in, and the networks that become freer by it.

    ``emptied`` are sets that are emptied as a whole, with those elements of ours that are put back.
    """

    out: Sequence[tuple[str, Network]] = ()
    into: Sequence[tuple[str, Network, str]] = ()
    freed: Sequence[Network] = ()
    emptied: Mapping[str, Sequence[tuple[Network, str]]] = field(default_factory=dict)

    def document(self, table: str) -> str:
        """Return the one JSON document for nft: all of it happens at once or not at all; blank if nothing is to do."""
        out: dict[str, list[Any]] = defaultdict(list)
        into: dict[str, list[Any]] = defaultdict(list)
        for set_name, network in self.out:
            if set_name not in self.emptied:
                out[set_name].append(_value(network))
        back = [(name, network, comment) for name, kept in self.emptied.items() for network, comment in kept]
        for set_name, network, comment in [*back, *self.into]:
            into[set_name].append({"elem": {"val": _value(network), "comment": comment}})
        commands: list[Any] = [
            {"flush": {"set": {"family": FAMILY, "table": table, "name": name}}} for name in self.emptied
        ]
        commands += [_command("delete", table, name, elements) for name, elements in out.items()]
        commands += [_command("add", table, name, elements) for name, elements in into.items()]
        return json.dumps({"nftables": commands}) if commands else ""


def _value(network: Network) -> Any:
    if network.prefixlen == network.max_prefixlen:
        return str(network.network_address)
    return {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}


def _command(verb: str, table: str, set_name: str, elements: Sequence[Any]) -> dict[str, Any]:
    return {verb: {"element": {"family": FAMILY, "table": table, "name": set_name, "elem": list(elements)}}}


def plan(wanted: Sequence[Wanted], table: Table) -> Plan:
    """Return what makes the elements what is wanted; nothing for what is so already.

    Taking out and putting in are one transaction, so that a line is never in none of two lists while it moves. What
    somebody else put into the very list has its effect already and is left alone. A line that should be open counts
    as freed even if it is in no list: after a lost answer its old connections may still be there.
    """
    networks = {one.network for one in wanted}
    held: dict[Network, list[Element]] = defaultdict(list)
    for elements in table.sets.values():
        for one in elements:
            if one.network in networks:
                held[one.network].append(one)
    out: list[tuple[str, Network]] = []
    into: list[tuple[str, Network, str]] = []
    freed: list[Network] = []
    for want in wanted:
        target = set_of(want.list_name, want.network) if want.level != OPEN else ""
        ours = [one for one in held[want.network] if one.level]
        theirs = any(one.set_name == target and not one.level for one in held[want.network])
        right = [one for one in ours if one.set_name == target and one.comment == want.comment and not theirs]
        out += [(one.set_name, want.network) for one in ours if one not in right]
        if target and not right and not theirs:
            into.append((target, want.network, want.comment))
        if want.level == OPEN or any(rank(one.level) > rank(want.level) for one in ours):
            freed.append(want.network)
    return Plan(out=out, into=into, freed=freed, emptied=_emptied(out, table))


def _emptied(out: Sequence[tuple[str, Network]], table: Table) -> dict[str, list[tuple[Network, str]]]:
    """Return the sets of prefixes of which so many leave that they are emptied and filled anew, in the same stroke.

    To take thousands of prefixes out one by one costs nft minutes. Only sets without anybody else's element.
    """
    leaving = set(out)
    return {
        set_name: [
            (one.network, one.comment)
            for one in table.sets[set_name]
            if one.network is not None and (set_name, one.network) not in leaving
        ]
        for set_name, many in Counter(set_name for set_name, _ in out).items()
        if many > EMPTIED_FROM and set_name.endswith("_nets") and all(one.level for one in table.sets[set_name])
    }


def in_the_way(planned: Plan, table: Table) -> tuple[Network, Element] | None:
    """Return a prefix that is to be put in, and what overlaps it in its set and stays there, if there is such."""
    leaving = set(planned.out)
    staying: dict[str, list[Element]] = {}
    for set_name, network, _ in planned.into:
        if network.prefixlen == network.max_prefixlen:
            continue
        if set_name not in staying:
            elements = (one for one in table.sets.get(set_name, ()) if (set_name, one.network) not in leaving)
            staying[set_name] = sorted(elements, key=lambda one: one.first)
        first = int(network.network_address)
        # Those in a set do not overlap each other: if any overlaps, then the last one that begins before our end.
        place = bisect_right(staying[set_name], first + network.num_addresses - 1, key=lambda one: one.first)
        if place and staying[set_name][place - 1].last >= first:
            return network, staying[set_name][place - 1]
    return None


def take_over(table: Table, networks: Iterable[Network], lists: Mapping[str, str]) -> Plan:
    """Return what writes our comment on the elements that others made for some networks; timed ones stay theirs."""
    asked = set(networks)
    names = _list_names(lists)
    found = [
        (one, one.network)
        for one in _theirs(table, names)
        if one.network is not None and one.network in asked and not one.timed
    ]
    return Plan(
        out=[(one.set_name, network) for one, network in found],
        into=[(one.set_name, network, MARK + lists[names[one.set_name]]) for one, network in found],
    )


def still_held(wanted: Sequence[Wanted], table: Table, lists: Mapping[str, str]) -> Element | None:
    """Return an element of somebody else that holds a line which should be open, if there is one."""
    freed = {one.network for one in wanted if one.level == OPEN}
    return next((one for one in _theirs(table, _list_names(lists)) if one.network in freed), None)


def with_connections(freed: Iterable[str], live: Iterable[str]) -> list[str]:
    """Return those of some networks in which an address is that has a connection."""
    rooms: dict[tuple[int, int], dict[int, str]] = defaultdict(dict)
    for text in freed:
        network = ipaddress.ip_network(text)
        room = network.max_prefixlen - network.prefixlen
        rooms[network.version, room][int(network.network_address) >> room] = text
    found: dict[str, None] = {}
    for text in live:
        address = ipaddress.ip_address(text)
        for (version, room), networks in rooms.items():
            if version == address.version and (mine := networks.get(int(address) >> room)):
                found[mine] = None
    return list(found)


def own_address(network: Network, own: Iterable[str]) -> str:
    """Return an address of the device itself that lies in a network; blank if none does.

    Where the device's interface is in the line's own prefix it is that line's gateway, and that is as it should be.
    """
    for text in own:
        interface = ipaddress.ip_interface(text)
        if interface.version != network.version or interface.ip not in network:
            continue
        subnet = interface.network
        gateway = subnet.prefixlen < subnet.max_prefixlen and subnet.prefixlen >= network.prefixlen
        if network.prefixlen == network.max_prefixlen or not gateway:
            return str(interface.ip)
    return ""


def own_addresses(text: str) -> tuple[str, ...]:
    """Return the addresses of a device with their prefix lengths, from ``ip -j addr``; raises Unreadable."""
    try:
        return tuple(
            f"{info['local']}/{info['prefixlen']}"
            for link in json.loads(text)
            for info in link.get("addr_info", [])
            if "local" in info
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable(str(error)) from error
