"""The files of the project, as the house tests look at them."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("accounts", "invoicing", "netenforce", "delinquency")
OWN = (*ROOMS, "billing_project", "script", "tests", "manage.py")
PASSING = {".git", ".venv", "var", "__pycache__", "node_modules"}


@cache
def tracked_files() -> list[Path]:
    """Return every file that is, or is about to be, in the repository; relative to its root."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip
    if listed.returncode == 0:
        names = [Path(name) for name in listed.stdout.decode().split("\0") if name]
        return sorted(name for name in names if (ROOT / name).is_file())
    return sorted(  # an unpacked archive instead of a clone
        file.relative_to(ROOT)
        for file in ROOT.rglob("*")
        if file.is_file() and not PASSING & set(file.relative_to(ROOT).parts)
    )


def python_files(*under: str) -> list[Path]:
    """Return our own Python files, without migrations, below the given folders (default: all)."""
    folders = [Path(name) for name in under or OWN]
    return [
        file
        for file in tracked_files()
        if file.suffix == ".py"
        and "migrations" not in file.parts
        and any(file == folder or file.is_relative_to(folder) for folder in folders)
    ]
