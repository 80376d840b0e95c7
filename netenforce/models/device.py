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
        WEBHOOK = "webhook", "your own program (signed HTTP calls)"

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
    repairs_max = models.PositiveIntegerField(
        default=200, db_default=200, validators=[MinValueValidator(1)],
        help_text="At most so many lines are restricted anew in one comparison; the rest waits for the next, so that a"
        " mistake is seen before it reaches everybody. Lines that should be free are freed without a limit.",
    )  # fmt: skip
    last_contact_at = models.DateTimeField(null=True, blank=True, editable=False)
    failing_since_at = models.DateTimeField(null=True, blank=True, editable=False)
    failure = models.CharField(max_length=300, blank=True, editable=False)
    failures_in_row = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    retry_at = models.DateTimeField(null=True, blank=True, editable=False)
    version = models.CharField(max_length=120, blank=True, editable=False)
    model = models.CharField(max_length=120, blank=True, editable=False)
    uptime_seconds = models.PositiveBigIntegerField(null=True, blank=True, editable=False)
    probed_at = models.DateTimeField(null=True, blank=True, editable=False)
    notes = models.JSONField(default=list, blank=True, editable=False)
    history = HistoricalRecords(
        excluded_fields=[
            "secret", "last_contact_at", "failing_since_at", "failure", "failures_in_row", "retry_at", "version",
            "model", "uptime_seconds", "probed_at", "notes",
        ]
    )  # fmt: skip

    class Meta:
        permissions = [("compare_device", "Can compare devices with what is wanted, and mend the difference")]
        ordering = ("name",)
        constraints = [
            models.CheckConstraint(
                condition=Q(port__isnull=True) | Q(port__gte=1, port__lte=65535), name="device_port_in_range"
            )
        ]

    def __str__(self) -> str:
        return self.name


class LinePlacement(models.Model):
    """A device that a line is enforced on; a line may be on several, such as two routers and RADIUS."""

    line = models.ForeignKey("accounts.ServiceLine", on_delete=models.CASCADE, related_name="placements")
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="placements")
    history = HistoricalRecords()

    class Meta:
        permissions = [("place_line", "Can choose the devices of a line")]
        ordering = ("device", "line")
        constraints = [models.UniqueConstraint(fields=["line", "device"], name="line_placed_once_per_device")]

    def __str__(self) -> str:
        return f"{self.line} on {self.device}"


class SimulatedEntry(models.Model):
    """The simulated device's own memory: which address is in which list, as that outside world believes."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="simulated_entries")
    address = models.CharField(max_length=64)
    level = models.CharField(max_length=16)
    list_name = models.CharField(max_length=80, blank=True)
    ours = models.BooleanField(default=True, db_default=True, help_text="Off: as if somebody else had entered it.")
    since_at = models.DateTimeField(default=clock.now)

    class Meta:
        verbose_name_plural = "simulated entries"
        ordering = ("device", "address")
        constraints = [models.UniqueConstraint(fields=["device", "address"], name="simulated_entry_once")]

    def __str__(self) -> str:
        return f"{self.address} {self.level}"
