"""Pure: the options and the secret of a RADIUS device, checked when they are entered rather than when they are needed.

| option | default | what it means |
|---|---|---|
| ``database`` | radius | the database of FreeRADIUS on the device's host (PostgreSQL) |
| ``schema`` | public | where its tables are |
| ``sslmode`` | verify-full | as PostgreSQL means it; ``require`` knows nobody, ``disable`` sends everything readable |
| ``ca_pem`` | the system's | the authority that signed the database server's certificate, as PEM text |
| ``escape`` | true | names as FreeRADIUS asks for them, ``o=27hara``; false where its ``auto_escape`` is yes |
| ``nas`` | none | the RADIUS clients: ``[{"address": "10.0.0.1", "port": 1700}]``; port 3799, ``send_to`` its address |
| ``method`` | disconnect | how a running session is told: ``disconnect``, or ``coa`` where it becomes restricted |
| ``attributes`` | by level | what a group replies, such as ``{"suspend": ["reject"]}`` |
| ``fall_through`` | true | the subscriber's own groups add what ours does not say (addresses, pools) |
| ``priority`` | -100 | of our rows in radusergroup; smaller than that of any group of yours |
| ``address_list`` | the admin's | another group for a level: ``{"suspend": "Off"}`` |
| ``timeout_seconds`` | 2 | how long one packet's answer is waited for (1 to 10) |
| ``tries`` | 3 | how often a packet is sent in all (1 to 5) |

The secret is one line of JSON: ``{"database": "...", "coa": "..."}``, where ``coa`` may also be secrets by the
client's address: ``{"10.0.0.1": "...", "*": "..."}``.
"""

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from billing_project.kernel.errors import Refused

from .option_readers import RESTRICTIONS, address_lists, bad, certificate, number, refuse_unknown, switch

