"""Runs that people ask for: one of a kind at a time, done by a worker, with how far it has got."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts.models import User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.nudge import nudge
from invoicing.due import Due
from invoicing.sweep import BillingResult, bill

from .models import RunRequest
from .reports.months import count_months
from .sweep import sweep
from .tonight import AT_ONCE, coming, due_ids

logger = logging.getLogger(__name__)

TASK = "delinquency.run_asked"
# Whoever works on a run says so with every chunk; after so long without a word its worker is taken for dead.
ALIVE, ALIVE_WHOLE = timedelta(minutes=15), timedelta(minutes=65)
# They are one piece of work, and say nothing before its end.
WHOLE = (RunRequest.Kind.FIGURES,)
# They do nothing twice, so that another worker goes on with what one that died has left; a few times at most.
GOES_ON, TAKEN_UP_MAX = (RunRequest.Kind.BILLING, RunRequest.Kind.CHECK), 3
PREVIEWS_KEPT = 2
State, Kind = RunRequest.State, RunRequest.Kind
Progress = Callable[[int, int], None]


def ask_for_run(kind: str, *, by: User, reason: str = "") -> RunRequest:
    """Ask for a run; a worker takes it up. Raises Refused while one of its kind waits or runs."""
    try:
        with transaction.atomic():
            request = RunRequest.objects.create(kind=kind, asked_by=by, why=reason.strip()[:200])
            nudge(TASK)
    except IntegrityError as error:
        words = Kind(kind).label
        raise Refused(
            "run_is_open",
            f"A {words} is waiting or at work already; wait until it has ended, its page shows how far it is.",
        ) from error
    return request


def run_all_asked() -> int:
    """Take up all runs that wait, one after the other; return how many were taken up."""
    taken = 0
    while (request := _claim()) is not None:
        taken += 1
        _work_on(request)
    return taken


def keep_preview() -> int:
    """Play the coming day where it is too much for somebody to wait for, and forget older previews.

    Returns how many things are to come, or 0 where the page finds that out by itself.
    """
    previews = RunRequest.objects.filter(kind=Kind.PREVIEW, state=State.DONE)
    kept = previews.values_list("pk", flat=True)[:PREVIEWS_KEPT]
    previews.exclude(pk__in=list(kept)).delete()
    if len(due_ids(clock.now())) <= AT_ONCE:
        return 0
    try:
        with transaction.atomic():
            request = RunRequest.objects.create(kind=Kind.PREVIEW, why="kept up to date each hour")
    except IntegrityError:
        return 0  # somebody has asked for it at this moment
    run_all_asked()
    request.refresh_from_db()
    return len(request.result.get("rows", ()))


def _claim() -> RunRequest | None:
    """Take the oldest waiting run; one whose worker has died is gone on with, or closed where it cannot be."""
    now = clock.now()
    dead = RunRequest.objects.filter(state=State.RUNNING, alive_until_at__lt=now)
    dead.filter(kind__in=GOES_ON, taken_up__lt=TAKEN_UP_MAX, stop_by__isnull=True).update(
        state=State.WAITING, alive_until_at=None, done=0, total=0
    )
    dead.update(
        state=State.FAILED, finished_at=now, alive_until_at=None,
        words="Its worker stopped in the middle. What it did stands; run it again to do the rest.",
    )  # fmt: skip
    with transaction.atomic():
        row = (
            RunRequest.objects.select_for_update(skip_locked=True)
            .filter(Q(state=State.WAITING))
            .order_by("asked_at", "pk")
            .first()
        )
        if row is not None:
            row.state, row.started_at = State.RUNNING, now
            row.taken_up += 1
            row.alive_until_at = now + (ALIVE_WHOLE if row.kind in WHOLE else ALIVE)
            row.save()
        return row


def stop_run(request: RunRequest, *, by: User) -> None:
    """Stop a billing run that waits or is at work: what it did stands, and what it left is for the next one.

    Raises Refused for a run that ended, or that cannot be stopped.
    """
    if request.kind != Kind.BILLING:
        raise Refused("not_stopped", "Only a billing run can be stopped; this one ends by itself.")
    rows = RunRequest.objects.filter(pk=request.pk, stop_by=None)
    if rows.filter(state=State.WAITING).update(
        state=State.STOPPED, stop_by=by, finished_at=clock.now(), words="Stopped before it began."
    ):
        return
    if not rows.filter(state=State.RUNNING).update(stop_by=by):
        raise Refused("run_ended", "This run has ended, or is being stopped already; look at its page again.")


def _work_on(request: RunRequest) -> None:
    def progress(done: int, total: int) -> None:
        RunRequest.objects.filter(pk=request.pk, state=State.RUNNING).update(
            done=done, total=total, alive_until_at=clock.now() + ALIVE
        )

    words, result, state = "", dict[str, Any](), State.DONE
    try:
        if request.kind == Kind.BILLING:
            words, result, state = _bill(request.pk, progress)
        else:
            words, result = WORK[request.kind](progress)
    except Refused as refusal:
        words, state = refusal.words, State.FAILED
    except Exception as error:
        logger.exception("the run %d that was asked for failed", request.pk)
        words, state = f"It could not be finished: {type(error).__name__}: {error}", State.FAILED
    RunRequest.objects.filter(pk=request.pk, state=State.RUNNING).update(
        state=state, words=words[:500], result=result, finished_at=clock.now(), alive_until_at=None
    )


def _check(progress: Progress) -> tuple[str, dict[str, Any]]:
    found = sweep(clock.now(), progress=progress, is_listed=False)
    words = f"{found.accounts_looked_at:,} accounts looked at, {found.events_count:,} events written."
    if found.held_count:
        words += f" The airbag holds {found.held_count:,} steps: decide about them under “Held by the airbag”."
    if found.parked:
        words += f" Parked: {', '.join(found.parked[:5])}."
    return words, {"counts": dict(found.counts)}


def _bill(run: int, progress: Progress) -> tuple[str, dict[str, Any], RunRequest.State]:
    now = clock.now()
    total = Due(now).count()
    progress(0, total)

    def goes_on(found: BillingResult) -> bool:
        # Money that comes meanwhile may make more of them due.
        progress(found.bills_done, max(total, found.bills_done))
        return not RunRequest.objects.filter(pk=run, stop_by__isnull=False).exists()

    found = bill(now, is_listed=False, goes_on=goes_on)
    words = f"{found.accounts_looked_at:,} accounts looked at, {found.invoices_issued:,} invoices issued."
    if found.held_bills:
        words += f" The airbag holds {len(found.held_bills):,} bills: decide about them under “Held by the airbag”."
    if found.is_stopped:
        left = Due(now).count()
        words = f"Stopped. {found.invoices_issued:,} invoices issued; {left:,} bills are left for the next run."
    return words, {}, State.STOPPED if found.is_stopped else State.DONE


def _preview(progress: Progress) -> tuple[str, dict[str, Any]]:
    rows = coming(due_ids(clock.now()), progress=progress)
    return f"{len(rows):,} things are to come.", {"rows": [row.document() for row in rows]}


def _figures(progress: Progress) -> tuple[str, dict[str, Any]]:
    rows = count_months()
    progress(len(rows), len(rows))
    return f"{len(rows):,} months counted.", {}


WORK: dict[str, Callable[[Progress], tuple[str, dict[str, Any]]]] = {
    Kind.CHECK: _check,
    Kind.PREVIEW: _preview,
    Kind.FIGURES: _figures,
}
