"""Studies are asked for, worked on in turns, cancelled and thrown away; and the coming days are forecast.

A study is worked on in short turns, so that it never holds up a worker that has customers to restore. After each
chunk of accounts its counts are put by in its own row: whoever takes the next turn, also after a crash, goes on there.
"""

import logging
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from accounts.models import User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import try_advisory_lock
from billing_project.kernel.nudge import nudge

from ..models import Forecast, PolicyVersion, Study, StudyFinding
from ..policy_file import export_version
from ..studies.compare import Compare
from ..studies.days import Days
from ..studies.forecast import DAYS, ThirtyDays, due_by, earliest_today, foretell, zones
from ..studies.work import Found, Work

logger = logging.getLogger(__name__)

CHUNK, CHUNK_AHEAD = 200, 500
LEASE = timedelta(minutes=3)
TURN_SECONDS = 15.0
TRIES_MAX = 3
YEARS_MAX = 10
TASK = "delinquency.report_studies"

State = Study.State


class LostTurnError(Exception):
    """The study was cancelled, thrown away, or given to another worker."""


def start_backtest(
    version: PolicyVersion,
    *,
    from_on: date,
    to_on: date,
    against: PolicyVersion | None = None,
    scope: str = Study.Scope.ALL,
    by: User | None = None,
) -> Study:
    """Ask for a backtest of a version; a worker takes it up. Raises Refused for impossible dates."""
    if to_on < from_on:
        raise Refused("dates_reversed", f"The last day {to_on} is before the first, {from_on}; give the earlier first.")
    if to_on > clock.today():
        raise Refused("in_the_future", f"{to_on} is still to come; a backtest ends with {clock.today()} at the latest.")
    if (to_on - from_on).days > YEARS_MAX * 366:
        raise Refused("too_long", f"A backtest covers at most {YEARS_MAX} years; move the first day nearer to {to_on}.")
    if against is not None and against.state != PolicyVersion.State.PUBLISHED:
        raise Refused("against_draft", f"{against} is a draft; compare with a published version, which cannot change.")
    return _start(version, Study.Kind.BACKTEST, from_on, to_on, against=against, scope=scope, by=by)


def start_thirty_days(version: PolicyVersion, *, scope: str = Study.Scope.ALL, by: User | None = None) -> Study:
    """Ask what the next thirty days bring under a version; a worker takes it up."""
    from_on = earliest_today()
    return _start(version, Study.Kind.AHEAD, from_on, from_on + timedelta(days=DAYS - 1), scope=scope, by=by)


def _start(
    version: PolicyVersion,
    kind: str,
    from_on: date,
    to_on: date,
    *,
    against: PolicyVersion | None = None,
    scope: str,
    by: User | None,
) -> Study:
    study = Study(
        version=version, name=str(version), policy_file=export_version(version), kind=kind, scope=scope,
        scope_policy=version.policy, against=against, from_on=from_on, to_on=to_on, requested_by=by,
    )  # fmt: skip
    study.total = _work_of(study).accounts().count()
    if not study.total:
        words = (
            "no account is under it: choose all accounts" if scope == Study.Scope.POLICY else "import accounts first"
        )
        raise Refused("no_accounts", f"There is nothing to study for {version}; {words}.")
    try:
        with transaction.atomic():
            study.save()
            ring()
    except IntegrityError as error:
        raise Refused(
            "study_runs", f"A {study.get_kind_display()} of {version} is running already; wait for it, or cancel it."
        ) from error
    return study


def ring() -> None:
    """Wake a worker to look for studies; a lost ring costs a minute."""
    nudge(TASK)


@transaction.atomic
def cancel_study(study_id: int) -> Study:
    """Stop a study that waits or runs, and drop what it has found. Raises Refused if it has ended."""
    study = Study.objects.select_for_update().get(pk=study_id)
    if not study.is_open:
        raise Refused("study_ended", f"This study is {study.get_state_display()} already; there is nothing to cancel.")
    study.findings.all().delete()
    study.state, study.finished_at = State.CANCELLED, clock.now()
    study.lease_until_at, study.partial = None, {}
    study.save()
    return study


def run_studies(seconds_max: float = TURN_SECONDS) -> int:
    """Take a turn at the study that has waited longest; return how many accounts were played.

    Rings again if there is more to do. What goes wrong is written on the study, and stops no other.
    """
    study = _claim()
    if study is None:
        return 0
    before = study.done
    try:
        _work_on(study, stop_at=clock.monotonic() + seconds_max)
    except LostTurnError:
        logger.info("study %d was taken away", study.pk)
    except Refused as refusal:
        _fail(study, refusal.words)
    except Exception as error:
        logger.exception("study %d failed", study.pk)
        _fail(study, f"It could not go on after {study.done} accounts: {type(error).__name__}: {error}")
    if _waiting().exists():
        ring()
    return study.done - before


def _waiting() -> QuerySet[Study]:
    """Return the studies that nobody works on."""
    free = Q(lease_until_at__isnull=True) | Q(lease_until_at__lt=clock.now())
    return Study.objects.filter(Q(state=State.QUEUED) | Q(free, state=State.RUNNING))


