"""Cases (the trade also says episodes) and the steps that were taken."""

from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords

from billing_project.kernel import clock


class Case(models.Model):
    """An account's delinquency from entry to cure."""

    class Stage(models.TextChoices):
        OPEN = "open", "open"
        RESTRICTED = "restricted", "restricted"
        CLOSED = "closed", "closed"

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="cases")
    number = models.PositiveIntegerField(help_text="Counts the account's cases.")
    stage = models.CharField(max_length=10, choices=Stage.choices, default=Stage.OPEN)
    stage_since_at = models.DateTimeField(default=clock.now)
    opened_on = models.DateField()
    closed_on = models.DateField(null=True, blank=True)
    closed_why = models.CharField(max_length=300, blank=True)
    reached_cut = models.BooleanField(
        default=False,
        help_text="It reached the payment page, a suspension or a status switch: a reconnection fee is due (A35).",
    )
    lifted = models.BooleanField(default=False, help_text="Ended by a clerk's grant, not by payment (A8).")
    reconnection_fee_charged = models.BooleanField(default=False)
    resumed_count = models.PositiveSmallIntegerField(default=0, help_text="How often a reversal resumed it (A23).")
    history = HistoricalRecords()

    class Meta:
        ordering = ("-opened_on", "-pk")
        constraints = [
            models.UniqueConstraint(fields=["account", "number"], name="case_number_once"),
            models.UniqueConstraint(fields=["account"], condition=~Q(stage="closed"), name="case_open_once"),
            models.CheckConstraint(
                condition=Q(stage="closed", closed_on__isnull=False) | Q(~Q(stage="closed"), closed_on__isnull=True),
                name="case_closed_has_date",
            ),
            models.CheckConstraint(
                condition=Q(closed_on__isnull=True) | Q(closed_on__gte=F("opened_on")), name="case_closes_after_opening"
            ),
        ]
        indexes = [
            models.Index(fields=["opened_on", "id"], name="case_by_day"),
        ]

    def __str__(self) -> str:
        return f"case {self.number} of account {self.account_id}"


class StepRun(models.Model):
    """A step that was taken, once for its anchor: an invoice or a case (D8). Cuts stay in force until released."""

    class Outcome(models.TextChoices):
        DONE = "done", "done"
        NOT_SENT = "not_sent", "not sent"
        HELD = "held", "held back"
        WAITING = "waiting", "waiting for its notice to be accepted"

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="step_runs")
    anchor_key = models.CharField(max_length=80, help_text="invoice:ID or case:NUMBER.")
    step_key = models.CharField(max_length=60)
    action = models.CharField(max_length=30)
    on = models.DateField()
    at = models.DateTimeField(default=clock.now)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.DONE)
    why = models.CharField(max_length=300, blank=True)
    level = models.CharField(max_length=16, blank=True)
    invoices = models.JSONField(default=list, help_text="Ids of the invoices that caused it.")
    in_force = models.BooleanField(default=False, help_text="A cut or switch that has not been released.")

    class Meta:
        ordering = ("account", "at", "pk")
        constraints = [models.UniqueConstraint(fields=["account", "anchor_key", "step_key"], name="step_run_once")]
        indexes = [
            models.Index(fields=["on", "id"], name="step_run_by_day"),
            models.Index(fields=["account"], condition=Q(in_force=True), name="step_run_in_force"),
            models.Index(fields=["account"], condition=Q(outcome="waiting"), name="step_run_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.step_key} for {self.anchor_key}"
