"""Install locks into the virtual environment that runs this, unless they are installed already."""

import fcntl
import hashlib
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(locks: list[str]) -> int:
    """Install what has changed; return the exit code."""
    venv = Path(sys.prefix)
    stamp = venv / "installed.json"
    wanted = {name: _hash(ROOT / name) for name in locks}
    if wanted.items() <= _read(stamp).items():
        return 0
    try:
        lock = (venv / "install.lock").open("w")
    except OSError as error:
        print(
            f"{venv} lacks packages and cannot be changed ({error.strerror}); run as its owner.",
            file=sys.stderr,
        )
        return 1
    with lock:
        # Two scripts may be started at once in a fresh clone.
        fcntl.flock(lock, fcntl.LOCK_EX)
        installed = _read(stamp)
        if wanted.items() <= installed.items():
            return 0
        print(f"Installing {' and '.join(locks)} into {venv.name}; this takes about a minute ...", flush=True)
        stamp.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--require-hashes"]
        for name in locks:
            command += ["-r", name]
        # What pip says matters only if it fails; a mirror's warnings would bury the log-ins that follow.
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        if done.returncode:
            print("\n".join((done.stdout + done.stderr).splitlines()[-30:]), file=sys.stderr)
            print("The packages could not be installed; see above, then run this again.", file=sys.stderr)
            return 1
        # A lock that was installed before and has not changed since still is.
        kept = {name: value for name, value in installed.items() if _hash(ROOT / name) == value}
        stamp.write_text(json.dumps(kept | wanted, indent=1) + "\n")
    return 0


def _hash(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""


def _read(stamp: Path) -> dict[str, str]:
    try:
        return dict(json.loads(stamp.read_text()))
    except (OSError, ValueError):
        return {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
