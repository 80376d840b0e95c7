"""Run the whole program: servers, web, worker and beat, until Ctrl-C; standard library only.

One supervisor, no threads. A part that dies is started again and named. If the
supervisor itself is killed, the kernel ends its children (processes.py); the
embedded servers stay, and the next start finds and uses them.
"""

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import ModuleType

from . import embedded
from .kernel.errors import Refused
from .places import CHECKOUT, Place
from .processes import end_with_parent

HOST = "127.0.0.1"
POLL_SECONDS = 0.5
# A killed web server needs a moment to let go of its port.
PORT_SECONDS = 4
STOP_SECONDS = 30
# A part that dies again sooner than this is started again only after a pause that doubles.
STEADY_SECONDS = 20
PAUSE_SECONDS_MAX = 30.0


@dataclass(slots=True)
class Part:
    """One process of ours, and when to start it (again)."""

    name: str
    command: list[str]
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    start_at: float = 0.0
    pause: float = 0.5
    environment: dict[str, str] = field(default_factory=dict)
    output: int | None = None

    def start(self) -> None:
        """Start the process so that it ends with the supervisor, and apart from the terminal's Ctrl-C."""
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            self.command,
            cwd=CHECKOUT,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            start_new_session=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509 - one prctl call, no locks taken
        )

    def look(self) -> None:
        """Start the process again if it has died and its pause is over."""
        now = time.monotonic()
        if self.process is not None:
            code = self.process.poll()
            if code is None:
                return
            lived = now - self.started_at
            self.pause = 0.5 if lived > STEADY_SECONDS else min(self.pause * 2, PAUSE_SECONDS_MAX)
            say(f"{self.name} ended ({_ending(code)}); starting it again in {self.pause:g} s")
            self.process, self.start_at = None, now + self.pause
        elif now >= self.start_at:
            self.start()

    def ask_to_stop(self) -> None:
        """Ask the process to finish what it is doing and end."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def stop(self) -> None:
        """Wait until the process has ended, and end it if it does not."""
        if self.process is None:
            return
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            say(f"{self.name} does not end; killing it")
            self.process.kill()
            self.process.wait()


def say(words: str) -> None:
    """Tell the person at the terminal."""
    print(words, flush=True)


def main() -> int:
    """Run until Ctrl-C; return the exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        settings = _settings()
        _require_free_port(settings.PORT)
        with ExitStack() as stack:
            where: Place = settings.PLACE
            stack.enter_context(_only_server(where))
            database, broker = settings.EMBEDDED_DATABASE, settings.EMBEDDED_BROKER
            if database or broker:
                if where.state != CHECKOUT / "var":
                    say(f"State folder (data, logs): {where.state}")
                stack.enter_context(embedded.keep(where, broker=broker, database=database))
            for step in _steps(production=settings.PRODUCTION):
                code = _manage(*step)
                if code:
                    return code
            _run(settings, where, database=database, broker=broker)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    say("Stopped.")
    return 0


def _steps(*, production: bool) -> list[list[str]]:
    """Return the commands that come before the start; production gets its static files, not the demo."""
    last = ["collectstatic", "--noinput", "--verbosity", "0"] if production else ["seed_demo", "--if-empty"]
    return [["migrate", "--noinput", "--verbosity", "0"], last]


def _run(settings: ModuleType, where: Place, *, database: bool, broker: bool) -> None:
    port, base = settings.PORT, settings.PUBLIC_BASE_URL
    parts = parts_of(port)
    try:
        for part in parts:
            part.start()
        wait_for_web(parts[0], port)
        say(f"Admin:  {base}/admin/")
        say(f"Portal: {base}/portal/")
        say("Ready. Ctrl-C stops everything.")
        looked_at = time.monotonic()
        while True:
            time.sleep(POLL_SECONDS)
            for part in parts:
                part.look()
            if (database or broker) and time.monotonic() - looked_at > 2:
                _revive(where, database=database, broker=broker)
                looked_at = time.monotonic()
    finally:
        # A second Ctrl-C must not leave half of it running.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        say("Stopping ...")
        for part in parts:
            part.ask_to_stop()
        for part in parts:
            part.stop()


