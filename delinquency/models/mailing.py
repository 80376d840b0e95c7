"""Reports that are sent by e-mail: who gets which, when, and what became of each letter."""

from datetime import time

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from accounts.models.account import validate_zone
from billing_project.kernel import clock


class ReportSubscription(models.Model):
    """A report that staff get by e-mail, at a local time, about the day, week or month before."""

    class Every(models.TextChoices):
        DAY = "day", "every day, about the day before"
        WEEK = "week", "every week, about the week before (Monday to Sunday)"
        MONTH = "month", "every month, about the month before"

    class Weekday(models.IntegerChoices):
        MONDAY = 0, "Monday"
        TUESDAY = 1, "Tuesday"
        WEDNESDAY = 2, "Wednesday"
        THURSDAY = 3, "Thursday"
        FRIDAY = 4, "Friday"
        SATURDAY = 5, "Saturday"
        SUNDAY = 6, "Sunday"

    class Kind(models.TextChoices):
        XLSX = "xlsx", "XLSX (Excel)"
        CSV = "csv", "CSV"

    report = models.CharField(max_length=40)
    company = models.ForeignKey(
        "accounts.Company",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Blank: all companies, if they bill in one currency; else the first.",
    )
    every = models.CharField(max_length=5, choices=Every.choices, default=Every.WEEK)
    weekday = models.PositiveSmallIntegerField(
        choices=Weekday.choices, default=Weekday.MONDAY, help_text="For a weekly report: the day it is sent."
    )
    month_day = models.PositiveSmallIntegerField(
        "day of the month",
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(28)],
        help_text="For a monthly report: the day it is sent, 1 to 28.",
    )
    at = models.TimeField("sent at", default=time(7), help_text="Local time, such as 07:00.")
    timezone = models.CharField(
        max_length=64, validators=[validate_zone], help_text="Whose time that is, such as America/New_York."
    )
    kind = models.CharField("file", max_length=4, choices=Kind.choices, default=Kind.XLSX)
    recipients = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        related_name="report_subscriptions",
        help_text="Members of staff only; each needs an e-mail address, and the right to see reports.",
    )
    paused = models.BooleanField(default=False, help_text="Tick to stop it for now; nothing is sent later for it.")
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    made_at = models.DateTimeField(default=clock.now, editable=False, help_text="Nothing due before is sent.")
    history = HistoricalRecords(m2m_fields=[recipients])

    class Meta:
        verbose_name = "report by e-mail"
        verbose_name_plural = "reports by e-mail"
        ordering = ("report", "pk")
        constraints = [
            models.CheckConstraint(condition=Q(weekday__lte=6), name="subscription_weekday_0_to_6"),
            models.CheckConstraint(condition=Q(month_day__gte=1, month_day__lte=28), name="subscription_day_1_to_28"),
            models.CheckConstraint(condition=~Q(report=""), name="subscription_has_report"),
        ]

    def __str__(self) -> str:
        return f"{self.report}, {self.get_every_display()}"


class ReportMailing(models.Model):
    """One letter with a report to one person about one period; there is never a second one (D8)."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        SENDING = "sending", "being sent"
        SENT = "sent", "sent"
        FAILED = "failed", "failed"
        UNCLEAR = "unclear", "may have gone out"

    TRIES_MAX = 8

    subscription = models.ForeignKey(ReportSubscription, on_delete=models.CASCADE, related_name="mailings")
    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    to_address = models.CharField(max_length=254, blank=True)
    first_on = models.DateField(help_text="First day of its period.")
    last_on = models.DateField(help_text="Last day of its period.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    why = models.CharField(max_length=300, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=clock.now)
    lease_until_at = models.DateTimeField(null=True, blank=True, editable=False)
    sent_at = models.DateTimeField(null=True, blank=True)
    provider_id = models.CharField(max_length=120, blank=True)

    class Meta:
        verbose_name = "report sent"
        verbose_name_plural = "reports sent"
        ordering = ("-due_at", "-pk")
        constraints = [
            models.UniqueConstraint(fields=["subscription", "recipient", "first_on", "last_on"], name="mailing_once"),
            models.CheckConstraint(condition=Q(last_on__gte=models.F("first_on")), name="mailing_period_in_order"),
            models.CheckConstraint(
                condition=Q(state="sent", sent_at__isnull=False) | Q(~Q(state="sent"), sent_at__isnull=True),
                name="mailing_sent_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["failed", "unclear"]) | ~Q(why=""), name="mailing_failure_says_why"
            ),
        ]
        indexes = [models.Index(fields=["due_at"], condition=Q(state__in=["waiting", "sending"]), name="mailing_due")]

    def __str__(self) -> str:
        return f"{self.first_on} to {self.last_on}"
