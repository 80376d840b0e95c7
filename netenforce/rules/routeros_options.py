"""Pure: the options of a MikroTik device, checked when they are entered rather than when they are needed.

| option | default | what it means |
|---|---|---|
| ``tls`` | true | api-ssl (port 8729); false: everything, the password too, crosses the network readable (8728) |
| ``verify`` | true | false: any certificate is taken, so anybody in between can pose as the router: unsafe |
| ``ca_pem`` | the system's | the certificate authority that signed the router's certificate, as PEM text |
| ``fingerprint`` | none | SHA-256 of the router's own certificate; then that one alone is taken, whoever signed it |
| ``address_list`` | by level | one list for all levels, or ``{"suspend": "Off"}``; else the lists of the admin |
| ``drop_connections`` | false | end the line's live connections when its level changes |
| ``drop_sessions`` | false | end the line's PPP session when its level changes |
| ``timeout_seconds`` | 15 | longest for one call, from the first packet to the last (1 to 40) |
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .option_readers import address_lists, bad, certificate, number, refuse_unknown, switch

TLS_PORT, PLAIN_PORT = 8729, 8728
SECONDS_MAX = 40
_KEYS = (
    "tls", "verify", "ca_pem", "fingerprint", "address_list", "drop_connections", "drop_sessions", "timeout_seconds",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to reach a MikroTik device, and into which list each level goes there (level: list)."""

    tls: bool = True
    verify: bool = True
    ca_pem: str = ""
    fingerprint: str = ""
    address_lists: Mapping[str, str] = field(default_factory=dict)
    drop_connections: bool = False
    drop_sessions: bool = False
    timeout_seconds: int = 15

    @property
    def port(self) -> int:
        """Return the port that RouterOS itself chooses."""
        return TLS_PORT if self.tls else PLAIN_PORT


def parse_options(given: Any) -> Options:
    """Read the options of a device; raises Refused("bad_options") with the key, what is wrong, and how to mend it."""
    refuse_unknown(given, _KEYS, kind="a MikroTik device", example='{"address_list": "Delinquent"}')
    tls = switch(given, "tls", default=True)
    options = Options(
        tls=tls,
        verify=switch(given, "verify", default=True),
        ca_pem=certificate(given),
        fingerprint=_fingerprint(given),
        address_lists=address_lists(given),
        drop_connections=switch(given, "drop_connections", default=False),
        drop_sessions=switch(given, "drop_sessions", default=False),
        timeout_seconds=number(given, "timeout_seconds", 15, (1, SECONDS_MAX), "seconds"),
    )
    for key in ("verify", "ca_pem", "fingerprint"):
        if key in given and not tls:
            raise bad(key, 'says how the certificate is checked, but "tls" is false; leave one of the two out')
    if options.ca_pem and options.fingerprint:
        raise bad("fingerprint", 'and "ca_pem" are two ways to know the router; keep one of them')
    if not options.verify and (options.ca_pem or options.fingerprint):
        raise bad("verify", 'is false, so "ca_pem" or "fingerprint" would not be looked at; leave "verify" out')
    return options


def _fingerprint(given: Mapping[str, Any]) -> str:
    """Return the fingerprint as 64 small hexadecimal digits."""
    if "fingerprint" not in given:
        return ""
    digits = re.sub(r"[:\s]", "", str(given["fingerprint"])).lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise bad("fingerprint", "is no SHA-256 fingerprint; write 64 hexadecimal digits, with or without colons")
    return digits
