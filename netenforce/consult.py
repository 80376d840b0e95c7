"""Ask right before a restriction is sent whether it may go out, whoever decided it before (D9, D6)."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from billing_project.kernel import clock
from billing_project.kernel.locks import lock_rows

from . import signals
from .models import EnforcementAttempt, EnforcementTask
from .settle import announce, attempt

State = EnforcementTask.State
VETOED = "vetoed"


def consult(pks: Sequence[int]) -> tuple[list[int], list[int]]:
    """Ask right before sending whether each restriction may go out; return those that may not, and not yet (D9, D6)."""
    reasons: dict[int, str] = {}
    waits: dict[int, datetime] = {}
    for pk in pks:
        # Robust: whoever cannot answer has not agreed, and must not stop the other lines.
        answers = signals.about_to_restrict.send_robust(sender=EnforcementTask, task_id=pk)
        refusals = [answer for _, answer in answers if answer and not isinstance(answer, datetime)]
        # What fails may have no words of its own, and is a no all the same.
        reason = next((str(refusal) or repr(refusal) for refusal in refusals), "")
        if reason:
            reasons[pk] = reason
        elif later := [answer for _, answer in answers if isinstance(answer, datetime)]:
            waits[pk] = max(later)
    for pk, until in waits.items():
        EnforcementTask.objects.filter(pk=pk, state=State.CLAIMED).update(
            state=State.QUEUED, due_at=until, lease_until_at=None
        )
    if not reasons:
        return [], list(waits)
    with transaction.atomic():
        tasks = lock_rows(EnforcementTask.objects.filter(state=State.CLAIMED).select_related("line"), reasons)
        EnforcementTask.objects.filter(pk__in=[task.pk for task in tasks]).update(
            state=State.CANCELLED, settled_at=clock.now(), lease_until_at=None
        )
        EnforcementAttempt.objects.bulk_create([attempt(task.pk, VETOED, detail=reasons[task.pk]) for task in tasks])
    announce(tasks, State.CANCELLED)
    return list(reasons), list(waits)
