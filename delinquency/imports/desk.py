"""Files in the back office: taken in, columns chosen, checked without writing, and imported once or not at all.

The check and the import run the code of the import commands. What is imported is what was checked: the very same bytes
with the very same choice of columns.
"""

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row
from billing_project.kernel.nudge import nudge
from billing_project.kernel.texts import mask_cards, one_line
from delinquency.models import ImportFile, ImportMapping, ImportProblem

from . import accounts, devices, funding_sources, holds, invoices, old_states, payments, presets, services
from .columns import COLUMNS, Choice, guess, missing, shape_of
from .converting import convert
from .files import check_upload, guess_delimiter, guess_encoding, open_file
from .reader import Problem, Sheet
from .report import Report, run_import

logger = logging.getLogger(__name__)

State, Kind = ImportFile.State, ImportFile.Kind
# Smaller files are checked while the person waits; larger ones by a worker.
AT_ONCE_BYTES = 60_000
LEASE = timedelta(minutes=15)
KEPT_FOR = timedelta(days=30)
# Every file can be read with it, if not rightly: shown until somebody has chosen the encoding.
ANY_BYTES = "iso-8859-1"
SAMPLE_ROWS = 5
PREVIEW_ROWS = 10
PROBLEMS_MAX = 20_000
CELL_SHOWN = 80
_HIDDEN = ("secret",)


def work_of(kind: str, by: User | None) -> tuple[str, Callable[[Sheet, Report], None]]:
    """Return what a row of a kind is called, and the import that takes such rows."""
    return {
        Kind.ACCOUNTS: ("account", accounts.work),
        Kind.SERVICES: ("service", services.work),
        Kind.INVOICES: ("invoice", invoices.work),
        Kind.PAYMENTS: ("payment", payments.work),
        Kind.FUNDING_SOURCES: ("funding source", funding_sources.work),
        Kind.DEVICES: ("device", devices.work),
        Kind.HOLDS: ("hold", holds.work_for(by)),
        Kind.OLD_STATES: ("state", old_states.work),
    }[Kind(kind)]


@transaction.atomic
def take_in(*, kind: str, source: str, name: str, content: bytes, by: User | None = None) -> ImportFile:
    """Keep an uploaded file and read its header; where its shape is known its columns are chosen already.

    Raises Refused if it is of no use as a whole, or in the works already.
    """
    check_upload(content)
    encoding = guess_encoding(content)
    file = ImportFile(
        kind=kind,
        source=one_line(source, 40) or presets.OURS,
        name=mask_cards(one_line(name, 200)) or "file.csv",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        content=content,
        encoding=encoding or ANY_BYTES,
        delimiter=guess_delimiter(content, encoding),
        uploaded_by=by,
        uploaded_at=clock.now(),
    )
    _read_header(file)
    _choose_by_itself(file)
    if not encoding:
        file.encoding = ""
    try:
        with transaction.atomic():
            file.save()
    except IntegrityError as race:
        known = ImportFile.objects.get(kind=kind, sha256=file.sha256, state__in=_OPEN)
        raise Refused(
            "file_known",
            f"This very file is in the list already, uploaded {known.uploaded_at:%Y-%m-%d} as “{known.name}” and"
            f" {known.get_state_display()}; go on with that one, or put it aside.",
        ) from race
    return file


_OPEN = (State.COLUMNS, State.CHECKING, State.CHECKED, State.APPLYING)


def _read_header(file: ImportFile) -> None:
    opened = open_file(bytes(file.content or b""), file.encoding, file.delimiter)
    file.headers, file.sample = opened.headers, []
    for line, cells, words in opened.lines:
        if not words:
            file.sample.append([line, [mask_cards(one_line(cell, CELL_SHOWN)) for cell in cells]])
        if len(file.sample) >= SAMPLE_ROWS:
            break
    else:
        if not file.sample:
            raise Refused("no_rows", "The file has a header and no row that can be read; nothing was taken in.")


