"""FreeRADIUS's tables on the operator's PostgreSQL: one short connection a call, and few statements however many users.

Names of customers and groups go out as parameters only. Nothing is set for the session: what a transaction needs (the
schema, the longest time for one statement) ends with it, so a connection pooler in between changes nothing.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg import errors

from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected, Unavailable
from netenforce.models import Device
from netenforce.rules.radius_groups import Membership, Row, Tables, as_asked, as_meant
from netenforce.rules.radius_options import PORT, Options, Secrets, parse_options, parse_secrets
from netenforce.rules.radius_sessions import Session

CONNECT_SECONDS = 5
STATEMENT_MS, LOCK_MS = 15_000, 5_000
# One transaction of ours at a time on these tables: radusergroup has no unique key that could stop a second row.
LOCK = "billing.radius"
_REFUSED_WORDS = (
    "authentication failed",
    "pg_hba.conf",
    "no password supplied",
    "does not exist",
    "not permitted to log in",
)

_SETTINGS = (
    "SELECT set_config('search_path', %s, true), set_config('statement_timeout', %s, true),"
    " set_config('lock_timeout', %s, true), set_config('timezone', 'UTC', true)"
)
_MEMBERS_OF = "SELECT username, groupname, priority FROM radusergroup WHERE username = ANY(%s)"
_MEMBERS_IN = (
    "SELECT username, groupname, priority FROM radusergroup WHERE username = ANY(%s) OR username IN"
    " (SELECT username FROM radusergroup WHERE groupname = ANY(%s))"
)
_MARKED = "SELECT DISTINCT groupname FROM radgroupreply WHERE lower(attribute) = 'class' AND value LIKE 'billing:%%'"
_REPLIES = "SELECT groupname, attribute, op, value FROM radgroupreply WHERE groupname = ANY(%s) ORDER BY id"
_CHECKS = "SELECT groupname, attribute, op, value FROM radgroupcheck WHERE groupname = ANY(%s) ORDER BY id"
_STOPS = (
    "SELECT DISTINCT username FROM radreply WHERE username = ANY(%s) AND lower(attribute) = 'fall-through'"
    " AND lower(value) IN ('no', '0')"
)
# Older tables have no column "class"; asked for in this way it is empty there.
_SESSIONS = (
    "SELECT acctuniqueid, acctsessionid, username, host(nasipaddress), host(framedipaddress), acctstarttime,"
    " to_jsonb(radacct) ->> 'class' FROM radacct WHERE acctstoptime IS NULL AND username = ANY(%s) ORDER BY radacctid"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a call needs to know of a device."""

    device: Device
    options: Options
    secrets: Secrets = field(repr=False)


