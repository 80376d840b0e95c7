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
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from billing_project.kernel.errors import Refused

from .desired import LEVELS, OPEN

TLS_PORT, PLAIN_PORT = 8729, 8728
SECONDS_MAX = 40
RESTRICTIONS = tuple(level for level in LEVELS if level != OPEN)
_KEYS = (
    "tls", "verify", "ca_pem", "fingerprint", "address_list", "drop_connections", "drop_sessions", "timeout_seconds",
)  # fmt: skip
_LIST = re.compile(r"[A-Za-z0-9_.-]{1,60}")


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
    if not isinstance(given, dict):
        raise Refused("bad_options", 'options: this is no JSON object; write it like {"address_list": "Delinquent"}.')
    unknown = sorted(given.keys() - set(_KEYS))
    if unknown:
        raise _bad(unknown[0], f"is no option of a MikroTik device; it knows {', '.join(_KEYS)}")
    tls = _switch(given, "tls", default=True)
    options = Options(
        tls=tls,
        verify=_switch(given, "verify", default=True),
        ca_pem=_ca(given),
        fingerprint=_fingerprint(given),
        address_lists=_lists(given),
        drop_connections=_switch(given, "drop_connections", default=False),
        drop_sessions=_switch(given, "drop_sessions", default=False),
        timeout_seconds=_seconds(given),
    )
    for key in ("verify", "ca_pem", "fingerprint"):
        if key in given and not tls:
            raise _bad(key, 'says how the certificate is checked, but "tls" is false; leave one of the two out')
    if options.ca_pem and options.fingerprint:
        raise _bad("fingerprint", 'and "ca_pem" are two ways to know the router; keep one of them')
    if not options.verify and (options.ca_pem or options.fingerprint):
        raise _bad("verify", 'is false, so "ca_pem" or "fingerprint" would not be looked at; leave "verify" out')
    return options


def _bad(key: str, words: str) -> Refused:
    return Refused("bad_options", f"options: {key!r} {words}.")


def _switch(given: Mapping[str, Any], key: str, *, default: bool) -> bool:
    value = given.get(key, default)
    if not isinstance(value, bool):
        raise _bad(key, f"is {value!r}; write true or false, without quotes")
    return value


def _ca(given: Mapping[str, Any]) -> str:
    if "ca_pem" not in given:
        return ""
    text = given["ca_pem"]
    try:
        if isinstance(text, str) and text.strip():
            ssl.create_default_context(cadata=text)
            return text
    except (ssl.SSLError, ValueError):
        text = ""  # said below
    raise _bad("ca_pem", "holds no certificate; paste the authority's, from BEGIN CERTIFICATE to END CERTIFICATE")


def _fingerprint(given: Mapping[str, Any]) -> str:
    """Return the fingerprint as 64 small hexadecimal digits."""
    if "fingerprint" not in given:
        return ""
    digits = re.sub(r"[:\s]", "", str(given["fingerprint"])).lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise _bad("fingerprint", "is no SHA-256 fingerprint; write 64 hexadecimal digits, with or without colons")
    return digits


def _lists(given: Mapping[str, Any]) -> dict[str, str]:
    if "address_list" not in given:
        return {}
    value = given["address_list"]
    lists = dict.fromkeys(RESTRICTIONS, value) if isinstance(value, str) else value
    if not isinstance(lists, dict) or not lists:
        raise _bad("address_list", 'is neither a name nor names by level; write "Delinquent" or {"suspend": "Off"}')
    for level, name in lists.items():
        if level not in RESTRICTIONS:
            raise _bad("address_list", f"names a level {level!r}; there are {', '.join(RESTRICTIONS)}")
        if not isinstance(name, str) or not _LIST.fullmatch(name):
            raise _bad("address_list", f"names a list {name!r}; use 1 to 60 letters, digits, _ . and -")
    return dict(lists)


def _seconds(given: Mapping[str, Any]) -> int:
    value = given.get("timeout_seconds", 15)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= SECONDS_MAX:
        raise _bad("timeout_seconds", f"is {value!r}; write a whole number of seconds from 1 to {SECONDS_MAX}")
    return value
