"""A real FreeRADIUS on loopback ports of its own: log-ins, accounting, and a listener that plays the client for CoA.

Its tables are the package's own, in a second database of the test run's cluster. ``skip_reason()`` says what lacks.
"""

import io
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from pyrad import packet
from pyrad.client import Client, Timeout
from pyrad.dictionary import Dictionary

from billing_project.processes import end_with_parent
from tests.peers.radius_tables import Operator, connect, new_database, sockets

SECRET = b"login-secret"
STOCK = Path("/etc/freeradius/3.0/mods-config/sql/main/postgresql")
START_SECONDS = 20
_DICTIONARY = """
ATTRIBUTE User-Name 1 string
ATTRIBUTE User-Password 2 string encrypt=1
ATTRIBUTE NAS-IP-Address 4 ipaddr
ATTRIBUTE Framed-IP-Address 8 ipaddr
ATTRIBUTE Class 25 octets
ATTRIBUTE Acct-Status-Type 40 integer
ATTRIBUTE Acct-Session-Id 44 string
ATTRIBUTE Framed-Pool 88 string
ATTRIBUTE Message-Authenticator 80 octets
VENDOR Mikrotik 14988
BEGIN-VENDOR Mikrotik
ATTRIBUTE Mikrotik-Rate-Limit 8 string
ATTRIBUTE Mikrotik-Address-List 19 string
END-VENDOR Mikrotik
"""
# What docs/radius.md tells operators who want log-ins to go on without the database.
FAIL_OPEN = {
    "authorize": """
    sql {
      fail = 1
    }
    if (fail) {
      update control {
        &Auth-Type := Accept
      }
      ok
    }""",
    "post-auth": """
    sql {
      fail = 1
    }
    ok""",
}
_HALF_OPEN = {"authorize": FAIL_OPEN["authorize"], "post-auth": "\n    sql"}
_CLOSED = {"authorize": "\n    sql", "post-auth": "\n    sql"}
MODES = {"closed": _CLOSED, "half": _HALF_OPEN, "open": FAIL_OPEN}


def skip_reason() -> str:
    """Return what is missing for a real FreeRADIUS; blank if nothing is."""
    if shutil.which("freeradius") is None:
        return "freeradius is not installed (Debian: freeradius freeradius-postgresql)"
    return "" if (STOCK / "schema.sql").exists() else "FreeRADIUS's PostgreSQL schema is not readable here"