@dataclass(slots=True)
class Talk:
    """One connection: what it was asked, and how far a change may have got."""

    access: Access
    connection: psycopg.Connection[Any]
    stage: str = "before"

    def inside(self, usernames: Iterable[str]) -> list[str]:
        """Return names as they stand in the tables."""
        return [as_asked(name) if self.access.options.escape else name for name in usernames]

    def outside(self, username: str) -> str:
        """Return a name of the tables as the subscriber has it."""
        return as_meant(username) if self.access.options.escape else username

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def transaction(self, *, writes: bool = False) -> Iterator[None]:
        """Run a block in one transaction with the settings of ours; one that writes has the tables to itself."""
        with self.connection.transaction():
            self.rows(_SETTINGS, [self.access.options.schema, str(STATEMENT_MS), str(LOCK_MS)])
            if writes:
                self.rows("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [LOCK])
            yield
            self.stage = "committing" if writes else self.stage
        self.stage = "committed" if writes else self.stage


def access_to(device: Device) -> Access:
    """Read the options and the secret of a device; raises Rejected if they are not as they should be."""
    try:
        options, secrets = parse_options(device.options), parse_secrets(device.secret)
    except Refused as refusal:
        raise Rejected(f"{device.name}: {refusal.words}", refusal.code) from refusal
    if not device.host or not device.username:
        lacking = "host" if not device.host else "user name"
        raise Rejected(f"{device.name} has no {lacking} of the RADIUS database; enter it at the device.", "incomplete")
    return Access(device=device, options=options, secrets=secrets)


@contextmanager
def conversation(access: Access) -> Iterator[Talk]:
    """Talk to the database of a device; the connection is closed whatever happens.

    Raises Unavailable (nothing was changed), OutcomeUnknown (the connection broke after a change was committed, or
    while it was) or Rejected (rights, tables or the log-in).
    """
    name = access.device.name
    connection = _connect(access)
    talk = Talk(access, connection)
    try:
        yield talk
    except psycopg.Error as error:
        raise _trouble(name, error, talk.stage) from error
    finally:
        with suppress(psycopg.Error):
            connection.close()


def _connect(access: Access) -> psycopg.Connection[Any]:
    device, options = access.device, access.options
    with _certificate(options.ca_pem) as authority:
        try:
            return psycopg.connect(
                host=device.host, port=device.port or PORT, user=device.username, dbname=options.database,
                password=access.secrets.database or None, sslmode=options.sslmode, connect_timeout=CONNECT_SECONDS,
                application_name="billing", client_encoding="UTF8", autocommit=True, prepare_threshold=None,
                sslrootcert=authority if options.sslmode.startswith("verify") else None,
            )  # fmt: skip
        except psycopg.Error as error:
            words = " ".join(str(error).split())[:160]
            if any(known in words for known in _REFUSED_WORDS):
                raise Rejected(
                    f"The database of {device.name} does not let us in ({words}); check user name, password, database"
                    " and pg_hba.conf.",
                    "log_in",
                ) from error
            raise Unavailable(f"The database of {device.name} cannot be reached: {words}") from error


@contextmanager
def _certificate(pem: str) -> Iterator[str]:
    """Give libpq the authority as the file it asks for; without one it takes the system's."""
    if not pem:
        yield "system"
        return
    descriptor, path = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(pem)
        yield path
    finally:
        os.unlink(path)


def _trouble(name: str, error: psycopg.Error, stage: str) -> Rejected | Unavailable | OutcomeUnknown:
    """Return what an error of the database means, given how far we had got."""
    words = " ".join((error.diag.message_primary or str(error) or type(error).__name__).split())[:160]
    if isinstance(error, errors.InsufficientPrivilege):
        return Rejected(
            f"The database of {name} does not allow this ({words}); grant it, see docs/radius.md.", "rights"
        )
    if isinstance(error, errors.UndefinedTable | errors.UndefinedColumn | errors.InvalidSchemaName):
        return Rejected(f"{name} has not the tables of FreeRADIUS ({words}); check database and schema.", "tables")
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return Rejected(f"{name} is a copy that takes no changes; enter the database that is copied from.", "replica")
    if stage == "before":
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        if lost or isinstance(error, errors.IntegrityConstraintViolation):
            return Unavailable(f"The database of {name} did not do it: {words}")
        return Rejected(f"The database of {name} does not take this: {words}", "database")
    what = "the rows are written" if stage == "committed" else "nobody knows whether the rows were written"
    return OutcomeUnknown(f"The database of {name} was lost, and {what}: {words}")


def read_tables(talk: Talk, usernames: Iterable[str], group_names: Iterable[str], *, everybody: bool) -> Tables:
    """Return what stands there about some subscribers, and with ``everybody`` about all in the groups: six statements.

    Groups that carry our mark are looked at as well, though no list has their name any more.
    """
    named = talk.inside(sorted(set(usernames)))
    marked = {str(name) for (name,) in talk.rows(_MARKED)}
    groups = sorted({*group_names, *marked})
    found = talk.rows(_MEMBERS_IN, [named, groups]) if everybody else talk.rows(_MEMBERS_OF, [named])
    members = tuple(Membership(talk.outside(name), group, priority) for name, group, priority in found)
    everyone = sorted({*named, *(name for name, _, _ in found)})
    mattering = sorted({*groups, *(member.group for member in members)})
    return Tables(
        members=members,
        replies=tuple(Row(*row) for row in talk.rows(_REPLIES, [mattering])),
        checks=tuple(Row(*row) for row in talk.rows(_CHECKS, [groups])),
        stops=frozenset(talk.outside(name) for (name,) in talk.rows(_STOPS, [everyone])),
    )


def read_sessions(talk: Talk, usernames: Iterable[str]) -> tuple[datetime, dict[str, list[Session]]]:
    """Return the database's own time, and the open sessions of each subscriber that has some."""
    [(now,)] = talk.rows("SELECT clock_timestamp()")
    sessions: dict[str, list[Session]] = {}
    asked = talk.inside(sorted(set(usernames)))
    for key, name, username, nas, address, began_at, session_class in talk.rows(_SESSIONS, [asked]):
        sessions.setdefault(talk.outside(username), []).append(
            Session(
                key=key[:64], id=name, username=talk.outside(username), nas=nas, address=address or "",
                began_at=began_at, session_class=session_class or "",
            )
        )  # fmt: skip
    return now, sessions


def write_members(talk: Talk, groups: Mapping[str, str], priority: int, own: Iterable[str]) -> None:
    """Put each subscriber into one of our groups, or with a blank one into none; rows of others stay."""
    placed = {username: group for username, group in groups.items() if group}
    talk.rows(
        "DELETE FROM radusergroup WHERE username = ANY(%s) AND priority = %s AND groupname = ANY(%s)",
        [talk.inside(groups), priority, sorted(set(own))],
    )
    if placed:
        talk.rows(
            "INSERT INTO radusergroup (username, groupname, priority)"
            " SELECT username, groupname, %s FROM unnest(%s::text[], %s::text[]) AS wanted (username, groupname)",
            [priority, talk.inside(placed), list(placed.values())],
        )


def write_rows(talk: Talk, table: str, groups: Iterable[str], attributes: Iterable[str], rows: Sequence[Row]) -> None:
    """Replace our attributes of some groups in radgroupreply or radgroupcheck; others that stand there stay."""
    talk.rows(
        f"DELETE FROM {table} WHERE groupname = ANY(%s) AND lower(attribute) = ANY(%s)",  # noqa: S608 - one of our two
        [sorted(groups), [name.lower() for name in attributes]],
    )
    fields = ("group", "attribute", "op", "value")
    talk.rows(
        f"INSERT INTO {table} (groupname, attribute, op, value)"  # noqa: S608 - one of our two
        " SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[])",
        [[getattr(row, name) for row in rows] for name in fields],
    )


def drop_foreign(talk: Talk, usernames: Iterable[str], groups: Iterable[str]) -> None:
    """Remove all rows of subscribers in our groups, whoever made them; for taking them over."""
    talk.rows(
        "DELETE FROM radusergroup WHERE username = ANY(%s) AND groupname = ANY(%s)",
        [talk.inside(sorted(set(usernames))), sorted(set(groups))],
    )
