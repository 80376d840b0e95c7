"""The outbox of letters, and what the simulated channel put on its pile."""

from decimal import Decimal

from django.conf import settings
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
        DELIVERED = "delivered", "delivered"
        BOUNCED = "bounced", "bounced"
        FAILED = "failed", "failed"
        REJECTED = "rejected", "rejected"
        AMBIGUOUS = "ambiguous", "ambiguous"
        PARKED = "parked", "parked"
        CANCELLED = "cancelled", "cancelled"
        NOT_SENT = "not_sent", "not sent"

    # The provider took it: what came of it afterwards is the difference between these. (A30 asks for the first two.)
    TAKEN = (State.ACCEPTED, State.DELIVERED, State.BOUNCED, State.FAILED)
    TOLD = (State.ACCEPTED, State.DELIVERED)

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="notices")
    contact = models.ForeignKey(Contact, null=True, on_delete=models.SET_NULL, related_name="notices")
    anchor_key = models.CharField(
        max_length=80, help_text="What the notice is about: invoice:ID, case:ID or account:ID."
    )
    step_key = models.CharField(max_length=60)
    occurrence = models.PositiveSmallIntegerField(default=1)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    template = models.CharField(max_length=60)
    template_version = models.PositiveIntegerField(default=0, help_text="0: the text that comes with the program.")
    context = models.JSONField(default=dict, blank=True, help_text="The texts that its template was given.")
    language = models.CharField(max_length=5, default="en")
    to_address = models.CharField(max_length=254)
    subject = models.CharField(max_length=200, blank=True)
    body = models.TextField()
    attached = models.JSONField(default=list, blank=True, help_text="Names and sizes of the files that went with it.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    why = models.CharField(max_length=300, blank=True, help_text="Why the notice was written, or why it was not sent.")
    due_at = models.DateTimeField(default=clock.now)
    lease_until_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    provider_id = models.CharField(max_length=120, blank=True)
    provider_state = models.CharField(max_length=120, blank=True, help_text="The provider's last word on it.")
    sending_at = models.DateTimeField(null=True, blank=True, help_text="When the provider was last called for it.")
    accepted_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True, help_text="When it was delivered, bounced or failed.")
    segments = models.PositiveSmallIntegerField(default=1, help_text="Parts of a text, minutes of a call.")
    cost = models.DecimalField(
        max_digits=7, decimal_places=4, default=Decimal("0.0000"), help_text="What it costs, as estimated when sent."
    )
    fallback_of = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="fallbacks",
        help_text="The notice that could not reach the person, for which this one was written.",
    )
    resent_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Who had it sent again.",
    )
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        permissions = [("send_notice", "Can send notices, send them again, and say what became of them")]
        ordering = ("-created_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=["account", "anchor_key", "step_key", "occurrence", "channel", "contact"], name="notice_once"
            ),
            models.CheckConstraint(condition=Q(attempts__lte=5), name="notice_attempts_bounded"),
            models.CheckConstraint(
                condition=~Q(state__in=["accepted", "delivered", "bounced", "failed"]) | Q(accepted_at__isnull=False),
                name="notice_accepted_has_time",
            ),
        ]
        indexes = [
            models.Index(fields=["created_at", "id"], name="notice_by_day"),
            models.Index(fields=["due_at", "id"], condition=Q(state="queued"), name="notice_due"),
            models.Index(
                fields=["lease_until_at"], condition=Q(state__in=["claimed", "sending"]), name="notice_leased"
            ),
            models.Index(fields=["id"], condition=Q(state="ambiguous"), name="notice_ambiguous"),
            # What the home page counts: the few that are not settled, among all that ever were.
            models.Index(
                fields=["state"],
                condition=Q(state__in=["queued", "claimed", "sending", "parked", "ambiguous"]),
                name="notice_unsettled",
            ),
            models.Index(fields=["account", "-created_at"], name="notice_of_account"),
            models.Index(fields=["to_address", "-sending_at"], name="notice_to_address"),
            models.Index(fields=["provider_id"], condition=~Q(provider_id=""), name="notice_provider_id"),
            models.Index(fields=["created_at"], condition=Q(template="portal_link"), name="notice_portal_links"),
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
        indexes = [
            models.Index(fields=["at", "id"], name="notice_attempt_by_day"),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} {self.at:%Y-%m-%d %H:%M}"


class SimulatedMessage(models.Model):
    """What the simulated channel "sent": the outside world's own log in the demo and in tests."""

    key = models.CharField(max_length=120, unique=True)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    to_address = models.CharField(max_length=254)
    subject = models.CharField(max_length=200, blank=True)
    body = models.TextField()
    attached = models.JSONField(default=list, blank=True, help_text="Names and sizes of the files that came with it.")
    accepted_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ("-accepted_at", "-pk")

    def __str__(self) -> str:
        return f"{self.channel} to {self.to_address}"
