"""What the system before this one says about accounts, and the differences that people have accepted."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing_project.kernel import clock


class OldState(models.Model):
    """Where an account stands in the old system on a day, as its export says; what it does not say is null."""

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="old_states")
    on = models.DateField(help_text="The day of the export.")
    status = models.CharField(max_length=80, blank=True, help_text="Blank: the export does not say.")
    balance = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    delinquent = models.BooleanField(null=True, blank=True)
    since = models.DateField(null=True, blank=True, help_text="Since when it is delinquent there.")
    restricted = models.BooleanField(null=True, blank=True, help_text="Whether its lines are slowed or blocked there.")
    imported_at = models.DateTimeField(default=clock.now)

    class Meta:
        verbose_name = "state in the old system"
        verbose_name_plural = "states in the old system"
        ordering = ("-on", "account")
        constraints = [
            models.UniqueConstraint(fields=["account", "on"], name="old_state_once_a_day"),
            models.CheckConstraint(
                condition=Q(since__isnull=True) | Q(delinquent=True), name="old_state_since_is_delinquent"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} on {self.on}"


class AcceptedDifference(models.Model):
    """A difference to the old system that somebody has looked at and accepts; another value is a new difference."""

    class Field(models.TextChoices):
        STATUS = "status", "status"
        BALANCE = "balance", "balance"
        DELINQUENT = "delinquent", "delinquent"
        SINCE = "since", "delinquent since"
        RESTRICTED = "restricted", "restricted"

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="accepted_differences")
    field = models.CharField(max_length=10, choices=Field.choices)
    ours = models.CharField(max_length=100, blank=True)
    theirs = models.CharField(max_length=100, blank=True)
    reason = models.CharField(max_length=200)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    accepted_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ("-accepted_at", "-pk")
        constraints = [
            models.UniqueConstraint(fields=["account", "field", "ours", "theirs"], name="accepted_difference_once"),
            models.CheckConstraint(condition=~Q(reason=""), name="accepted_difference_has_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.get_field_display()}: {self.ours} here, {self.theirs} there"