PORT, COA_PORT = 5432, 3799
SSL_MODES = ("disable", "require", "verify-ca", "verify-full")
METHODS = ("disconnect", "coa")
RATE, LIST, WISPR, FILTER, REJECT = (
    "Mikrotik-Rate-Limit",
    "Mikrotik-Address-List",
    "WISPr-Bandwidth",
    "Filter-Id",
    "reject",
)
ATTRIBUTES = (RATE, LIST, WISPR, FILTER, REJECT)
_DEFAULTS = {"throttle": (RATE,), "walled_garden": (LIST, RATE), "suspend": (LIST, RATE)}
_KEYS = (
    "database", "schema", "sslmode", "ca_pem", "escape", "nas", "method", "attributes", "fall_through", "priority",
    "timeout_seconds", "tries", "address_list",
)  # fmt: skip
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_DATABASE = re.compile(r"[^\x00-\x1f\x7f]{1,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Nas:
    """A RADIUS client: the address it gives in accounting, and where it listens for CoA and Disconnect."""

    address: str
    send_to: str
    port: int = COA_PORT


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to reach the tables and the RADIUS clients, and what a group replies."""

    database: str = "radius"
    schema: str = "public"
    sslmode: str = "verify-full"
    ca_pem: str = ""
    escape: bool = True
    nas: Mapping[str, Nas] = field(default_factory=dict)
    method: str = "disconnect"
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(_DEFAULTS))
    fall_through: bool = True
    priority: int = -100
    timeout_seconds: int = 2
    tries: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """The password of the database's user, and the shared secret of each RADIUS client; ``*`` for all others."""

    database: str = field(default="", repr=False)
    coa: Mapping[str, str] = field(default_factory=dict, repr=False)

    def of(self, address: str) -> str:
        """Return the shared secret of a client; blank if none is known."""
        return self.coa.get(address) or self.coa.get("*", "")


def parse_options(given: Any) -> Options:
    """Read the options of a device; raises Refused("bad_options") with the key, what is wrong, and how to mend it."""
    refuse_unknown(given, _KEYS, kind="a RADIUS device", example='{"database": "radius"}')
    groups = address_lists(given)
    if len(set(groups.values())) < len(groups):
        raise bad("address_list", "gives two levels one group, which can reply one thing only; name one for each level")
    options = Options(
        database=_text(given, "database", "radius", _DATABASE, "the name of a database"),
        schema=_text(given, "schema", "public", _SCHEMA, "a schema: small letters, digits and _"),
        sslmode=_choice(given, "sslmode", SSL_MODES, "verify-full"),
        ca_pem=certificate(given),
        escape=switch(given, "escape", default=True),
        nas=_nas(given),
        method=_choice(given, "method", METHODS, "disconnect"),
        attributes=_attributes(given),
        fall_through=switch(given, "fall_through", default=True),
        priority=number(given, "priority", -100, (-1_000_000, 1_000_000)),
        timeout_seconds=number(given, "timeout_seconds", 2, (1, 10)),
        tries=number(given, "tries", 3, (1, 5)),
    )
    if options.ca_pem and not options.sslmode.startswith("verify"):
        raise bad("ca_pem", f'is not looked at with "sslmode": "{options.sslmode}"; leave one of the two out')
    return options


def parse_secrets(text: str) -> Secrets:
    """Read the secret of a device; raises Refused("bad_secret"), without repeating a word of it."""
    try:
        given = json.loads(text) if text.strip() else {}
    except ValueError:
        given = None
    if not isinstance(given, dict) or given.keys() - {"database", "coa"}:
        raise _bad_secret("is not as it should be")
    database, coa = given.get("database", ""), given.get("coa", {})
    by_address = {"*": coa} if isinstance(coa, str) else coa
    if not isinstance(database, str) or "\x00" in database or not isinstance(by_address, dict):
        raise _bad_secret('needs a text under "database", and a text or texts by address under "coa"')
    secrets: dict[str, str] = {}
    for address, secret in by_address.items():
        if not isinstance(secret, str) or not secret:
            raise _bad_secret(f'has no text for "coa" of {address}')
        try:
            secrets["*" if address == "*" else str(ipaddress.ip_address(address))] = secret
        except ValueError:
            raise _bad_secret(f'names {address!r} under "coa", which is no IP address and not *') from None
    return Secrets(database=database, coa=secrets)


def _bad_secret(words: str) -> Refused:
    return Refused(
        "bad_secret",
        f"The secret {words}; write one line of JSON such as"
        ' {"database": "password of the database user", "coa": "shared secret of the RADIUS clients"}.',
    )


def _text(given: Mapping[str, Any], key: str, default: str, pattern: re.Pattern[str], what: str) -> str:
    value = given.get(key, default)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise bad(key, f"is {value!r}; write {what}")
    return value


def _choice(given: Mapping[str, Any], key: str, choices: tuple[str, ...], default: str) -> str:
    value = given.get(key, default)
    if value not in choices or not isinstance(value, str):
        raise bad(key, f"is {value!r}; choose one of {', '.join(choices)}")
    return value


def _nas(given: Mapping[str, Any]) -> dict[str, Nas]:
    rows = given.get("nas", [])
    if not isinstance(rows, list):
        raise bad("nas", 'is no list; write [{"address": "10.0.0.1", "port": 3799}]')
    found: dict[str, Nas] = {}
    for row in rows:
        if not isinstance(row, dict) or row.keys() - {"address", "port", "send_to"}:
            raise bad("nas", f"holds {row!r}; each entry has an address, and may have port and send_to")
        address = _address(row.get("address"))
        if address in found:
            raise bad("nas", f"names {address} twice; keep one of them")
        port = row.get("port", COA_PORT)
        if not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 65535:
            raise bad("nas", f"gives {address} the port {port!r}; write a number from 1 to 65535")
        found[address] = Nas(address=address, send_to=_address(row.get("send_to", address)), port=port)
    return found


def _address(value: Any) -> str:
    try:
        if isinstance(value, str):
            return str(ipaddress.ip_address(value))
    except ValueError:
        value = str(value)  # said below
    raise bad("nas", f"names {value!r}, which is no IP address; write the one that the client gives in accounting")


def _attributes(given: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    value = given.get("attributes", {})
    if not isinstance(value, dict):
        raise bad("attributes", 'is no object; write them by level, such as {"suspend": ["reject"]}')
    chosen = dict(_DEFAULTS)
    for level, names in value.items():
        if level not in RESTRICTIONS:
            raise bad("attributes", f"names a level {level!r}; there are {', '.join(RESTRICTIONS)}")
        if not isinstance(names, list) or not names or any(name not in ATTRIBUTES for name in names):
            raise bad("attributes", f"gives {level} {names!r}; choose from {', '.join(ATTRIBUTES)}")
        if REJECT in names and (level != "suspend" or len(names) > 1):
            raise bad("attributes", 'may have "reject" for suspend alone, and with nothing beside it')
        chosen[level] = tuple(dict.fromkeys(names))
    return chosen
