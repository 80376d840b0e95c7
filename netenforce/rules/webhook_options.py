"""Pure: the options of a device that is a program of the operator's own, checked when they are entered.

| option | default | what it means |
|---|---|---|
| ``url`` | must be there | where each call is posted, such as ``https://net.example.com/billing`` |
| ``insecure`` | false | true: plain http to another machine: what is asked crosses the network readable: unsafe |
| ``ca_pem`` | the system's | the certificate authority that signed the program's certificate, as PEM text |
| ``identifier`` | ``ip`` | by what it knows a line: ``ip`` (IPv4 and IPv6 addresses) or ``radius_username`` |
| ``batch`` | 100 | at most so many lines in one call (1 to 500) |
| ``timeout_seconds`` | 15 | longest for one call, from the first packet to the last (1 to 40) |
"""

import ipaddress
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from billing_project.kernel.errors import Refused

BATCH_MAX, SECONDS_MAX = 500, 40
SECRET_LENGTH_MIN = 16
IDENTIFIERS: Mapping[str, Sequence[Sequence[str]]] = {
    "ip": (("ipv4", "ipv6"),),
    "radius_username": (("radius_username",),),
}
_KEYS = ("url", "insecure", "ca_pem", "identifier", "batch", "timeout_seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where the program listens, and how it is spoken to."""

    url: str
    ca_pem: str = ""
    identifier: str = "ip"
    batch: int = 100
    timeout_seconds: int = 15

    @property
    def parts(self) -> SplitResult:
        """Return the parts of the address."""
        return urlsplit(self.url)

    @property
    def tls(self) -> bool:
        """Tell whether the program is spoken to over TLS."""
        return self.parts.scheme == "https"

    @property
    def port(self) -> int:
        """Return the port in the address, or the usual one."""
        return self.parts.port or (443 if self.tls else 80)


def parse_options(given: Any) -> Options:
    """Read the options of a device; raises Refused("bad_options") with the key, what is wrong, and how to mend it."""
    if not isinstance(given, dict):
        raise Refused(
            "bad_options",
            'options: this is no JSON object; write it like {"url": "https://net.example.com/billing"}.',
        )
    unknown = sorted(given.keys() - set(_KEYS))
    if unknown:
        raise _bad(unknown[0], f"is no option of a program of your own; it knows {', '.join(_KEYS)}")
    identifier = given.get("identifier", "ip")
    if not isinstance(identifier, str) or identifier not in IDENTIFIERS:
        raise _bad("identifier", f"is {identifier!r}; write one of {', '.join(IDENTIFIERS)}")
    url = _url(given)
    return Options(
        url=url,
        ca_pem=_ca(given, url),
        identifier=identifier,
        batch=_number(given, "batch", 100, BATCH_MAX, "lines"),
        timeout_seconds=_number(given, "timeout_seconds", 15, SECONDS_MAX, "seconds"),
    )


def _bad(key: str, words: str) -> Refused:
    return Refused("bad_options", f"options: {key!r} {words}.")


def _url(given: Mapping[str, Any]) -> str:
    url, insecure = given.get("url", ""), given.get("insecure", False)
    if not isinstance(insecure, bool):
        raise _bad("insecure", f"is {insecure!r}; write true or false, without quotes")
    if not isinstance(url, str) or not re.fullmatch(r"https?://[!-~]{1,480}", url):
        raise _bad("url", "is no address of a program; write it like https://net.example.com/billing")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        raise _bad("url", "names no host, or a port that cannot be; write it like https://net.example.com/billing")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise _bad("url", "holds a user, a password or a #; leave it out: both sides know each other by the secret")
    plain = parts.scheme == "http"
    if plain and not insecure and not _is_here(host):
        raise _bad("url", 'goes to another machine without TLS; write https, or add "insecure": true if it must be so')
    if insecure and not plain:
        raise _bad("insecure", "is true, but the address is https; leave it out")
    return url


def _is_here(host: str) -> bool:
    """Tell whether a host is this machine, by its very name or number; no name server is asked."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _ca(given: Mapping[str, Any], url: str) -> str:
    if "ca_pem" not in given:
        return ""
    if not url.startswith("https:"):
        raise _bad("ca_pem", "says how the certificate is checked, but the address is http; leave it out")
    text = given["ca_pem"]
    try:
        if isinstance(text, str) and text.strip():
            ssl.create_default_context(cadata=text)
            return text
    except (ssl.SSLError, ValueError):
        text = ""  # said below
    raise _bad("ca_pem", "holds no certificate; paste the authority's, from BEGIN CERTIFICATE to END CERTIFICATE")


def _number(given: Mapping[str, Any], key: str, default: int, most: int, what: str) -> int:
    value = given.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise _bad(key, f"is {value!r}; write a whole number of {what} from 1 to {most}")
    return value


def check_secret(secret: str) -> None:
    """Raise Refused("bad_secret") unless a secret is long enough to sign calls with."""
    if len(secret) < SECRET_LENGTH_MIN:
        raise Refused(
            "bad_secret",
            f"The secret signs each call and has fewer than {SECRET_LENGTH_MIN} signs; enter a long random one, the"
            " same in the program.",
        )
