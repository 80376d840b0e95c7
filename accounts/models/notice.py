"""The outbox of letters, and what the simulated channel put on its pile."""

from django.db import models
from django.db.models import Q

from billing_project.kernel import clock

from .account import Account
from .contact import Contact


class Channel(models.TextChoices):
    """Ways to reach a contact."""

    EMAIL = "email", "email"
    SMS = "sms", "SMS"
    VOICE = "voice", "voice"


class Notice(models.Model):
    """One letter to one contact by one channel: an outbox row, rendered before anything is sent.

    Its unique key makes sending it twice impossible (D8): account, anchor (an invoice or a case), step,
    occurrence, channel, contact.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "queued"
        CLAIMED = "claimed", "claimed"
        SENDING = "sending", "sending"
        ACCEPTED = "accepted", "accepted"
        REJECTED = "rejected", "rejected"
        AMBIGUOUS = "ambiguous", "ambiguous"
        PARKED = "parked", "parked"
        CANCELLED = "cancelled", "cancelled"
        NOT_SENT = "not_sent", "not sent"

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="notices")
    contact = models.ForeignKey(Contact, null=True, on_delete=models.SET_NULL, related_name="notices")
    anchor_key = models.CharField(
        max_length=80, help_text="What the notice is about: invoice:ID, case:ID or account:ID."
    )
    step_key = models.CharField(max_length=60)
    occurrence = models.PositiveSmallIntegerField(default=1)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    template = models.CharField(max_length=60)
    language = models.CharField(max_length=5, default="en")
    to_address = models.CharField(max_length=254)
    subject = models.CharField(max_length=200, blank=True)
    body = models.TextField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    why = models.CharField(max_length=300, blank=True, help_text="Why the notice was written, or why it was not sent.")
    due_at = models.DateTimeField(default=clock.now)
    lease_until_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    provider_id = models.CharField(max_length=120, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ("-created_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=["account", "anchor_key", "step_key", "occurrence", "channel", "contact"], name="notice_once"
            ),
            models.CheckConstraint(condition=Q(attempts__lte=5), name="notice_attempts_bounded"),
            models.CheckConstraint(
                condition=~Q(state="accepted") | Q(accepted_at__isnull=False), name="notice_accepted_has_time"
            ),
        ]
        indexes = [
            models.Index(fields=["due_at", "id"], condition=Q(state="queued"), name="notice_due"),
            models.Index(
                fields=["lease_until_at"], condition=Q(state__in=["claimed", "sending"]), name="notice_leased"
            ),
            models.Index(fields=["id"], condition=Q(state="ambiguous"), name="notice_ambiguous"),
            models.Index(fields=["account", "-created_at"], name="notice_of_account"),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} {self.template} to {self.to_address}"


class NoticeAttempt(models.Model):
    """One call to a provider for one notice, and how it ended. Append-only."""

    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, related_name="attempt_rows")
    at = models.DateTimeField(default=clock.now)
    outcome = models.CharField(max_length=12)
    provider_id = models.CharField(max_length=120, blank=True)
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("at", "pk")

    def __str__(self) -> str:
        return f"{self.outcome} {self.at:%Y-%m-%d %H:%M}"


class SimulatedMessage(models.Model):
    """What the simulated channel "sent": the outside world's own log in the demo and in tests."""

    key = models.CharField(max_length=120, unique=True)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    to_address = models.CharField(max_length=254)
    subject = models.CharField(max_length=200, blank=True)
    body = models.TextField()
    accepted_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ("-accepted_at", "-pk")

    def __str__(self) -> str:
        return f"{self.channel} to {self.to_address}"
