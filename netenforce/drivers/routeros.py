"""MikroTik RouterOS: a line is restricted by an address-list entry, and the router's own rules say what that means.

Three round trips a call (log in, look, change), however many addresses it is about. See docs/routeros.md.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence

from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected
from netenforce.models import Device
from netenforce.rules.desired import LEVELS, OPEN
from netenforce.rules.routeros_entries import (
    Command,
    Entry,
    Network,
    Wanted,
    entry_of,
    held_by_others,
    held_by_us,
    marks,
    network_of,
    plan,
    shown,
    spellings,
)
from netenforce.rules.routeros_options import Options, parse_options

from .networks import levels_by_list, networks_wanted
from .port import NOTHING, Capabilities, Change, Held, Inventory, Probe
from .routeros_wire import Ask, Reply, Talk, conversation

TABLES = {4: "/ip/firewall/address-list", 6: "/ipv6/firewall/address-list"}
CONNECTIONS = {4: "/ip/firewall/connection", 6: "/ipv6/firewall/connection"}
SESSIONS = "/ppp/active"
ENTRY_FIELDS = ".id,list,address,comment,dynamic,disabled"
# With more addresses than this in one question the router is asked for all commented entries instead.
QUESTION_MAX = 100
# A call about very many addresses may take longer than one about a few, and still has an end.
ADDRESSES_PER_TIMEOUT = 250
FACTOR_MAX = 4
PASSES_MAX = 3
# Somebody was quicker, or an answer of ours was lost: what is there now tells.
_SETTLED = ("already have such", "no such item")
_UNSURE = ("timed out", "try again")


class RouterOSDriver:
    """Speak to MikroTik devices over their API; see ``rules/routeros_options.py`` for a device's options."""

    capabilities = Capabilities(
        levels=frozenset(LEVELS), identifiers=(("ipv4", "ipv6"),), adopts=True, tells_uptime=True
    )

    def read_all(self, device: Device) -> Inventory:
        """Return every address that our entries restrict, and those that others put into our lists."""
        options = _options(device)
        levels = levels_by_list(device, options.address_lists)
        with conversation(device, options, seconds=options.timeout_seconds * FACTOR_MAX) as talk:
            entries = _all_that_matter(talk, sorted(levels))
        return Inventory(ours=held_by_us(entries), foreign=held_by_others(entries, levels))

    def read(self, device: Device, addresses: Iterable[str]) -> Mapping[str, Held]:
        """Return what each address is on the router now, also by entries in our lists that are not ours."""
        asked = {address: network_of(address) for address in addresses}
        networks = {network for network in asked.values() if network is not None}
        if not networks:
            return dict.fromkeys(asked, NOTHING)
        options = _options(device)
        with conversation(device, options, seconds=_seconds(options, len(networks))) as talk:
            entries = _entries(talk, networks)
        ours = {network_of(address): held for address, held in held_by_us(entries).items()}
        by_others = held_by_others(entries, levels_by_list(device, options.address_lists))
        others = {network_of(address): held for address, held in by_others.items()}
        return {address: ours.get(network) or others.get(network) or NOTHING for address, network in asked.items()}

    def apply(self, device: Device, changes: Sequence[Change]) -> Mapping[str, str]:
        """Make the addresses what they should be, and look again where the router did not take a command."""
        options = _options(device)
        wanted = networks_wanted(device, options.address_lists, changes)
        if not wanted:
            return {}
        networks = {one.network for one in wanted}
        moved: set[Network] = set()
        with conversation(device, options, seconds=_seconds(options, len(networks))) as talk:
            for _ in range(PASSES_MAX):
                entries = _entries(talk, networks)
                commands = plan(wanted, entries)
                moved |= {command.network for command in commands}
                if not _carry_out(talk, commands):
                    break
            else:
                _give_up(device, plan(wanted, entries), entries)
            if moved:
                _drop(talk, options, moved)
        _say_who_holds(device, options, wanted, entries)
        return {}

    def adopt(self, device: Device, addresses: Iterable[str]) -> None:
        """Write our mark on the entries in our lists that others made for these addresses."""
        options = _options(device)
        networks = {network for address in addresses if (network := network_of(address)) is not None}
        if not networks:
            return
        by_list = levels_by_list(device, options.address_lists)
        with conversation(device, options, seconds=_seconds(options, len(networks))) as talk:
            _carry_out(talk, marks(_entries(talk, networks), by_list))

    def probe(self, device: Device) -> Probe:
        """Return what the router says of itself."""
        options = _options(device)
        with conversation(device, options, seconds=options.timeout_seconds) as talk:
            [reply] = talk.ask([Ask(path="/system/resource", verb="print")])
        row = _rows(device.name, reply)[0] if reply.rows or reply.trap else {}
        return Probe(
            version=row.get("version", ""),
            model=row.get("board-name", ""),
            uptime_seconds=uptime_seconds(row.get("uptime", "")),
        )


def uptime_seconds(text: str) -> int:
    """Return the seconds of an uptime as RouterOS writes it, such as 1w2d3h4m5s."""
    sizes = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
    return sum(int(number) * sizes[unit] for number, unit in re.findall(r"(\d+)([wdhms])(?![a-z])", text))


def _options(device: Device) -> Options:
    try:
        return parse_options(device.options)
    except Refused as refusal:
        raise Rejected(f"{device.name}: {refusal.words}", refusal.code) from refusal


