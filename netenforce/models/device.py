"""Network devices, and which line is on which."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from billing_project.kernel import clock
from billing_project.kernel.secrets import EncryptedTextField


class Device(models.Model):
    """A router, RADIUS server or other box that can slow or block a line."""

    class Driver(models.TextChoices):
        SIMULATED = "simulated", "simulated device"
        ROUTEROS = "routeros", "MikroTik RouterOS"
        NFTABLES = "nftables", "Linux inline device (nftables)"
        RADIUS = "radius", "RADIUS (FreeRADIUS, CoA)"

    name = models.CharField(max_length=80, unique=True)
    driver = models.CharField(max_length=12, choices=Driver.choices, default=Driver.SIMULATED)
    host = models.CharField(max_length=200, blank=True)
    port = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    username = models.CharField(max_length=80, blank=True)
    secret = EncryptedTextField(blank=True, help_text="Write-only: kept encrypted, never shown again.")
    options = models.JSONField(default=dict, blank=True, help_text='As documented per driver, such as {"tls": true}.')
    enabled = models.BooleanField(default=True)
    last_contact_at = models.DateTimeField(null=True, blank=True, editable=False)
    failing_since_at = models.DateTimeField(null=True, blank=True, editable=False)
    failure = models.CharField(max_length=300, blank=True, editable=False)
    history = HistoricalRecords(excluded_fields=["secret", "last_contact_at", "failing_since_at", "failure"])

    class Meta:
        ordering = ("name",)
        constraints = [
            models.CheckConstraint(
                condition=Q(port__isnull=True) | Q(port__gte=1, port__lte=65535), name="device_port_in_range"
            )
        ]

    def __str__(self) -> str:
        return self.name


class LinePlacement(models.Model):
    """Which device a line is enforced on."""

    line = models.OneToOneField("accounts.ServiceLine", on_delete=models.CASCADE, related_name="placement")
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="placements")
    history = HistoricalRecords()

    class Meta:
        ordering = ("device", "line")

    def __str__(self) -> str:
        return f"{self.line} on {self.device}"


class SimulatedEntry(models.Model):
    """The simulated device's own memory: which address is in which list, as that outside world believes."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="simulated_entries")
    address = models.CharField(max_length=64)
    level = models.CharField(max_length=16)
    list_name = models.CharField(max_length=80, blank=True)
    since_at = models.DateTimeField(default=clock.now)

    class Meta:
        verbose_name_plural = "simulated entries"
        ordering = ("device", "address")
        constraints = [models.UniqueConstraint(fields=["device", "address"], name="simulated_entry_once")]

    def __str__(self) -> str:
        return f"{self.address} {self.level}"
