"""Pure: the options of a device that is a program of the operator's own, checked when they are entered.

| option | default | what it means |
|---|---|---|
| ``url`` | must be there | where each call is posted, such as ``https://net.example.com/billing`` |
| ``insecure`` | false | true: plain http to another machine: what is asked crosses the network readable: unsafe |
| ``ca_pem`` | the system's | the certificate authority that signed the program's certificate, as PEM text |
| ``identifier`` | ``ip`` | by what it knows a line: ``ip`` (IPv4 and IPv6 addresses) or ``radius_username`` |
| ``batch`` | 100 | at most so many lines in one call (1 to 500) |
| ``address_list`` | the admin's | another name for the list of a level: ``{"suspend": "Off"}`` |
| ``timeout_seconds`` | 15 | longest for one call, from the first packet to the last (1 to 40) |
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from billing_project.kernel.errors import Refused

from .option_readers import address_lists, bad, certificate, number, refuse_unknown

BATCH_MAX, SECONDS_MAX = 500, 40
SECRET_LENGTH_MIN = 16
IDENTIFIERS: Mapping[str, Sequence[Sequence[str]]] = {
    "ip": (("ipv4", "ipv6"),),
    "radius_username": (("radius_username",),),
}
_KEYS = ("url", "insecure", "ca_pem", "identifier", "batch", "timeout_seconds", "address_list")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where the program listens, and how it is spoken to."""

    url: str
    ca_pem: str = ""
    identifier: str = "ip"
    batch: int = 100
    timeout_seconds: int = 15


def parse_options(given: Any) -> Options:
    """Read the options of a device; raises Refused("bad_options") with the key, what is wrong, and how to mend it."""
    refuse_unknown(given, _KEYS, kind="a program of your own", example='{"url": "https://net.example.com/billing"}')
    identifier = given.get("identifier", "ip")
    if not isinstance(identifier, str) or identifier not in IDENTIFIERS:
        raise bad("identifier", f"is {identifier!r}; write one of {', '.join(IDENTIFIERS)}")
    address_lists(given)  # which list a line belongs into is chosen before any driver is asked
    url = _url(given)
    if "ca_pem" in given and not url.startswith("https:"):
        raise bad("ca_pem", "says how the certificate is checked, but the address is http; leave it out")
    return Options(
        url=url,
        ca_pem=certificate(given),
        identifier=identifier,
        batch=number(given, "batch", 100, (1, BATCH_MAX), "lines"),
        timeout_seconds=number(given, "timeout_seconds", 15, (1, SECONDS_MAX), "seconds"),
    )


def _url(given: Mapping[str, Any]) -> str:
    url, insecure = given.get("url", ""), given.get("insecure", False)
    if not isinstance(insecure, bool):
        raise bad("insecure", f"is {insecure!r}; write true or false, without quotes")
    if not isinstance(url, str) or not re.fullmatch(r"https?://[!-~]{1,480}", url):
        raise bad("url", "is no address of a program; write it like https://net.example.com/billing")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        raise bad("url", "names no host, or a port that cannot be; write it like https://net.example.com/billing")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise bad("url", "holds a user, a password or a #; leave it out: both sides know each other by the secret")
    plain = parts.scheme == "http"
    if plain and not insecure and not _is_here(host):
        raise bad("url", 'goes to another machine without TLS; write https, or add "insecure": true if it must be so')
    if insecure and not plain:
        raise bad("insecure", "is true, but the address is https; leave it out")
    return url


def _is_here(host: str) -> bool:
    """Tell whether a host is this machine, by its very name or number; no name server is asked."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_secret(secret: str) -> None:
    """Raise Refused("bad_secret") unless a secret is long enough to sign calls with."""
    if len(secret) < SECRET_LENGTH_MIN:
        raise Refused(
            "bad_secret",
            f"The secret signs each call and has fewer than {SECRET_LENGTH_MIN} signs; enter a long random one, the"
            " same in the program.",
        )
