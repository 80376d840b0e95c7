"""The whole program on trial: web and workers on a database and a broker of their own, gone afterwards.

For measurements. Nothing of it touches the rows, the devices, the gateway or the channels of the operator: the database
is a new one on the same server, the broker a new process, and every way out is a simulated one or named by the caller.
"""

import hashlib
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from celery import Celery
from django.conf import settings
from django.core.management import call_command
from django.db import ProgrammingError, connection

from . import embedded, places, serve
from .kernel.clock import monotonic
from .kernel.errors import Refused
from .processes import end_with_parent

PREFIX = "billing_trial"
START_SECONDS = 60
# PostgreSQL's own, an empty one; whoever has a migrated one at hand need not migrate each time.
TEMPLATE = "template1"
# Every way out of the program, so that nothing set for the operator's own is taken over.
SIMULATED = {
    "DEBUG": "", "ALLOWED_HOSTS": "127.0.0.1", "EMAIL_CHANNEL": "simulated", "EMAIL_URL": "",
    "FIELD_ENCRYPTION_KEY": "", "PAYMENT_GATEWAY": "sandbox", "SMS_CHANNEL": "simulated", "STRIPE_API_BASE": "",
    "STRIPE_SECRET_KEY": "", "STRIPE_WEBHOOK_SECRET": "", "VOICE_CHANNEL": "simulated",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trial:
    """A running program: where its web is, and its broker."""

    base: str
    broker: Celery

    def ring(self, task: str) -> None:
        """Wake a task of its workers by name."""
        self.broker.send_task(task, ignore_result=True)


@contextmanager
def scratch_database() -> Iterator[str]:
    """Let this process use a new, migrated database while the block runs; give its name. It is dropped afterwards.

    Raises Refused if the server does not allow that.
    """
    own = str(connection.settings_dict["NAME"])
    name = f"{_mark()}_{os.getpid()}"
    _drop_left_behind()
    try:
        with connection.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}"')
    except ProgrammingError as error:
        raise Refused(
            "no_scratch_database",
            f"A measurement needs a database of its own, and the server does not let us make one ({error}). Give"
            " the user of DATABASE_URL the right CREATEDB, or point DATABASE_URL at a server for trials.",
        ) from error
    try:
        _use(name)
        call_command("migrate", interactive=False, verbosity=0)
        yield name
    finally:
        _use(own)
        _drop(name)


@contextmanager
def copy_of(database: str, name: str) -> Iterator[str]:
    """Let this process use a copy of a database made by `scratch_database` while the block runs; give its name.

    Nothing may be connected to that database. The copy is dropped afterwards, and the first one is in use again.
    """
    copy = f"{_mark()}_{name}_{os.getpid()}"
    _use("postgres")
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{database}"')
    try:
        _use(copy)
        yield copy
    finally:
        _use("postgres")
        _drop(copy)
        _use(database)


@contextmanager
def running(database: str, environment: Mapping[str, str]) -> Iterator[Trial]:
    """Run web and workers (without beat) on a database made by `scratch_database` while the block runs.

    ``environment`` may name a gateway of the caller's own. Raises Refused if they do not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="billing-trial-", dir=places.short_tmp()))
    folder.chmod(0o755)  # as root the broker runs as another user, who must get through
    where = places.temporary_place(folder)
    port = _free_port()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        where.make()
        embedded.start_valkey(where, before_exec=end_with_parent, durable=False)
        stack.callback(embedded.stop_valkey, where)
        base = f"http://{serve.HOST}:{port}"
        told = SIMULATED | dict(environment) | {
            "DATABASE_URL": _url(database), "REDIS_URL": f"unix://{where.valkey_socket}", "PORT": str(port),
            "PUBLIC_BASE_URL": base, "SECRET_KEY": settings.SECRET_KEY,
        }  # fmt: skip
        parts = serve.parts_of(port, beat=False)
        stack.callback(_stop, parts)
        for part in parts:
            # What a worker says as it stops must not get between the lines of an answer.
            part.environment, part.output = part.environment | told, sys.stderr.fileno()
            part.start()
        serve.wait_for_web(parts[0], port)
        broker = Celery("trial", set_as_current=False)
        # The queues and routes of the program, and nothing of its broker.
        broker.config_from_object("django.conf:settings", namespace="CELERY")
        broker.conf.broker_url = f"redis+socket://{where.valkey_socket}"
        stack.callback(broker.close)
        _wait_for_workers(broker, len(parts) - 1)
        yield Trial(base, broker)


def _wait_for_workers(broker: Celery, count: int) -> None:
    give_up_at = monotonic() + START_SECONDS
    while len(broker.control.ping(timeout=1.0)) < count:
        if monotonic() > give_up_at:
            raise Refused("workers", f"The workers do not answer after {START_SECONDS} s; see the lines above.")


def _stop(parts: Sequence[serve.Part]) -> None:
    for part in parts:
        part.ask_to_stop()
    for part in parts:
        part.stop()


def _use(name: str) -> None:
    connection.close()
    settings.DATABASES["default"]["NAME"] = name
    connection.settings_dict["NAME"] = name


def _url(database: str) -> str:
    """Return the address of a database on the server in use, for another process."""
    given = os.environ.get("DATABASE_URL", "").strip()
    if given:
        return urlsplit(given)._replace(path=f"/{database}").geturl()
    own = settings.DATABASES["default"]
    return f"postgres://{own['USER']}@{quote(str(own['HOST']), safe='')}:{own['PORT']}/{database}"


def _mark() -> str:
    host = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
    return f"{PREFIX}_{host}"


def _drop_left_behind() -> None:
    """Drop the databases of trials on this machine whose process was killed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [f"{_mark()}_"])
        names = [str(row[0]) for row in cursor.fetchall()]
    for name in names:
        pid = name.rpartition("_")[2]
        if pid.isdigit() and not _lives(int(pid)):
            _drop(name)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _drop(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((serve.HOST, 0))
        return int(probe.getsockname()[1])
