"""localstripe, somebody else's Stripe: a test tool in an environment of its own, outside the repository.

It is a subset written by hand: it ignores keys, finds no payment by its customer, gives back more than was paid, and
knows no Checkout, no disputes and no reasons of declines. Its own command listens on every address and keeps its data
in a file, so its application is run on loopback from an empty folder.
"""

import socket
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

VERSION = "1.15.10"
# It ends with the test also when that is killed (PR_SET_PDEATHSIG), where the kernel is Linux.
RUN = """
import ctypes, sys
if sys.platform.startswith("linux"):
    ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
from aiohttp import web
from localstripe.server import app
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=lambda *_: None, access_log=None)
"""
FOLDER = Path("/var/tmp") / f"localstripe-{VERSION}-py{sys.version_info[0]}{sys.version_info[1]}"


def python_of_it() -> Path:
    """Return the interpreter that has localstripe, made on the first demand; skips the test where that cannot be."""
    python = FOLDER / "bin" / "python"
    done = FOLDER / "installed"
    if not done.exists():
        try:
            venv.create(FOLDER, with_pip=True, clear=True)
            asked = [str(python), "-m", "pip", "install", "--quiet", f"localstripe=={VERSION}"]
            subprocess.run(asked, check=True, capture_output=True, timeout=120)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"localstripe cannot be installed here: {error}")
        done.touch()
    return python


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Run it in an empty folder and give its address; it ends with the test."""
    folder.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen(
        [str(python_of_it()), "-c", RUN, str(port)], cwd=folder, stderr=subprocess.DEVNULL
    ) as process:
        base = f"http://127.0.0.1:{port}"
        try:
            _wait(base, process)
            yield base
        finally:
            process.kill()


def _wait(base: str, process: "subprocess.Popen[bytes]") -> None:
    with requests.Session() as session:
        session.mount(base, requests.adapters.HTTPAdapter(max_retries=requests.adapters.Retry(40, backoff_factor=0.02)))
        answer = session.get(f"{base}/v1/customers", auth=("sk_test_x", ""), timeout=10)
    assert process.poll() is None
    assert answer.status_code == 200
