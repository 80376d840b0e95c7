"""Address lists: the named sets of addresses that a device treats in one way (S16, S20, X10)."""

from django.core.validators import RegexValidator
from django.db import models
from simple_history.models import HistoricalRecords

from .hold import Level


class AddressList(models.Model):
    """What a device does to the lines at one level: the list's name there, and the speed."""

    name = models.CharField(
        max_length=60,
        unique=True,
        validators=[RegexValidator(r"^[A-Za-z0-9_.-]+$", "Letters, digits, _ . and - only.")],
        help_text="As the device knows it, such as Delinquent.",
    )
    level = models.CharField(max_length=16, choices=[c for c in Level.choices if c[0] != "open"], unique=True)
    rate_down_kbit = models.PositiveIntegerField(
        null=True, blank=True, help_text="Download speed in kbit/s; blank: not limited."
    )
    rate_up_kbit = models.PositiveIntegerField(
        null=True, blank=True, help_text="Upload speed in kbit/s; blank: not limited."
    )
    history = HistoricalRecords()

    class Meta:
        ordering = ("level",)

    def __str__(self) -> str:
        return self.name
