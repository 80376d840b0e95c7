"""Programs that stand before the real nft, so that a Linux inline device fails in a named way."""

import shutil
from pathlib import Path

_REAL = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/bin") or "nft"
_AS_NOBODY = "exec setpriv --reuid=65534 --regid=65534 --clear-groups"
_FAULTS = {
    # As an ordinary user, with the one capability that is needed, or without it.
    "nobody": f"{_AS_NOBODY} --inh-caps=-all,+net_admin --ambient-caps=-all,+net_admin sh -c "
    # nft opens its standard input by name, so the pipe must be that user's own.
    f'\'cat | {_REAL} "$@"\' nft "$@"',
    "powerless": f'{_AS_NOBODY} {_REAL} "$@"',
    # Nothing is answered and nothing is done.
    "hangs": "exec sleep 60",
    # The change is made, and then the answer never comes.
    "lost_answer": f'case "$*" in *-f*) {_REAL} "$@" </dev/stdin; exec sleep 60;; *) exec {_REAL} "$@";; esac',
    # The change is taken and not made.
    "ignores": f'case "$*" in *-f*) cat >/dev/null; exit 0;; *) exec {_REAL} "$@";; esac',
    # It may be looked at, and not changed.
    "rejects": f'case "$*" in *-f*) echo "Operation not permitted" >&2; exit 1;; *) exec {_REAL} "$@";; esac',
    "": f'exec {_REAL} "$@"',
}


def stand_before(folder: Path, fault: str) -> Path:
    """Write a program named nft into a folder, which fails so (a blank fault: does not fail); return the folder."""
    folder.mkdir(exist_ok=True)
    program = folder / "nft"
    program.write_text(f"#!/bin/sh\n{_FAULTS[fault]}\n")
    program.chmod(0o755)
    return folder
