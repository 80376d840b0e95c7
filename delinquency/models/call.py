"""Calls that policies ask staff to make (E3)."""

from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

# A call of a policy step should be made by then; afterwards it is shown as missed, and can still be made.
MADE_WITHIN = timedelta(days=2)


class CallTask(models.Model):
    """A call that a policy asks staff to make to the billing contact (E3).

    What came of each attempt is a call record; the task holds the last one, and its outcome once it is settled.
    """

    class Outcome(models.TextChoices):
        WAITING = "waiting", "to be called"
        REACHED = "reached", "reached"
        REFUSED = "refused", "reached, refused to talk"
        VOICEMAIL = "voicemail", "voicemail"
        NO_ANSWER = "no_answer", "no answer"
        BUSY = "busy", "busy"
        WRONG_NUMBER = "wrong_number", "wrong number"
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
    record = models.ForeignKey(
        "accounts.CallRecord",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="tasks",
        help_text="The last call that was made for it.",
    )
    tries = models.PositiveSmallIntegerField(default=0, help_text="How often somebody has called for it.")
    again_at = models.DateTimeField(null=True, blank=True, help_text="When to try again, after nobody was reached.")
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="claimed_calls",
        help_text="Who is calling at this moment.",
    )
    claimed_at = models.DateTimeField(null=True, blank=True)
    claimed_until_at = models.DateTimeField(null=True, blank=True)
    history = HistoricalRecords()

    class Meta:
        permissions = [("log_call", "Can note calls")]
        ordering = ("due_on", "pk")
        constraints = [
            models.UniqueConstraint(fields=["account", "anchor_key", "step_key"], name="call_task_once"),
            models.CheckConstraint(
                condition=Q(outcome="waiting", outcome_at__isnull=True)
                | (~Q(outcome="waiting") & Q(outcome_at__isnull=False)),
                name="call_task_settled_has_time",
            ),
            models.CheckConstraint(
                condition=Q(claimed_at__isnull=True, claimed_until_at__isnull=True)
                | Q(claimed_at__isnull=False, claimed_until_at__isnull=False),
                name="call_task_claim_ends",
            ),
        ]
        indexes = [
            models.Index(fields=["due_on", "id"], name="call_task_by_day"),
            models.Index(fields=["due_on"], condition=Q(outcome="waiting"), name="call_task_waiting"),
            models.Index(fields=["account"], condition=Q(outcome="waiting"), name="call_task_waiting_account"),
        ]

    def __str__(self) -> str:
        return f"call by {self.due_on}"

    def is_missed(self, today: date) -> bool:
        """Tell whether nobody has called though it was due two days ago, by the account's date."""
        return self.outcome == CallTask.Outcome.WAITING and not self.tries and self.due_on + MADE_WITHIN < today

    def is_claimed(self, now: datetime) -> bool:
        """Tell whether somebody is on it at an instant."""
        return self.claimed_by_id is not None and self.claimed_until_at is not None and self.claimed_until_at > now
