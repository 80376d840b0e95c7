"""Pure: the options of a Linux inline device, checked when they are entered rather than when they are needed.

| option | default | what it means |
|---|---|---|
| ``via`` | "local" | the program's own machine is the device; "ssh": it is reached over SSH |
| ``ssh`` | none | ``{"known_host": "ssh-ed25519 AAAA..."}``: the device's own host key; with "ssh" it is required |
| ``table`` | "billing" | the nftables table (family inet) in which our sets are |
| ``address_list`` | the admin's | another name for the list of a level: ``{"suspend": "Off"}`` |
| ``interfaces`` | none | ``{"customers": "eth1", "upstream": "eth0"}``: where lines are slowed; for the ruleset |
| ``garden`` | none | ``{"dns": [...], "hosts": [...], "ports": [80, 443]}``: what a walled-in line reaches |
| ``portal`` | none | where its port 80 goes: "192.0.2.80:80", or a list with one of each IP version; for the ruleset |
| ``line_prefix`` | 29 and 56 | ``{"ipv4": 29, "ipv6": 56}``: the prefix a line gets, if it gets one; for the ruleset |
| ``namespace`` | none | the network namespace in which the device's tables are |
| ``timeout_seconds`` | 15 | longest for one call (1 to 40) |
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from .option_readers import address_lists, bad, number, refuse_unknown

SSH_PORT = 22
SECONDS_MAX = 40
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_KEYS = (
    "via", "ssh", "table", "address_list", "interfaces", "garden", "portal", "line_prefix", "namespace",
    "timeout_seconds",
)  # fmt: skip
_TABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")
_NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,59}")
_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
_HOST_NAME = re.compile(r"(?=.{1,253}$)(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,62}")
_KEY_KIND = re.compile(r"ssh-[a-z0-9-]+|ecdsa-sha2-nistp\d+|sk-[a-z0-9@.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Garden:
    """What a walled-in line may reach: name servers, and hosts at some TCP ports, by address or by name."""

    dns: tuple[Address, ...] = ()
    networks: tuple[Network, ...] = ()
    names: tuple[str, ...] = ()
    ports: tuple[int, ...] = (80, 443)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to reach a Linux inline device, and what its ruleset is made of."""

    ssh: bool = False
    known_host: str = ""
    table: str = "billing"
    address_lists: Mapping[str, str] = field(default_factory=dict)
    customers: str = ""
    upstream: str = ""
    garden: Garden = Garden()
    portal: tuple[tuple[Address, int], ...] = ()
    line_prefix: Mapping[int, int] = field(default_factory=lambda: {4: 29, 6: 56})
    namespace: str = ""
    timeout_seconds: int = 15


def parse_options(given: Any) -> Options:
    """Read the options of a device; raises Refused("bad_options") with the key, what is wrong, and how to mend it."""
    refuse_unknown(given, _KEYS, kind="a Linux inline device", example='{"table": "billing"}')
    via = given.get("via", "local")
    if via not in ("local", "ssh"):
        raise bad("via", f'is {via!r}; write "local" or "ssh"')
    interfaces = _part(given, "interfaces", ("customers", "upstream"))
    return Options(
        ssh=via == "ssh",
        known_host=_known_host(given, via),
        table=_name(given, "table", _TABLE, "billing"),
        address_lists=address_lists(given),
        customers=_name(interfaces, "customers", _INTERFACE, "", of="interfaces"),
        upstream=_name(interfaces, "upstream", _INTERFACE, "", of="interfaces"),
        garden=_garden(_part(given, "garden", ("dns", "hosts", "ports"))),
        portal=_portal(given),
        line_prefix=_line_prefix(_part(given, "line_prefix", ("ipv4", "ipv6"))),
        namespace=_name(given, "namespace", _NAMESPACE, ""),
        timeout_seconds=number(given, "timeout_seconds", 15, (1, SECONDS_MAX), "seconds"),
    )


