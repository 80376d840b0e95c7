"""Bank files: taken in, looked at, corrected, and recorded once (K9).

Nothing is recorded before a person says so. Each row is recorded in one transaction with the note that it is done, so a
file that was broken off goes on where it stopped and no row is recorded twice.
"""

import hashlib
import logging
from collections.abc import Mapping

from django.db import transaction
from django.db.models import Count, Q

from accounts.models import User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row
from billing_project.kernel.nudge import nudge
from invoicing.models import BankFile, BankFileRow, Payment
from invoicing.rules import bank_file as rules

from .bank_checks import examine, read_transfer
from .payments import record_payment, reverse_payment

logger = logging.getLogger(__name__)

State, Outcome, Finding = BankFile.State, BankFileRow.Outcome, BankFileRow.Finding
# More rows than this are recorded by a worker, while the page shows how far it is.
AT_ONCE_MAX = 500


@transaction.atomic
def take_in(*, kind: str, name: str, content: bytes, by: User | None = None) -> BankFile:
    """Keep a file and look at its rows; nothing is recorded yet.

    Raises Refused if it is of no use, or if the very same file is there already, saying where.
    """
    rows = rules.read(content, kind)
    digest = hashlib.sha256(content).hexdigest()
    same = BankFile.objects.filter(kind=kind, sha256=digest).exclude(state=State.DROPPED).first()
    if same is not None:
        raise Refused(
            "file_known",
            f"This very file was uploaded on {same.uploaded_at:%Y-%m-%d} as “{same.name}” and is"
            f" {same.get_state_display()}; open it in the list.",
        )
    file = BankFile.objects.create(
        kind=kind, name=rules.clean(name)[:200] or "file.csv", sha256=digest, uploaded_by=by, uploaded_at=clock.now()
    )
    found = [BankFileRow(file=file, line=line, cells=cells) for line, cells in rows]
    examine(file, found)
    BankFileRow.objects.bulk_create(found, batch_size=2000)
    return file


@transaction.atomic
def correct(
    file: BankFile, changes: Mapping[int, Mapping[str, str]], *, left_out: Mapping[int, bool] | None = None
) -> BankFile:
    """Correct cells of rows by their keys, leave rows out, and look at the whole file again.

    Raises StaleState once it is being recorded.
    """
    locked = _lock_draft(file)
    rows = list(locked.rows.order_by("line"))
    for row in rows:
        row.cells |= {name: rules.clean(text) for name, text in changes.get(row.pk, {}).items()}
        row.left_out = (left_out or {}).get(row.pk, row.left_out)
    examine(locked, rows)
    fields = ["cells", "left_out", "finding", "wrong", "candidates", "words"]
    BankFileRow.objects.bulk_update(rows, fields, batch_size=1000)
    return locked


@transaction.atomic
def start(file: BankFile, *, by: User | None = None) -> BankFile:
    """Let a file be recorded: raises Refused while a row is to be corrected, or if there is nothing to record.

    What is recorded already, or left out, is noted so. A worker is woken; the caller may record it at once.
    """
    locked = _lock_draft(file)
    rows = list(locked.rows.order_by("line"))
    examine(locked, rows)
    wrong = [row.line for row in rows if row.finding == Finding.CHECK and not row.left_out]
    if wrong:
        shown = ", ".join(str(line) for line in wrong[:5]) + (" …" if len(wrong) > 5 else "")
        raise Refused(
            "rows_wrong",
            f"{len(wrong)} {'row is' if len(wrong) == 1 else 'rows are'} to be corrected or left out first: line"
            f" {shown}. Nothing was recorded.",
        )
    for row in rows:
        if row.left_out or row.finding == Finding.KNOWN:
            row.outcome, row.words = Outcome.LEFT_OUT, row.words if not row.left_out else "Left out by hand."
    if all(row.outcome == Outcome.LEFT_OUT for row in rows):
        raise Refused("nothing_to_record", "Every row is recorded already or left out; nothing was changed.")
    BankFileRow.objects.bulk_update(rows, ["finding", "wrong", "candidates", "outcome", "words"], batch_size=1000)
    locked.state, locked.applied_by, locked.applied_at = State.APPLYING, by, clock.now()
    locked.save(update_fields=["state", "applied_by", "applied_at"])
    if len(rows) > AT_ONCE_MAX:
        nudge("invoicing.apply_bank_files")
    return locked


