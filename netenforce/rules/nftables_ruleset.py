"""Pure: the file that an operator installs on a Linux inline device: sets, rules, HTB classes, instructions.

The program itself only ever changes elements of the sets; all that they mean stands in this file. It may be loaded
again at any time: rules and classes are made anew, and the elements stay.

A list that slows has ``BUCKETS`` HTB classes on each interface, all with its speed; a line's own address chooses its
class, so each line has the speed for itself unless two happen to share a class.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from billing_project.kernel.errors import Refused

from .lists import ListView
from .nftables_entries import base_of, same_sets, sets_of
from .nftables_options import Options
from .nftables_script import HEAD, NAMES, TAIL

BUCKETS = 1024
LISTS_SLOWED_MAX = 15
# The class of a line is 1:<first of its list> and on, where each list has a room of this size.
_ROOM = 0x1000
_QDISC = 0x10000
# What a line may send at once after a pause: so many seconds of its speed, and a packet or two at least.
_BURST_SECONDS, _BURST_BYTES_MIN = 0.1, 3200
# What may wait for a line.
_QUEUE_SECONDS, _QUEUE_BYTES_MIN = 0.5, 16000
_WAYS = (("upload", "saddr"), ("download", "daddr"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowed:
    """A list that slows: its speeds in kbit/s (None: not limited) and the number of its first class."""

    name: str
    down: int | None
    up: int | None
    first: int


def ruleset(name: str, lists: Sequence[ListView], options: Options, *, program: str) -> str:
    """Return the file for a device; raises Refused for lists or options of which none can be made.

    ``program`` is what the device runs for the billing program when it is reached over SSH.
    """
    levels = _by_name(lists)
    slowed = slowed_lists(lists)
    _check(levels, slowed, options)
    parts = {
        "NAME": name,
        "TABLE": options.table,
        "LISTS": "\n".join(_told(lists)) or "#   none: there are no address lists for this device",
        "RULESET": "\n".join(_ruleset(levels, slowed, options)),
        "SLOWING": "\n".join(_slowing(slowed, options)) or "    : # no list slows anybody",
        "NAMES": _names(options),
        "CUSTOMERS": options.customers or "-",
        "UPSTREAM": options.upstream or "-",
        "PROGRAM": program.strip("\n"),
    }
    text = HEAD + NAMES + TAIL
    for key, value in parts.items():
        text = text.replace(f"%{key}%", value)
    return text


def _by_name(lists: Sequence[ListView]) -> dict[str, str]:
    """Return the level of each list; raises Refused where a name stands for two levels."""
    levels: dict[str, str] = {}
    for one in lists:
        if levels.setdefault(one.name, one.level) != one.level:
            raise Refused(
                "two_levels",
                f"List {one.name} would have to be {levels[one.name]!r} and {one.level!r} at once; name a list for each"
                ' level in the device\'s option "address_list", or leave that out.',
            )
    if same := same_sets(levels):
        raise Refused("same_sets", f"The lists {same[0]} and {same[1]} would be the same sets; rename one of them.")
    return levels


def slowed_lists(lists: Sequence[ListView]) -> tuple[Slowed, ...]:
    """Return the lists that slow, with the classes they have; raises Refused where a name stands for two speeds."""
    rates: dict[str, tuple[int | None, int | None]] = {}
    for one in sorted(lists, key=lambda one: one.name):
        speed = (one.rate_down_kbit, one.rate_up_kbit)
        if rates.setdefault(one.name, speed) != speed:
            raise Refused(
                "two_speeds",
                f"List {one.name} would have two speeds; name a list for each in the device's option"
                ' "address_list", or leave that out.',
            )
    named = {name: speed for name, speed in rates.items() if any(speed)}
    if len(named) > LISTS_SLOWED_MAX:
        raise Refused(
            "too_many_lists", f"{len(named)} lists slow lines on this device; it can tell {LISTS_SLOWED_MAX} apart."
        )
    return tuple(
        Slowed(name=name, down=down, up=up, first=_ROOM * (place + 1))
        for place, (name, (down, up)) in enumerate(named.items())
    )


def _check(levels: Mapping[str, str], slowed: Sequence[Slowed], options: Options) -> None:
    if any(one.down for one in slowed) and not options.customers:
        raise Refused("no_interface", _interface_words("customers", "eth1"))
    if any(one.up for one in slowed) and not options.upstream:
        raise Refused("no_interface", _interface_words("upstream", "eth0"))
    garden = options.garden
    if "walled_garden" in levels.values() and not (options.portal or garden.networks or garden.names):
        raise Refused(
            "no_garden",
            "Whoever is in the walled garden could not reach anything, so nobody could pay; enter the portal's address"
            ' and the card processor\'s hosts in the device\'s options: {"garden": {"dns": ["192.0.2.53"], "hosts":'
            ' ["192.0.2.80", "checkout.stripe.com"]}, "portal": "192.0.2.80:80"}.',
        )


def _interface_words(side: str, example: str) -> str:
    return (
        f"Lines are slowed on an interface, and the device's options name none on the {side} side; enter"
        f' {{"interfaces": {{"{side}": "{example}"}}}}.'
    )


def _told(lists: Iterable[ListView]) -> Iterator[str]:
    """Return the lists in words, for the head of the file."""
    for one in sorted(lists, key=lambda one: (one.level, one.name)):
        speeds = [
            f"{kbit} kbit/s {way}" for kbit, way in ((one.rate_down_kbit, "down"), (one.rate_up_kbit, "up")) if kbit
        ]
        yield f"#   {one.name} ({one.level}): {', '.join(speeds) or 'no speed'}; sets {', '.join(sets_of(one.name))}"


def _ruleset(levels: Mapping[str, str], slowed: Sequence[Slowed], options: Options) -> Iterator[str]:
    """Return the nftables part: first what must exist, then the chains anew."""
    yield f"table inet {options.table} {{"
    for name in sorted(levels):
        for one in sets_of(name):
            # With "timeout", so that the operator may list somebody for an hour by hand; ours never have one.
            flags = "interval, timeout" if one.endswith("_nets") else "timeout"
            yield f"\tset {one} {{ type ipv{_version(name, one)}_addr; flags {flags}; }}"
    for version in (4, 6):
        yield f"\tset resolvers{version} {{ type ipv{version}_addr; }}"
        yield f"\tset garden{version} {{ type ipv{version}_addr; flags interval; }}"
        yield f"\tset gardennames{version} {{ type ipv{version}_addr; flags timeout; }}"
    yield "\tchain customers { type filter hook forward priority filter - 10; policy accept; }"
    yield "\tchain portal { type nat hook prerouting priority dstnat; policy accept; }"
    yield from (f"\tchain {name} {{ }}" for name in ("garden_out", "garden_in", "refuse"))
    yield "}"
    for name in ("customers", "portal", "garden_out", "garden_in", "refuse"):
        yield f"flush chain inet {options.table} {name}"
    for version in (4, 6):
        for name, elements in (("resolvers", _resolvers(options, version)), ("garden", _hosts(options, version))):
            yield f"flush set inet {options.table} {name}{version}"
            if elements:
                yield f"add element inet {options.table} {name}{version} {{ {', '.join(elements)} }}"
    yield f"table inet {options.table} {{"
    yield "\tchain customers {"
    yield from (f"\t\t{rule}" for rule in _customers(levels, slowed, options))
    yield "\t}"
    yield "\tchain portal {"
    yield from (f"\t\t{rule}" for rule in _redirects(levels, options))
    yield "\t}"
    yield "\tchain garden_out {"
    yield from (f"\t\t{rule}" for rule in _garden_out(options))
    yield "\t}"
    yield "\tchain garden_in {"
    yield from (f"\t\t{rule}" for rule in _garden_in(options))
    yield "\t}"
    yield "\tchain refuse {"
    yield "\t\tmeta l4proto tcp counter reject with tcp reset"
    yield "\t\tcounter reject with icmpx type admin-prohibited"
    yield "\t}"
    yield "}"


def _resolvers(options: Options, version: int) -> list[str]:
    return [str(one) for one in options.garden.dns if one.version == version]


def _hosts(options: Options, version: int) -> list[str]:
    """Return what stands in the garden by address, the portal with it, without what another one contains."""
    networks = [*options.garden.networks, *(ipaddress.ip_network(address) for address, _ in options.portal)]
    if version == 4:
        four = [one for one in networks if isinstance(one, ipaddress.IPv4Network)]
        return [str(one) for one in ipaddress.collapse_addresses(four)]
    six = [one for one in networks if isinstance(one, ipaddress.IPv6Network)]
    return [str(one) for one in ipaddress.collapse_addresses(six)]


def _version(list_name: str, set_name: str) -> int:
    return 4 if set_name.removeprefix(base_of(list_name)).startswith("_4") else 6


def _members(name: str, way: str) -> Iterator[tuple[int, str, str]]:
    """Return IP version, set and the match of a rule for each of a list's four sets, by source or destination."""
    for one in sets_of(name):
        version = _version(name, one)
        yield version, one, f"{'ip' if version == 4 else 'ip6'} {way} @{one}"


