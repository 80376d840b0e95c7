"""Seal what was noted since: number the entries, link each to the one before, and write down the head.

One process at a time does it, under an advisory lock, so that those who write never wait for each other. Entries get
their keys before their transactions commit, so a late one may show up with a key below those sealed already; it is
found because a key only counts as passed (``floor_id``) once every transaction that could still bring it has ended.
"""

import logging
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction

from accounts.models import AuditLink, AuditSeal
from billing_project.kernel import clock
from billing_project.kernel.bulk import copy_rows

from .chain import COLUMNS, FIRST, link_hash, rows, written

logger = logging.getLogger(__name__)

# Any fixed number will do.
LOCK = 7_402_119
PASS_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: who keeps it elsewhere can tell later whether the record is still the same."""

    number: int
    hash: str
    day: date
    sealed_at: datetime

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"


@dataclass(frozen=True, slots=True)
class _Mark:
    floor_id: int
    ceiling_id: int
    next_xid: int


def head() -> Head | None:
    """Return the end of the chain, or None while nothing is sealed."""
    last = AuditSeal.objects.last()
    return Head(last.last_number, last.head, last.day, last.sealed_at) if last else None


def heads_of(day: date) -> Head | None:
    """Return the head with which a day (UTC) ended, or None if nothing was sealed on it."""
    last = AuditSeal.objects.filter(day=day).last()
    return Head(last.last_number, last.head, last.day, last.sealed_at) if last else None


def seal_entries(*, seconds_max: float = 20, pass_max: int = PASS_MAX) -> int:
    """Seal all entries whose transactions have ended, and return how many; 0 if somebody else is at it."""
    ends, sealed = clock.monotonic() + seconds_max, 0
    while True:
        count = _seal_some(pass_max)
        sealed += count
        if count < pass_max or clock.monotonic() > ends:
            return sealed


@transaction.atomic
def _seal_some(count_max: int) -> int:
    [(free,)] = rows("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
    if not free:
        return 0
    last = AuditSeal.objects.last()
    old = _Mark(last.floor_id, last.ceiling_id, last.next_xid) if last else _Mark(0, 0, 0)
    # In this order: whoever has drawn a key up to the ceiling has a transaction below the next one.
    [(ceiling,)] = rows("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM accounts_auditentry_id_seq")
    [(oldest, following)] = rows(
        "SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint FROM pg_current_snapshot() s"
    )
    entries = list(
        rows(
            f"SELECT {COLUMNS} FROM accounts_auditentry e"  # noqa: S608 - our own columns
            " WHERE e.id > %s AND NOT EXISTS (SELECT FROM accounts_auditlink l WHERE l.entry_id = e.id)"
            " ORDER BY e.id LIMIT %s",
            [old.floor_id, count_max],
        )
    )
    if not entries:
        return 0
    number, before = (last.last_number, last.head) if last else (0, FIRST)
    first = number + 1
    links = []
    for entry in entries:
        number += 1
        before = link_hash(before, number, written(entry))
        links.append(AuditLink(number=number, entry_id=entry[0], hash=before))
    copy_rows(AuditLink, links)
    now = clock.now()
    day = clock.local(now, "UTC").date()
    mark = _next_mark(old, _Mark(entries[-1][0], ceiling, following), oldest, whole=len(entries) < count_max)
    AuditSeal.objects.create(
        sealed_at=now, day=day, first_number=first, last_number=number, head=before, floor_id=mark.floor_id,
        ceiling_id=mark.ceiling_id, next_xid=mark.next_xid,
    )  # fmt: skip
    if last and last.day != day:
        logger.info("the audit record's head of %s: %s:%s", last.day, last.last_number, last.head)
    return len(links)


def _next_mark(old: _Mark, seen: _Mark, oldest: int, *, whole: bool) -> _Mark:
    """Return how far the keys are passed for good, and from when on the present ones will be.

    ``seen.floor_id`` is the last key just sealed. A number of a transaction above the present ones was written on
    another server, before a restore: its transactions are gone.
    """
    if oldest < old.next_xid <= seen.next_xid:  # one of those of that time still runs
        return old
    floor = old.ceiling_id if whole else min(old.ceiling_id, seen.floor_id)
    return _Mark(max(floor, old.floor_id), seen.ceiling_id, seen.next_xid)
