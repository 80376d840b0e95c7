"""script/server keeps what contract.md promises about it: start, stop, kill, start again, nothing lost."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from billing_project import places
from tests.faults.servers import (
    FIRST_START_SECONDS,
    PATIENCE_SECONDS,
    START_SECONDS,
    Server,
    copy_state,
    make_clone,
    make_small_town,
    processes_of,
    row_counts,
    wait_until,
)

# script/test gives each file to one worker, so these run one after the other.
pytestmark = pytest.mark.server

AS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def town(shelf: Path) -> Path:
    """A clone with the demo's data, whose very first start was killed and whose second one was not."""
    clone = make_clone(shelf / "town")
    first = Server(clone)
    first.launch()
    wait_until(
        lambda: first.read().count("Making the demo operator") > 1 or first.ended(),
        PATIENCE_SECONDS,
        "the demo is being made",
    )
    assert not first.ended(), first.read()
    first.kill_everything()
    server = Server(clone).start(seconds=FIRST_START_SECONDS)
    try:
        said = server.read()
        assert f"http://127.0.0.1:{server.port}/admin/" in said
        assert f"http://127.0.0.1:{server.port}/portal/" in said
        assert server.ready()
        assert server.get("/admin/login/")[0] == 200
        assert server.get("/healthz")[0] == 200
        assert len(processes_of(clone, "celery")) == 3, "a worker and its beat, and one that frees lines"
        assert sum(row_counts(clone).values()) > 0
    finally:
        code = server.stop()
    assert code == 0
    assert processes_of(clone) == []
    return clone


def _of_town(town: Path, clone: Path) -> Server:
    make_clone(clone)
    copy_state(town, clone)
    return Server(clone)


def _kill_and_wait(server: Server, pattern: str) -> None:
    victim = min(processes_of(server.clone, pattern))
    os.kill(victim, signal.SIGKILL)

    def is_back() -> bool:
        # An answer alone proves nothing: it could come from what the victim left behind.
        return bool(set(processes_of(server.clone, pattern)) - {victim}) and server.ready()

    wait_until(is_back, PATIENCE_SECONDS, f"{pattern} is back")


def _lost(before: dict[str, int], after: dict[str, int]) -> dict[str, tuple[int, int]]:
    return {name: (count, after.get(name, 0)) for name, count in before.items() if after.get(name, 0) < count}


def test_the_second_start_is_quick_and_nothing_is_lost(town: Path) -> None:
    server = Server(town).start()
    before = row_counts(town)
    assert server.stop() == 0
    server = Server(town).start()
    try:
        print(f"second start: {server.seconds:.1f} s (bar {START_SECONDS})")
        assert server.seconds < 2 * START_SECONDS
        assert _lost(before, row_counts(town)) == {}
    finally:
        assert server.stop(signal.SIGTERM) == 0
    assert processes_of(town) == []


def test_a_part_that_is_killed_comes_back(town: Path) -> None:
    server = Server(town).start()
    before = row_counts(town)
    try:
        for pattern in ("gunicorn", "celery", "bin/postgres -D", "valkey-server"):
            _kill_and_wait(server, pattern)
        wait_until(
            lambda: len(processes_of(town, "celery")) == 3, PATIENCE_SECONDS, "there are two workers and one beat again"
        )
        assert _lost(before, row_counts(town)) == {}
    finally:
        server.stop()
    assert processes_of(town) == []


def test_after_kill_9_of_the_supervisor_nothing_of_ours_runs_on_and_the_next_start_finds_all(
    town: Path,
) -> None:
    server = Server(town).start()
    before = row_counts(town)
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    wait_until(lambda: not processes_of(town, "gunicorn|celery"), PATIENCE_SECONDS, "web, worker and beat have ended")
    assert server.get("/healthz")[0] == 0
    server = Server(town, server.port).start()
    try:
        assert _lost(before, row_counts(town)) == {}
    finally:
        server.stop()


