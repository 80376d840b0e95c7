"""Pure: what a restricted group replies, whose rows are ours, and which of them have their effect.

A group carries the name of an address list. The rows that we write into it are those of the attributes below; it is
ours by its ``Class`` row, ``billing:<level>:<group>``, which a client sends back in accounting, so that a session
tells by which group it was let in. A group of that name without such a row is the operator's: it is used as it stands.
A subscriber's row in radusergroup is ours by its group and our priority; all others are the operator's.

FreeRADIUS goes through a subscriber's groups by priority, the smallest number first, and stops at the first that does
not say ``Fall-Through``. So ours comes first, and what comes after it may only add.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .desired import LEVELS, NOTHING, Held, rank
from .lists import ListView
from .radius_options import FILTER, LIST, RATE, REJECT, WISPR, Options

MARK = "billing:"
WISPR_DOWN, WISPR_UP = "WISPr-Bandwidth-Max-Down", "WISPr-Bandwidth-Max-Up"
RESTRICTING = (RATE, LIST, WISPR_DOWN, WISPR_UP, FILTER)
REPLIES = (*RESTRICTING, "Class", "Fall-Through")
CHECKS = ("Auth-Type",)
USERNAME_BYTES_MAX = 253
_CLASS = re.compile(rf"{MARK}({'|'.join(LEVELS[1:])}):(.+)", re.DOTALL)
_ESCAPED = re.compile(r"=([0-7][0-9A-F])")
_SAFE = frozenset("@abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_: /")  # FreeRADIUS's own default
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of radgroupreply or radgroupcheck."""

    group: str
    attribute: str
    op: str
    value: str


@dataclass(frozen=True, slots=True)
class Membership:
    """One row of radusergroup."""

    username: str
    group: str
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """What stands in the operator's tables about some subscribers and all groups that matter to them.

    ``stops``: subscribers whose own reply says that no group is to be looked at.
    """

    members: tuple[Membership, ...] = ()
    replies: tuple[Row, ...] = ()
    checks: tuple[Row, ...] = ()
    stops: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What one subscriber's rows come to: our group, somebody else's row in such a group, and what defeats it."""

    ours: tuple[str, ...] = ()
    foreign: str = ""
    defeated_by: str = ""

    @property
    def group(self) -> str:
        """Return the restricting group of the next log-in; blank if there is none, or it has no effect."""
        return "" if self.defeated_by else (self.ours[0] if self.ours else self.foreign)


def username_fault(username: str) -> str:
    """Return in words why no subscriber can have this name; blank if one can."""
    if not username:
        return "A RADIUS user name is empty; enter the one of the line."
    if _CONTROL.search(username):
        return f"The RADIUS user name {username!r} holds control characters; enter it anew at the line."
    if len(username.encode("utf-8", "surrogatepass")) > USERNAME_BYTES_MAX:
        return f"The RADIUS user name {username!r} is longer than RADIUS can carry ({USERNAME_BYTES_MAX} bytes)."
    return ""


def as_asked(username: str) -> str:
    """Return a name as FreeRADIUS asks its database for it unless it leaves escaping to the database: o=27hara."""
    return "".join(one if ord(one) > 127 or one in _SAFE else f"={ord(one):02X}" for one in username)


def as_meant(written: str) -> str:
    """Return the name that stands behind what FreeRADIUS asks its database for."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), written)


def replies_of(one: ListView, options: Options) -> tuple[Row, ...]:
    """Return the rows of radgroupreply for a list; none if it would restrict nothing."""
    wanted = options.attributes[one.level]
    values: dict[str, str] = {}
    down, up = one.rate_down_kbit, one.rate_up_kbit
    if RATE in wanted and (down or up):
        # As MikroTik means it, seen from the router: first what it receives, which is the customer's upload.
        values[RATE] = f"{_rate(up)}/{_rate(down)}"
    if WISPR in wanted:
        values |= {WISPR_DOWN: str(down * 1000)} if down else {}
        values |= {WISPR_UP: str(up * 1000)} if up else {}
    values |= {name: one.name for name in (LIST, FILTER) if name in wanted}
    if not values and REJECT not in wanted:
        return ()
    falls = options.fall_through and REJECT not in wanted
    values |= {"Class": f"{MARK}{one.level}:{one.name}", "Fall-Through": "Yes" if falls else "No"}
    return tuple(Row(one.name, name, "=" if name == "Fall-Through" else ":=", value) for name, value in values.items())


def checks_of(one: ListView, options: Options) -> tuple[Row, ...]:
    """Return the rows of radgroupcheck for a list."""
    return (Row(one.name, "Auth-Type", ":=", "Reject"),) if REJECT in options.attributes[one.level] else ()


