"""Shadow: a time before going live in which everything is decided and nothing leaves the program."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.lookups import IsNull
from simple_history.models import HistoricalRecords

from billing_project.kernel import clock


class Shadow(models.Model):
    """A time in which the old system is still in charge: bills and checks are made here, nothing is sent or done."""

    started_at = models.DateTimeField(default=clock.now, editable=False)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    why = models.CharField(max_length=200, help_text="Such as “The old system bills until 1 March”.")
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    ended_why = models.CharField(max_length=200, blank=True)
    cancelled = models.JSONField(default=dict, blank=True, help_text="What was not sent by going live, by kind.")
    history = HistoricalRecords()

    class Meta:
        verbose_name = "shadow"
        verbose_name_plural = "shadow mode"
        ordering = ("-started_at", "-pk")
        permissions = (("run_shadow", "Can begin shadow mode, compare, and go live"),)
        constraints = [
            # All open rows have the same value here, so there can be one of them.
            models.UniqueConstraint(
                IsNull(F("ended_at"), True), condition=Q(ended_at__isnull=True), name="shadow_open_once"
            ),
            models.CheckConstraint(condition=~Q(why=""), name="shadow_has_reason"),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_why="") | Q(Q(ended_at__isnull=False) & ~Q(ended_why="")),
                name="shadow_end_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at")), name="shadow_ends_after_start"
            ),
        ]

    def __str__(self) -> str:
        return f"shadow mode of {self.started_at:%Y-%m-%d %H:%M} UTC"

    @property
    def words(self) -> str:
        """Return since when, by whom and why, in one sentence."""
        who = self.started_by or "the program"
        return f"In shadow mode since {self.started_at:%Y-%m-%d %H:%M} UTC by {who}: {self.why.rstrip('.')}."
