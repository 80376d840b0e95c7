"""FreeRADIUS: a line is restricted by a group of its RADIUS user, and its running session is told by CoA or Disconnect.

The rows are committed before any packet leaves, since a customer whose session is ended comes back at once. What a
client answers is kept as a ``RadiusAnswer``: the tables alone tell only what the next log-in gets. See docs/radius.md.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from billing_project.kernel.errors import OutcomeUnknown, Rejected
from netenforce.models import Device
from netenforce.queries import lists_on
from netenforce.rules.desired import LEVELS, NOTHING, OPEN
from netenforce.rules.lists import ListView
from netenforce.rules.radius_groups import (
    CHECKS,
    REPLIES,
    RESTRICTING,
    Membership,
    Rights,
    Row,
    Tables,
    checks_of,
    foreign_groups,
    held,
    levels_of,
    mend,
    replies_of,
    rights_of,
    username_fault,
)
from netenforce.rules.radius_options import Options
from netenforce.rules.radius_sessions import (
    NO_SESSION,
    UNKNOWN,
    Session,
    Written,
    cause_words,
    foreign_of,
    group_of,
    in_words,
    seen_of,
)

from .port import Capabilities, Change, Held, Inventory, Probe
from .radius_answers import Answers, keep_answers, read_answers
from .radius_coa import ACK, NAK, Order, Verdict, send
from .radius_probe import look
from .radius_tables import (
    Access,
    Talk,
    access_to,
    conversation,
    drop_foreign,
    read_sessions,
    read_tables,
    write_members,
    write_rows,
)

NO_SESSION_WORDS = "No session is open: it applies at the next log-in."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """What one transaction found and left: rights before and after it, and the open sessions right after it."""

    before: Mapping[str, Rights]
    after: Mapping[str, Rights]
    replies: Sequence[Row]
    now: datetime
    sessions: Mapping[str, Sequence[Session]]


class RadiusDriver:
    """Speak to FreeRADIUS's tables and to its clients; see ``rules/radius_options.py`` for a device's options."""

    capabilities = Capabilities(levels=frozenset(LEVELS), identifiers=(("radius_username",),), adopts=True)

    def probe(self, device: Device) -> Probe:
        """Return what the database says of itself, and what somebody should mend there."""
        return look(access_to(device), lists_on(device))

    def read_all(self, device: Device) -> Inventory:
        """Return every subscriber who is in one of our groups, or whose session still is."""
        access, lists = access_to(device), lists_on(device)
        answers = read_answers(device)
        names = [one.name for one in lists]
        with conversation(access) as talk, talk.transaction():
            tables = read_tables(talk, answers.written, names, everybody=True)
            levels = levels_of(lists, tables.replies)
            everyone = {*answers.written, *(row.username for row in tables.members if row.group in levels)}
            _, sessions = read_sessions(talk, everyone)
        rights = rights_of(sorted(everyone), tables, levels, access.options.priority)
        found = {name: _seen(name, rights[name], sessions.get(name, ()), answers, levels) for name in rights}
        by_others = {name for name, one in rights.items() if one.foreign and not one.ours}
        return Inventory(
            ours={name: one for name, one in found.items() if one != NOTHING and name not in by_others},
            foreign={name: foreign_of(one, levels) for name, one in rights.items() if one.foreign},
        )

    def read(self, device: Device, addresses: Iterable[str]) -> Mapping[str, Held]:
        """Return what each subscriber gets at the next log-in, if the running session has it as well."""
        asked = list(dict.fromkeys(addresses))
        possible = [name for name in asked if not username_fault(name)]
        if not possible:
            return dict.fromkeys(asked, NOTHING)
        access, lists = access_to(device), lists_on(device)
        answers = read_answers(device, possible)
        with conversation(access) as talk, talk.transaction():
            tables = read_tables(talk, possible, [one.name for one in lists], everybody=False)
            _, sessions = read_sessions(talk, possible)
        levels = levels_of(lists, tables.replies)
        rights = rights_of(possible, tables, levels, access.options.priority)
        found = {name: _seen(name, rights[name], sessions.get(name, ()), answers, levels) for name in possible}
        return {name: found.get(name, NOTHING) for name in asked}

    def apply(self, device: Device, changes: Sequence[Change]) -> Mapping[str, str]:
        """Write the rows, commit them, then tell the running sessions, and keep what their clients answered."""
        access = access_to(device)
        lists = _lists(device, changes)
        wanted = _wanted(device, access.options, changes, lists)
        if not wanted:
            return {}
        answers = read_answers(device, wanted)
        with conversation(access) as talk:
            done = write(talk, wanted, list(lists.values()))
        stuck = {name: one.foreign for name, one in done.after.items() if not wanted[name] and one.foreign}
        orders, unnamed, had = _orders(access, wanted, done, answers, stuck)
        verdicts = send(orders, timeout_seconds=access.options.timeout_seconds, tries=access.options.tries)
        told, marks = _told(verdicts, had), _marks(wanted, done, answers)
        keep_answers(device, answers, wanted, done.sessions, told, marks)
        _complain(device, orders, verdicts, unnamed, stuck)
        gone = {key for key, verdict in verdicts.items() if verdict.cause == NO_SESSION}
        open_now = {name for name, found in done.sessions.items() if any(one.key not in gone for one in found)}
        return {name: NO_SESSION_WORDS for name in wanted if name not in open_now}

    def adopt(self, device: Device, addresses: Iterable[str]) -> None:
        """Take over the rows by which others put these subscribers into our groups, as they stand."""
        asked = [name for name in addresses if not username_fault(name)]
        access, lists = access_to(device), lists_on(device)
        answers = read_answers(device, asked)
        with conversation(access) as talk:
            with talk.transaction(writes=True):
                tables = read_tables(talk, asked, [one.name for one in lists], everybody=False)
                _mend_groups(talk, lists, tables)
                levels = levels_of(lists, tables.replies)
                found = rights_of(asked, tables, levels, access.options.priority)
                taken = {name: one.ours[0] if one.ours else one.foreign for name, one in found.items() if one.foreign}
                drop_foreign(talk, taken, levels)
                write_members(talk, taken, access.options.priority, levels)
            with talk.transaction():
                now, sessions = read_sessions(talk, taken)
        marks = {name: Written(group=group, before=group, at=now) for name, group in taken.items()}
        keep_answers(device, answers, taken, sessions, {}, marks)


def _lists(device: Device, changes: Sequence[Change]) -> dict[str, ListView]:
    """Return the device's lists by name, and those that only the changes name."""
    lists = {one.name: one for one in lists_on(device)}
    for change in changes:
        if change.level != OPEN and change.list_name and change.list_name not in lists:
            lists[change.list_name] = ListView(
                name=change.list_name, level=change.level, rate_down_kbit=change.rate_down_kbit,
                rate_up_kbit=change.rate_up_kbit,
            )  # fmt: skip
    return lists


