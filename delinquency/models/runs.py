"""What the timetable's tasks did, and the runs that people ask for."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from billing_project.kernel import clock


class TaskRun(models.Model):
    """A line in the log of the timetable: one run, or quiet runs in a row, or ticks that never came."""

    class State(models.TextChoices):
        DONE = "done", "done"
        FAILED = "failed", "failed"
        MISSED = "missed", "missed"

    task = models.CharField(max_length=60, help_text="As the timetable calls it, such as delinquency.tick.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.DONE)
    first_at = models.DateTimeField(help_text="When it began; of runs in a row, the first.")
    last_at = models.DateTimeField(help_text="When it began; of runs in a row, the last.")
    seconds = models.FloatField(default=0, help_text="How long it took; of runs in a row, the last.")
    count = models.BigIntegerField(default=0, help_text="What the task says it did, such as accounts or letters.")
    runs = models.PositiveIntegerField(default=1, help_text="How many runs the line stands for.")
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = "run"
        ordering = ("-last_at", "-pk")
        permissions = [("run_sweep", "Can run checks, billing and the nightly figures now")]
        constraints = [
            models.CheckConstraint(condition=Q(last_at__gte=F("first_at")), name="task_run_first_before_last"),
            models.CheckConstraint(condition=Q(runs__gte=1, seconds__gte=0), name="task_run_counts"),
            models.CheckConstraint(condition=~Q(state="failed") | ~Q(error=""), name="task_run_failed_says_why"),
            # Quiet runs share a line; what did something, or went wrong, has one of its own.
            models.CheckConstraint(
                condition=Q(runs=1) | Q(state="missed") | Q(state="done", count=0), name="task_run_shared_is_quiet"
            ),
        ]
        indexes = [models.Index(fields=["task", "-last_at"], name="task_run_of_task")]

    def __str__(self) -> str:
        return f"{self.task} {self.last_at:%Y-%m-%d %H:%M} UTC"


class RunRequest(models.Model):
    """A run that somebody asked for: one of a kind at a time, worked on by a worker, with how far it has got."""

    class Kind(models.TextChoices):
        CHECK = "check", "delinquency check"
        BILLING = "billing", "billing tick"
        PREVIEW = "preview", "preview of tonight"
        FIGURES = "figures", "figures of the months"

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        STOPPED = "stopped", "stopped"

    OPEN = (State.WAITING, State.RUNNING)

    kind = models.CharField(max_length=8, choices=Kind.choices, editable=False)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING, editable=False)
    why = models.CharField(max_length=200, blank=True, editable=False)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    asked_at = models.DateTimeField(default=clock.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Whoever works on it renews this with each chunk; a worker that died is found out by it.
    alive_until_at = models.DateTimeField(null=True, blank=True, editable=False)
    taken_up = models.PositiveSmallIntegerField(default=0, editable=False, help_text="How often a worker took it up.")
    stop_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False,
        help_text="Who asked to stop it.",
    )  # fmt: skip
    done = models.PositiveIntegerField(default=0, editable=False)
    total = models.PositiveIntegerField(default=0, editable=False)
    words = models.CharField(max_length=500, blank=True, editable=False, help_text="What came of it.")
    result: models.JSONField[Any, Any] = models.JSONField(default=dict, editable=False)

    class Meta:
        verbose_name = "run by hand"
        verbose_name_plural = "runs by hand"
        ordering = ("-asked_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=["kind"], condition=Q(state__in=["waiting", "running"]), name="run_request_one_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "running"], finished_at__isnull=True)
                | Q(state__in=["done", "failed", "stopped"], finished_at__isnull=False),
                name="run_request_finished_has_time",
            ),
            models.CheckConstraint(condition=~Q(state="failed") | ~Q(words=""), name="run_request_failed_says_why"),
            models.CheckConstraint(condition=Q(done__lte=F("total")), name="run_request_done_of_total"),
        ]
        indexes = [models.Index(fields=["kind", "-asked_at"], name="run_request_of_kind")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.asked_at:%Y-%m-%d %H:%M} UTC"
