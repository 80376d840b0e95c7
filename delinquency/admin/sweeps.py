"""Runs: what the timetable's tasks did and do next, what is held or paused meanwhile, and runs asked for by hand."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from accounts.admin.base import BAD, GOOD, QUIET, WARN, ReadOnlyAdmin, badge, local_time
from accounts.models import Notice
from accounts.queries import open_pause
from billing_project.kernel import clock
from delinquency.counting import count_all
from delinquency.models import AirbagTrip, RunRequest, TaskRun
from delinquency.runs import BILLING, CHECK, WORDS, Line, lines
from invoicing.models import PaymentAttempt
from netenforce.models import EnforcementTask

from .sweeps_blocked import BlockedPage
from .sweeps_tonight import TonightPage

LOG_LINES = 50
LINE_TONES = {"on time": GOOD, "late": BAD, "failed": BAD, "not yet": QUIET}
RUN_TONES: dict[str, str] = {"done": GOOD, "failed": BAD, "missed": WARN}
# Which tasks have a run by hand, with progress; the others come round within minutes.
BY_HAND = {BILLING: RunRequest.Kind.BILLING, CHECK: RunRequest.Kind.CHECK,
           "delinquency.report_months": RunRequest.Kind.FIGURES}  # fmt: skip
RIGHT_TO_RUN = "delinquency.run_sweep"


def span(length: timedelta) -> str:
    """Return a length of time in the one or two words that matter."""
    seconds = max(int(length.total_seconds()), 0)
    if seconds < 90:
        return f"{seconds} s"
    if seconds < 90 * 60:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 48 * 3600 else f"{seconds // 86400} days"


@admin.register(TaskRun)
class TaskRunAdmin(BlockedPage, TonightPage, ReadOnlyAdmin):
    """The log of the timetable; the page “Runs” sums it up."""

    list_display = ("last", "task_shown", "state_shown", "runs", "took", "count", "error")
    list_filter = ("state", "task")
    search_fields = ("task", "error")
    date_hierarchy = "last_at"
    empty_words = (
        "No task has run yet. The worker runs them by the timetable; start it with manage.py serve, and look here a"
        " minute later."
    )

    def get_urls(self) -> list[Any]:
        """Add the page “Runs” before the admin's own."""
        page = path("runs/", self.admin_site.admin_view(require_safe(self.runs_page)), name="delinquency_taskrun_runs")
        return [page, *super().get_urls()]

    def runs_page(self, request: HttpRequest) -> HttpResponse:
        """Show each task with its last and next run, what is held or paused, and the last runs with their errors."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now, only, task = clock.now(), request.GET.get("state") == "wrong", request.GET.get("task", "")
        every = lines(now)
        shown = [line for line in every if line.is_wrong or not only]
        log = TaskRun.objects.all()
        if task in WORDS:
            log = log.filter(task=task)
        elif only:
            log = log.exclude(state=TaskRun.State.DONE)
        may_run = request.user.has_perm(RIGHT_TO_RUN)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "Runs",
            "lines": [self._line(line, now, may_run=may_run) for line in shown], "found_count": len(shown),
            "wrong": sum(line.is_wrong for line in every), "only": only, "task": task,
            "task_words": WORDS.get(task, ("",))[0],
            "log": [self._log_line(run) for run in log[:LOG_LINES]], "log_url": self._list_url(),
            "pause": open_pause(), "may_pause": request.user.has_perm("accounts.pause_everything"),
            "waiting": _waiting(), "trips": _held(), "asked": _asked(),
            "may_see_trips": request.user.has_perm("delinquency.view_airbagtrip"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/sweeps.html", context)

    def _list_url(self) -> str:
        return reverse("admin:delinquency_taskrun_changelist")

    def _line(self, line: Line, now: Any, *, may_run: bool) -> dict[str, Any]:
        run, kind = line.last, BY_HAND.get(line.entry.task)
        return {
            "words": line.entry.words, "does": line.entry.does, "state": badge(line.state, LINE_TONES[line.state]),
            "url": f"?task={line.entry.task}",
            "last": local_time(run.last_at) if run else "", "ago": span(now - run.last_at) if run else "",
            "took": f"{run.seconds:.1f} s" if run else "", "count": run.count if run else 0,
            "error": run.error if run else "", "every": span(line.entry.period),
            "next": local_time(line.next_at) if line.next_at else "",
            "run_url": reverse("admin:delinquency_runrequest_ask", args=[kind]) if may_run and kind else "",
        }  # fmt: skip

    def _log_line(self, run: TaskRun) -> dict[str, Any]:
        return {
            "at": local_time(run.last_at), "since": local_time(run.first_at) if run.runs > 1 else "",
            "words": WORDS.get(run.task, (run.task,))[0], "state": self.state_shown(run), "runs": run.runs,
            "took": f"{run.seconds:.1f} s" if run.state != TaskRun.State.MISSED else "", "count": run.count,
            "error": run.error,
        }  # fmt: skip

    @admin.display(description="began (UTC)", ordering="last_at")
    def last(self, run: TaskRun) -> SafeString | str:
        """Return when it began; of runs in a row, the last."""
        return local_time(run.last_at)

    @admin.display(description="task", ordering="task")
    def task_shown(self, run: TaskRun) -> str:
        """Return what people call the task."""
        return WORDS.get(run.task, (run.task,))[0]

    @admin.display(description="state", ordering="state")
    def state_shown(self, run: TaskRun) -> SafeString:
        """Return the state in words and colour."""
        if run.state == TaskRun.State.DONE and not run.count:
            return badge("nothing was due", QUIET)
        return badge(run.get_state_display(), RUN_TONES[run.state])

    @admin.display(description="took", ordering="seconds")
    def took(self, run: TaskRun) -> SafeString:
        """Return how long it took."""
        return format_html("{} s", f"{run.seconds:.1f}")


def _waiting() -> list[tuple[str, int, str]]:
    """Return what waits to go out, in counts, and where it is listed."""
    notices, attempts, tasks = Notice.State, PaymentAttempt.State, EnforcementTask.State
    found = count_all(
        {
            "letters and messages": Notice.objects.filter(state=notices.QUEUED),
            "charges": PaymentAttempt.objects.filter(state=attempts.QUEUED),
            "network orders": EnforcementTask.objects.filter(state=tasks.QUEUED),
        }
    )
    pages = {
        "letters and messages": "accounts_notice", "charges": "invoicing_paymentattempt",
        "network orders": "netenforce_enforcementtask",
    }  # fmt: skip
    return [
        (words, count, reverse(f"admin:{pages[words]}_changelist") + "?state__exact=queued")
        for words, count in found.items()
    ]


def _held() -> list[AirbagTrip]:
    rows = AirbagTrip.objects.filter(state__in=AirbagTrip.OPEN).select_related("asked_by")
    return list(rows.annotate(steps_total=Count("steps"), accounts_total=Count("steps__account", distinct=True)))


def _asked() -> list[RunRequest]:
    """Return the runs by hand that wait or run, and the last that ended."""
    rows = RunRequest.objects.select_related("asked_by").defer("result")
    return [*rows.filter(state__in=RunRequest.OPEN), *rows.exclude(state__in=RunRequest.OPEN)[:3]]