def _choose_by_itself(file: ImportFile) -> None:
    """Choose the columns as last time for this shape, else as the program is known to write, else by their names."""
    known = ImportMapping.objects.filter(kind=file.kind, source=file.source, shape=shape_of(file.headers)).first()
    if known is not None:
        file.mapping = known.mapping
        return
    preset = presets.find(file.source, file.kind)
    chosen = preset.choose(file.headers) if preset else Choice()
    guessed = guess(file.kind, file.headers)
    taken = {name for places in chosen.columns.values() for name in places.values()}
    others = {
        ours: places for ours, places in guessed.columns.items()
        if ours not in chosen.columns and not taken & set(places.values())
    }  # fmt: skip
    file.mapping = replace(chosen, columns={**others, **chosen.columns}).document()


def is_remembered(file: ImportFile) -> bool:
    """Tell whether the columns of such a file were chosen before."""
    return ImportMapping.objects.filter(
        kind=file.kind, source=file.source, shape=shape_of(file.headers)
    ).exists()  # fmt: skip


@transaction.atomic
def read_as(file: ImportFile, *, encoding: str, delimiter: str) -> ImportFile:
    """Read the header again with another encoding or delimiter; raises Refused if that makes no sense."""
    locked = _locked(file, State.COLUMNS, State.CHECKED)
    if (locked.encoding, locked.delimiter) == (encoding, delimiter):
        return locked
    before = locked.headers
    locked.encoding, locked.delimiter = encoding, delimiter
    _read_header(locked)
    if locked.headers != before:
        _choose_by_itself(locked)
    locked.state = State.COLUMNS
    locked.save()
    return locked


def check(file: ImportFile, choice: Choice, *, by: User | None = None) -> ImportFile:
    """Keep the choice of columns and check every row; nothing is written but what was found.

    Raises Refused if a column that is needed is not chosen, or the file is not open any more.
    """
    with transaction.atomic():
        locked = _locked(file, State.COLUMNS, State.CHECKED)
        lacking = missing(locked.kind, choice)
        if lacking:
            raise Refused("columns_missing", f"Choose a column, or one value for all rows, for: {', '.join(lacking)}.")
        if not locked.encoding:
            raise Refused("encoding", "Choose the encoding of the file first; it is not UTF-8.")
        locked.mapping, locked.state = choice.document(), State.CHECKING
        locked.rows_read = locked.rows_total = 0
        locked.leased_until_at = None
        locked.save()
        ImportMapping.objects.update_or_create(
            kind=locked.kind, source=locked.source, shape=shape_of(locked.headers),
            defaults={
                "mapping": locked.mapping, "headers": sorted(locked.headers), "saved_by": by, "saved_at": clock.now()
            },
        )  # fmt: skip
    return _begin(locked)


def apply(file: ImportFile, *, by: User | None = None) -> ImportFile:
    """Import a checked file, all or nothing, once; raises Refused where the check has found a mistake or nothing new.

    A large file is imported by a worker.
    """
    with transaction.atomic():
        locked = _locked(file, State.CHECKED)
        if locked.wrong:
            raise Refused("wrong_rows", "Some rows are wrong; mend them in the file and upload it again.")
        if not locked.created and not locked.updated:
            raise Refused("nothing_new", "Nothing would change; everything in this file is known already.")
        locked.state, locked.applied_by, locked.leased_until_at = State.APPLYING, by, None
        locked.save()
    return _begin(locked)


@transaction.atomic
def drop(file: ImportFile) -> ImportFile:
    """Put a file aside of which nothing was imported, and delete its content."""
    locked = _locked(file, State.COLUMNS, State.CHECKED, State.FAILED, State.CHECKING)
    locked.state, locked.content, locked.sample, locked.preview = State.DROPPED, None, [], []
    locked.save()
    locked.problems.all().delete()
    return locked


