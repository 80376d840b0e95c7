"""The figures of months, kept so that the charts need not count them anew; and what staff's work takes."""

from typing import Any

from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from billing_project.kernel import clock


class MonthFigures(models.Model):
    """What a company's month came to: worked out from ledger and journal, and each night anew."""

    company = models.ForeignKey("accounts.Company", on_delete=models.CASCADE, related_name="month_figures")
    month = models.DateField(help_text="The first day of the month, in the accounts' own time.")
    figures: models.JSONField[Any, Any] = models.JSONField(default=dict)
    made_at = models.DateTimeField(default=clock.now)

    class Meta:
        verbose_name = "figures of a month"
        verbose_name_plural = "figures of months"
        ordering = ("-month", "company")
        constraints = [
            models.UniqueConstraint(fields=["company", "month"], name="month_figures_once"),
            models.CheckConstraint(condition=Q(month__day=1), name="month_figures_first_day"),
        ]

    def __str__(self) -> str:
        return f"{self.company}, {self.month:%B %Y}"


class ActMinutes(models.Model):
    """How long one piece of work takes a person: an assumption that the operator sets (E10)."""

    key = models.CharField(max_length=30, unique=True, editable=False)
    words = models.CharField(max_length=80, editable=False)
    by_hand = models.BooleanField(editable=False, help_text="People do it still; otherwise the program does.")
    minutes = models.DecimalField(
        max_digits=5, decimal_places=1, help_text="Minutes one takes a person, such as 4.5 for a letter."
    )
    position = models.PositiveSmallIntegerField(default=0, editable=False)
    history = HistoricalRecords()

    class Meta:
        verbose_name = "minutes of work"
        verbose_name_plural = "minutes of work"
        ordering = ("position", "key")
        constraints = [
            models.CheckConstraint(condition=Q(minutes__gte=0, minutes__lte=480), name="act_minutes_0_to_480")
        ]

    def __str__(self) -> str:
        return self.words