def _seconds(options: Options, addresses: int) -> float:
    return options.timeout_seconds * min(FACTOR_MAX, 1 + addresses // ADDRESSES_PER_TIMEOUT)


def _rows(name: str, reply: Reply) -> Sequence[Mapping[str, str]]:
    """Return the rows of an answer; raises Rejected if the router does not let us look."""
    if reply.trap:
        raise _refusal(name, reply.trap)
    return reply.rows


def _refusal(name: str, trap: str) -> Rejected | OutcomeUnknown:
    """Return what a router's words mean."""
    if "not enough permissions" in trap:
        return Rejected(
            f"{name} lets this user look or write too little ({trap}); give the group of the user on the router the"
            " policies api, read and write.",
            "permissions",
        )
    if any(words in trap for words in _UNSURE):
        return OutcomeUnknown(f"{name} is not sure itself: {trap}.")
    return Rejected(f"{name} does not take this: {trap}.", "trap")


def _all_that_matter(talk: Talk, lists: Sequence[str]) -> list[Entry]:
    """Return every entry that has a comment or stands in one of our lists, of both tables, in one round trip."""
    words = ("?>comment=", *(f"?list={name}" for name in lists))
    joined = (*words, "?#" + "|" * (len(words) - 1)) if lists else words
    return _table_entries(talk, dict.fromkeys(TABLES, joined))


def _entries(talk: Talk, networks: Iterable[Network]) -> list[Entry]:
    """Return every entry of some networks, whoever made it, in one round trip."""
    spelt: dict[int, list[str]] = {}
    for network in sorted(networks, key=str):
        spelt.setdefault(network.version, []).extend(f"?address={text}" for text in spellings(network))
    if max(len(words) for words in spelt.values()) > QUESTION_MAX:
        return _table_entries(talk, dict.fromkeys(spelt, ()))
    # Each word puts one answer on the router's stack; the last one joins them all by "or".
    joined = {version: (*words, "?#" + "|" * (len(words) - 1)) for version, words in spelt.items() if words[1:]}
    return _table_entries(talk, {version: joined.get(version, tuple(words)) for version, words in spelt.items()})


def _table_entries(talk: Talk, queries: Mapping[int, tuple[str, ...]]) -> list[Entry]:
    asks = [
        Ask(path=TABLES[version], verb="print", fields={".proplist": ENTRY_FIELDS}, queries=words)
        for version, words in sorted(queries.items())
    ]
    entries = []
    for ask, reply in zip(asks, talk.ask(asks), strict=True):
        if "no such command" in reply.trap and ask.path == TABLES[6]:
            continue  # a router without IPv6 holds nobody back by IPv6
        entries += [entry for row in _rows(talk.name, reply) if (entry := entry_of(row))]
    return entries


def _carry_out(talk: Talk, commands: Sequence[Command]) -> bool:
    """Send the commands; tell whether one met something else than was there a moment ago."""
    asks = [Ask(path=TABLES[command.network.version], verb=command.verb, fields=command.fields) for command in commands]
    traps = [reply.trap for reply in talk.change(asks) if reply.trap]
    for trap in traps:
        if not any(words in trap for words in _SETTLED):
            raise _refusal(talk.name, trap)
    return bool(traps)


def _give_up(device: Device, commands: Sequence[Command], entries: Sequence[Entry]) -> None:
    """Raise for what the router still does not take after several looks."""
    for command in commands:
        for entry in entries:
            in_the_way = entry.network == command.network and entry.list_name == command.fields.get("list")
            if in_the_way and not entry.level:
                raise Rejected(
                    f"{shown(entry.network)} stands in list {entry.list_name} on {device.name} by an entry that is not"
                    f" ours and is switched off (comment {entry.comment!r}); remove it or switch it on.",
                    "foreign_entry",
                )
    raise OutcomeUnknown(f"Somebody else changes the same entries on {device.name} at this moment.")


def _say_who_holds(device: Device, options: Options, wanted: Sequence[Wanted], entries: Sequence[Entry]) -> None:
    """Raise Rejected if a line that was opened is still in one of our lists by an entry that is not ours."""
    lists = levels_by_list(device, options.address_lists)
    freed = {one.network for one in wanted if one.level == OPEN}
    for entry in entries:
        if entry.network in freed and not entry.level and not entry.disabled and entry.list_name in lists:
            raise Rejected(
                f"{shown(entry.network)} is open as far as we hold it, but stands in list {entry.list_name} on"
                f" {device.name} by an entry that is not ours (comment {entry.comment!r}); remove it on the router.",
                "foreign_entry",
            )


def _drop(talk: Talk, options: Options, networks: set[Network]) -> None:
    """End live connections and PPP sessions of the networks, if the device's options ask for it."""
    versions = sorted({network.version for network in networks})
    tables = [CONNECTIONS[version] for version in versions] if options.drop_connections else []
    tables += [SESSIONS] if options.drop_sessions else []
    fields = {".proplist": ".id,src-address,dst-address,address"}
    replies = talk.ask([Ask(path=path, verb="print", fields=fields) for path in tables])
    doomed = [
        Ask(path=path, verb="remove", fields={"id": row["id"]})
        for path, reply in zip(tables, replies, strict=True)
        for row in _rows(talk.name, reply)
        if row.get("id") and any(_inside(row.get(key, ""), networks) for key in fields[".proplist"].split(",")[1:])
    ]
    for reply in talk.change(doomed):
        if reply.trap and not any(words in reply.trap for words in _SETTLED):
            raise _refusal(talk.name, reply.trap)


def _inside(text: str, networks: set[Network]) -> bool:
    """Tell whether an address, with or without a port behind it, is one of the networks' own."""
    found = re.fullmatch(r"\[([^\]]+)\](?::\d+)?|(\d+(?:\.\d+){3})(?::\d+)?|([0-9a-fA-F:.]+)(?:/128)?", text)
    try:
        address = ipaddress.ip_address(next(part for part in found.groups() if part)) if found else None
    except ValueError:
        return False
    return address is not None and any(address in network for network in networks)
