"""What the tests of faults share."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.servers import processes_of


@pytest.fixture(scope="module")
def shelf() -> Iterator[Path]:
    """A folder for clones that every user may enter (pytest's own folders are private)."""
    folder = Path(tempfile.mkdtemp(prefix="billing-clones-"))
    folder.chmod(0o755)
    yield folder
    for pid in processes_of(folder):
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)
