"""Queued network changes and every attempt at them."""

from django.db import models
from django.db.models import Q

from billing_project.kernel import clock

from .device import Device
from .hold import Level


class EnforcementTask(models.Model):
    """One order to a device: make this line so. A newer order for the line supersedes it."""

    class State(models.TextChoices):
        QUEUED = "queued", "queued"
        CLAIMED = "claimed", "claimed"
        SENDING = "sending", "sending"
        CONFIRMED = "confirmed", "confirmed by the device"
        SUPERSEDED = "superseded", "superseded"
        CANCELLED = "cancelled", "cancelled"
        PARKED = "parked", "parked"

    line = models.ForeignKey("accounts.ServiceLine", on_delete=models.CASCADE, related_name="enforcement_tasks")
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="enforcement_tasks")
    level = models.CharField(max_length=16, choices=Level.choices)
    list_name = models.CharField(max_length=60, blank=True, db_default="", help_text="The list of the device.")
    restores = models.BooleanField(help_text="It makes the line freer than before: goes first, at any hour (D6, R-13).")
    recloses = models.BooleanField(
        default=False,
        db_default=False,
        help_text="It closes a line again after a payment window, or after a device lost it: no new cut, so at any"
        " hour (P07, R-12).",
    )
    generation = models.PositiveIntegerField()
    why = models.CharField(max_length=300)
    state = models.CharField(max_length=12, choices=State.choices, default=State.QUEUED)
    due_at = models.DateTimeField(default=clock.now)
    lease_until_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=clock.now)
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        permissions = [("retry_order", "Can have orders to devices applied or tried again")]
        ordering = ("-created_at", "-pk")
        constraints = [
            models.UniqueConstraint(fields=["line", "device", "generation"], name="enforcement_task_once"),
            models.UniqueConstraint(
                fields=["line", "device"],
                condition=Q(state__in=["queued", "claimed", "sending"]),
                name="enforcement_task_open_once",
            ),
            models.CheckConstraint(condition=Q(attempts__lte=5), name="enforcement_attempts_bounded"),
            models.CheckConstraint(condition=~Q(restores=True, recloses=True), name="enforcement_task_one_direction"),
        ]
        indexes = [
            models.Index(fields=["created_at", "id"], name="enforcement_task_by_day"),
            models.Index(fields=["-restores", "due_at", "id"], condition=Q(state="queued"), name="enforcement_due"),
        ]

    def __str__(self) -> str:
        return f"{self.line}: {self.get_level_display()}"


class EnforcementAttempt(models.Model):
    """One try at a task, and what the device read back. Append-only."""

    task = models.ForeignKey(EnforcementTask, on_delete=models.CASCADE, related_name="attempt_rows")
    at = models.DateTimeField(default=clock.now)
    outcome = models.CharField(max_length=16)
    read_back = models.CharField(max_length=200, blank=True)
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("at", "pk")

    def __str__(self) -> str:
        return f"{self.outcome} {self.read_back}"
