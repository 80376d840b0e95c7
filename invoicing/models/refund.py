"""Money given back through the gateway: reserved before the call, settled after it (R-05, R-07)."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing_project.kernel import clock


class RefundAttempt(models.Model):
    """One call to a gateway to give money back.

    The ledger holds its money from the moment it is reserved, so that no bill uses it up meanwhile; a refund that was
    not made gives it back as credit.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "about to be sent"
        SENDING = "sending", "sending"
        DONE = "done", "given back"
        DECLINED = "declined", "not given back"
        UNKNOWN = "unknown", "unknown"

    OPEN = ("queued", "sending", "unknown")

    payment = models.ForeignKey("invoicing.Payment", on_delete=models.PROTECT, related_name="refund_attempts")
    key = models.CharField(max_length=120, unique=True, help_text="Sent to the gateway: one refund for one key.")
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    code = models.CharField(max_length=60, blank=True, help_text="The gateway's reason for a no.")
    words = models.CharField(max_length=300, blank=True)
    provider_id = models.CharField(max_length=120, blank=True)
    reason = models.CharField(max_length=300)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(default=clock.now)
    lease_until_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True, help_text="When an unknown one is looked up next.")
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "refund"
        ordering = ("-created_at", "-pk")
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="refund_amount_positive"),
            models.UniqueConstraint(
                fields=["payment"], condition=Q(state__in=["queued", "sending", "unknown"]), name="refund_open_once"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "sending", "unknown"], settled_at__isnull=True)
                | Q(state__in=["done", "declined"], settled_at__isnull=False),
                name="refund_settled_has_time",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="unknown"), name="refund_to_look_up"),
            models.Index(fields=["provider_id"], condition=~Q(provider_id=""), name="refund_at_the_gateway"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.get_state_display()}"