def _wanted(
    device: Device, options: Options, changes: Sequence[Change], lists: Mapping[str, ListView]
) -> dict[str, str]:
    """Return the group of each subscriber, blank for open; raises Rejected for what can never be."""
    wanted: dict[str, str] = {}
    for change in changes:
        if fault := username_fault(change.address):
            raise Rejected(fault, "username")
        if change.level == OPEN:
            wanted[change.address] = ""
            continue
        if options.escape and set(change.address) & set('"\\'):
            raise Rejected(
                f'The RADIUS user name {change.address!r} holds a " or \\, which FreeRADIUS asks its tables for in one'
                " way and writes into accounting in another; give the subscriber another name.",
                "username",
            )
        if not change.list_name:
            raise Rejected(
                f"There is no address list for {change.level!r} lines on {device.name}; add one under Address lists.",
                "no_list",
            )
        if not replies_of(lists[change.list_name], options):
            raise Rejected(
                f"List {change.list_name} would restrict nothing on {device.name}: give it a rate under Address lists,"
                f' or other attributes for {change.level!r} in the option "attributes" of the device.',
                "no_effect",
            )
        wanted[change.address] = change.list_name
    return wanted


def write(talk: Talk, wanted: Mapping[str, str], lists: Sequence[ListView]) -> _Written:
    """Make the rows what they should be in one transaction, and look at the open sessions after it.

    Raises Rejected, with nothing changed, if a row would have no effect.
    """
    access = talk.access
    priority = access.options.priority
    with talk.transaction(writes=True):
        tables = read_tables(talk, wanted, [one.name for one in lists], everybody=False)
        # A release asks for as little as can be: nothing about groups may keep somebody who has paid.
        mended = _mend_groups(talk, lists, tables) if any(wanted.values()) else tables
        levels = levels_of(lists, mended.replies)
        before = rights_of(wanted, tables, levels, priority)
        changed = {name: group for name, group in wanted.items() if before[name].ours != ((group,) if group else ())}
        if changed:
            write_members(talk, changed, priority, levels)
        rest = [row for row in tables.members if row.priority != priority or row.group not in levels]
        ours = [Membership(name, group, priority) for name, group in wanted.items() if group]
        after = rights_of(wanted, replace(mended, members=(*rest, *ours)), levels, priority)
        for name, group in wanted.items():
            if group and after[name].defeated_by:
                raise Rejected(
                    f"Group {group} would have no effect for {name} on {access.device.name}:"
                    f" {after[name].defeated_by}. Mend it there; see docs/radius.md.",
                    "no_effect",
                )
    with talk.transaction():
        now, sessions = read_sessions(talk, wanted)
    return _Written(before=before, after=after, replies=mended.replies, now=now, sessions=sessions)


