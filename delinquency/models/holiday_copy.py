"""Which public holidays were copied into the exclusions, when and by whom, so that a copy can be taken back."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from billing_project.kernel import clock

from .policy import Policy


class HolidayCopy(models.Model):
    """One copy of public holidays into the exclusions; what it added points at it."""

    country = models.CharField(max_length=2, help_text="ISO 3166-1 code, such as US.")
    region = models.CharField(max_length=40, blank=True, help_text="Code of the region, such as TX; blank: nationwide.")
    place = models.CharField(max_length=120, help_text="Country and region in words.")
    categories = models.JSONField(default=list, help_text='Kinds of holidays, such as ["public"].')
    first_year = models.PositiveSmallIntegerField()
    last_year = models.PositiveSmallIntegerField()
    policy = models.ForeignKey(
        Policy,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="holiday_copies",
        help_text="Blank: all policies.",
    )
    dates_added = models.PositiveIntegerField()
    made_at = models.DateTimeField(default=clock.now)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        permissions = [("copy_holidays", "Can copy public holidays and undo that")]
        verbose_name_plural = "holiday copies"
        ordering = ("-made_at", "-pk")
        constraints = [
            models.CheckConstraint(condition=Q(last_year__gte=F("first_year")), name="holiday_copy_years_in_order"),
            models.CheckConstraint(condition=Q(dates_added__gt=0), name="holiday_copy_added_something"),
            models.CheckConstraint(
                condition=Q(undone_at__isnull=True) | Q(undone_at__gte=F("made_at")), name="holiday_copy_undone_after"
            ),
            models.CheckConstraint(
                condition=Q(undone_by__isnull=True) | Q(undone_at__isnull=False), name="holiday_copy_undone_has_time"
            ),
        ]

    def __str__(self) -> str:
        years = str(self.first_year) if self.first_year == self.last_year else f"{self.first_year}–{self.last_year}"
        return f"{self.place}, {years}"
