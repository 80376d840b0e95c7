"""Where a call may go: nobody may use the program to reach what only it can reach (SEC-15)."""

import ipaddress
import socket
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from .errors import Refused

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
URL_LENGTH = 400


def checked_url(url: str, listed: Iterable[Network]) -> str:
    """Return an address as it may be called; raises Refused with how to mend it. No name is looked up."""
    if len(url) > URL_LENGTH or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise Refused("bad_url", "URL: write it like https://crm.example.com/hooks/billing, without blanks.")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise Refused("bad_url", "URL: write it like https://crm.example.com/hooks/billing.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise Refused("bad_url", "URL: leave out user, password and #; the call is known by its signature.")
    if parts.scheme == "http" and not _is_listed(host, listed):
        raise Refused("not_https", "URL: write https; plain http is for addresses in WEBHOOK_PRIVATE_NETWORKS only.")
    literal = _address(host)
    if literal is not None and not _may(literal, listed):
        raise Refused("private_address", _words(host))
    return url


def address_for(host: str, listed: Iterable[Network], *, resolve: Callable[[str], list[str]] | None = None) -> str:
    """Look a host up once and return the address to connect to; raises Refused if any answer is out of bounds.

    Whoever connects uses this address and looks nothing up again: a name could answer otherwise the second time.
    """
    known = tuple(listed)
    found = [_address(text) for text in (resolve or _resolve)(host)]
    if not found or None in found:
        raise Refused("unknown_host", f"{host[:100]} is not known here; check the address.")
    if any(address is None or not _may(address, known) for address in found):
        raise Refused("private_address", _words(host))
    return str(found[0])


def _resolve(host: str) -> list[str]:
    try:
        return [str(row[4][0]) for row in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        # An IPv4 address in another dress is judged as what it is.
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _may(address: ipaddress.IPv4Address | ipaddress.IPv6Address, listed: Iterable[Network]) -> bool:
    if any(address in network for network in listed if network.version == address.version):
        return True
    return address.is_global and not address.is_multicast


def _is_listed(host: str, listed: Iterable[Network]) -> bool:
    literal = _address(host)
    return literal is not None and any(literal in network for network in listed if network.version == literal.version)


def _words(host: str) -> str:
    return (
        f"{host[:100]} is not on the public internet, so it is not called. If it is yours and should be, list its"
        " network in WEBHOOK_PRIVATE_NETWORKS."
    )
