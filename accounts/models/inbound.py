"""What providers tell us: events about our letters, and letters from customers."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing_project.kernel import clock

from .account import Account
from .contact import Contact
from .notice import Channel, Notice


class ProviderEvent(models.Model):
    """One thing a provider said, once: its key makes a repeat or a replay do nothing (R-08). Append-only."""

    provider = models.CharField(max_length=20, help_text="Who said it, such as mailgun or twilio.")
    event_key = models.CharField(max_length=200, help_text="The provider's id of the event, or what makes it unique.")
    kind = models.CharField(max_length=20)
    notice = models.ForeignKey(Notice, null=True, blank=True, on_delete=models.CASCADE, related_name="provider_events")
    provider_id = models.CharField(max_length=120, blank=True, help_text="The provider's id of the message or call.")
    happened_at = models.DateTimeField(help_text="When it happened, as the provider says.")
    received_at = models.DateTimeField(default=clock.now)
    detail = models.CharField(max_length=300, blank=True)
    outcome = models.CharField(max_length=300, blank=True, help_text="What it changed here, or why nothing.")

    class Meta:
        ordering = ("-received_at", "-pk")
        constraints = [models.UniqueConstraint(fields=["provider", "event_key"], name="provider_event_once")]
        indexes = [
            models.Index(fields=["received_at", "id"], name="provider_event_by_day"),
            models.Index(fields=["provider", "-received_at"], name="provider_event_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.kind}"


class InboundMessage(models.Model):
    """A letter or text from outside: filed with a customer, or waiting for somebody who knows whose it is."""

    class State(models.TextChoices):
        FILED = "filed", "filed with its customer"
        UNKNOWN = "unknown", "unknown sender"
        HANDLED = "handled", "handled by the program"
        IGNORED = "ignored", "left aside"

    provider = models.CharField(max_length=20)
    provider_id = models.CharField(max_length=200)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    from_address = models.CharField(max_length=254)
    to_address = models.CharField(max_length=254, blank=True)
    subject = models.CharField(max_length=200, blank=True)
    from_name = models.CharField(max_length=200, blank=True, help_text="What the sender calls themselves.")
    text = models.TextField(blank=True, help_text="What they wrote themselves.")
    whole_text = models.TextField(blank=True, help_text="With what they quoted; blank where that is the same.")
    received_at = models.DateTimeField(default=clock.now)
    state = models.CharField(max_length=10, choices=State.choices)
    why = models.CharField(max_length=300, blank=True, help_text="Why it was filed there, handled, or left aside.")
    account = models.ForeignKey(
        Account, null=True, blank=True, on_delete=models.PROTECT, related_name="inbound_messages"
    )
    contact = models.ForeignKey(
        Contact, null=True, blank=True, on_delete=models.SET_NULL, related_name="inbound_messages"
    )
    notice = models.ForeignKey(
        Notice,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="answers",
        help_text="The letter it answers.",
    )
    filed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    filed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        permissions = [("file_message", "Can file messages received, or leave them aside")]
        verbose_name = "message received"
        verbose_name_plural = "messages received"
        ordering = ("-received_at", "-pk")
        constraints = [
            models.UniqueConstraint(fields=["provider", "provider_id"], name="inbound_message_once"),
            models.CheckConstraint(
                condition=~Q(state="filed") | Q(account__isnull=False), name="inbound_filed_has_account"
            ),
        ]
        indexes = [
            models.Index(fields=["received_at", "id"], name="inbound_by_day"),
            models.Index(fields=["-received_at"], condition=Q(state="unknown"), name="inbound_unknown"),
            models.Index(fields=["provider_id"], name="inbound_provider_id"),
        ]

    def __str__(self) -> str:
        return self.subject or self.text[:60] or f"from {self.from_address}"


class InboundAttachment(models.Model):
    """A file that came with a letter; what is not harmless or too large is named, and not kept."""

    message = models.ForeignKey(InboundMessage, on_delete=models.CASCADE, related_name="attachments")
    name = models.CharField(max_length=120)
    content_type = models.CharField(max_length=60)
    size = models.PositiveIntegerField(help_text="In bytes.")
    content = models.BinaryField(null=True, blank=True, editable=False)
    refused_why = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = [
            models.CheckConstraint(
                condition=Q(content__isnull=False, refused_why="") | (Q(content__isnull=True) & ~Q(refused_why="")),
                name="inbound_attachment_kept_or_refused",
            )
        ]

    def __str__(self) -> str:
        return self.name