def test_after_kill_9_of_everything_at_once_nothing_is_lost(town: Path) -> None:
    server = Server(town).start()
    before = row_counts(town)
    server.kill_everything()
    server = Server(town, server.port).start()
    try:
        assert server.ready()
        assert _lost(before, row_counts(town)) == {}
    finally:
        assert server.stop() == 0


def test_two_checkouts_at_once_one_with_a_space_and_one_with_a_long_path(town: Path, shelf: Path) -> None:
    spaced = _of_town(town, shelf / "a town with spaces")
    deep = _of_town(town, shelf / ("deep" * 25) / ("down" * 20))
    try:
        spaced.start()
        deep.start()
        assert spaced.ready()
        assert deep.ready()
        assert spaced.stop() == 0
        assert deep.ready()
    finally:
        for server in (spaced, deep):
            if server.process and server.process.poll() is None:
                assert server.stop() == 0
            # The short folder for their sockets lies outside of the shelf.
            where = places.place_of.__wrapped__(server.clone)
            if not where.sockets.is_relative_to(shelf):
                shutil.rmtree(where.sockets)
    assert processes_of(shelf) == []


@pytest.mark.skipif(not AS_ROOT, reason="only root starts servers as another user")
def test_as_root_in_a_private_folder_the_state_goes_elsewhere(shelf: Path) -> None:
    private = shelf / "private"
    private.mkdir(mode=0o700)
    server = Server(make_clone(private / "town"))
    where = None
    try:
        make_small_town(server.clone)
        server.start()
        where = places.place_of.__wrapped__(server.clone)
        assert not where.state.is_relative_to(private)
        assert str(where.state) in server.read()
        assert server.ready()
        assert server.stop() == 0
        assert (private.stat().st_mode & 0o777) == 0o700
        assert Server(server.clone, server.port).start().stop() == 0
    finally:
        server.kill_everything()
        if where:
            for pid in processes_of(where.state):
                os.kill(pid, signal.SIGKILL)
            shutil.rmtree(where.state)


@pytest.mark.skipif(not AS_ROOT, reason="where tests do not run as root, all the others are this one")
def test_as_an_ordinary_user(town: Path, shelf: Path) -> None:
    python = _reachable_python()
    if python is None:
        pytest.skip("no Python of this version that other users may run")
    nobody = pwd.getpwnam("nobody")
    clone = shelf / "of an ordinary user"
    server = _of_town(town, clone)
    # A virtual environment of a Python that this user may run, with the packages of this one.
    (clone / ".venv").unlink()
    subprocess.run([python, "-m", "venv", "--without-pip", clone / ".venv"], check=True)
    folder = next((clone / ".venv").glob("lib/python*/site-packages"))
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    (folder / "packages.pth").write_text(packages + "\n")
    shutil.copy(Path(sys.prefix) / "installed.json", clone / ".venv")
    subprocess.run(["chown", "-R", f"{nobody.pw_uid}:{nobody.pw_gid}", clone], check=True)
    log = clone.parent / f"{clone.name}.log"
    log.touch()
    try:
        server.start(
            environment={"HOME": str(clone), "PATH": "/usr/local/bin:/usr/bin:/bin"},
            user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[],
        )  # fmt: skip
        assert server.ready()
        assert sum(row_counts(clone).values()) > 0
        assert server.stop() == 0
    finally:
        server.kill_everything()
        where = places.place_of.__wrapped__(clone)
        if not where.sockets.is_relative_to(shelf):
            shutil.rmtree(where.sockets, ignore_errors=True)


def _reachable_python() -> Path | None:
    """Return a Python of our version that ``nobody`` can run, with packages that it can read."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    for program in (Path("/usr/bin") / name, Path("/usr/local/bin") / name):
        tried = subprocess.run(
            [program, "-c", f"import sys; sys.path.append({packages!r}); import venv, django, psycopg"],
            user="nobody", group=pwd.getpwnam("nobody").pw_gid, extra_groups=[],
            capture_output=True, check=False, cwd="/",
        ) if program.exists() else None  # fmt: skip
        if tried and tried.returncode == 0:
            return program
    return None
