"""The log of what was taken out as files, and the private folder of the large ones (U13)."""

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Q
from django.utils.text import slugify

from accounts.models import DataExport, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.nudge import nudge

# Above this many rows a file is made by a task: the web server's workers are for people.
DIRECT_MAX = 50_000
KEPT_FOR = timedelta(days=7)
LEASE = timedelta(minutes=40)
WAITING_MAX = 3
# What may be taken out by a right of its own: by the source, the permission.
OWN_RIGHTS = {"evidence": "accounts.make_evidence_pack"}
STATE = DataExport.State


def file_name(title: str, filter_words: str, kind: str, zone: str = "UTC") -> str:
    """Return a file's name: what it is of, how it was narrowed, and the day."""
    parts = (slugify(title)[:60] or "rows", slugify(filter_words)[:80], str(clock.today(zone)))
    return f"{'-'.join(part for part in parts if part)}.{kind}"


def counted(export: DataExport, pieces: Iterator[bytes], done: Callable[[], int]) -> Iterator[bytes]:
    """Hand pieces of a file on, and note in the log how many rows went out, and whether all did."""
    whole = False
    try:
        yield from pieces
        whole = True
    finally:
        DataExport.objects.filter(pk=export.pk).update(
            rows_done=done(), finished_at=clock.now(), state=STATE.HANDED_OVER if whole else STATE.BROKEN_OFF
        )


def ask_for(export: DataExport) -> DataExport:
    """Leave a large file to be made by a task; raises Refused while three of the same person wait."""
    waiting = DataExport.objects.filter(asked_by=export.asked_by, state__in=(STATE.WAITING, STATE.RUNNING)).count()
    if waiting >= WAITING_MAX:
        raise Refused(
            "exports_waiting",
            f"{waiting} large files are being made for you; wait until one is ready, under “Exports”.",
        )
    export.state = STATE.WAITING
    export.save()
    nudge("accounts.report_export", export.pk)
    return export


def take(export_id: int) -> DataExport | None:
    """Take a file to be made, or one whose maker died; None if somebody else makes it."""
    now = clock.now()
    free = Q(state=STATE.WAITING) | Q(state=STATE.RUNNING, lease_until_at__lt=now)
    taken = DataExport.objects.filter(free, pk=export_id).update(
        state=STATE.RUNNING, lease_until_at=now + LEASE, rows_done=0
    )
    return DataExport.objects.select_related("asked_by").get(pk=export_id) if taken else None


def waiting() -> list[int]:
    """Return the files that wait to be made, oldest first."""
    late = Q(state=STATE.RUNNING, lease_until_at__lt=clock.now())
    return list(DataExport.objects.filter(Q(state=STATE.WAITING) | late).order_by("pk").values_list("pk", flat=True))


def write(export: DataExport, pieces: Iterator[bytes], done: Callable[[], int]) -> None:
    """Write a file into the private folder, noting its progress, and say that it is ready."""
    path = path_of(export)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    with draft.open("wb") as file:
        draft.chmod(0o600)
        for piece in pieces:
            file.write(piece)
            DataExport.objects.filter(pk=export.pk).update(rows_done=done(), lease_until_at=clock.now() + LEASE)
    draft.replace(path)
    now = clock.now()
    DataExport.objects.filter(pk=export.pk).update(
        state=STATE.READY, rows_done=done(), finished_at=now, kept_until_at=now + KEPT_FOR, lease_until_at=None
    )


def fail(export: DataExport, why: str) -> None:
    """Note that a file could not be made."""
    path_of(export).with_suffix(".part").unlink(missing_ok=True)
    DataExport.objects.filter(pk=export.pk).update(
        state=STATE.FAILED, why=why[:300] or "unknown", finished_at=clock.now(), lease_until_at=None
    )


def delete_old() -> int:
    """Delete files whose time is over; return how many."""
    old = list(DataExport.objects.filter(state=STATE.READY, kept_until_at__lte=clock.now()))
    for export in old:
        path_of(export).unlink(missing_ok=True)
    DataExport.objects.filter(pk__in=[export.pk for export in old]).update(state=STATE.GONE)
    return len(old)


def path_of(export: DataExport) -> Path:
    """Return where a file lies; nobody can guess its name, and no web address leads there."""
    return Path(settings.EXPORT_ROOT) / str(export.public_id)


def room_left() -> bool:
    """Tell whether the disk has room for another large file (1 GB)."""
    root = Path(settings.EXPORT_ROOT)
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return shutil.disk_usage(root).free > 1_000_000_000


def may_fetch(export: DataExport, user: User) -> bool:
    """Tell whether somebody may fetch a file: the person who asked for it, while still allowed to."""
    own = OWN_RIGHTS.get(export.source)
    if own is not None:
        return export.asked_by_id == user.pk and user.has_perm(own)
    needed = ["accounts.export_data", *(["accounts.export_contacts"] if export.with_contacts else [])]
    return export.asked_by_id == user.pk and user.has_perms(needed)
