"""What staff do with calls: make them, and note how they went."""

from django.db import transaction

from accounts.models import User
from billing_project.kernel import clock
from billing_project.kernel.errors import StaleState
from billing_project.kernel.locks import lock_row
from delinquency.models import CallTask

# The column of the history tables is this long.
REASON_LENGTH = 100


@transaction.atomic
def log_call(task: CallTask, outcome: str, note: str, by: User) -> CallTask:
    """Note how a call went; raises Refused if that was noted before."""
    locked = lock_row(CallTask.objects.all(), task.pk)
    if locked.outcome != CallTask.Outcome.WAITING:
        raise StaleState(f"This call was noted before: {locked.get_outcome_display()}.")
    locked.outcome, locked.note = outcome, note[:300]
    locked.outcome_at, locked.outcome_by = clock.now(), by
    locked._change_reason = note[:REASON_LENGTH]  # type: ignore[attr-defined]
    locked._history_user = by  # type: ignore[attr-defined]
    locked.save(update_fields=["outcome", "note", "outcome_at", "outcome_by"])
    return locked
