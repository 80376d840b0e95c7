"""Pure: addresses in one spelling, and which networks share an address with another."""

import ipaddress
from bisect import bisect_right
from collections.abc import Mapping
from typing import Generic, TypeVar

T = TypeVar("T")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def key_of(address: str) -> str:
    """Return one spelling for all ways to write an address; names stay as they are."""
    network = _network(address)
    return str(network) if network is not None else address


class Spans(Generic[T]):
    """Whose networks lie inside another network, or around it; the owners' own do not overlap each other."""

    def __init__(self, owners: Mapping[str, T]) -> None:
        """Sort the owners' networks, given by :func:`key_of`, by where they begin; what is no network is left out."""
        self._sorted: dict[int, list[tuple[int, int, T]]] = {4: [], 6: []}
        for key, owner in owners.items():
            if (network := _network(key)) is not None:
                start, end = int(network.network_address), int(network.broadcast_address)
                self._sorted[network.version].append((start, end, owner))
        for spans in self._sorted.values():
            spans.sort(key=lambda span: span[:2])
        self._starts = {version: [span[0] for span in spans] for version, spans in self._sorted.items()}

    def covered(self, address: str) -> list[T]:
        """Return the owners that share an address with this one, lowest first."""
        network = _network(address)
        if network is None:
            return []
        first, last = int(network.network_address), int(network.broadcast_address)
        spans, starts = self._sorted[network.version], self._starts[network.version]
        begin, end = max(bisect_right(starts, first) - 1, 0), bisect_right(starts, last)
        return [owner for _, span_end, owner in spans[begin:end] if span_end >= first]


def _network(address: str) -> Network | None:
    try:
        return ipaddress.ip_network(address, strict=False)
    except ValueError:
        return None