def _customers(levels: Mapping[str, str], slowed: Sequence[Slowed], options: Options) -> Iterator[str]:
    """Return the rules for what is forwarded. Each names a set, so connections that are open already obey them too."""
    for one in slowed:
        for (way, field), kbit in zip(_WAYS, (one.up, one.down), strict=True):
            if kbit is None:
                continue
            yield f"# {one.name}: {kbit} kbit/s {way}; the packet's priority is the HTB class of its line"
            for version, set_name, match in _members(one.name, field):
                yield f"{match} meta priority set {_bucket(version, field, set_name, one, options)}"
    for name, level in sorted(levels.items()):
        if level == "suspend":
            yield f"# {name}: nothing passes"
            yield from (f"{match} jump refuse" for _, _, match in _members(name, "saddr"))
            yield from (f"{match} counter drop" for _, _, match in _members(name, "daddr"))
    for name, level in sorted(levels.items()):
        if level == "walled_garden":
            yield f"# {name}: name servers, portal and card processor only"
            yield from (f"{match} jump garden_out" for _, _, match in _members(name, "saddr"))
            yield from (f"{match} jump garden_in" for _, _, match in _members(name, "daddr"))


def _bucket(version: int, field: str, set_name: str, one: Slowed, options: Options) -> str:
    """Return the expression that gives a line its class: by its address, or by its prefix as far as lines have one."""
    what = f"{'ip' if version == 4 else 'ip6'} {field}"
    if set_name.endswith("_nets"):
        bits = options.line_prefix[version]
        mask = ipaddress.ip_network(f"0.0.0.0/{bits}" if version == 4 else f"::/{bits}").netmask
        what = f"{what} & {mask}"
    return f"jhash {what} mod {BUCKETS} seed 0x1 offset {_QDISC + one.first}"


