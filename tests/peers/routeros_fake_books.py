"""What the simulated MikroTik device holds and how it answers a command, without any network.

The texts of the traps ``already have such entry``, ``no such item`` and ``not enough permissions (9)`` are those of
real devices; the others are like them.
"""

import ipaddress
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

V4, V6 = "/ip/firewall/address-list", "/ipv6/firewall/address-list"
LISTS = (V4, V6)
CONNECTIONS = ("/ip/firewall/connection", "/ipv6/firewall/connection")
TABLES = (*LISTS, *CONNECTIONS, "/ppp/active")
WRITES = ("add", "set", "remove")
EVERYTHING = frozenset({"read", "write", "api"})
SETTABLE = {"list", "address", "comment", "disabled", "timeout"}


class Trap(Exception):
    """Say why a command is not done, in RouterOS's own words."""


@dataclass(frozen=True)
class Command:
    """A sentence that was read: what to do, the attributes, the filter words in their order, the tag."""

    path: str
    verb: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    queries: Sequence[str] = ()
    tag: str = ""


def parse(words: Sequence[str]) -> Command:
    """Read the words of a sentence."""
    attributes, queries, tag = {}, [], ""
    for word in words[1:]:
        if word.startswith(".tag="):
            tag = word[5:]
        elif word.startswith("?"):
            queries.append(word)
        elif word.startswith("="):
            name, _, value = word[1:].partition("=")
            attributes[name] = value
        else:
            raise Trap(f"unknown word {word}")
    path, _, verb = words[0].rpartition("/")
    return Command(path, verb, attributes, tuple(queries), tag)


@dataclass
class Router:
    """The device: users, tables, and the time since it was started."""

    users: dict[str, tuple[str, frozenset[str]]] = field(
        default_factory=lambda: {"billing": ("s3cret-Zürich", EVERYTHING)}
    )
    version: str = "7.18.2 (stable)"
    says_empty: bool = True
    has_ipv6: bool = True
    uptime: int = 90061
    tables: dict[str, dict[str, dict[str, str]]] = field(default_factory=lambda: {path: {} for path in TABLES})
    ignores: bool = False
    _ids: Any = field(default_factory=lambda: itertools.count(1))

    def put(self, path: str, **row: str) -> str:
        """Write a row by the hand of an operator, or of the device itself; names take ``_`` for ``-``."""
        key = f"*{next(self._ids):X}"
        self.tables[path][key] = {name.replace("_", "-"): value for name, value in row.items()}
        return key

    def reboot(self) -> None:
        """Lose what is dynamic, all connections and sessions, and begin to count the uptime anew."""
        self.uptime = 3
        for path in LISTS:
            kept = {key: row for key, row in self.tables[path].items() if row.get("dynamic") != "true"}
            self.tables[path] = kept
        for path in (*CONNECTIONS, "/ppp/active"):
            self.tables[path] = {}

    def entries(self, path: str = V4) -> dict[str, tuple[str, str]]:
        """Return list and comment of every address of a table; an address in two lists fails the test."""
        rows = list(self.tables[path].values())
        found = {row["address"]: (row["list"], row.get("comment", "")) for row in rows}
        assert len(found) == len(rows), "an address stands in two lists"
        return found

    def may_log_in(self, name: str, password: str) -> bool:
        """Tell whether a user is let in."""
        known = self.users.get(name)
        return known is not None and known[0] == password and "api" in known[1]

    def do(self, user: str, command: Command) -> tuple[list[dict[str, str]], str]:
        """Do a command; return rows and the new id, or raise Trap."""
        policies = self.users[user][1]
        if (command.verb == "print" and "read" not in policies) or (command.verb in WRITES and "write" not in policies):
            raise Trap("not enough permissions (9)")
        if command.path == "/system/resource" and command.verb == "print":
            days, seconds = divmod(self.uptime, 86400)
            return [{"uptime": f"{days}d{seconds}s", "version": self.version, "board-name": "simulated"}], ""
        if command.path not in self.tables or (command.path.startswith("/ipv6") and not self.has_ipv6):
            raise Trap("no such command prefix")
        if command.verb == "print":
            return self._print(command), ""
        if command.verb not in WRITES or (command.verb == "add" and command.path not in LISTS):
            raise Trap("no such command")
        if self.ignores:
            return [], "*0" if command.verb == "add" else ""
        if command.verb == "add":
            return [], self._add(command)
        self._change(command)
        return [], ""

    def _print(self, command: Command) -> list[dict[str, str]]:
        wanted = [name for name in command.attributes.get(".proplist", "").split(",") if name]
        rows = []
        for key, row in self.tables[command.path].items():
            whole = {".id": key, **row}
            if matches(whole, command.queries):
                rows.append({name: whole[name] for name in wanted if name in whole} if wanted else whole)
        return rows

    def _add(self, command: Command) -> str:
        row = dict(command.attributes)
        if row.keys() - SETTABLE:
            raise Trap(f"unknown parameter {min(row.keys() - SETTABLE)}")
        if not row.get("list") or not row.get("address"):
            raise Trap(f"missing value(s) of argument(s) {'list' if not row.get('list') else 'address'}")
        row["address"] = _as_shown(command.path, row["address"])
        self._refuse_twins(command.path, row)
        row.setdefault("disabled", "false")
        row["dynamic"] = "true" if row.get("timeout") else "false"
        key = f"*{next(self._ids):X}"
        self.tables[command.path][key] = row
        return key

    def _change(self, command: Command) -> None:
        table = self.tables[command.path]
        keys = command.attributes.get(".id", "").split(",")
        if any(key not in table for key in keys):
            raise Trap("no such item")
        for key in keys:
            if command.verb == "remove":
                del table[key]
                continue
            row = {**table[key], **{name: value for name, value in command.attributes.items() if name != ".id"}}
            row["disabled"] = {"yes": "true", "no": "false"}.get(row.get("disabled", ""), row.get("disabled", "false"))
            row["address"] = _as_shown(command.path, row["address"])
            self._refuse_twins(command.path, row, but=key)
            table[key] = row

    def _refuse_twins(self, path: str, row: Mapping[str, str], but: str = "") -> None:
        for key, other in self.tables[path].items():
            if key != but and (other["list"], other["address"]) == (row["list"], row["address"]):
                raise Trap("failure: already have such entry")


