"""Pure: the entries of a MikroTik address list, which of them are ours, and what to change in them.

An entry is ours by its comment, ``billing:<level>``, and by nothing else. Where a line writes its address otherwise
than the router shows it (100.64.3.7/32), the comment tells that too, so that it is read back as it was asked for.
Entries without our comment, and dynamic ones (those with a timeout, or that a DNS name bred), are the operator's.
"""

import ipaddress
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .desired import OPEN, Held, rank
from .option_readers import RESTRICTIONS

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MARK = "billing:"
# No wider than one customer's line, whoever asks.
SHORTEST_PREFIX = {4: 24, 6: 48}
_COMMENT = re.compile(rf"{MARK}({'|'.join(RESTRICTIONS)})(?: (\S+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of an address list as the router shows it; ``level`` is blank if it is not ours."""

    id: str
    list_name: str
    network: Network
    comment: str = ""
    level: str = ""
    asked: str = ""
    disabled: bool = False
    dynamic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What one network should be; ``asked`` is how its line writes it, ``list_name`` is blank for open."""

    network: Network
    asked: str
    level: str
    list_name: str

    @property
    def comment(self) -> str:
        """Return the owner mark that says the level, and the line's own notation where it is not the router's."""
        mark = MARK + self.level
        return mark if self.asked == shown(self.network) else f"{mark} {self.asked}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One change of a list: add, set or remove, in the table of its IP version."""

    verb: str
    network: Network
    fields: Mapping[str, str] = field(default_factory=dict)


def network_of(text: str) -> Network | None:
    """Return the network a text stands for; none for names and ranges, which never are a line's."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def too_wide(network: Network) -> bool:
    """Tell whether a network is wider than one customer's line can be."""
    return network.prefixlen < SHORTEST_PREFIX[network.version]


def shown(network: Network) -> str:
    """Return a network as lines write it and RouterOS shows it: a single address without its prefix length."""
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def spellings(network: Network) -> tuple[str, ...]:
    """Return the ways in which a router may show a network: it writes /128 behind a single IPv6 address."""
    return tuple(dict.fromkeys((shown(network), str(network))))


def entry_of(row: Mapping[str, str]) -> Entry | None:
    """Return a row of an address list; none if it is a name, a range, or not complete enough to be touched."""
    network = network_of(row.get("address", ""))
    if network is None or not row.get("id") or not row.get("list"):
        return None
    comment = row.get("comment", "")
    dynamic = row.get("dynamic") in ("true", "yes")
    mark = None if dynamic else _COMMENT.fullmatch(comment)
    asked = mark[2] if mark and mark[2] and network_of(mark[2]) == network else shown(network)
    return Entry(
        id=row["id"],
        list_name=row["list"],
        network=network,
        comment=comment,
        level=mark[1] if mark else "",
        asked=asked,
        disabled=row.get("disabled") in ("true", "yes"),
        dynamic=dynamic,
    )


def held_by_us(entries: Iterable[Entry]) -> dict[str, Held]:
    """Return what every address is by our entries; of several the hardest."""
    ours = (entry for entry in entries if entry.level and not entry.disabled)
    return _hardest((entry.asked, Held(level=entry.level, list_name=entry.list_name)) for entry in ours)


def held_by_others(entries: Iterable[Entry], lists: Mapping[str, str]) -> dict[str, Held]:
    """Return what every address is by entries that are not ours, given the level of each of our lists."""
    theirs = (entry for entry in entries if not entry.level and not entry.disabled and entry.list_name in lists)
    return _hardest(
        (shown(entry.network), Held(level=lists[entry.list_name], list_name=entry.list_name)) for entry in theirs
    )


def _hardest(found: Iterable[tuple[str, Held]]) -> dict[str, Held]:
    held: dict[str, Held] = {}
    for address, one in found:
        if address not in held or rank(one.level) > rank(held[address].level):
            held[address] = one
    return held


def plan(wanted: Sequence[Wanted], entries: Sequence[Entry]) -> list[Command]:
    """Return the commands that make the entries what is wanted; none for what is so already.

    A change of level is one command on the entry that is there (``set``), so the line is never in both lists and
    never in none, wherever the connection breaks. Of several entries of ours the spare ones go after that.
    """
    held: dict[Network, list[Entry]] = defaultdict(list)
    for entry in entries:
        held[entry.network].append(entry)
    return [command for one in wanted for command in _plan_one(one, held[one.network])]


def _plan_one(wanted: Wanted, entries: Sequence[Entry]) -> list[Command]:
    ours = sorted((entry for entry in entries if entry.level), key=lambda entry: entry.list_name != wanted.list_name)
    if wanted.level == OPEN:
        return [_remove(entry) for entry in ours]
    if any(entry.list_name == wanted.list_name and not entry.level and not entry.disabled for entry in entries):
        # The router takes an address once per list, and this one is there by somebody else's hand: it has its effect.
        return [_remove(entry) for entry in ours]
    fields = {"list": wanted.list_name, "comment": wanted.comment}
    if not ours:
        return [Command(verb="add", network=wanted.network, fields={"address": str(wanted.network), **fields})]
    kept, *spare = ours
    right = (kept.list_name, kept.comment, kept.disabled) == (wanted.list_name, wanted.comment, False)
    change = Command(verb="set", network=kept.network, fields={"id": kept.id, **fields, "disabled": "no"})
    return [*([] if right else [change]), *(_remove(entry) for entry in spare)]


def marks(entries: Iterable[Entry], lists: Mapping[str, str]) -> list[Command]:
    """Return the commands that make entries ours, given the level of each of our lists; dynamic ones stay theirs."""
    return [
        Command(
            verb="set",
            network=entry.network,
            fields={"id": entry.id, "comment": MARK + lists[entry.list_name]},
        )
        for entry in entries
        if not entry.level and not entry.dynamic and entry.list_name in lists
    ]


def _remove(entry: Entry) -> Command:
    return Command(verb="remove", network=entry.network, fields={"id": entry.id})