def _claim() -> Study | None:
    """Take the turn at a study, so that nobody else does; give up one on which worker after worker died."""
    with transaction.atomic():
        # Who had a turn goes to the end, so that a long study does not keep a short one waiting.
        study = _waiting().select_for_update(skip_locked=True).order_by("turn", "requested_at", "pk").first()
        if study is None:
            return None
        if study.tries >= TRIES_MAX:
            _end(
                study, State.FAILED,
                f"Every worker that tried it stopped after {study.done} of {study.total} accounts. "
                "Start it again; if it happens again, the log of the worker says why.",
            )  # fmt: skip
            return None
        study.state, study.turn, study.tries = State.RUNNING, study.turn + 1, study.tries + 1
        study.started_at = study.started_at or clock.now()
        study.lease_until_at = clock.now() + LEASE
        study.save()
        return study


def _work_of(study: Study) -> Work:
    return Compare(study) if study.kind == Study.Kind.BACKTEST else ThirtyDays(study)


def _work_on(study: Study, *, stop_at: float) -> None:
    """Play chunk after chunk until the study is done or the turn is over."""
    work = _work_of(study)
    size = CHUNK if study.kind == Study.Kind.BACKTEST else CHUNK_AHEAD
    while True:
        rows = work.accounts().filter(pk__gt=study.last_account_id).order_by("pk")
        account_ids = list(rows.values_list("pk", flat=True)[:size])
        if not account_ids:
            _settle(study, work)
            return
        _keep(study, work.take(account_ids), account_ids, work, last=clock.monotonic() >= stop_at)
        if study.lease_until_at is None:
            return


def _keep(study: Study, found: Sequence[Found], account_ids: Sequence[int], work: Work, *, last: bool) -> None:
    """Write what a chunk found and where to go on; raises LostTurnError if the study is no longer ours."""
    with transaction.atomic():
        _still_ours(study)
        StudyFinding.objects.bulk_create(
            StudyFinding(
                study=study, account_id=one.account_id, differences=one.differences, newly_cut=one.newly_cut,
                spared=one.spared, paid_by_itself=one.paid_by_itself,
            )
            for one in found
        )  # fmt: skip
        study.last_account_id, study.partial, study.tries = account_ids[-1], work.put_by(), 0
        study.done += len(account_ids)
        study.total = max(study.total, study.done)  # accounts may have been added since it was asked for
        study.lease_until_at = None if last else clock.now() + LEASE
        study.save(update_fields=["last_account_id", "partial", "tries", "done", "total", "lease_until_at"])


def _settle(study: Study, work: Work) -> None:
    with transaction.atomic():
        _still_ours(study)
        study.total = study.done  # some may have been closed since
        study.result = work.document()
        _end(study, State.DONE)


def _fail(study: Study, why: str) -> None:
    with transaction.atomic():
        try:
            _still_ours(study)
        except LostTurnError:
            return
        _end(study, State.FAILED, why)


def _end(study: Study, state: str, error: str = "") -> None:
    study.state, study.error, study.finished_at = state, error[:500], clock.now()
    study.lease_until_at, study.partial = None, {}
    study.save()


def _still_ours(study: Study) -> None:
    """Lock the study's row, and make sure that it still runs in our turn."""
    rows = Study.objects.select_for_update().filter(pk=study.pk, state=State.RUNNING, turn=study.turn)
    if not rows.exists():
        raise LostTurnError


def store_forecast(days: int = 2) -> list[Forecast]:
    """Forecast the next days, from tomorrow on, and keep one row for each; doing it again renews them.

    A day that has begun anywhere keeps the last forecast made before. Only accounts at which anything is due by then
    are played. Returns the rows, or none if another process is at it.
    """
    with transaction.atomic():
        if not try_advisory_lock("delinquency.store_forecast"):
            return []
        made_at = clock.now()
        today = max((clock.today(zone) for zone in zones()), default=clock.today())
        from_on = today + timedelta(days=1)
        account_ids = due_by(from_on + timedelta(days=days - 1))
        whole = Days(from_on, days)
        for start in range(0, len(account_ids), CHUNK_AHEAD):
            whole.add_all(foretell(account_ids[start : start + CHUNK_AHEAD], from_on, days))
        rows = [_forecast(whole, place, made_at, len(account_ids)) for place in range(days)]
        return Forecast.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["for_on"],
            update_fields=[
                "made_at", "accounts_played", "cuts", "fees", "fee_total", "notices", "invoices", "invoice_total",
            ],
        )  # fmt: skip


def _forecast(days: Days, place: int, made_at: datetime, played: int) -> Forecast:
    counts, totals = days.counts, days.totals
    return Forecast(
        for_on=days.from_on + timedelta(days=place),
        made_at=made_at,
        accounts_played=played,
        cuts=counts["cuts"][place] + counts["switches"][place],
        fees=counts["fees"][place],
        fee_total=totals["fee_total"][place],
        notices=counts["notices"][place],
        invoices=counts["bills"][place],
        invoice_total=totals["bill_total"][place],
    )
