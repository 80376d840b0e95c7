"""Addresses that must not be written to, and why (R-10)."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing_project.kernel import clock

from .notice import Channel


class Suppression(models.Model):
    """An address that is left alone on one channel until somebody lifts it.

    An e-mail address is kept in small letters, a number in international form. Rows are lifted, never deleted.
    """

    class Reason(models.TextChoices):
        OPTED_OUT = "opted_out", "asked to be left alone"
        HARD_BOUNCE = "hard_bounce", "the address does not exist"
        COMPLAINT = "complaint", "reported a message as spam"
        BY_HAND = "by_hand", "entered by staff"

    channel = models.CharField(max_length=8, choices=Channel.choices)
    address = models.CharField(max_length=254)
    reason = models.CharField(max_length=12, choices=Reason.choices)
    words = models.CharField(max_length=300, blank=True, help_text="What was said, by whom, such as “STOP by text”.")
    since_at = models.DateTimeField(default=clock.now)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    lifted_why = models.CharField(max_length=300, blank=True)

    class Meta:
        permissions = [("lift_suppression", "Can use addresses again that are left alone")]
        verbose_name = "suppressed address"
        verbose_name_plural = "suppressed addresses"
        ordering = ("-since_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "address"], condition=Q(lifted_at__isnull=True), name="suppression_open_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.address} by {self.get_channel_display()}: {self.get_reason_display()}"
