"""The timetable's tasks: what each is for, when it ran last and runs next, and whether it is late."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from billing_project.kernel import clock

from .models import TaskRun

# How long after its time a task may come: a worker may be busy, or be started anew.
PATIENCE_MIN, PATIENCE_MAX = timedelta(minutes=5), timedelta(hours=1)
KEPT_PER_TASK, ERROR_LENGTH = 200, 500
BILLING, CHECK = "invoicing.tick", "delinquency.tick"
WORDS: dict[str, tuple[str, str]] = {
    "invoicing.tick": ("Billing", "Issues the bills that have become due."),
    "delinquency.tick": ("Delinquency check", "Looks after late accounts: reminders, fees, cuts, returns."),
    "delinquency.run_asked": ("Runs by hand", "Takes up the runs that people ask for on this page."),
    "delinquency.send_receipts": ("Receipts", "Writes the letters with receipts of payments."),
    "delinquency.send_invoices": ("Invoice letters", "Writes the letters with new invoices."),
    "accounts.dispatch_notices": ("Letters and messages", "Sends what waits in the post room."),
    "accounts.answer_sign_ins": ("Sign-in links", "Answers customers who asked for a link to the portal."),
    "invoicing.dispatch_charges": ("Charges", "Charges the cards and bank accounts that are due."),
    "invoicing.process_event": ("Gateway reports", "Handles what the payment provider has reported."),
    "invoicing.apply_bank_files": ("Bank files", "Goes on with bank files that were left unfinished."),
    "invoicing.announce_cards": ("Expiring cards", "Tells customers whose card runs out."),
    "invoicing.purge_events": ("Old gateway reports", "Forgets reports of more than 90 days ago."),
    "netenforce.restore": ("Restores", "Frees the lines of those who have paid, before anything else."),
    "netenforce.dispatch": ("Network orders", "Sends the other orders to the devices."),
    "netenforce.follow_lists": ("Address lists", "Takes changed address lists to the devices."),
    "netenforce.watch": ("Device watch", "Notices devices that were started anew, and who is blocked still."),
    "netenforce.raise_alarms": ("Network alarms", "Tells staff of lines that are not as they should be."),
    "netenforce.reconcile": ("Comparisons", "Reads the devices back and repairs what has drifted."),
    "delinquency.report_studies": ("Studies", "Works on studies of policies."),
    "delinquency.report_forecast": ("Forecast", "Says what tomorrow should bring."),
    "delinquency.report_preview": ("What comes next", "Plays the coming day ahead where many accounts are due."),
    "delinquency.report_months": ("Figures of the months", "Counts what the charts show, and clears this log."),
    "delinquency.move_batches": ("Policy moves", "Goes on with moves of accounts to another policy."),
    "delinquency.mass_actions": ("Actions on many", "Goes on with actions on many that were left unfinished."),
    "delinquency.import_files": ("Imports", "Goes on with uploaded files, and deletes old contents."),
    "delinquency.report_webhooks": ("Webhooks", "Tells other programs what happened."),
    "delinquency.report_old_calls": ("Old calls", "Forgets what the API kept of a month ago."),
    "delinquency.report_mailings": ("Reports by e-mail", "Sends the reports that are due."),
    "accounts.report_exports": ("Large files", "Makes files of long lists, and deletes old ones."),
    "accounts.seal_audit": ("Audit seal", "Makes what was noted part of the chain."),
    "accounts.report_audit": ("Audit checks", "Checks the audit record where somebody asked for it."),
    "invoicing.report_payouts": ("Payouts", "Fetches what the payment provider has paid out."),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One task of the timetable."""

    task: str
    period: timedelta
    next_at: datetime | None  # of those with fixed hours

    @property
    def words(self) -> str:
        """Return what people call it."""
        return WORDS.get(self.task, (self.task, ""))[0]

    @property
    def does(self) -> str:
        """Return what it is for, in one sentence."""
        return WORDS.get(self.task, ("", ""))[1]

    @property
    def patience(self) -> timedelta:
        """Return after how long without a run it is late."""
        return self.period + min(max(self.period, PATIENCE_MIN), PATIENCE_MAX)


