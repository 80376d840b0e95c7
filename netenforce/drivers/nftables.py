"""A Linux inline device: a line is restricted by an element of an nftables set, and the device's ruleset says the rest.

Two round trips a call (look, change), however many addresses it is about; a change is one transaction, so it happens
wholly or not at all. After a release the line's old connections are ended, because a redirect is decided by the first
packet of a connection. See docs/nftables.md.
"""

from collections.abc import Iterable, Mapping, Sequence

from billing_project.kernel.errors import Refused, Rejected, Unavailable
from netenforce.models import Device
from netenforce.queries import lists_on
from netenforce.rules.desired import LEVELS, OPEN
from netenforce.rules.nftables_entries import (
    Element,
    Plan,
    Table,
    Unreadable,
    held_by_others,
    held_by_us,
    in_the_way,
    own_address,
    own_addresses,
    plan,
    read_table,
    same_sets,
    set_of,
    still_held,
    take_over,
)
from netenforce.rules.nftables_notes import Facts, notes
from netenforce.rules.nftables_options import Network, Options, parse_options
from netenforce.rules.routeros_entries import Wanted, network_of, shown

from .networks import levels_by_list, networks_wanted
from .nftables_wire import NOT_FOUND, Said, Way, way_to
from .port import NOTHING, Capabilities, Change, Held, Inventory, Probe

# A call about very many addresses may take longer than one about a few, and still has an end.
ADDRESSES_PER_TIMEOUT = 2000
FACTOR_MAX = 4
# So long after its start a device without our table is taken to be loading it still.
STARTING_SECONDS = 300
_DENIED = ("operation not permitted", "permission denied", "you must be root", "a password is required")
_BUSY = ("resource busy", "temporarily unavailable", "interrupted", "cannot allocate", "no buffer space", "timed out")
_NO_FLOWS = (
    "Its old connections could not be ended, so pages that it opened while it was restricted may lead to the portal"
    " until they are closed ({why})."
)


class NftablesDriver:
    """Speak to Linux inline devices; see ``rules/nftables_options.py`` for a device's options."""

    capabilities = Capabilities(
        levels=frozenset(LEVELS), identifiers=(("ipv4", "ipv6"),), adopts=True, tells_uptime=True
    )

    def read_all(self, device: Device) -> Inventory:
        """Return every address that our elements restrict, and those that others put into our sets."""
        options = _options(device)
        lists = levels_by_list(device, options.address_lists)
        table, _ = _look(device, way_to(device, options, seconds=options.timeout_seconds * FACTOR_MAX))
        return Inventory(ours=held_by_us(table, lists), foreign=held_by_others(table, lists))

    def read(self, device: Device, addresses: Iterable[str]) -> Mapping[str, Held]:
        """Return what each address is on the device now, also by elements in our sets that are not ours."""
        asked = {address: network_of(address) for address in addresses}
        if not any(asked.values()):
            return dict.fromkeys(asked, NOTHING)
        options = _options(device)
        lists = levels_by_list(device, options.address_lists)
        table, _ = _look(device, way_to(device, options, seconds=_seconds(options, len(asked))))
        networks = {network for network in asked.values() if network is not None}
        only = Table(sets={name: [one for one in held if one.network in networks] for name, held in table.sets.items()})
        ours = {network_of(address): held for address, held in held_by_us(only, lists).items()}
        others = {network_of(address): held for address, held in held_by_others(only, lists).items()}
        return {address: ours.get(network) or others.get(network) or NOTHING for address, network in asked.items()}

    def apply(self, device: Device, changes: Sequence[Change]) -> Mapping[str, str]:
        """Make the addresses what they should be in one transaction, and end the connections of the freed."""
        options = _options(device)
        wanted = networks_wanted(device, options.address_lists, changes)
        if not wanted:
            return {}
        lists = levels_by_list(device, options.address_lists)
        lists |= {one.list_name: one.level for one in wanted if one.list_name}
        if same := same_sets(lists):
            raise Rejected(
                f"The lists {same[0]!r} and {same[1]!r} would be the same sets on {device.name}; nftables tells only"
                " letters, digits and _ apart. Rename one of them.",
                "same_sets",
            )
        way = way_to(device, options, seconds=_seconds(options, len(wanted)))
        table, own = _look(device, way)
        _refuse(device, options, wanted, table, own)
        planned = plan(wanted, table)
        if crossing := in_the_way(planned, table):
            raise _crosses(device, *crossing)
        asked = {one.network: one.asked for one in wanted}
        remarks = _carry_out(device, options, way, planned, asked)
        _say_who_holds(device, wanted, table, lists)
        return remarks

    def adopt(self, device: Device, addresses: Iterable[str]) -> None:
        """Write our comment on the elements in our sets that others made for these addresses, all at once."""
        options = _options(device)
        networks = {network for address in addresses if (network := network_of(address)) is not None}
        if not networks:
            return
        way = way_to(device, options, seconds=_seconds(options, len(networks)))
        table, _ = _look(device, way)
        _carry_out(device, options, way, take_over(table, networks, levels_by_list(device, options.address_lists)), {})

    def probe(self, device: Device) -> Probe:
        """Return what the device says of itself, and what somebody should mend there."""
        options = _options(device)
        lists = lists_on(device)
        said = way_to(device, options, seconds=options.timeout_seconds).look(verb="probe")
        table, _ = _understood(device, said)
        version = said.get("version", Said()).out.strip()
        return Probe(
            version=version.replace("nftables v", "nft ").split(" (")[0],
            model=f"Linux {said.get('kernel', Said()).out.strip()}".strip(),
            uptime_seconds=int(_uptime(said)),
            notes=notes(
                lists,
                table,
                Facts(
                    table=options.table,
                    forwarding=tuple(said.get("forwarding", Said()).out.split()),
                    ends_connections=said.get("conntrack", Said()).status == 0,
                    classes={
                        name: said[key].out.split() if (key := f"classes-{name}") in said else ()
                        for name in (options.customers, options.upstream)
                        if name
                    },
                    customers=options.customers,
                    upstream=options.upstream,
                ),
            ),
        )


