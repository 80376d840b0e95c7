"""The address that a request really comes from."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest

Address = IPv4Address | IPv6Address


def client_address(request: HttpRequest) -> Address | None:
    """Return the address of whoever asks, or None if nobody can tell.

    It is the connection's own. Only where that is one of ``TRUSTED_PROXIES``, what the proxy says of it counts: of
    X-Forwarded-For the last address that is no trusted proxy's itself. What stands before it anybody may have written.
    """
    found = _read(request.META.get("REMOTE_ADDR", ""))
    claims = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    while found is not None and claims and _is_trusted(found):
        claim = claims.pop().strip()
        if not claim and not claims:
            break  # the proxy said nothing
        found = _read(claim)
    return found


def _is_trusted(address: Address) -> bool:
    return any(address in network for network in settings.TRUSTED_PROXIES)


def _read(text: str) -> Address | None:
    """Read an address, also with a port as some proxies write it; one of IPv4 in IPv6's clothes is of IPv4."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id:
            return None  # good on one link only
        return address.ipv4_mapped or address
    return address