def _part(given: Mapping[str, Any], key: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    value = given.get(key, {})
    if not isinstance(value, dict):
        raise bad(key, f"is no JSON object; it knows {', '.join(known)}")
    unknown = sorted(value.keys() - set(known))
    if unknown:
        raise bad(key, f"names {unknown[0]!r}; it knows {', '.join(known)}")
    return value


def _name(given: Mapping[str, Any], key: str, form: re.Pattern[str], default: str, *, of: str = "") -> str:
    value = given.get(key, default)
    if key in given and (not isinstance(value, str) or not form.fullmatch(value)):
        raise bad(f"{of}.{key}" if of else key, f"is {value!r}; use a short name of letters, digits and _")
    return str(value)


def _known_host(given: Mapping[str, Any], via: str) -> str:
    """Return the host key as ``kind base64``; a host name before it, as ssh-keyscan prints one, is left out."""
    value = _part(given, "ssh", ("known_host",)).get("known_host")
    if via != "ssh":
        if "ssh" in given:
            raise bad("ssh", 'says how the device is known over SSH, but "via" is not "ssh"; leave one of the two out')
        return ""
    how = "write the line that ssh-keyscan -t ed25519 prints for it, after comparing it with the device's own"
    if not value:
        raise bad("ssh", f'names no "known_host", and an unknown host is never trusted; {how}')
    words = value.split() if isinstance(value, str) else []
    for kind, key in pairwise(words):
        if _KEY_KIND.fullmatch(kind) and _is_key(kind, key):
            return f"{kind} {key}"
    raise bad("ssh", f'has a "known_host" that is no host key; {how}')


def _is_key(kind: str, text: str) -> bool:
    """Tell whether a text is a whole public key of its kind: fields with their lengths, the first one the kind."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    fields = []
    while len(data) >= 4:
        size = int.from_bytes(data[:4], "big")
        fields.append(data[4 : 4 + size])
        if len(fields[-1]) != size:
            return False
        data = data[4 + size :]
    return not data and len(fields) > 1 and fields[0] == kind.encode()


def _garden(given: Mapping[str, Any]) -> Garden:
    dns, networks, names = [], [], []
    for text in _several(given, "garden.dns", "dns"):
        address = _address(text)
        if address is None:
            raise bad("garden", f"has a name server {text!r}; write its IP address")
        dns.append(address)
    for text in _several(given, "garden.hosts", "hosts"):
        try:
            network = ipaddress.ip_network(text)
        except ValueError:
            if not _HOST_NAME.fullmatch(text):
                raise bad("garden", f"has a host {text!r}; write an IP address, a prefix or a host name") from None
            names.append(text.lower())
            continue
        if network.prefixlen == 0:
            raise bad("garden", f"lets everybody reach everything ({text}); write the hosts that are needed to pay")
        networks.append(network)
    ports = given.get("ports", [80, 443])
    if not isinstance(ports, list) or not ports or not all(_is_port(port) for port in ports):
        raise bad("garden", f"has ports {ports!r}; write a list of TCP ports such as [80, 443]")
    return Garden(dns=tuple(dns), networks=tuple(networks), names=tuple(names), ports=tuple(sorted(set(ports))))


def _several(given: Mapping[str, Any], key: str, name: str) -> list[str]:
    value = given.get(name, [])
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise bad(key, f"is {value!r}; write a list of texts, each in quotes")
    return list(dict.fromkeys(text.strip() for text in value))


def _portal(given: Mapping[str, Any]) -> tuple[tuple[Address, int], ...]:
    value = given.get("portal", [])
    places: dict[int, tuple[Address, int]] = {}
    for text in [value] if isinstance(value, str) else _several(given, "portal", "portal"):
        found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):(\d{1,5})", text.strip())
        address = _address(found[1] or found[2]) if found else None
        if found is None or address is None or not _is_port(int(found[3])):
            raise bad("portal", f'has {text!r}; write address and port: "192.0.2.80:80" or "[2001:db8::80]:80"')
        if address.version in places:
            raise bad("portal", f"has two places for IPv{address.version}; traffic can be sent to one only")
        places[address.version] = (address, int(found[3]))
    return tuple(places[version] for version in sorted(places))


def _line_prefix(given: Mapping[str, Any]) -> dict[int, int]:
    return {
        4: number(given, "ipv4", 29, (24, 32), "bits"),
        6: number(given, "ipv6", 56, (48, 128), "bits"),
    }


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_port(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535