def _options(device: Device) -> Options:
    try:
        return parse_options(device.options)
    except Refused as refusal:
        raise Rejected(f"{device.name}: {refusal.words}", refusal.code) from refusal


def _seconds(options: Options, addresses: int) -> float:
    return options.timeout_seconds * min(FACTOR_MAX, 1 + addresses // ADDRESSES_PER_TIMEOUT)


def _look(device: Device, way: Way) -> tuple[Table, Sequence[str]]:
    """Return what our table holds and which addresses the device itself has, in one round trip."""
    return _understood(device, way.look())


def _understood(device: Device, said: Mapping[str, Said]) -> tuple[Table, Sequence[str]]:
    listing, addresses = said.get("table"), said.get("addresses")
    if listing is None or addresses is None:
        raise Unavailable(f"{device.name} stopped in the middle of its answer.")
    if listing.status:
        raise _unlisted(device, listing, _uptime(said))
    if addresses.status:
        raise _failure(device, addresses)
    try:
        return read_table(listing.out), own_addresses(addresses.out)
    except Unreadable as error:
        raise Unavailable(f"{device.name} answers with something that nft does not print ({error}).") from error


def _uptime(said: Mapping[str, Said]) -> float:
    try:
        return float(said["uptime"].out.split()[0])
    except (KeyError, IndexError, ValueError):
        return float("inf")


def _unlisted(device: Device, said: Said, uptime: float) -> Rejected | Unavailable:
    """Return why the table could not be listed; its absence never means that nobody is restricted."""
    if said.status != NOT_FOUND and "no such file" in said.err.lower():
        if uptime < STARTING_SECONDS:
            return Unavailable(f"{device.name} was started {uptime:.0f} seconds ago and has no ruleset of ours yet.")
        return Rejected(
            f"{device.name} has no nftables table of ours. Make its ruleset by 'manage.py nftables_ruleset"
            f' {device.name}\' and load it there, now and at boot; or correct "table" in its options.',
            "no_table",
        )
    return _failure(device, said)


def _failure(device: Device, said: Said) -> Rejected | Unavailable:
    """Return what the words mean with which a program on the device ended; nothing was changed."""
    words = said.err.lower()
    brief = " ".join(line.strip() for line in said.err.splitlines() if line.strip(" ^\t"))[:200] or "no reason given"
    if any(one in words for one in _DENIED):
        return Rejected(
            f"{device.name} does not let us use nftables ({brief}); it takes root or the capability CAP_NET_ADMIN.",
            "permissions",
        )
    if said.status == NOT_FOUND:
        return Rejected(f"{device.name} lacks a program ({brief}); install nftables and iproute2 there.", "program")
    if "overlaps" in words or "file exists" in words:
        return Rejected(f"{device.name} does not take this beside what stands in the set already: {brief}.", "overlaps")
    if any(one in words for one in _BUSY) or "no such file" in words:
        return Unavailable(f"{device.name} was being changed by somebody else meanwhile ({brief}); nothing was done.")
    return Rejected(f"{device.name} does not take this: {brief}.", "nft")


def _refuse(device: Device, options: Options, wanted: Sequence[Wanted], table: Table, own: Sequence[str]) -> None:
    """Raise Rejected for a set that is not there, or an address that is the device's own."""
    for one in wanted:
        if one.level == OPEN:
            continue
        if (target := set_of(one.list_name, one.network)) not in table.sets:
            raise Rejected(
                f"{device.name} has no set {target} for the list {one.list_name} in its table {options.table}; make its"
                f" ruleset anew by 'manage.py nftables_ruleset {device.name}' and load it there.",
                "no_set",
            )
        if address := own_address(one.network, own):
            raise Rejected(
                f"{one.asked} cannot be restricted: {address} is an address of {device.name} itself. Correct the"
                " line's address.",
                "own_address",
            )


def _crosses(device: Device, network: Network, other: Element) -> Rejected:
    whose = "our own entry" if other.level else f"an entry that is not ours (comment {other.comment!r})"
    what = shown(other.network) if other.network is not None else "a range"
    return Rejected(
        f"{shown(network)} overlaps {what} in set {other.set_name} on {device.name}, {whose}; a set holds no two that"
        " overlap. Take that one out, or correct the line's prefix.",
        "overlaps",
    )


def _carry_out(
    device: Device, options: Options, way: Way, planned: Plan, asked: Mapping[Network, str]
) -> dict[str, str]:
    """Change what is planned, and return by address what is worth knowing of it."""
    document = planned.document(options.table)
    if not document and not planned.freed:
        return {}
    done = way.change(document, [shown(network) for network in planned.freed])
    if done.nft.status:
        raise _failure(device, done.nft)
    if done.flows.status:
        remark = _NO_FLOWS.format(why=done.flows.err.strip()[:120] or f"status {done.flows.status}")
        return {asked[network]: remark for network in planned.freed}
    return {}


def _say_who_holds(device: Device, wanted: Sequence[Wanted], table: Table, lists: Mapping[str, str]) -> None:
    """Raise Rejected if a line that was opened is still in one of our sets by an element that is not ours."""
    if other := still_held(wanted, table, lists):
        what = shown(other.network) if other.network is not None else "It"
        raise Rejected(
            f"{what} is open as far as we hold it, but stands in set {other.set_name} on {device.name} by an entry that"
            f" is not ours (comment {other.comment!r}); remove it there.",
            "foreign_entry",
        )
