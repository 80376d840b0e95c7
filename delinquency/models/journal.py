"""The journal: every event of every account, in order, with its reason; and the ticks that made them."""

from django.db import models
from django.db.models import Q

from billing_project.kernel import clock


class Event(models.Model):
    """One line of an account's story, as contract section 4 names it. Append-only (a trigger refuses changes)."""

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="events")
    sequence = models.PositiveIntegerField(help_text="Counts the account's events.")
    on = models.DateField(help_text="The local day it belongs to.")
    local_at = models.CharField(max_length=19, help_text="The account's local time it was decided as of, ISO form.")
    recorded_at = models.DateTimeField(default=clock.now)
    kind = models.CharField(max_length=30)
    invoice = models.ForeignKey(
        "invoicing.Invoice", null=True, blank=True, on_delete=models.PROTECT, related_name="events"
    )
    amount = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    step = models.CharField(max_length=60, blank=True)
    rule = models.CharField(max_length=12, blank=True, help_text="The rule it follows, such as A3.")
    why = models.CharField(max_length=400)
    facts = models.JSONField(
        default=dict, blank=True, help_text="What was compared; read again, it leads to the same decision."
    )
    case = models.ForeignKey("delinquency.Case", null=True, blank=True, on_delete=models.PROTECT, related_name="events")
    policy_version = models.ForeignKey(
        "delinquency.PolicyVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ("account", "sequence")
        constraints = [
            models.UniqueConstraint(fields=["account", "sequence"], name="event_in_order"),
            models.UniqueConstraint(
                fields=["invoice", "kind"],
                condition=Q(kind__in=["issued", "due", "past_due"]),
                name="event_once_per_invoice",
            ),
            models.UniqueConstraint(
                fields=["invoice", "step"], condition=Q(kind="late_fee"), name="event_late_fee_once"
            ),
        ]
        indexes = [models.Index(fields=["on", "kind"], name="event_on_kind")]

    def __str__(self) -> str:
        return f"{self.on} {self.kind}"


class Sweep(models.Model):
    """One delinquency tick: what it did, and that it was done once."""

    tick_at = models.DateTimeField(unique=True, help_text="The instant decided as of, cut to the minute.")
    started_at = models.DateTimeField(default=clock.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    accounts_looked_at = models.PositiveIntegerField(default=0)
    events_written = models.PositiveIntegerField(default=0)
    counts = models.JSONField(default=dict, help_text="Events by kind.")
    parked = models.PositiveIntegerField(default=0)
    log = models.TextField(blank=True)

    class Meta:
        ordering = ("-tick_at",)

    def __str__(self) -> str:
        return f"{self.tick_at:%Y-%m-%d %H:%M} UTC"