def mend(wanted: Iterable[Row], found: Iterable[Row], attributes: Iterable[str]) -> tuple[set[str], list[Row]]:
    """Return the groups whose rows of these attributes are not as they should be, and the rows they should have."""
    ours = {name.lower() for name in attributes}
    right, there = defaultdict(list), defaultdict(list)
    for row in wanted:
        right[row.group].append(row)
    for row in found:
        if row.attribute.lower() in ours:
            there[row.group].append(row)
    wrong = {
        name for name in {*right, *there} if sorted(map(_key, right.get(name, []))) != sorted(map(_key, there[name]))
    }
    return wrong, [row for name in sorted(wrong) for row in right.get(name, [])]


def levels_of(lists: Iterable[ListView], replies: Iterable[Row]) -> dict[str, str]:
    """Return the level of each restricting group: the lists of the device, and groups that still carry our mark."""
    marked = {row.group: mark.level for row in replies if _is_class(row) and (mark := mark_of(row.value))}
    return {**marked, **{one.name: one.level for one in lists}}


def foreign_groups(names: Iterable[str], replies: Iterable[Row], checks: Iterable[Row]) -> set[str]:
    """Return those of some groups that the operator has filled with rows of their own: they carry no mark of ours."""
    rows, wanted = tuple(replies), frozenset(names)
    marked = {row.group for row in rows if _is_class(row) and mark_of(row.value)}
    return {row.group for row in (*rows, *checks) if row.group in wanted and row.group not in marked}


def mark_of(text: str) -> Held | None:
    """Return what a ``Class`` says if it is ours; accounting may have kept it as hexadecimal digits."""
    if text.startswith("0x"):
        try:
            text = bytes.fromhex(text[2:]).decode()
        except ValueError:
            return None
    found = _CLASS.fullmatch(text)
    return Held(level=found[1], list_name=found[2]) if found else None


def rights_of(usernames: Iterable[str], tables: Tables, levels: Mapping[str, str], priority: int) -> dict[str, Rights]:
    """Return what the rows of each subscriber come to."""
    by_user: dict[str, list[Membership]] = defaultdict(list)
    for member in tables.members:
        by_user[member.username].append(member)
    replies: dict[str, list[Row]] = defaultdict(list)
    for row in tables.replies:
        replies[row.group].append(row)
    return {
        name: _rights(by_user.get(name, []), replies, levels, priority=priority, stops=name in tables.stops)
        for name in usernames
    }


def _rights(
    rows: list[Membership], replies: Mapping[str, list[Row]], levels: Mapping[str, str], *, priority: int, stops: bool
) -> Rights:
    def hardness(group: str) -> int:
        return rank(levels[group])

    ours = sorted((row.group for row in rows if row.group in levels and row.priority == priority), key=hardness)
    theirs = [row for row in rows if row.group in levels and row.priority != priority]
    foreign = max((row.group for row in theirs), key=hardness, default="")
    group = ours[-1] if ours else foreign
    if not group:
        return Rights()
    at = priority if ours else min(row.priority for row in theirs if row.group == group)
    others = [row for row in rows if row.group not in levels]
    return Rights(ours=tuple(reversed(ours)), foreign=foreign, defeated_by=_defeat(group, at, others, replies, stops))


def _defeat(group: str, at: int, others: list[Membership], replies: Mapping[str, list[Row]], stops: bool) -> str:
    """Return in words what keeps a group from having its effect at the next log-in; blank if nothing does."""
    if stops:
        return 'their own row in radreply says "Fall-Through = No", so no group of theirs is looked at'
    for other in others:
        if other.priority <= at:
            return f"group {other.group} has priority {other.priority}, so it is not looked at after ours ({at})"
    if not _falls(replies.get(group, [])):
        return ""
    set_by_us = {row.attribute.lower() for row in replies.get(group, [])} & {name.lower() for name in RESTRICTING}
    for other in others:
        for row in replies.get(other.group, []):
            if row.attribute.lower() in set_by_us and row.op != "=":
                return f"group {other.group} sets {row.attribute} with {row.op}, which takes the place of ours"
    return ""


def _falls(rows: Iterable[Row]) -> bool:
    return any(row.attribute.lower() == "fall-through" and row.value.lower() in ("yes", "1") for row in rows)


def held(group: str, levels: Mapping[str, str]) -> Held:
    """Return what a group makes of its subscribers."""
    return Held(level=levels[group], list_name=group) if group in levels else NOTHING


def _rate(kbit: int | None) -> str:
    return f"{kbit}k" if kbit else "0"


def _key(row: Row) -> tuple[str, str, str]:
    return row.attribute.lower(), row.op, row.value


def _is_class(row: Row) -> bool:
    return row.attribute.lower() == "class"