def _locked(file: ImportFile, *states: str) -> ImportFile:
    locked = lock_row(ImportFile.objects.all(), file.pk)
    if locked.state not in states:
        raise StaleState(f"This file is {locked.get_state_display()} by now; look at it again.")
    return locked


def _begin(file: ImportFile) -> ImportFile:
    if file.size <= AT_ONCE_BYTES:
        work_on(file.pk)
        file.refresh_from_db()
    else:
        nudge("delinquency.import_file", file.pk)
    return file


def work_on(file_id: int) -> str:
    """Check or import a file that waits for it, unless another worker has it in hand; return what it is then."""
    with transaction.atomic():
        rows = ImportFile.objects.filter(pk=file_id, state__in=ImportFile.AT_WORK)
        file = rows.select_for_update(skip_locked=True).first()
        if file is None or (file.leased_until_at and file.leased_until_at > clock.now()):
            return ""
        lease = file.leased_until_at = clock.now() + LEASE
        file.save(update_fields=["leased_until_at"])
    try:
        if file.state == State.CHECKING:
            _check(file)
        else:
            _apply(file)
    except Refused as refusal:
        if refusal.code == "import_running":
            ImportFile.objects.filter(pk=file.pk).update(leased_until_at=None)  # the next pass takes it up
            return str(file.state)
        _give_up(file, lease, refusal.words)
    except Exception as error:  # whatever is in a file, it parks that file and no other
        logger.exception("import %d broke", file.pk)
        _give_up(file, lease, f"It could not be worked out ({type(error).__name__}); nothing was written.")
    return str(ImportFile.objects.values_list("state", flat=True).get(pk=file.pk))


def work_on_all() -> int:
    """Take up the files that a lost wake-up or a killed worker left; delete contents of more than 30 days ago."""
    done = 0
    for pk in ImportFile.objects.filter(state__in=ImportFile.AT_WORK).order_by("pk").values_list("pk", flat=True):
        done += bool(work_on(pk))
    purge()
    return done


def purge() -> int:
    """Delete the contents of files of more than 30 days ago, and return how many; what came of them is kept."""
    old = ImportFile.objects.filter(uploaded_at__lt=clock.now() - KEPT_FOR, content__isnull=False).exclude(
        state__in=ImportFile.AT_WORK
    )
    ImportProblem.objects.filter(file__in=old).update(value="")
    old.filter(state__in=[State.COLUMNS, State.CHECKED]).update(
        state=State.DROPPED, content=None, sample=[], preview=[]
    )
    return ImportFile.objects.filter(pk__in=old).update(content=None, sample=[], preview=[])


def _give_up(file: ImportFile, lease: Any, words: str) -> None:
    ImportFile.objects.filter(pk=file.pk, leased_until_at=lease, state__in=ImportFile.AT_WORK).update(
        state=State.FAILED, words=one_line(words, 500), leased_until_at=None
    )


def _sheet(file: ImportFile) -> tuple[Sheet, int]:
    def progress(rows: int) -> None:
        ImportFile.objects.filter(pk=file.pk).update(rows_read=rows, rows_total=rows)

    opened = open_file(bytes(file.content or b""), file.encoding, file.delimiter)
    return convert(file.name, file.kind, opened, Choice.read(file.mapping), progress)


