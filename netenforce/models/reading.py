"""What was found each time a device was read and compared with what it should hold (D10)."""

from django.conf import settings
from django.db import models
from simple_history.models import HistoricalRecords

from billing_project.kernel import clock

from .device import Device


class DeviceReading(models.Model):
    """One comparison: how many lines differed in which way, and what was repaired. Append-only.

    ``missing`` should be restricted and are not, ``extra`` are restricted and should not be, ``stale`` are restricted
    otherwise than they should be, ``foreign`` stand in our lists by somebody else's hand and are left alone.
    """

    class Trigger(models.TextChoices):
        CLOCK = "clock", "on time"
        RESTART = "restart", "the device was started anew"
        HAND = "hand", "by hand"

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="readings")
    at = models.DateTimeField(default=clock.now)
    trigger = models.CharField(max_length=8, choices=Trigger.choices, default=Trigger.CLOCK)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    seconds = models.FloatField(default=0)
    held = models.PositiveIntegerField(default=0, help_text="Addresses that the device holds for us.")
    missing = models.PositiveIntegerField(default=0)
    extra = models.PositiveIntegerField(default=0)
    stale = models.PositiveIntegerField(default=0)
    foreign = models.PositiveIntegerField(default=0)
    repaired = models.PositiveIntegerField(default=0)
    left = models.PositiveIntegerField(default=0, help_text="Left for the next comparison.")
    failure = models.CharField(max_length=300, blank=True)
    details = models.JSONField(default=dict, blank=True, help_text="The first addresses of each class.")

    class Meta:
        ordering = ("-at", "-pk")
        indexes = [
            models.Index(fields=["at", "id"], name="device_reading_by_day"),
            models.Index(fields=["device", "-at"], name="device_reading_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.device} {self.at:%Y-%m-%d %H:%M} UTC"


class RadiusAnswer(models.Model):
    """The RADIUS client's word on a running session: the group that it confirmed for it.

    The tables on the operator's side tell only what the next log-in gets. A row without a session tells what we wrote
    into them last, when, and what they said before: a session that began earlier has that.
    """

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="radius_answers")
    username = models.CharField(max_length=253)
    session_id = models.CharField(
        max_length=64, blank=True, help_text="As accounting knows it (its unique id); blank: the rows of the tables."
    )
    list_name = models.CharField(max_length=60, blank=True, help_text="Blank: its own groups, not restricted.")
    before_list = models.CharField(
        max_length=60, blank=True, db_default="", help_text="What the rows said before; only where no session is named."
    )
    at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ("device", "username", "session_id")
        constraints = [
            models.UniqueConstraint(fields=["device", "username", "session_id"], name="radius_answer_once_per_session")
        ]

    def __str__(self) -> str:
        return f"{self.username} {self.session_id} {self.list_name}"


class ReleaseLimit(models.Model):
    """How far a role may free restricted lines without payment."""

    group = models.OneToOneField("auth.Group", on_delete=models.CASCADE, related_name="release_limit")
    hours_max = models.PositiveSmallIntegerField(help_text="Longest release in hours, such as 24.")
    releases_a_month = models.PositiveSmallIntegerField(
        help_text="So many for one account in 30 days, whoever of the role gives them."
    )
    history = HistoricalRecords()

    class Meta:
        ordering = ("group",)
        constraints = [
            models.CheckConstraint(
                condition=models.Q(hours_max__gte=1, hours_max__lte=168), name="release_limit_hours_within_a_week"
            )
        ]

    def __str__(self) -> str:
        return f"{self.group}: {self.hours_max} h"
