"""DATABASE_URL and REDIS_URL point the program at servers of the machine's own, here Debian's."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.servers import (
    Server,
    free_port,
    make_clone,
    make_small_town,
    manage,
    wait_until,
)

pytestmark = pytest.mark.server

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
REDIS = shutil.which("redis-server")


@pytest.fixture(scope="module")
def servers(shelf: Path) -> Iterator[dict[str, str]]:
    """Debian's PostgreSQL and Redis on ports of their own, and the variables that name them."""
    if not POSTGRES or not REDIS:
        pytest.skip("Debian's postgresql and redis-server are not installed (.ci/run installs them)")
    folder = Path(tempfile.mkdtemp(prefix="servers-", dir=shelf))
    user: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "nobody")
        user |= {"user": "nobody", "extra_groups": []}
    programs, data = POSTGRES[-1].parent, folder / "data"
    with (folder / "password").open("w") as password:
        password.write("pass/word")
    initdb = [programs / "initdb", "-D", data, "-U", "billing", "-A", "scram-sha-256"]
    subprocess.run([*initdb, "--pwfile", folder / "password"], check=True, **user)
    ports = free_port(), free_port()
    running = [
        subprocess.Popen(
            [
                programs / "postgres",
                "-D",
                data,
                "-p",
                str(ports[0]),
                "-c",
                f"unix_socket_directories={folder}",
            ],
            **user,
        ),
        subprocess.Popen([REDIS, "--port", str(ports[1]), "--bind", "127.0.0.1", "--dir", folder], **user),
    ]
    yield {
        "DATABASE_URL": f"postgres://billing:pass%2Fword@127.0.0.1:{ports[0]}/postgres",
        "REDIS_URL": f"redis://127.0.0.1:{ports[1]}/3",
    }
    for process in running:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def test_the_whole_program_runs_on_them(servers: dict[str, str], shelf: Path) -> None:
    clone = make_clone(shelf / "on-other-servers")
    wait_until(_answers(clone, servers), 90, "PostgreSQL answers")
    make_small_town(clone, **servers)
    server = Server(clone).start(environment=servers)
    try:
        assert server.ready()
        assert server.get("/admin/login/")[0] == 200
        done = manage(clone, "check_invariants", **servers)
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        assert server.stop() == 0
    assert not (clone / "var" / "postgres").exists(), "no embedded server was made"


def _answers(clone: Path, servers: dict[str, str]) -> Callable[[], bool]:
    return lambda: manage(clone, "migrate", "--check", **servers).stderr.find("cannot be used") < 0
