"""Holds on an account's lines, and the state of each line that follows from them."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing_project.kernel import clock


class Level(models.TextChoices):
    """How hard a line is restricted, mildest first."""

    OPEN = "open", "open"
    THROTTLE = "throttle", "slowed"
    WALLED_GARDEN = "walled_garden", "payment page only"
    SUSPEND = "suspend", "suspended"


LEVEL_ORDER = {Level.OPEN: 0, Level.THROTTLE: 1, Level.WALLED_GARDEN: 2, Level.SUSPEND: 3}


class Hold(models.Model):
    """One reason to restrict an account's lines. Lifting one leaves the others."""

    class Cause(models.TextChoices):
        NON_PAYMENT = "non_payment", "non-payment"
        ABUSE = "abuse", "abuse"
        REQUEST = "request", "customer's request"
        STATUS = "status", "account status"
        FOUND = "found", "found on the device"

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="holds")
    cause = models.CharField(max_length=16, choices=Cause.choices)
    cause_key = models.CharField(max_length=120, help_text="What exactly holds: one active hold for one key.")
    level = models.CharField(max_length=16, choices=[c for c in Level.choices if c[0] != "open"])
    why = models.CharField(max_length=300)
    placed_at = models.DateTimeField(default=clock.now)
    placed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    until_at = models.DateTimeField(null=True, blank=True, help_text="It lifts by itself then; blank: only by hand.")
    paying_ends = models.BooleanField(
        default=False, db_default=False,
        help_text="The status was switched for money that is owed, so paying ends this as well.",
    )  # fmt: skip
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_why = models.CharField(max_length=300, blank=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        permissions = [("place_hold", "Can restrict lines by hand and lift holds")]
        ordering = ("-placed_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=["account", "cause_key"], condition=Q(lifted_at__isnull=True), name="hold_active_once"
            ),
            models.CheckConstraint(
                condition=Q(lifted_at__isnull=True) | Q(lifted_at__gte=models.F("placed_at")),
                name="hold_lifted_after_placed",
            ),
            models.CheckConstraint(
                condition=Q(until_at__isnull=True) | Q(until_at__gt=models.F("placed_at")),
                name="hold_until_after_placed",
            ),
            models.CheckConstraint(
                condition=Q(paying_ends=False) | Q(cause="status"), name="hold_paying_ends_status_only"
            ),
        ]
        indexes = [
            models.Index(fields=["placed_at", "id"], name="hold_by_day"),
            models.Index(fields=["account"], condition=Q(lifted_at__isnull=True), name="hold_active"),
            models.Index(
                fields=["until_at"], condition=Q(lifted_at__isnull=True, until_at__isnull=False), name="hold_to_end"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_level_display()}: {self.why}"

    @property
    def over_money(self) -> bool:
        """Tell whether paying what is owed ends it: then it rests while a payment window runs (P07)."""
        return self.cause == self.Cause.NON_PAYMENT or self.paying_ends


class LineState(models.Model):
    """What a line should be on one device, and what that device last said it is (D10).

    A line that is on no device has one row without a device. On a device that it was taken off it should be open.
    """

    line = models.ForeignKey("accounts.ServiceLine", on_delete=models.CASCADE, related_name="network_states")
    device = models.ForeignKey(
        "netenforce.Device", null=True, blank=True, on_delete=models.PROTECT, related_name="line_states"
    )
    desired_level = models.CharField(max_length=16, choices=Level.choices, default=Level.OPEN)
    desired_list = models.CharField(max_length=60, blank=True, help_text="As the device knows it.")
    desired_since_at = models.DateTimeField(default=clock.now)
    observed_level = models.CharField(max_length=16, choices=Level.choices, default=Level.OPEN)
    observed_list = models.CharField(max_length=80, blank=True)
    observed_at = models.DateTimeField(null=True, blank=True)
    observed_since_at = models.DateTimeField(
        null=True, blank=True, help_text="When a comparison first found it so; blank: as the last order left it."
    )
    earlier_level = models.CharField(
        max_length=16, blank=True, default="", choices=Level.choices, help_text="What it was seen to be before that."
    )
    earlier_at = models.DateTimeField(null=True, blank=True, help_text="When it was last seen to be that.")
    remark = models.CharField(
        max_length=200, blank=True, help_text="What the device added, such as at the next log-in."
    )
    generation = models.PositiveIntegerField(default=0, help_text="Counts the changes of mind; a newer order wins.")

    class Meta:
        permissions = [("push_restore", "Can push the freeing of lines that should be open")]
        ordering = ("line", "device")
        constraints = [
            models.UniqueConstraint(fields=["line", "device"], nulls_distinct=False, name="line_state_once_per_device")
        ]
        indexes = [
            # What the home page counts: the few lines that are restricted, and those that should not be any more.
            models.Index(fields=["line"], condition=~Q(desired_level="open"), name="line_state_restricted"),
            models.Index(
                fields=["line"],
                condition=Q(desired_level="open") & ~Q(observed_level="open"),
                name="line_state_still_blocked",
            ),
            models.Index(
                fields=["line"], condition=~Q(desired_level=models.F("observed_level")), name="line_state_differs"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.line}: {self.desired_level}, seen {self.observed_level}"