def digest_of(file: ImportFile) -> str:
    """Return what stands for a file's bytes and how its columns are read."""
    text = json.dumps([file.sha256, file.encoding, file.delimiter, file.mapping], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _check(file: ImportFile) -> None:
    sheet, left_out = _sheet(file)
    first = {(problem.line, problem.column) for problem in sheet.problems}
    preview = [[row.line, {name: _shown(name, text) for name, text in row.cells.items()}]
               for row in sheet.rows[:PREVIEW_ROWS]]  # fmt: skip
    rows = sheet.rows_count
    unread, known = list(sheet.problems), set(sheet.problems)
    what, work = work_of(file.kind, file.uploaded_by)
    report = run_import(sheet, what, work, dry_run=True)
    # A cell that could not be read is wrong once, not once more for being no date.
    problems = unread + [one for one in report.problems if one not in known and (one.line, one.column) not in first]
    problems, report = _without_the_wrong(file, problems, report)
    with transaction.atomic():
        locked = lock_row(ImportFile.objects.all(), file.pk)
        if locked.state != State.CHECKING or locked.leased_until_at != file.leased_until_at:
            return
        locked.problems.all().delete()
        ImportProblem.objects.bulk_create(_kept(file, problems), batch_size=2000)
        locked.state, locked.checked_at, locked.leased_until_at = State.CHECKED, clock.now(), None
        locked.rows_total = locked.rows_read = rows
        locked.created, locked.updated, locked.unchanged = report.created, report.updated, report.unchanged
        locked.wrong = len({problem.line for problem in problems})
        locked.preview, locked.checked_sha256 = preview, digest_of(locked)
        locked.words = f"{left_out} rows are left out, as was chosen below the columns." if left_out else ""
        locked.save()


def _without_the_wrong(file: ImportFile, problems: list[Problem], report: Report) -> tuple[list[Problem], Report]:
    """Count what the good rows would do where others are wrong; what is found wrong only then is added."""
    what, work = work_of(file.kind, file.uploaded_by)
    for _round in range(3):
        if not problems or not report.problems:
            break
        wrong = {problem.line for problem in problems}
        sheet, _left_out = _sheet(file)
        sheet.rows = [row for row in sheet.rows if row.line not in wrong]
        sheet.problems = []
        for row in sheet.rows:
            row.problems, row.bad = sheet.problems, False
        report = run_import(sheet, what, work, dry_run=True)
        problems = problems + report.problems
    return problems, report


def _kept(file: ImportFile, problems: list[Problem]) -> list[ImportProblem]:
    choice = Choice.read(file.mapping)
    found = []
    for problem in sorted(problems, key=lambda one: one.line)[:PROBLEMS_MAX]:
        column = problem.column or ""
        theirs = next(iter(choice.columns.get(column, {}).values()), "") if column else ""
        found.append(
            ImportProblem(
                file=file, line=problem.line, column=(theirs or column)[:200],
                value=mask_cards(one_line(problem.value or "", 100)), message=one_line(problem.message, 500),
            )
        )  # fmt: skip
    return found


def _apply(file: ImportFile) -> None:
    sheet, _left_out = _sheet(file)
    what, work = work_of(file.kind, file.applied_by)
    with transaction.atomic():
        locked = lock_row(ImportFile.objects.all(), file.pk)
        if locked.state != State.APPLYING or locked.leased_until_at != file.leased_until_at:
            return
        if locked.checked_sha256 != digest_of(locked):
            raise StaleState("The file is not the one that was checked; check it again.")
        report = run_import(sheet, what, work, dry_run=False)
        locked.leased_until_at = None
        if report.problems:
            # What is here has changed since the check: back to the mistakes, nothing was written.
            locked.problems.all().delete()
            ImportProblem.objects.bulk_create(_kept(file, report.problems), batch_size=2000)
            locked.state, locked.wrong = State.CHECKED, len({problem.line for problem in report.problems})
            locked.words = "Something changed here since the file was checked; nothing was imported."
        else:
            locked.state, locked.applied_at = State.APPLIED, clock.now()
            locked.created, locked.updated, locked.unchanged = report.created, report.updated, report.unchanged
        locked.save()


def _shown(name: str, text: str) -> str:
    return "…" if name in _HIDDEN and text else mask_cards(one_line(text, CELL_SHOWN))


def columns_of(file: ImportFile) -> tuple[Any, ...]:
    """Return our columns of a file's kind."""
    return COLUMNS[Kind(file.kind)]
