"""Payment windows: minutes of full access in which a customer pays, so that the bank's own pages load (P07).

A release is one of hours that staff give as a courtesy.
"""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from billing_project.kernel import clock


class PaymentWindow(models.Model):
    """A time in which holds over money do not restrict an account's lines; it ends by itself."""

    class Ended(models.TextChoices):
        RAN_OUT = "ran_out", "its time was over"
        PAID = "paid", "paid"
        LEFT = "left", "the payment page was left"
        BY_HAND = "by_hand", "closed by staff"
        FREED = "freed", "nothing is held back any more"

    class Kind(models.TextChoices):
        PAYMENT = "payment", "for a payment"
        RELEASE = "release", "released by staff"

    # Those who come back to pay go on with the minutes that are left.
    RESUMED = (Ended.PAID, Ended.LEFT)

    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.PAYMENT, db_default=Kind.PAYMENT)
    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="payment_windows")
    key = models.CharField(max_length=120, unique=True, help_text="What it was opened for: one window for one key.")
    scope = models.CharField(max_length=120, blank=True, help_text="Within this only so many are opened.")
    why = models.CharField(max_length=300)
    opened_at = models.DateTimeField(default=clock.now)
    closes_at = models.DateTimeField(help_text="It ends then, whoever has died meanwhile.")
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_how = models.CharField(max_length=8, choices=Ended.choices, blank=True)
    levels_before = models.JSONField(
        default=dict, blank=True, help_text="How the device held each line when the window opened, by the line's key."
    )
    opened_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        permissions = [("release_line", "Can open and close payment windows and releases")]
        ordering = ("-opened_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=Q(ended_at__isnull=True), name="payment_window_open_once"
            ),
            models.CheckConstraint(condition=Q(closes_at__gt=F("opened_at")), name="payment_window_has_a_length"),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("opened_at")),
                name="payment_window_ended_after_opened",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_how="") | Q(ended_at__isnull=False) & ~Q(ended_how=""),
                name="payment_window_ended_somehow",
            ),
        ]
        indexes = [
            models.Index(fields=["opened_at", "id"], name="payment_window_by_day"),
            models.Index(fields=["closes_at"], condition=Q(ended_at__isnull=True), name="payment_window_to_end"),
            models.Index(fields=["account", "opened_at"], name="payment_window_of_account"),
        ]

    def __str__(self) -> str:
        name = "release" if self.kind == self.Kind.RELEASE else "payment window"
        return f"{name} of {self.opened_at:%Y-%m-%d %H:%M} UTC"
