"""Check whether the record is whole: compute every link again, and say each row that does not fit.

In pieces, so that memory does not grow with the record. What one broken row spoils is that row alone: each link is
computed from the stored hash before it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Max, Min

from accounts.models import AuditLink, AuditSeal
from billing_project.kernel import clock
from billing_project.kernel.audited import FUNCTION, TRIGGERS

from .chain import COLUMNS, FIRST, link_hash, rows, written
from .tables import NOT_WHEN_ADDED, WATCHED

PIECE = 5_000
KEYS_A_PIECE = 50_000
FINDINGS_MAX = 1_000
SEAL_WITHIN = timedelta(minutes=2)
GUARDS = tuple(
    (table, trigger)
    for table in ("accounts_auditentry", "accounts_auditlink", "accounts_auditseal")
    for trigger in ("audit_append_only", "audit_never_emptied")
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was sealed."""

    code: str
    number: int | None
    entry_id: int | None
    words: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check has found; ``findings`` stops at FINDINGS_MAX, ``total`` counts all."""

    checked: int
    total: int
    findings: tuple[Finding, ...]
    head: str
    head_number: int

    @property
    def whole(self) -> bool:
        """Tell whether nothing is broken."""
        return self.total == 0


def verify(
    *,
    from_on: date | None = None,
    to_on: date | None = None,
    expect: tuple[int | None, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Verdict:
    """Check the links that were sealed from one day to another (UTC), or all of them, and what is not sealed yet.

    ``expect`` is a head that was kept elsewhere: number and hash. ``progress`` is told (links done, links in all).
    """
    first, last = _span(from_on, to_on)
    checked, total = 0, 0
    kept: list[Finding] = []

    def found(several: Iterator[Finding]) -> None:
        nonlocal total
        for finding in several:
            total += 1
            if len(kept) < FINDINGS_MAX:
                kept.append(finding)

    found(_guards())
    for start in range(first, last + 1, PIECE):
        end = min(start + PIECE - 1, last)
        found(_links(start, end))
        checked += end - start + 1
        if progress:
            progress(checked, last - first + 1)
    found(_seals(first, last))
    if from_on is None and to_on is None:
        found(_beyond(last))
        found(_unsealed())
    if expect is not None:
        found(_expected(*expect))
    end_link = AuditLink.objects.filter(number=last).first()
    return Verdict(checked, total, tuple(kept), end_link.hash if end_link else "", last)


def _span(from_on: date | None, to_on: date | None) -> tuple[int, int]:
    """Return the first and last number to check; (1, 0) if there is none."""
    seals = AuditSeal.objects.all()
    if from_on is not None:
        seals = seals.filter(day__gte=from_on)
    if to_on is not None:
        seals = seals.filter(day__lte=to_on)
    ends = seals.aggregate(first=Min("first_number"), last=Max("last_number"))
    first = 1 if from_on is None else ends["first"] or 1
    return first, ends["last"] or 0


def _links(start: int, end: int) -> Iterator[Finding]:
    """Check the links of some numbers."""
    before = FIRST if start == 1 else _hash_of(start - 1)
    expected = start
    for number, entry_id, hash_kept, *entry in rows(
        f"SELECT l.number, l.entry_id, l.hash, {COLUMNS} FROM accounts_auditlink l"  # noqa: S608 - our own columns
        " LEFT JOIN accounts_auditentry e ON e.id = l.entry_id WHERE l.number BETWEEN %s AND %s ORDER BY l.number",
        [start, end],
    ):
        for missing in range(expected, number):
            yield Finding("link_missing", missing, None, f"Link {missing} is missing: it was taken out of the chain.")
            before = None
        expected = number + 1
        if entry[0] is None:
            words = f"Entry {entry_id}, sealed as link {number}, is missing: it was deleted."
            yield Finding("entry_missing", number, entry_id, words)
        elif before is None:
            yield Finding("cannot_check", number, entry_id, f"Link {number} cannot be checked without the one before.")
        elif link_hash(before, number, written(entry)) != hash_kept:
            words = f"Entry {entry_id} ({entry[6]} {entry[7]}), sealed as link {number}, is not what was sealed."
            yield Finding("changed", number, entry_id, words)
        before = hash_kept
    for missing in range(expected, end + 1):
        yield Finding("link_missing", missing, None, f"Link {missing} is missing: it was taken out of the chain.")


def _hash_of(number: int) -> str | None:
    return AuditLink.objects.filter(number=number).values_list("hash", flat=True).first()


def _seals(first: int, last: int) -> Iterator[Finding]:
    """Check that seals follow one another without a gap, and that each ends at the head it wrote down."""
    expected = first
    for seal_id, start, end, head_kept, hash_kept in rows(
        "SELECT s.id, s.first_number, s.last_number, s.head, l.hash FROM accounts_auditseal s"
        " LEFT JOIN accounts_auditlink l ON l.number = s.last_number"
        " WHERE s.first_number >= %s AND s.last_number <= %s ORDER BY s.first_number",
        [first, last],
    ):
        if start != expected:
            words = f"The seal of the links from {expected} to {start - 1} is missing."
            yield Finding("seal_missing", expected, None, words)
        if head_kept != hash_kept:
            yield Finding("head_changed", end, None, f"Seal {seal_id} names another head than link {end} has.")
        expected = end + 1


def _beyond(last: int) -> Iterator[Finding]:
    """Find links that no seal speaks of."""
    for (number,) in rows("SELECT number FROM accounts_auditlink WHERE number > %s OR number < 1 LIMIT 20", [last]):
        yield Finding("link_added", number, None, f"Link {number} belongs to no seal: it was put in.")


def _unsealed() -> Iterator[Finding]:
    """Find entries without a link that should have one by now: put in behind the back, or sealing stands still."""
    floor = AuditSeal.objects.aggregate(floor=Max("floor_id"))["floor"] or 0
    [(lowest, highest)] = rows("SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM accounts_auditentry")
    limit = clock.now() - SEAL_WITHIN
    for start in range(lowest, highest + 1, KEYS_A_PIECE):
        for entry_id, table, key, at in rows(
            'SELECT e.id, e."table", e.row_key, e.at FROM accounts_auditentry e'
            " WHERE e.id BETWEEN %s AND %s AND (e.id <= %s OR e.at < %s)"
            " AND NOT EXISTS (SELECT FROM accounts_auditlink l WHERE l.entry_id = e.id) ORDER BY e.id",
            [start, start + KEYS_A_PIECE - 1, floor, limit],
        ):
            what = f"Entry {entry_id} ({table} {key}) of {at:%Y-%m-%d %H:%M} UTC"
            if entry_id <= floor:
                yield Finding("entry_added", None, entry_id, f"{what} was put in after its neighbours were sealed.")
            else:
                words = f"{what} is not sealed yet; look whether worker and beat are running."
                yield Finding("not_sealed", None, entry_id, words)


def _expected(number: int | None, hash_wanted: str) -> Iterator[Finding]:
    """Compare with a head that was kept elsewhere, with or without its number."""
    if number is None:
        if not AuditLink.objects.filter(hash=hash_wanted).exists():
            words = "No link has the hash that was kept elsewhere: the chain was made anew, or cut off."
            yield Finding("other_head", None, None, words)
        return
    if _hash_of(number) != hash_wanted:
        words = f"Link {number} does not have the hash that was kept elsewhere: the chain was made anew, or cut off."
        yield Finding("other_head", number, None, words)


def _guards() -> Iterator[Finding]:
    """Find triggers that are missing or switched off: what they guard or note could be changed unseen."""
    there = {
        (table, trigger)
        for table, trigger in rows(
            "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgenabled IN ('O', 'A')"
            " AND p.proname IN (%s, 'audit_refuse')",
            [FUNCTION],
        )
    }
    for table, trigger in GUARDS:
        if (table, trigger) not in there:
            yield Finding("guard_missing", None, None, f"The trigger {trigger} of {table} is missing or switched off.")
    for table in WATCHED:
        for trigger, act in TRIGGERS.items():
            if (table, trigger) not in there and not (act == "INSERT" and table in NOT_WHEN_ADDED):
                words = f"Not every change of {table} is noted: its trigger {trigger} is missing or switched off."
                yield Finding("guard_missing", None, None, words)
