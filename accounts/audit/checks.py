"""Checks of the whole record that a person asks for on the page: a row, done by a task, with its progress in it."""

from dataclasses import asdict
from datetime import timedelta

from django.db import transaction
from django.db.models import Q

from accounts.models import AuditCheck
from billing_project.kernel import clock
from billing_project.kernel.nudge import nudge

from .verifying import verify

# A worker that dies leaves a running check behind; after this another one begins it anew.
LEASE = timedelta(minutes=5)
SHOWN_MAX = 100
TASK = "accounts.report_audit"


def ask_for_check(by: str) -> AuditCheck:
    """Write down that somebody wants the record checked, and wake the task; one that waits or runs is enough."""
    with transaction.atomic():
        pending = AuditCheck.objects.filter(finished_at=None).first()
        check = pending or AuditCheck.objects.create(asked_at=clock.now(), asked_by=by)
        nudge(TASK)
    return check


def run_checks() -> int:
    """Do every check that waits, and begin those anew whose worker has died; return how many were done."""
    done = 0
    while (check := _claim()) is not None:
        _run(check)
        done += 1
    return done


def _claim() -> AuditCheck | None:
    with transaction.atomic():
        now = clock.now()
        check = (
            AuditCheck.objects.select_for_update(skip_locked=True)
            .filter(Q(state="waiting") | Q(state="running", lease_until_at__lt=now))
            .order_by("pk")
            .first()
        )
        if check is not None:
            check.state, check.lease_until_at, check.done = AuditCheck.State.RUNNING, now + LEASE, 0
            check.save()
    return check


def _run(check: AuditCheck) -> None:
    def progress(done: int, total: int) -> None:
        check.done, check.total, check.lease_until_at = done, total, clock.now() + LEASE
        check.save(update_fields=["done", "total", "lease_until_at"])

    verdict = verify(progress=progress)
    check.state = AuditCheck.State.WHOLE if verdict.whole else AuditCheck.State.BROKEN
    check.done = check.total = verdict.checked
    check.head, check.head_number = verdict.head, verdict.head_number
    check.findings_total = verdict.total
    check.findings = [asdict(finding) for finding in verdict.findings[:SHOWN_MAX]]
    check.finished_at, check.lease_until_at = clock.now(), None
    check.save()
