"""The hourly billing tick, as a row."""

from django.db import models

from billing_project.kernel import clock


class BillingRun(models.Model):
    """One billing tick: what it did, and that it was done once."""

    tick_at = models.DateTimeField(unique=True, help_text="The instant billed as of, cut to the minute.")
    started_at = models.DateTimeField(default=clock.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    accounts_looked_at = models.PositiveIntegerField(default=0)
    invoices_issued = models.PositiveIntegerField(default=0)
    amount_issued = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    dates_moved = models.PositiveIntegerField(default=0, help_text="Next bill dates moved on without an invoice.")
    parked = models.PositiveIntegerField(default=0)
    log = models.TextField(blank=True)

    class Meta:
        ordering = ("-tick_at",)

    def __str__(self) -> str:
        return f"{self.tick_at:%Y-%m-%d %H:%M} UTC"