def _redirects(levels: Mapping[str, str], options: Options) -> Iterator[str]:
    """Return the rules that send port 80 to the portal, so that whoever opens a plain page sees why."""
    for address, port in options.portal:
        kind = "ip" if address.version == 4 else "ip6"
        place = f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"
        for name, level in sorted(levels.items()):
            if level != "walled_garden":
                continue
            for version, _, match in _members(name, "saddr"):
                if version == address.version:
                    allowed = f"{kind} daddr != @garden{version} {kind} daddr != @gardennames{version}"
                    yield f"{match} {allowed} tcp dport 80 counter dnat {kind} to {place}"


def _ports(options: Options) -> str:
    return ", ".join(str(port) for port in options.garden.ports)


def _garden_out(options: Options) -> Iterator[str]:
    for version, kind in ((4, "ip"), (6, "ip6")):
        yield f"{kind} daddr @resolvers{version} meta l4proto {{ tcp, udp }} th dport 53 accept"
        for name in ("garden", "gardennames"):
            yield f"{kind} daddr @{name}{version} tcp dport {{ {_ports(options)} }} accept"
    for address, port in options.portal:
        yield f"{'ip' if address.version == 4 else 'ip6'} daddr {address} tcp dport {port} accept"
    yield "# The rest at once, so that a phone looks for the portal; QUIC (UDP 443) with it."
    yield "jump refuse"


def _garden_in(options: Options) -> Iterator[str]:
    """Return what comes back from the garden; nobody opens a connection towards such a line."""
    for version, kind in ((4, "ip"), (6, "ip6")):
        for name in ("resolvers", "garden", "gardennames"):
            yield f"ct state established,related {kind} saddr @{name}{version} accept"
    yield "ct state related meta l4proto { icmp, ipv6-icmp } accept"
    yield "counter drop"


def _slowing(slowed: Sequence[Slowed], options: Options) -> Iterator[str]:
    """Return the shell lines that make the HTB classes: downloads where they leave to customers, uploads upstream."""
    for interface, speeds in (
        (options.customers, [(one, one.down) for one in slowed if one.down]),
        (options.upstream, [(one, one.up) for one in slowed if one.up]),
    ):
        if speeds:
            yield f"    root {interface}"
        for one, kbit in speeds:
            burst = max(_BURST_BYTES_MIN, int(kbit * 125 * _BURST_SECONDS))
            queue = max(_QUEUE_BYTES_MIN, int(kbit * 125 * _QUEUE_SECONDS))
            yield f"    classes {interface} {one.first} {kbit} {burst} {queue}  # {one.name}"


def _names(options: Options) -> str:
    return " ".join(options.garden.names)