@transaction.atomic
def try_again(file: BankFile) -> int:
    """Let the rows that failed be tried once more; return how many there are."""
    locked = lock_row(BankFile.objects.all(), file.pk)
    failed = locked.rows.filter(outcome=Outcome.FAILED).update(outcome=Outcome.WAITING, words="")
    if failed and locked.state == State.APPLIED:
        locked.state = State.APPLYING
        locked.save(update_fields=["state"])
    return failed


@transaction.atomic
def drop(file: BankFile) -> BankFile:
    """Put a file aside of which nothing was recorded, so that a mended one can be uploaded. Raises StaleState."""
    locked = _lock_draft(file)
    locked.state = State.DROPPED
    locked.save(update_fields=["state"])
    return locked


def apply_file(file_id: int) -> int:
    """Record the rows of a file that wait, one by one, and return how many were recorded; goes on where it stopped."""
    done = 0
    while (outcome := _apply_next(file_id)) is not None:
        done += outcome == Outcome.DONE
    _finish(file_id)
    return done


def apply_started() -> int:
    """Record what waits of every file that was started, such as after a worker was lost; return how many rows."""
    started = BankFile.objects.filter(state=State.APPLYING).order_by("applied_at", "pk")
    return sum(apply_file(pk) for pk in list(started.values_list("pk", flat=True)))


def counts(file: BankFile) -> dict[str, int]:
    """Return how many rows there are in all, by finding and by outcome."""
    found = file.rows.aggregate(
        rows=Count("pk"),
        **{str(one): Count("pk", filter=Q(finding=one, left_out=False)) for one in Finding.values},
        **{f"now_{one}": Count("pk", filter=Q(outcome=one)) for one in Outcome.values},
    )
    return {name: int(number) for name, number in found.items()}


@transaction.atomic
def _apply_next(file_id: int) -> str | None:
    """Record the next waiting row that nobody else is at, and return its outcome; None if there is none."""
    rows = BankFileRow.objects.select_for_update(skip_locked=True, of=("self",)).select_related("file__applied_by")
    row = rows.filter(file=file_id, outcome=Outcome.WAITING).order_by("line").first()
    if row is None:
        return None
    try:
        with transaction.atomic():
            row.payment = _record(row) if row.file.kind == BankFile.Kind.TRANSFERS else _return(row)
        row.outcome, row.words = Outcome.DONE, ""
    except Refused as refused:
        row.outcome, row.words, row.payment = Outcome.FAILED, refused.words[:300], None
    row.save(update_fields=["outcome", "words", "payment"])
    return row.outcome


def _record(row: BankFileRow) -> Payment:
    found = read_transfer(row)
    if found is None:
        wrong = "; ".join(f"{name} {words}" for name, words in row.wrong.items())
        raise Refused("row_wrong", f"It does not fit any more: {wrong or 'it is recorded already'}")
    return record_payment(
        account=found.account, reference=found.reference, amount=found.amount, received_at=found.received_at,
        method=found.method, invoice=found.invoice, by=row.file.applied_by,
    )  # fmt: skip


def _return(row: BankFileRow) -> Payment:
    payment = Payment.objects.filter(reference=row.cells["reference"]).first()
    if payment is None:
        raise Refused("no_payment", f"There is no payment {row.cells['reference']} any more.")
    why = rules.return_words(row.cells["reason"])
    reverse_payment(payment=payment, why=f"{why} (returned on {row.cells['returned_on']})", by=row.file.applied_by)
    return payment


@transaction.atomic
def _finish(file_id: int) -> None:
    file = lock_row(BankFile.objects.all(), file_id)
    if file.state == State.APPLYING and not file.rows.filter(outcome=Outcome.WAITING).exists():
        file.state = State.APPLIED
        file.save(update_fields=["state"])


def _lock_draft(file: BankFile) -> BankFile:
    locked = lock_row(BankFile.objects.all(), file.pk)
    if locked.state != State.DRAFT:
        raise StaleState(f"{locked.name} is {locked.get_state_display()}; nothing was changed.")
    return locked
