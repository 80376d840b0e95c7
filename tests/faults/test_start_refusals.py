"""What cannot start says so in one line: what, where, how to mend."""

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.faults.servers import clean_environment, free_port, make_clone, manage

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def clone(shelf: Path) -> Path:
    """A clone that nobody has started yet."""
    return make_clone(shelf / "refusals")


def _start(clone: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["script/server"], cwd=clone, env=clean_environment(**environment), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def _one_line(said: str) -> str:
    lines = said.strip().splitlines()
    assert len(lines) == 1, said
    return lines[0]


def test_a_port_in_use(clone: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = _start(clone, PORT=str(port))
    line = _one_line(done.stderr)
    assert done.returncode == 1
    assert f"Port {port}" in line
    assert "PORT=" in line
    assert not (clone / "var" / "postgres").exists(), "nothing was half done"


def test_data_of_another_major_of_postgres(clone: Path) -> None:
    data = clone / "var" / "postgres"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("17\n")
    try:
        for done in (
            _start(clone, PORT=str(free_port())),
            manage(clone, "check_invariants"),
            manage(clone, "migrate"),
        ):
            line = _one_line(done.stderr)
            assert done.returncode == 1
            assert "17" in line
            assert "18" in line
            assert "Traceback" not in done.stderr
    finally:
        shutil.rmtree(data)


def test_a_database_that_is_down(clone: Path) -> None:
    url = f"postgres://billing:secret@127.0.0.1:{free_port()}/billing"
    for done in (
        _start(clone, PORT=str(free_port()), DATABASE_URL=url, REDIS_URL="redis://127.0.0.1:1/0"),
        manage(clone, "check_invariants", DATABASE_URL=url),
        manage(clone, "check_invariants", "--json", DATABASE_URL=url),
    ):
        line = _one_line(done.stderr)
        assert done.returncode == 1
        assert "127.0.0.1" in line
        assert "DATABASE_URL" in line
        assert "secret" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "mysql://u:secret@h/db"),
        ("DATABASE_URL", "postgres://u:secret@h:port/db"),
        ("DATABASE_URL", "postgres://u:secret@h"),
        ("REDIS_URL", "http://127.0.0.1"),
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("PUBLIC_BASE_URL", "billing.example.net"),
        ("DEBUG", "perhaps"),
        ("DEBUG", "false"),  # production without its secrets
        ("FIELD_ENCRYPTION_KEY", "short"),
        ("EMAIL_CHANNEL", "pigeon"),
        ("EMAIL_CHANNEL", "smtp"),
        ("EMAIL_CHANNEL", "mailgun"),
        ("SMS_CHANNEL", "twilio"),
        ("VOICE_CHANNEL", "twilio"),
        ("VOICE_CHANNEL", "shouting"),
        ("PAYMENT_GATEWAY", "barter"),
    ],
)
def test_a_value_that_is_unknown(clone: Path, variable: str, value: str) -> None:
    done = manage(clone, "help", **{variable: value})
    line = _one_line(done.stderr)
    assert done.returncode == 1
    assert line.startswith("SECRET_KEY" if value == "false" else variable)
    assert "secret" not in line


def test_arguments_that_make_no_sense(clone: Path) -> None:
    for arguments in (("--wrong",), ("--json", "extra")):
        done = manage(clone, "check_invariants", *arguments)
        assert done.returncode == 2
        assert done.stdout == ""
        assert _one_line(done.stderr)
