"""Pure: which addresses and prefixes one customer's line may have."""

import ipaddress

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# No wider than one customer's line, whoever asks.
SHORTEST = {4: 24, 6: 48}
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")


def network_of(text: str) -> Network | None:
    """Return the network that a text stands for; None for names, ranges, scopes and anything else."""
    if "%" in text:
        return None
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def why_no_line(text: str, version: int | None = None) -> str:
    """Return why a text cannot be a line's address or prefix; empty if it can.

    With a ``version``, 4 or 6, one of the other kind is refused too.
    """
    network = network_of(text)
    if network is None:
        return f"{text!r} is no IP address or prefix; write it like 100.64.3.7, 203.0.113.8/29 or 2001:db8:17::/56."
    if version is not None and network.version != version:
        return f"{text!r} is an IPv{network.version} address; enter it as that."
    if network.version == 6 and network.network_address.ipv4_mapped is not None:
        return f"{text!r} is an IPv4 address written as IPv6; enter it as {network.network_address.ipv4_mapped}."
    if network.prefixlen < SHORTEST[network.version]:
        return f"{text!r} is wider than one customer's line (/{SHORTEST[network.version]} at most)."
    kinds = (
        (network.is_unspecified or network.network_address in _THIS_NETWORK, "stands for no host"),
        (network.is_loopback, "is each host's own (loopback)"),
        (network.is_link_local, "reaches no further than one link (link-local)"),
        (network.is_multicast, "is for groups of hosts (multicast)"),
        (network.is_reserved, "is reserved and given to nobody"),
    )
    kind = next((words for found, words in kinds if found), "")
    return f"{text!r} {kind}, so no customer can have it." if kind else ""


def holds(prefix: str, host: str) -> bool:
    """Tell whether a host lies within a prefix; one that is written as a name, or nothing, does not."""
    network = network_of(prefix)
    inner = network_of(host.strip("[]"))
    if network is None or inner is None:
        return False
    if isinstance(inner, ipaddress.IPv6Network) and inner.network_address.ipv4_mapped is not None:
        inner = ipaddress.ip_network(inner.network_address.ipv4_mapped)
    return network.version == inner.version and network.overlaps(inner)
