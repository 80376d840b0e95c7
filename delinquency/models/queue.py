"""Queues: who sees to which tickets, at which hours, and how soon an answer is promised."""

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords

from accounts.models.account import validate_zone
from billing_project.kernel import clock


class TicketQueue(models.Model):
    """A queue of tickets with its people and its promises."""

    name = models.CharField(max_length=40, unique=True)
    purpose = models.CharField(
        max_length=200, blank=True, help_text="What it is for, such as “Money: what is owed, paid, promised”."
    )
    timezone = models.CharField(
        max_length=64, default="UTC", validators=[validate_zone], help_text="The zone of its business hours."
    )
    first_response_minutes = models.PositiveIntegerField(
        null=True,
        blank=True,
        default=480,
        validators=[MinValueValidator(1)],
        help_text="Business minutes until the first answer to a new ticket; 480 is a day of eight hours. Blank: none.",
    )
    next_response_minutes = models.PositiveIntegerField(
        null=True,
        blank=True,
        default=480,
        validators=[MinValueValidator(1)],
        help_text="Business minutes until each later answer, from when the customer wrote. Blank: none.",
    )
    default_priority = models.PositiveSmallIntegerField(
        choices=[(1, "low"), (2, "normal"), (3, "high"), (4, "urgent")], default=2,
        help_text="What new tickets in it begin with.",
    )  # fmt: skip
    groups = models.ManyToManyField(
        "auth.Group", blank=True, related_name="ticket_queues", help_text="Everybody in these groups works in it."
    )
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        blank=True,
        related_name="ticket_queues",
        help_text="These people work in it too. No group and no member: everybody who may work on tickets.",
    )
    position = models.PositiveSmallIntegerField(default=1, help_text="Its place in lists.")
    history = HistoricalRecords()

    class Meta:
        ordering = ("position", "name")
        constraints = [
            models.CheckConstraint(
                condition=Q(first_response_minutes__isnull=True) | Q(first_response_minutes__gte=1),
                name="queue_first_response_positive",
            ),
            models.CheckConstraint(
                condition=Q(next_response_minutes__isnull=True) | Q(next_response_minutes__gte=1),
                name="queue_next_response_positive",
            ),
            models.CheckConstraint(
                condition=Q(default_priority__gte=1, default_priority__lte=4), name="queue_priority_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class QueueHours(models.Model):
    """One span of a weekday in which a queue works; a lunch break makes two of them."""

    class Weekday(models.IntegerChoices):
        MONDAY = 0, "Monday"
        TUESDAY = 1, "Tuesday"
        WEDNESDAY = 2, "Wednesday"
        THURSDAY = 3, "Thursday"
        FRIDAY = 4, "Friday"
        SATURDAY = 5, "Saturday"
        SUNDAY = 6, "Sunday"

    queue = models.ForeignKey(TicketQueue, on_delete=models.CASCADE, related_name="hours")
    weekday = models.PositiveSmallIntegerField(choices=Weekday.choices)
    opens = models.TimeField(help_text="Such as 09:00, in the queue's zone.")
    closes = models.TimeField(help_text="Such as 17:00; later than it opens.")

    class Meta:
        ordering = ("weekday", "opens")
        verbose_name = "business hours"
        verbose_name_plural = "business hours"
        constraints = [
            models.CheckConstraint(
                condition=Q(closes__gt=F("opens")),
                name="queue_hours_in_order",
                violation_error_message="It must close later than it opens.",
            ),
            models.CheckConstraint(condition=Q(weekday__lte=6), name="queue_hours_weekday_known"),
            models.UniqueConstraint(fields=["queue", "weekday", "opens"], name="queue_hours_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_weekday_display()} {self.opens:%H:%M}–{self.closes:%H:%M}"


class TicketRoute(models.Model):
    """To which queue new tickets of a kind go."""

    kind = models.CharField(max_length=12, unique=True)
    queue = models.ForeignKey(TicketQueue, on_delete=models.CASCADE, related_name="routes")

    def __str__(self) -> str:
        return f"{self.kind} to {self.queue}"


class TicketView(models.Model):
    """When a member of staff had a ticket open: who else is on it, and what they have not read yet."""

    ticket = models.ForeignKey("delinquency.Ticket", on_delete=models.CASCADE, related_name="views")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="ticket_views")
    since_at = models.DateTimeField(default=clock.now, help_text="When this visit began.")
    seen_at = models.DateTimeField(default=clock.now, help_text="When the page was last open.")
    draft = models.CharField(max_length=200, blank=True, help_text="How the answer begins that is being written.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["ticket", "user"], name="ticket_view_once")]
        indexes = [models.Index(fields=["ticket", "seen_at"], name="ticket_view_recent")]

    def __str__(self) -> str:
        return f"{self.user} on {self.ticket_id}"
