"""What other programs are told: who listens, and each thing that was or is still to be said."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from billing_project.kernel import clock
from billing_project.kernel.secrets import EncryptedTextField


class WebhookEndpoint(models.Model):
    """An address that hears of events by signed calls, from the day on which it was entered."""

    name = models.CharField(max_length=60, unique=True, help_text="Which program it is, such as Provisioning.")
    url = models.CharField(
        max_length=400,
        help_text="Such as https://crm.example.com/hooks/billing. Only https, except on hosts that the operator has"
        " listed (WEBHOOK_PRIVATE_NETWORKS).",
    )
    kinds = ArrayField(
        models.CharField(max_length=30), verbose_name="events", help_text="Which events it hears of."
    )  # fmt: skip
    secret = EncryptedTextField(editable=False)
    old_secret = EncryptedTextField(blank=True, editable=False)
    old_secret_until_at = models.DateTimeField(null=True, blank=True, editable=False)
    is_active = models.BooleanField("active", default=True, help_text="Unticked, what happens meanwhile is not kept.")
    since_on = models.DateField(default=clock.today, editable=False)
    failures_in_row = models.PositiveIntegerField(default=0, editable=False)
    retry_at = models.DateTimeField(null=True, blank=True, editable=False)
    failing_since_at = models.DateTimeField(null=True, blank=True, editable=False)
    failure = models.CharField(max_length=300, blank=True, editable=False)
    history = HistoricalRecords(
        excluded_fields=[
            "secret", "old_secret", "old_secret_until_at", "failures_in_row", "retry_at", "failing_since_at", "failure",
        ]
    )  # fmt: skip

    class Meta:
        verbose_name = "webhook"
        ordering = ("name",)
        constraints = [models.CheckConstraint(condition=~Q(kinds=[]), name="webhook_hears_something")]

    def __str__(self) -> str:
        return self.name


class WebhookDelivery(models.Model):
    """One event for one endpoint: written in the event's own transaction by a trigger, so none is missed or doubled."""

    class State(models.TextChoices):
        QUEUED = "queued", "waiting"
        CLAIMED = "claimed", "being sent"
        SENT = "sent", "delivered"
        PARKED = "parked", "given up"

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries")
    event = models.ForeignKey("delinquency.Event", on_delete=models.PROTECT, related_name="deliveries")
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED, db_default="queued")
    due_at = models.DateTimeField()
    lease_until_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    tried_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(max_length=300, blank=True, default="", db_default="")

    class Meta:
        verbose_name_plural = "webhook deliveries"
        ordering = ("-pk",)
        permissions = [("resend_webhookdelivery", "Can have webhook deliveries sent again")]
        constraints = [models.UniqueConstraint(fields=["endpoint", "event"], name="webhook_delivery_once")]
        indexes = [
            models.Index(
                fields=["endpoint", "due_at"], condition=Q(state__in=["queued", "claimed"]), name="webhook_delivery_due"
            ),
            models.Index(fields=["endpoint", "-id"], name="webhook_delivery_of_endpoint"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.endpoint}"
