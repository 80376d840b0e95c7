"""Calls that policies ask staff to make (E3)."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords


class CallTask(models.Model):
    """A call that a policy asks staff to make to the billing contact (E3)."""

    class Outcome(models.TextChoices):
        WAITING = "waiting", "to be called"
        REACHED = "reached", "reached"
        VOICEMAIL = "voicemail", "voicemail"
        NO_ANSWER = "no_answer", "no answer"
        NOT_NEEDED = "not_needed", "no longer needed"

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="call_tasks")
    anchor_key = models.CharField(max_length=80)
    step_key = models.CharField(max_length=60)
    contact = models.ForeignKey(
        "accounts.Contact", null=True, blank=True, on_delete=models.SET_NULL, related_name="call_tasks"
    )
    due_on = models.DateField()
    why = models.CharField(max_length=300)
    outcome = models.CharField(max_length=12, choices=Outcome.choices, default=Outcome.WAITING)
    outcome_at = models.DateTimeField(null=True, blank=True)
    outcome_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    note = models.CharField(max_length=300, blank=True)
    history = HistoricalRecords()

    class Meta:
        ordering = ("due_on", "pk")
        constraints = [models.UniqueConstraint(fields=["account", "anchor_key", "step_key"], name="call_task_once")]
        indexes = [models.Index(fields=["due_on"], condition=Q(outcome="waiting"), name="call_task_waiting")]

    def __str__(self) -> str:
        return f"call by {self.due_on}"
