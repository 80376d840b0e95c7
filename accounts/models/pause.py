"""The global pause: while one is open, nothing leaves the program."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.lookups import IsNull
from simple_history.models import HistoricalRecords

from billing_project.kernel import clock


class Pause(models.Model):
    """A time in which no letter, charge or network order goes out (R-15): who pressed the button, and why."""

    started_at = models.DateTimeField(default=clock.now, editable=False)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    why = models.CharField(max_length=200, help_text="Such as “Letters name the wrong amount”.")
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    ended_why = models.CharField(max_length=200, blank=True, help_text="What made it safe to go on.")
    history = HistoricalRecords()

    class Meta:
        permissions = [("pause_everything", "Can pause everything and let it go on")]
        ordering = ("-started_at", "-pk")
        constraints = [
            # All open rows have the same value here, so there can be one of them.
            models.UniqueConstraint(
                IsNull(F("ended_at"), True), condition=Q(ended_at__isnull=True), name="pause_open_once"
            ),
            models.CheckConstraint(condition=~Q(why=""), name="pause_has_reason"),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_why="") | Q(Q(ended_at__isnull=False) & ~Q(ended_why="")),
                name="pause_end_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at")), name="pause_ends_after_start"
            ),
        ]

    def __str__(self) -> str:
        return f"pause of {self.started_at:%Y-%m-%d %H:%M} UTC"

    @property
    def words(self) -> str:
        """Return since when, by whom and why, in one sentence."""
        who = self.started_by or "the program"
        return f"Paused since {self.started_at:%Y-%m-%d %H:%M} UTC by {who}: {self.why.rstrip('.')}."
