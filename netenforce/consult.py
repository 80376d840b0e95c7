"""Ask right before restrictions are sent whether they may go out, whoever decided them before (D9, D6).

A restriction that may not go out gives way to the next milder one that the holds on the account ask for: it is ordered
in its place, and asked about for itself. So nobody is restricted harder than can be proven, and whoever is held for
abuse is not freed because a bill cannot be proven.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from django.db import transaction

from billing_project.kernel import clock
from billing_project.kernel.locks import lock_rows

from . import signals
from .models import EnforcementAttempt, EnforcementTask
from .operations.milder import order_milder
from .settle import announce, attempt

State = EnforcementTask.State
VETOED = "vetoed"

Answers = Mapping[int, str | datetime]


def consult(pks: Sequence[int]) -> tuple[list[int], list[int]]:
    """Ask right before sending whether restrictions may go out; return those that may not, and not yet (D9, D6)."""
    reasons, waits = _ask(pks)
    for until in sorted(set(waits.values())):
        later = [pk for pk, instant in waits.items() if instant == until]
        EnforcementTask.objects.filter(pk__in=later, state=State.CLAIMED).update(
            state=State.QUEUED, due_at=until, lease_until_at=None
        )
    if not reasons:
        return [], list(waits)
    with transaction.atomic():
        claimed = EnforcementTask.objects.filter(state=State.CLAIMED).select_related("line__account")
        tasks = lock_rows(claimed, reasons)
        EnforcementTask.objects.filter(pk__in=[task.pk for task in tasks]).update(
            state=State.CANCELLED, settled_at=clock.now(), lease_until_at=None
        )
        EnforcementAttempt.objects.bulk_create([attempt(task.pk, VETOED, detail=reasons[task.pk]) for task in tasks])
    announce(tasks, State.CANCELLED)
    order_milder(tasks)
    return list(reasons), list(waits)


def _ask(pks: Sequence[int]) -> tuple[dict[int, str], dict[int, datetime]]:
    """Return why some restrictions may not go out, and until when others have to wait."""
    reasons: dict[int, str] = {}
    waits: dict[int, datetime] = {}
    if not pks:
        return reasons, waits
    # Robust: whoever cannot answer has not agreed, and must not stop the other lines.
    for _, said in signals.about_to_restrict.send_robust(sender=EnforcementTask, task_ids=list(pks)):
        problem = _problem(said)
        if problem and len(pks) > 1:
            # One bad account must not hold all the others of its batch.
            return _ask_one_by_one(pks)
        answers = cast(Answers, dict.fromkeys(pks, problem) if problem else said or {})
        for pk in pks:
            answer = answers.get(pk)
            if isinstance(answer, datetime):
                waits[pk] = max(answer, waits.get(pk, answer))
            elif answer:
                reasons.setdefault(pk, str(answer))
    return reasons, {pk: until for pk, until in waits.items() if pk not in reasons}


def _ask_one_by_one(pks: Sequence[int]) -> tuple[dict[int, str], dict[int, datetime]]:
    reasons: dict[int, str] = {}
    waits: dict[int, datetime] = {}
    for pk in pks:
        why, until = _ask([pk])
        reasons |= why
        waits |= until
    return reasons, waits


def _problem(said: Any) -> str:
    """Return what is wrong with an answer as a whole; empty if it can be read."""
    if isinstance(said, Exception):
        # What fails may have no words of its own, and is a no all the same.
        return str(said) or repr(said)
    return "" if said is None or isinstance(said, Mapping) else str(said) or repr(said)
