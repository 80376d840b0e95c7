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

from .desired import OPEN, hardest, rank
from .routeros_options import RESTRICTIONS

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
    mark = None if row.get("dynamic") in ("true", "yes") else _COMMENT.fullmatch(comment)
    asked = mark[2] if mark and mark[2] and network_of(mark[2]) == network else shown(network)
    return Entry(
        id=row["id"],
        list_name=row["list"],
        network=network,
        comment=comment,
        level=mark[1] if mark else "",
        asked=asked,
        disabled=row.get("disabled") in ("true", "yes"),
    )


def levels_of_ours(entries: Iterable[Entry], lists: Iterable[str]) -> dict[str, str]:
    """Return the level of every address that our entries restrict, given the names of all lists in use."""
    known = set(lists)
    levels: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        if entry.level and not entry.disabled:
            # In a list that nobody names any more (it was renamed) an entry does nothing we know of. It is told as a
            # level that it does not have, so that it is seen to differ from what it should be and is moved or removed.
            level = entry.level if entry.list_name in known else hardest(set(RESTRICTIONS) - {entry.level})
            levels[entry.asked].add(level)
    return {address: hardest(found) for address, found in levels.items()}


def level_by_others(network: Network, entries: Iterable[Entry], lists: Mapping[str, str]) -> str:
    """Return the level a network has by entries that are not ours, given the level of each list; open if by none."""
    found = (
        lists[entry.list_name]
        for entry in entries
        if entry.network == network and not entry.level and not entry.disabled and entry.list_name in lists
    )
    return hardest(found)


def list_levels(lists: Mapping[str, str]) -> dict[str, str]:
    """Return the level of each list, given the list of each level; the mildest where one serves several."""
    return {lists[level]: level for level in sorted(lists, key=rank, reverse=True)}


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


def _remove(entry: Entry) -> Command:
    return Command(verb="remove", network=entry.network, fields={"id": entry.id})
