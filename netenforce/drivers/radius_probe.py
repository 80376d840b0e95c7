"""What a RADIUS database says of itself, and what somebody should mend there before it is relied upon."""

from collections.abc import Iterable, Iterator, Sequence

from netenforce.rules.lists import ListView
from netenforce.rules.radius_groups import RESTRICTING, foreign_groups, replies_of
from netenforce.rules.radius_sessions import in_words

from .port import Probe
from .radius_tables import Access, Talk, conversation, read_tables

_NEEDED = {
    "radusergroup": ("SELECT", "INSERT", "DELETE"),
    "radgroupreply": ("SELECT", "INSERT", "DELETE"),
    "radgroupcheck": ("SELECT", "INSERT", "DELETE"),
    "radreply": ("SELECT",),
    "radacct": ("SELECT",),
}
_SERVER = "SELECT current_setting('server_version'), pg_is_in_recovery()"
_RIGHTS = (
    "SELECT wanted.name, wanted.privilege, to_regclass(wanted.name) IS NOT NULL,"
    " coalesce(has_table_privilege(to_regclass(wanted.name), wanted.privilege), false)"
    " FROM unnest(%s::text[], %s::text[]) AS wanted (name, privilege)"
)
_SEQUENCES = (
    "SELECT wanted.name FROM unnest(%s::text[]) AS wanted (name)"
    " WHERE pg_get_serial_sequence(wanted.name, 'id') IS NOT NULL"
    " AND NOT has_sequence_privilege(pg_get_serial_sequence(wanted.name, 'id'), 'USAGE')"
)
_STRONGER = (
    "SELECT DISTINCT r.groupname FROM radgroupreply r WHERE lower(r.attribute) = ANY(%s) AND r.op <> '='"
    " AND r.groupname <> ALL(%s) ORDER BY 1 LIMIT 20"
)
_EARLIER = (
    "SELECT DISTINCT groupname FROM radusergroup WHERE priority <= %s AND groupname <> ALL(%s) ORDER BY 1 LIMIT 20"
)
_CLIENTS = (
    "SELECT DISTINCT host(nasipaddress) FROM radacct WHERE acctstoptime IS NULL AND host(nasipaddress) <> ALL(%s)"
    " ORDER BY 1 LIMIT 20"
)
_CLASS = (
    "SELECT count(*) FILTER (WHERE coalesce(to_jsonb(one) ->> 'class', '') <> ''), count(*)"
    " FROM (SELECT * FROM radacct WHERE acctstoptime IS NULL ORDER BY radacctid DESC LIMIT 100) one"
)


def look(access: Access, lists: Sequence[ListView]) -> Probe:
    """Return the version of the database, and a sentence for each thing that is lacking; nothing is changed."""
    with conversation(access) as talk, talk.transaction():
        [(version, copy)] = talk.rows(_SERVER)
        notes = list(_rights(talk))
        if copy:
            notes.append("This database is a copy that takes no changes; enter the one that is copied from.")
        readable = not any("SELECT" in note or "is not there" in note for note in notes)
        notes += _groups(talk, access, lists) if readable else []
        notes += _clients(talk, access) if readable else []
    return Probe(version=f"PostgreSQL {version}", model="FreeRADIUS tables", notes=tuple(notes))


def _rights(talk: Talk) -> Iterator[str]:
    pairs = [(table, right) for table, rights in _NEEDED.items() for right in rights]
    found = talk.rows(_RIGHTS, [[table for table, _ in pairs], [right for _, right in pairs]])
    missing = sorted({table for table, _, there, _ in found if not there})
    for table in missing:
        yield f"Table {table} is not there; check database and schema in the options."
    for table in _NEEDED:
        lacking = [right for name, right, there, may in found if name == table and there and not may]
        if lacking:
            yield f"The database user may not {' and '.join(lacking)} on {table}; grant it."
    writable = [table for table, rights in _NEEDED.items() if "INSERT" in rights and table not in missing]
    for (table,) in talk.rows(_SEQUENCES, [writable]):
        yield f"The database user may not use the sequence of {table}; grant USAGE on {table}_id_seq."


def _groups(talk: Talk, access: Access, lists: Sequence[ListView]) -> Iterator[str]:
    options = access.options
    names = [one.name for one in lists]
    for one in lists:
        if not replies_of(one, options):
            yield f"List {one.name} would restrict nothing here: give it a rate, or its level other attributes."
    tables = read_tables(talk, [], names, everybody=False)
    for name in sorted(foreign_groups(names, tables.replies, tables.checks)):
        yield f"Group {name} was made by somebody else: it is used as it stands, and never changed."
    if options.fall_through:
        set_by_us = sorted({name.lower() for name in RESTRICTING})
        if stronger := _first(talk.rows(_STRONGER, [set_by_us, names])):
            yield (
                f"{in_words(stronger)} may take the place of what ours says: write = instead of := for rates and lists"
                ' there, or set "fall_through" to false.'
            )
    if earlier := _first(talk.rows(_EARLIER, [options.priority, names])):
        yield f'{in_words(earlier)} is looked at before our groups; choose a smaller number as "priority".'


def _clients(talk: Talk, access: Access) -> Iterator[str]:
    nas = access.options.nas
    if unnamed := _first(talk.rows(_CLIENTS, [list(nas)])):
        yield f'Sessions run on {in_words(unnamed)}, which the option "nas" does not name: they cannot be told.'
    if secretless := [address for address in nas if not access.secrets.of(address)]:
        yield f"The secret of this device holds no shared secret for {in_words(secretless)}."
    [(told, running)] = talk.rows(_CLASS)
    if running and not told:
        yield "Accounting keeps no Class, so a session's group is known by its beginning alone; see docs/radius.md."


def _first(rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [row[0] for row in rows]
