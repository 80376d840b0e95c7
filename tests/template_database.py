"""A database that is migrated already: each run copies it, and only the first one after a change migrates."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psycopg

from billing_project import places
from tests.house.tree import ROOT

NAME = "billing_template"
PREFIX = "billing-template-"
KEPT_MAX = 12
# Whatever a migrated database depends on; one file changed makes another template.
MADE_FROM = (
    "requirements.txt", "billing_project/settings.py", "billing_project/kernel/audited.py",
    "*/apps.py", "*/roles.py", "*/migrations/*.py", "*/models/*.py",
)  # fmt: skip


def kept() -> Path:
    """Return where the data folder with the migrated database is kept, or would be."""
    found = hashlib.sha256(sys.version.encode())
    for pattern in MADE_FROM:
        for file in sorted(ROOT.glob(pattern)):
            found.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return Path(places.short_tmp()) / f"{PREFIX}{os.geteuid()}-{found.hexdigest()[:24]}"


def bring(where: places.Place) -> bool:
    """Put the kept data folder where a server is about to start; tell whether there was one."""
    folder = kept()
    if not folder.is_dir() or folder.stat().st_uid != os.geteuid():
        return False
    os.utime(folder)
    return _copy(folder / "data", where.data)


def make(address: str, stop: Callable[[], None], where: places.Place) -> bool:
    """Migrate a new database on the running server, stop the server, and keep its data; False where that fails.

    Then each worker migrates its own database, and shows what is wrong with the migrations.
    """
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {NAME}")
    base = address.rpartition("/")[0]
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": f"{base}/{NAME}"},
        capture_output=True,
        check=False,
    )
    if done.returncode:
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {NAME} WITH (FORCE)")
        return False
    stop()
    fresh = Path(tempfile.mkdtemp(prefix=f"{PREFIX}new-", dir=places.short_tmp()))
    try:
        if _copy(where.data, fresh / "data"):
            fresh.rename(kept())
    except OSError:  # another run was quicker
        shutil.rmtree(fresh, ignore_errors=True)
    _forget_old()
    return True


def _copy(source: Path, target: Path) -> bool:
    """Copy a data folder with its owners; the server wants it for itself alone."""
    return subprocess.run(["cp", "-a", str(source), str(target)], check=False).returncode == 0


def _forget_old() -> None:
    ours = [
        folder
        for folder in Path(places.short_tmp()).glob(f"{PREFIX}{os.geteuid()}-*")
        if folder.stat().st_uid == os.geteuid()
    ]
    for folder in sorted(ours, key=lambda folder: folder.stat().st_mtime, reverse=True)[KEPT_MAX:]:
        shutil.rmtree(folder, ignore_errors=True)
