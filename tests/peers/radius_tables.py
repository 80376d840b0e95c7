"""An operator's RADIUS database: a second one in the test run's own cluster, with a schema for each use."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import Any

import psycopg
from django.conf import settings
from psycopg import sql

# As far as we use them; the tests with a real FreeRADIUS take its own.
_TABLES = """
CREATE TABLE radusergroup (id serial PRIMARY KEY, username text NOT NULL DEFAULT '', groupname text NOT NULL DEFAULT '',
    priority integer NOT NULL DEFAULT 0);
CREATE TABLE radgroupreply (id serial PRIMARY KEY, groupname text NOT NULL DEFAULT '',
    attribute text NOT NULL DEFAULT '', op varchar(2) NOT NULL DEFAULT '=', value text NOT NULL DEFAULT '');
CREATE TABLE radgroupcheck (id serial PRIMARY KEY, groupname text NOT NULL DEFAULT '',
    attribute text NOT NULL DEFAULT '', op varchar(2) NOT NULL DEFAULT '==', value text NOT NULL DEFAULT '');
CREATE TABLE radreply (id serial PRIMARY KEY, username text NOT NULL DEFAULT '', attribute text NOT NULL DEFAULT '',
    op varchar(2) NOT NULL DEFAULT '=', value text NOT NULL DEFAULT '');
CREATE TABLE radcheck (id serial PRIMARY KEY, username text NOT NULL DEFAULT '', attribute text NOT NULL DEFAULT '',
    op varchar(2) NOT NULL DEFAULT '==', value text NOT NULL DEFAULT '');
CREATE TABLE radacct (radacctid bigserial PRIMARY KEY, acctsessionid text NOT NULL, acctuniqueid text NOT NULL UNIQUE,
    username text, nasipaddress inet NOT NULL, acctstarttime timestamptz, acctstoptime timestamptz,
    framedipaddress inet, class text);
"""
_numbers = count(1)


@dataclass
class Operator:
    """One schema of tables, and an open connection to look into them."""

    database: str
    schema: str
    connection: psycopg.Connection[Any] = field(repr=False)

    def run(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def subscriber(self, username: str, plan: str = "Plan-20M", password: str = "pw", priority: int = 1) -> None:
        """Make a paying subscriber of a plan."""
        self.run("INSERT INTO radcheck (username, attribute, op, value) VALUES (%s, 'Cleartext-Password', ':=', %s)",
                 username, password)  # fmt: skip
        self.member(username, plan, priority)

    def member(self, username: str, group: str, priority: int = 1) -> None:
        """Put a subscriber into a group by hand."""
        self.run(
            "INSERT INTO radusergroup (username, groupname, priority) VALUES (%s, %s, %s)", username, group, priority
        )

    def reply(self, group: str, attribute: str, value: str, op: str = "=") -> None:
        """Let a group reply something."""
        self.run("INSERT INTO radgroupreply (groupname, attribute, op, value) VALUES (%s, %s, %s, %s)",
                 group, attribute, op, value)  # fmt: skip

    def session(self, username: str, key: str, *, nas: str = "127.0.0.1", age: str = "1 hour", mark: str = "") -> None:
        """Open a session in accounting, so old."""
        self.run(
            "INSERT INTO radacct (acctsessionid, acctuniqueid, username, nasipaddress, acctstarttime, framedipaddress,"
            " class) VALUES (%s, %s, %s, %s, clock_timestamp() - %s::interval, '100.64.0.7', nullif(%s, ''))",
            f"id-{key}", key, username, nas, age, mark,
        )  # fmt: skip

    def members(self) -> set[tuple[str, str, int]]:
        """Return all rows of radusergroup; fails if one is there twice."""
        rows = self.run("SELECT username, groupname, priority FROM radusergroup")
        assert len(rows) == len(set(rows)), rows
        return set(rows)  # type: ignore[arg-type]

    def replies(self, group: str) -> dict[str, str]:
        """Return what a group replies, as attribute: "op value"."""
        found = self.run("SELECT attribute, op, value FROM radgroupreply WHERE groupname = %s", group)
        assert len(found) == len({row[0] for row in found}), found
        return {name: f"{op} {value}" for name, op, value in found}


def sockets() -> str:
    """Return the folder of the cluster's socket, which is the host of a device."""
    return str(settings.DATABASES["default"]["HOST"])


def connect(database: str, **more: Any) -> psycopg.Connection[Any]:
    """Open a connection to the cluster."""
    return psycopg.connect(
        host=sockets(), user=more.pop("user", settings.DATABASES["default"]["USER"]), dbname=database, autocommit=True,
        **more,
    )  # fmt: skip


@lru_cache(maxsize=1)
def operators_database() -> str:
    """Return this process's own second database; it ends with the cluster, when the run ends."""
    return new_database("operator")


def new_database(what: str) -> str:
    """Make a database in the run's cluster and return its name."""
    from django.db import connection

    name = f"{connection.settings_dict['NAME']}_{what}_{next(_numbers)}"
    with connect("postgres") as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return name


@contextmanager
def operator() -> Iterator[Operator]:
    """Give a fresh schema with empty tables, and take it away again."""
    database, schema = operators_database(), f"s{next(_numbers)}"
    with connect(database) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema)))
        connection.execute(_TABLES)  # type: ignore[arg-type]
        yield Operator(database, schema, connection)
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