@dataclass(frozen=True, slots=True)
class Line:
    """A task with its last run, as of an instant."""

    entry: Entry
    last: TaskRun | None
    state: str  # "on time", "late", "failed" or "not yet"
    next_at: datetime | None

    @property
    def is_wrong(self) -> bool:
        """Tell whether somebody must look."""
        return self.state in ("late", "failed")


def timetable(now: datetime) -> list[Entry]:
    """Return the tasks of the timetable in the order in which they are explained, as of an instant."""
    entries = {entry["task"]: _entry(entry["task"], entry["schedule"], now) for entry in _beat().values()}
    order = list(WORDS)
    return sorted(entries.values(), key=lambda e: order.index(e.task) if e.task in order else len(order))


def lines(now: datetime) -> list[Line]:
    """Return each task of the timetable with its last run; one query."""
    last = {run.task: run for run in _latest()}
    return [_line(entry, last.get(entry.task), now) for entry in timetable(now)]


def note_run(task: str, *, began_at: datetime, seconds: float, count: int = 0, error: str = "") -> TaskRun:
    """Write a run of a task into its log, and before it the ticks that never came.

    Quiet runs in a row share one line, so that the log of a task that runs each minute can be read.
    """
    last = TaskRun.objects.filter(task=task).exclude(state=TaskRun.State.MISSED).first()
    entry = next((entry for entry in timetable(began_at) if entry.task == task), None)
    late = last is not None and entry is not None and began_at - last.last_at > entry.patience
    if late and last is not None and entry is not None:
        TaskRun.objects.create(
            task=task, state=TaskRun.State.MISSED, first_at=last.last_at + entry.period, last_at=began_at,
            runs=max((began_at - last.last_at) // entry.period - 1, 1),
        )  # fmt: skip
    quiet = not error and not count
    if quiet and not late and last is not None and last.state == TaskRun.State.DONE and not last.count:
        TaskRun.objects.filter(pk=last.pk, last_at__lte=began_at).update(
            last_at=began_at, seconds=seconds, runs=last.runs + 1
        )
        return last
    return TaskRun.objects.create(
        task=task, state=TaskRun.State.FAILED if error else TaskRun.State.DONE, first_at=began_at, last_at=began_at,
        seconds=seconds, count=count, error=error[:ERROR_LENGTH],
    )  # fmt: skip


def clear_log() -> int:
    """Forget all but the newest lines of each task; return how many were forgotten."""
    gone = 0
    for task in TaskRun.objects.order_by().values_list("task", flat=True).distinct():
        kept = TaskRun.objects.filter(task=task).values_list("pk", flat=True)[:KEPT_PER_TASK]
        gone += TaskRun.objects.filter(task=task).exclude(pk__in=list(kept)).delete()[0]
    return gone


def _latest() -> QuerySet[TaskRun]:
    rows = TaskRun.objects.exclude(state=TaskRun.State.MISSED)
    return rows.order_by("task", "-last_at", "-pk").distinct("task")


def _line(entry: Entry, last: TaskRun | None, now: datetime) -> Line:
    if last is None:
        return Line(entry, None, "not yet", entry.next_at)
    state = "failed" if last.state == TaskRun.State.FAILED else "on time"
    if now - last.last_at > entry.patience:
        state = "late"
    return Line(entry, last, state, entry.next_at or max(last.last_at + entry.period, now))


def _beat() -> dict[str, Any]:
    found: dict[str, Any] = settings.CELERY_BEAT_SCHEDULE
    return found


def _entry(task: str, plan: Any, now: datetime) -> Entry:
    if not hasattr(plan, "minute"):
        return Entry(task, plan.run_every, None)
    moments = sorted((hour, minute) for hour in plan.hour for minute in plan.minute)
    today = [now.replace(hour=hour, minute=minute, second=0, microsecond=0) for hour, minute in moments]
    next_at = next((moment for moment in today if moment > now), today[0] + timedelta(days=1))
    return Entry(task, timedelta(days=1) / len(moments), next_at)


def now_lines() -> list[Line]:
    """Return each task with its last run, as of now."""
    return lines(clock.now())