def _as_shown(path: str, text: str) -> str:
    """Return an address as the device writes it: IPv4 without /32, IPv6 always with its length; names stay."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        if "/" in text or ":" in text:
            raise Trap(f"invalid value for argument address:\n    invalid value {text}") from None
        return text
    if network.version != (4 if path == V4 else 6):
        raise Trap("invalid value for argument address")
    return str(network.network_address) if network.version == 4 and network.prefixlen == 32 else str(network)


def matches(row: Mapping[str, str], queries: Sequence[str]) -> bool:
    """Tell whether a row passes the filter words, worked off from left to right on a stack."""
    stack: list[bool] = []
    for word in queries:
        if word.startswith("?#"):
            for operation in word[2:]:
                _operate(stack, operation)
        else:
            stack.append(_passes(row, word[1:]))
    return all(stack)


def _operate(stack: list[bool], operation: str) -> None:
    if operation == "!":
        stack.append(not stack.pop())
    elif operation in "&|" and len(stack) >= 2:
        last, before = stack.pop(), stack.pop()
        stack.append(last and before if operation == "&" else last or before)
    else:
        raise Trap("invalid query")


def _passes(row: Mapping[str, str], word: str) -> bool:
    if word.startswith("-"):
        return word[1:] not in row
    compare: Callable[[str, str], bool] = str.__eq__
    if word[:1] in "<>=":
        compare = {"<": str.__lt__, ">": str.__gt__, "=": str.__eq__}[word[0]]
        word = word[1:]
    name, sign, value = word.partition("=")
    return name in row if not sign else compare(row.get(name, ""), value)