def _mend_groups(talk: Talk, lists: Sequence[ListView], tables: Tables) -> Tables:
    """Make the rows of our groups what the lists say; return the tables as they are then.

    A group that the operator has filled is used as it stands, and so are other attributes in ours.
    """
    options = talk.access.options
    theirs = foreign_groups((one.name for one in lists), tables.replies, tables.checks)
    replies = [row for one in lists if one.name not in theirs for row in replies_of(one, options)]
    ours = {row.group for row in replies}
    checks = [row for one in lists if one.name in ours for row in checks_of(one, options)]
    kept = []
    for table, names, wanted, found in (
        ("radgroupreply", REPLIES, replies, tables.replies),
        ("radgroupcheck", CHECKS, checks, tables.checks),
    ):
        wrong, rows = mend(wanted, [row for row in found if row.group in ours], names)
        if wrong:
            write_rows(talk, table, wrong, names, rows)
        known = {name.lower() for name in names}
        kept.append((*(row for row in found if row.group not in wrong or row.attribute.lower() not in known), *rows))
    return replace(tables, replies=kept[0], checks=kept[1])


def _orders(
    access: Access,
    wanted: Mapping[str, str],
    done: _Written,
    answers: Answers,
    stuck: Mapping[str, str],
) -> tuple[list[Order], dict[str, list[str]], dict[str, str]]:
    """Return the packets to send, the subscribers of clients we cannot reach, and the group each session had."""
    orders, unnamed, had = [], defaultdict(list), {}
    for name, sessions in done.sessions.items():
        for session in sessions:
            group = group_of(session, done.before[name].group, answers.of(name), answers.written.get(name))
            if group == wanted[name] or name in stuck:
                continue
            had[session.key] = group
            nas, secret = access.options.nas.get(session.nas), access.secrets.of(session.nas)
            if nas is None or not secret:
                unnamed[session.nas].append(name)
                continue
            # A CoA can add a restriction, but no attribute takes an address list away again.
            told = _coa_attributes(wanted[name], done.replies) if access.options.method == "coa" and not group else {}
            orders.append(Order(session=session, nas=nas, secret=secret, attributes=told))
    return orders, unnamed, had


def _coa_attributes(group: str, replies: Sequence[Row]) -> dict[str, str]:
    return {row.attribute: row.value for row in replies if row.group == group and row.attribute in RESTRICTING}


def _told(verdicts: Mapping[str, Verdict], had: Mapping[str, str]) -> dict[str, str | None]:
    """Return what each session that had to be told has now; None: what is wanted of its subscriber."""
    done = {key for key, one in verdicts.items() if one.how == ACK or (one.how == NAK and one.cause == NO_SESSION)}
    return {key: None if key in done else group for key, group in had.items()}


def _marks(wanted: Mapping[str, str], done: _Written, answers: Answers) -> dict[str, Written]:
    """Return when the rows were written, of subscribers whose rows have changed or of whom it is not known."""
    marks = {}
    for name, group in wanted.items():
        known = answers.written.get(name)
        if known is not None and known.group == group and done.before[name].group == group:
            continue
        before = done.before[name].group
        if before != (known.group if known else ""):
            before = UNKNOWN  # it was not we who wrote that, or it was lost that we did
        if group or before:
            marks[name] = Written(group=group, before=before, at=done.now)
    return marks


def _seen(name: str, rights: Rights, sessions: Iterable[Session], answers: Answers, levels: Mapping[str, str]) -> Held:
    if rights.foreign and not rights.ours:
        return held(rights.group, levels)
    written, told = answers.written.get(name), answers.of(name)
    return seen_of(rights, [group_of(one, rights.group, told, written) for one in sessions], levels)


def _complain(
    device: Device,
    orders: Sequence[Order],
    verdicts: Mapping[str, Verdict],
    unnamed: Mapping[str, Sequence[str]],
    stuck: Mapping[str, str],
) -> None:
    """Raise for sessions that were not told, and for rows of others that keep somebody restricted."""
    words, silent = [], defaultdict(list)
    for order in orders:
        verdict = verdicts[order.session.key]
        if verdict.how == NAK and verdict.cause != NO_SESSION:
            words.append(
                f"The client {order.session.nas} does not take it for {order.session.username}:"
                f" {cause_words(verdict.cause)}"
            )
        elif verdict.how not in (ACK, NAK):
            silent[order.nas].append(order.session.username)
    words += [
        f'The client {nas} of {in_words(names)} has no place in the option "nas" of {device.name}, or no secret;'
        " enter both."
        for nas, names in unnamed.items()
    ]
    words += [
        f"{name} is open as far as we hold it, but stands in group {group} by a row that is not ours; remove it."
        for name, group in stuck.items()
    ]
    told_not = "The rows are written and hold from the next log-in; the running session is as it was. "
    if silent:
        asked = "; ".join(f"{nas.send_to}:{nas.port} for {in_words(names)}" for nas, names in silent.items())
        raise OutcomeUnknown(
            f"No answer from {asked}. A wrong shared secret is silence, too: check secret, address and port. {told_not}"
            + in_words(words, most=1)
        )
    if words:
        raise Rejected((told_not if len(words) > len(stuck) else "") + " ".join(words[:2]), "session")