def parts_of(port: int, *, beat: bool = True) -> list[Part]:
    """Return the processes that make up the program: the web, the worker with beat, and the one for restores."""
    python = [sys.executable, "-m"]
    web = [
        *python, "gunicorn", "billing_project.wsgi", "--bind", f"{HOST}:{port}",
        "--workers", "2", "--threads", "4", "--worker-tmp-dir", _memory_folder(),
        "--log-level", "warning", "--graceful-timeout", "10", "--no-control-socket",
    ]  # fmt: skip
    # Where both want the processor, whoever has paid goes first: sweeps are the ones that can wait.
    worker = ["nice", "-n", "10", *_worker("worker", "payments,notices,sweeps,reports", threads=2)]
    if beat:
        worker += ["-B", "--scheduler", "celery.beat:Scheduler"]
    # Whoever has paid is freed here, and waits for no sweep, no letter and no charge.
    restores = _worker("restores", "restore,webhooks", threads=3)
    # As root Celery warns against code in messages; ours are JSON only. What it means to change in its
    # next major version is not for the person at this terminal either.
    quiet = {"PYTHONWARNINGS": "ignore:You're running the worker,ignore::PendingDeprecationWarning"}
    return [
        Part("web", web),
        Part("worker", worker, environment=quiet),
        Part("worker for restores", restores, environment=quiet),
    ]


def _worker(name: str, queues: str, *, threads: int) -> list[str]:
    return [
        sys.executable, "-m", "celery", "--quiet", "-A", "billing_project", "worker", "--loglevel", "WARNING",
        "-P", "threads", "-c", str(threads), "-n", f"{name}@%h", "-Q", queues, "--without-gossip", "--without-mingle",
    ]  # fmt: skip


def _memory_folder() -> str:
    # gunicorn's workers show there that they live; on a slow disk that would block them.
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()  # noqa: S108


def _revive(where: Place, *, database: bool, broker: bool) -> None:
    try:
        for name in embedded.revive(where, broker=broker, database=database):
            say(f"{name} had died and was started again")
    except Refused as refused:
        say(str(refused))


def wait_for_web(web: Part, port: int) -> None:
    """Wait until the web answers on its port; raises Refused if it ended or does not."""
    give_up_at = time.monotonic() + 60
    while time.monotonic() < give_up_at:
        if web.process is not None and web.process.poll() is not None:
            raise Refused(
                "web",
                f"The web server ended at once ({_ending(web.process.returncode)}); see the lines above.",
            )
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.1)
    raise Refused("web", f"The web server does not answer on {HOST}:{port} after 60 s; see the lines above.")


def _require_free_port(port: int) -> None:
    give_up_at = time.monotonic() + PORT_SECONDS
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE and time.monotonic() < give_up_at:
                    time.sleep(0.25)
                    continue
                raise Refused(
                    "port",
                    f"Port {port} on {HOST} cannot be used ({os.strerror(error.errno or 0)});"
                    f" stop what listens there or choose another: PORT={min(port, 65534) + 1} script/server",
                ) from error
        return


@contextmanager
def _only_server(where: Place) -> Iterator[None]:
    """Hold the lock of the one server of this state folder; two would mean two beats."""
    where.make()
    with embedded.lock_file(where, "server.lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(
                "running",
                f"This checkout's server is running already (process {lock.read().strip()});"
                " stop that one first, or use another clone.",
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _manage(*arguments: str) -> int:
    """Run a management command to its end; a Ctrl-C stops it first."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=end_with_parent,  # noqa: PLW1509 - one prctl call, no locks taken
    )
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise


def _settings() -> ModuleType:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_project.settings")
    from . import settings

    return settings


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return f"killed by {signal.Signals(-code).name}"


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
