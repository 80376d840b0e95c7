"""An SSH server of our own on loopback, with keys of its own, that ends with the test."""

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from billing_project.kernel.clock import monotonic

PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Server:
    """Where it listens, how it is known, and the private key that it lets in."""

    port: int
    host_key: str
    user: str
    private_key: str
    programs: Path


def lacking() -> str:
    """Return why there can be no server here; blank if there can."""
    if os.geteuid() != 0:
        return "an SSH server that logs root in needs root"
    missing = [one for one in ("sshd", "ssh", "ssh-keygen") if shutil.which(one, path=PLACES) is None]
    return f"{', '.join(missing)} is not installed (package openssh-server)" if missing else ""


def make_key(path: Path) -> str:
    """Make a key pair and return its public half."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path], check=True)
    return path.with_suffix(".pub").read_text().strip()


@contextmanager
def serving(folder: Path, *, forced: str = "") -> Iterator[Server]:
    """Run a server; ``forced`` is the one command to which the key is bound. Programs of ours go before all others."""
    programs = folder / "bin"
    programs.mkdir()
    host_key, client_key = make_key(folder / "host"), make_key(folder / "client")
    bound = f'restrict,command="{forced}" ' if forced else "restrict "
    (folder / "authorized_keys").write_text(f"{bound}{client_key}\n")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host'}\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder / 'authorized_keys'}\nPasswordAuthentication no\nPermitRootLogin yes\n"
        f"SetEnv PATH={programs}:{PLACES}\nLogLevel VERBOSE\n"
    )
    with suppress(OSError):
        Path("/run/sshd").mkdir(exist_ok=True)
    program = shutil.which("sshd", path=PLACES) or "sshd"
    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen([program, "-D", "-e", "-f", folder / "sshd_config"], stderr=log, stdout=log)
    try:
        _wait(port, process, folder / "sshd.log")
        yield Server(port, host_key, getpass.getuser(), (folder / "client").read_text(), programs)
    finally:
        process.terminate()
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = monotonic() + 10
    while monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as sock:
            if sock.recv(4) == b"SSH-":
                return
    raise RuntimeError(f"sshd does not answer: {log.read_text()}")
