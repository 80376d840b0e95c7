"""Clones of the work tree, and whole servers started in them as a person would."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from billing_project import places
from tests.house.tree import ROOMS, ROOT, tracked_files

FIRST_START_SECONDS = 150  # the demo has 60 of them; a busy machine gets some slack
START_SECONDS = 15
PATIENCE_SECONDS = 90  # for a start that is not measured, beside whatever else runs
ASKED = (
    "ALLOWED_HOSTS", "DATABASE_URL", "DEBUG", "DJANGO_SETTINGS_MODULE", "FIELD_ENCRYPTION_KEY", "PORT",
    "PROCESS_ROLE", "PUBLIC_BASE_URL", "REDIS_URL", "SECRET_KEY",
)  # fmt: skip


def clean_environment(**more: str) -> dict[str, str]:
    """Return the environment without anything that this test run has set for itself."""
    kept = {name: value for name, value in os.environ.items() if name not in ASKED and not name.startswith("PYTEST")}
    return kept | more


def free_port() -> int:
    """Return a port on which nobody listens at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_clone(folder: Path) -> Path:
    """Copy the work tree (without its tests) as a clone would, with the virtual environment of this run."""
    folder.mkdir(parents=True)
    for file in tracked_files():
        if file.parts[0] == "tests":
            continue
        (folder / file.parent).mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, folder / file)
    (folder / ".venv").symlink_to(Path(sys.prefix))
    return folder


def copy_state(source: Path, target: Path) -> None:
    """Give a clone the data of another one, which must not be running."""
    shutil.rmtree(target / "var", ignore_errors=True)
    subprocess.run(["cp", "-a", str(source / "var"), str(target / "var")], check=True)


def manage(clone: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a management command in a clone."""
    return subprocess.run(
        [clone / ".venv/bin/python", "manage.py", *arguments],
        cwd=clone,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def make_small_town(clone: Path, **environment: str) -> None:
    """Fill the database of a clone with a few accounts, so that its first start need not make the demo."""
    for arguments in (("migrate", "--verbosity", "0"), ("seed_demo", "--accounts", "5", "--months", "1")):
        done = manage(clone, *arguments, **environment)
        assert done.returncode == 0, done.stdout + done.stderr


def row_counts(clone: Path) -> dict[str, int]:
    """Return the number of rows of each table of the rooms, from the embedded database that runs."""
    where = places.place_of.__wrapped__(clone)
    counts = {}
    with psycopg.connect(host=str(where.sockets), port=5432, user="app", dbname="billing") as connection:
        for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            if name.split("_")[0] in ROOMS:
                query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))
                found = connection.execute(query).fetchone()
                counts[name] = int(found[0]) if found else 0
    return counts


def processes_of(clone: Path, pattern: str = "") -> list[int]:
    """Return the processes whose command line names the clone (and matches the pattern)."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = os.fsdecode((entry / "cmdline").read_bytes().replace(b"\0", b" "))
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if f"{clone}/" in words and state != "Z" and re.search(pattern, words):
            found.append(int(entry.name))
    return found


def wait_until(reached: Any, seconds: float, what: str) -> float:
    """Wait until something is so, and return how long it took."""
    started = time.monotonic()
    while not reached():
        assert time.monotonic() - started < seconds, f"waited {seconds} s in vain until {what}"
        time.sleep(0.1)
    return time.monotonic() - started


@dataclass
class Server:
    """A whole server in a clone, as script/server runs it."""

    clone: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[str] | None" = None
    seconds: float = 0.0

    def launch(self, *, environment: dict[str, str] | None = None, **more: Any) -> None:
        """Start it and do not wait."""
        with self._log.open("w") as output:
            self.process = subprocess.Popen(
                ["script/server"],
                cwd=self.clone,
                env=clean_environment(PORT=str(self.port)) | (environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                **more,
            )

    def start(self, *, seconds: float = PATIENCE_SECONDS, **more: Any) -> "Server":
        """Start it and wait for the line that says it is ready."""
        started = time.monotonic()
        self.launch(**more)
        try:
            wait_until(lambda: "\nReady." in self.read() or self.ended(), seconds, "the server is ready")
        except AssertionError:
            self.kill_everything()
            raise AssertionError(self.read()) from None
        assert not self.ended(), self.read()
        self.seconds = time.monotonic() - started
        return self

    def read(self) -> str:
        """Return what it has said so far."""
        return self._log.read_text()

    def ended(self) -> bool:
        """Tell whether script/server has ended."""
        return self.process is None or self.process.poll() is not None

    @property
    def _log(self) -> Path:
        return self.clone.parent / f"{self.clone.name}.log"

    def get(self, path: str) -> tuple[int, str]:
        """Ask for a page; status 0 means that nobody answered."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
        except OSError:
            return 0, ""

    def ready(self) -> bool:
        """Tell whether it says that database and broker are fine."""
        status, body = self.get("/readyz")
        return status == 200 and json.loads(body) == {"status": "ok", "database": "ok", "broker": "ok"}

    def stop(self, number: int = signal.SIGINT) -> int:
        """Press Ctrl-C and wait for the end."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(90)

    def kill_everything(self) -> None:
        """Kill the supervisor and all that belongs to the clone, without any warning."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
        for pid in processes_of(self.clone):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
