"""What one person asks for above their own limit and another decides (SEC-21): what all such requests share."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from billing_project.kernel import clock


class SecondPersonRequest(models.Model):
    """A request that waits until a second person decides it, or whoever asked takes it back."""

    class State(models.TextChoices):
        WAITING = "waiting", "waits for a second person"
        APPROVED = "approved", "approved"
        REFUSED = "refused", "refused"
        WITHDRAWN = "withdrawn", "withdrawn"

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="%(class)ss")
    reason = models.CharField(max_length=300)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="%(class)ss_asked"
    )  # fmt: skip
    asked_at = models.DateTimeField(default=clock.now)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="%(class)ss_decided"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=200, blank=True, help_text="What the second person says to it.")

    class Meta:
        abstract = True
        ordering = ("-asked_at", "-pk")
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="%(class)s_has_reason"),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True) | ~Q(decided_by=F("asked_by")), name="%(class)s_by_a_second"
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", decided_at__isnull=True, decided_by__isnull=True)
                | Q(state__in=["approved", "refused"], decided_at__isnull=False, decided_by__isnull=False)
                | Q(state="withdrawn", decided_at__isnull=False, decided_by__isnull=True),
                name="%(class)s_decided_by_somebody",
            ),
            models.UniqueConstraint(fields=["account"], condition=Q(state="waiting"), name="%(class)s_asked_once"),
        ]  # fmt: skip