@dataclass
class Rig:
    """A running FreeRADIUS, and the operator's hands on its tables."""

    tables: Operator
    login_port: int
    accounting_port: int
    coa_port: int
    client: Client = field(repr=False)

    def log_in(self, username: str, password: str = "pw") -> tuple[str, dict[str, Any]]:
        """Try to log in; return accept, reject or silence, and what was replied."""
        request = self.client.CreateAuthPacket(User_Name=username, NAS_IP_Address="127.0.0.1")
        request["User-Password"] = request.PwCrypt(password)
        try:
            reply = self.client.SendPacket(request)
        except Timeout:
            return "silence", {}
        told = {key: reply[key][0] for key in reply.keys() if isinstance(key, str)}  # noqa: SIM118 - a packet is no dict
        told.pop("Message-Authenticator", None)
        return {packet.AccessAccept: "accept", packet.AccessReject: "reject"}[reply.code], told

    def start_session(self, username: str, session: str, session_class: bytes = b"") -> None:
        """Tell by accounting that a session has begun, as a client does after a log-in."""
        request = self.client.CreateAcctPacket(
            User_Name=username, NAS_IP_Address="127.0.0.1", Acct_Session_Id=session, Framed_IP_Address="100.64.0.9"
        )
        request["Acct-Status-Type"] = 1
        if session_class:
            request["Class"] = session_class
        self.client.SendPacket(request)

    @contextmanager
    def database_down(self) -> Iterator[None]:
        """Let nobody into the database for the block, and end who is in it."""
        name = sql.Identifier(self.tables.database)
        with connect("postgres") as admin:
            admin.execute(sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false").format(name))
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [self.tables.database]
            )
            try:
                yield
            finally:
                admin.execute(sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true").format(name))
                self.tables.connection = connect(self.tables.database)


@contextmanager
def freeradius(folder: Path, mode: str = "closed") -> Iterator[Rig]:
    """Run FreeRADIUS on a fresh database for the block; raises RuntimeError with its own words if it does not start."""
    database = new_database("freeradius")
    with ExitStack() as stack:
        connection = stack.enter_context(connect(database))
        connection.execute((STOCK / "schema.sql").read_text())  # type: ignore[arg-type]
        ports = [_free_port() for _ in range(3)]
        _configure(folder, database, ports, mode)
        client = Client(
            "127.0.0.1", authport=ports[0], acctport=ports[1], secret=SECRET, dict=Dictionary(io.StringIO(_DICTIONARY)),
            retries=1, timeout=3,
        )  # fmt: skip
        stack.callback(client._CloseSocket)
        rig = Rig(Operator(database, "public", connection), *ports, client=client)
        log = stack.enter_context((folder / "output.log").open("wb"))
        process = subprocess.Popen(
            ["freeradius", "-f", "-l", "stdout", "-d", str(folder), "-n", "radiusd"],
            stdout=log, stderr=log, preexec_fn=end_with_parent,  # noqa: PLW1509 - one prctl call
            env={**os.environ, "PGCONNECT_TIMEOUT": "2"},
        )  # fmt: skip
        stack.callback(process.wait, 10)
        stack.callback(process.terminate)
        _wait_until_ready(rig, process, folder / "output.log")
        yield rig
        if not rig.tables.connection.closed:
            rig.tables.connection.close()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(rig: Rig, process: "subprocess.Popen[bytes]", log: Path) -> None:
    client = Client("127.0.0.1", authport=rig.login_port, secret=SECRET, dict=rig.client.dict, retries=1, timeout=0.2)
    with ExitStack() as stack:
        stack.callback(client._CloseSocket)
        for _ in range(START_SECONDS * 5):
            if process.poll() is not None:
                break
            try:
                client.SendPacket(client.CreateAuthPacket(code=packet.StatusServer))
            except Timeout:
                continue
            return
    raise RuntimeError(f"FreeRADIUS does not answer: {log.read_text(errors='replace')[-1500:]}")


def _configure(folder: Path, database: str, ports: list[int], mode: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # The package's queries, with the column Class switched on as its own comment there says.
    queries = re.sub(r'(column_name|packet_xlat|reply_xlat) =\s*# "', r'\1 = "', (STOCK / "queries.conf").read_text())
    (folder / "queries.conf").write_text(queries)
    (folder / "dictionary").write_text("")
    user = psycopg.conninfo.conninfo_to_dict(f"user={_user()}")["user"]
    server = _SERVER.format(
        folder=folder, secret=SECRET.decode(), sockets=sockets(), user=user, database=database, login=ports[0],
        accounting=ports[1], coa=ports[2], authorize=MODES[mode]["authorize"], post_auth=MODES[mode]["post-auth"],
        **_QUERIES,
    )  # fmt: skip
    (folder / "radiusd.conf").write_text(server)


def _user() -> str:
    from django.conf import settings

    return str(settings.DATABASES["default"]["USER"])


_THIS = "acctstoptime IS NULL AND username = '%{User-Name}' AND acctsessionid = '%{Acct-Session-Id}'"
_QUERIES = {
    "known": f"SELECT count(*) FROM radacct WHERE {_THIS} AND connectinfo_stop IS DISTINCT FROM 'gone'",
    "end": f"UPDATE radacct SET acctstoptime = now() WHERE {_THIS}",
    "change": f"UPDATE radacct SET connectinfo_stop = '%{{Mikrotik-Rate-Limit}}' WHERE {_THIS}",
}
_SERVER = """
prefix = /usr
localstatedir = {folder}
logdir = {folder}
raddbdir = {folder}
run_dir = {folder}
libdir = /usr/lib/freeradius
name = rig
pidfile = {folder}/radiusd.pid
max_request_time = 10
cleanup_delay = 1
max_requests = 4096
hostname_lookups = no
log {{
  destination = stdout
}}
security {{
  max_attributes = 200
  reject_delay = 0
  status_server = yes
}}
client loopback {{
  ipaddr = 127.0.0.0/8
  secret = {secret}
  require_message_authenticator = no
}}
thread pool {{
  start_servers = 2
  max_servers = 4
  min_spare_servers = 1
  max_spare_servers = 2
  max_requests_per_server = 0
}}
modules {{
  pap {{
  }}
  expr {{
  }}
  always ok {{
    rcode = ok
  }}
  always reject {{
    rcode = reject
  }}
  sql {{
    driver = "rlm_sql_postgresql"
    dialect = "postgresql"
    server = "{sockets}"
    login = "{user}"
    radius_db = "{database}"
    acct_table1 = "radacct"
    acct_table2 = "radacct"
    postauth_table = "radpostauth"
    authcheck_table = "radcheck"
    groupcheck_table = "radgroupcheck"
    authreply_table = "radreply"
    groupreply_table = "radgroupreply"
    usergroup_table = "radusergroup"
    client_table = "nas"
    group_attribute = "SQL-Group"
    read_clients = no
    pool {{
      start = 1
      min = 1
      max = 4
      spare = 1
      uses = 0
      retry_delay = 1
      lifetime = 0
      idle_timeout = 0
    }}
    $INCLUDE {folder}/queries.conf
  }}
}}
server default {{
  listen {{
    type = auth
    ipaddr = 127.0.0.1
    port = {login}
  }}
  listen {{
    type = acct
    ipaddr = 127.0.0.1
    port = {accounting}
  }}
  authorize {{{authorize}
    pap
  }}
  authenticate {{
    Auth-Type PAP {{
      pap
    }}
  }}
  preacct {{
    update request {{
      &Acct-Unique-Session-Id := "%{{md5:%{{User-Name}},%{{Acct-Session-ID}},%{{NAS-IP-Address}}}}"
    }}
    ok
  }}
  accounting {{
    sql
  }}
  post-auth {{{post_auth}
    Post-Auth-Type REJECT {{
      sql {{
        fail = 1
      }}
    }}
  }}
}}
server client {{
  listen {{
    type = coa
    ipaddr = 127.0.0.1
    port = {coa}
    virtual_server = client
  }}
  recv-coa {{
    update control {{
      &Tmp-Integer-0 := "%{{sql:{known}}}"
    }}
    if (&control:Tmp-Integer-0 == 0) {{
      update reply {{
        &Error-Cause := Session-Context-Not-Found
      }}
      reject
    }}
    elsif (&Packet-Type == Disconnect-Request) {{
      update control {{
        &Tmp-Integer-1 := "%{{sql:{end}}}"
      }}
      ok
    }}
    elsif (&Mikrotik-Rate-Limit) {{
      update control {{
        &Tmp-Integer-1 := "%{{sql:{change}}}"
      }}
      ok
    }}
    else {{
      update reply {{
        &Error-Cause := Missing-Attribute
      }}
      reject
    }}
  }}
  send-coa {{
    ok
  }}
}}
"""
