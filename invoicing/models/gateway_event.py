"""What a gateway reports to us, kept once each, and its pages on which customers add cards."""

import uuid

from django.db import models
from django.db.models import Q

from billing_project.kernel import clock


class GatewayEvent(models.Model):
    """One report of a gateway: that something happened to an object of its; what is true now is asked for (R-08)."""

    class State(models.TextChoices):
        QUEUED = "queued", "waiting"
        CLAIMED = "claimed", "being handled"
        DONE = "done", "handled"
        PARKED = "parked", "given up"

    TRIES_MAX = 12

    provider = models.CharField(max_length=20)
    event_id = models.CharField(max_length=120, help_text="The provider's own; one that comes again is one report.")
    type = models.CharField(max_length=80)
    object_id = models.CharField(max_length=120, blank=True, help_text="What it is about, at the provider.")
    happened_at = models.DateTimeField(help_text="When it happened there, as the report says.")
    received_at = models.DateTimeField(default=clock.now)
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    due_at = models.DateTimeField(default=clock.now)
    lease_until_at = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    handled_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=300, blank=True, help_text="What it changed, or why it waits.")

    class Meta:
        permissions = [("handle_report", "Can handle reports of the payment gateway again")]
        verbose_name = "gateway report"
        ordering = ("-received_at", "-pk")
        constraints = [
            models.UniqueConstraint(fields=["provider", "event_id"], name="gateway_event_once"),
            models.CheckConstraint(condition=~Q(event_id=""), name="gateway_event_has_id"),
            models.CheckConstraint(condition=Q(tries__lte=12), name="gateway_event_tries_bounded"),
            models.CheckConstraint(
                condition=Q(state__in=["done", "parked"], handled_at__isnull=False)
                | Q(state__in=["queued", "claimed"], handled_at__isnull=True),
                name="gateway_event_end_has_time",
            ),
        ]
        indexes = [
            models.Index(fields=["received_at", "id"], name="gateway_event_by_day"),
            models.Index(fields=["due_at", "id"], condition=Q(state="queued"), name="gateway_event_due"),
            models.Index(fields=["object_id"], name="gateway_event_object"),
            models.Index(fields=["event_id"], name="gateway_event_id"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.object_id}"


class GatewayPoll(models.Model):
    """When a gateway was last asked which payments it has made, and since when it cannot be asked."""

    provider = models.CharField(max_length=20, unique=True)
    asked_at = models.DateTimeField(null=True, blank=True, help_text="When it last answered.")
    blind_since_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Since when it neither answers nor reports: fees and cuts of accounts with recent charges wait.",
    )

    class Meta:
        ordering = ("provider",)

    def __str__(self) -> str:
        return f"{self.provider} asked {self.asked_at}"


class SourcePage(models.Model):
    """A page of the gateway's that was opened for a customer to add a card or bank account; taken in once."""

    account = models.ForeignKey("accounts.Account", on_delete=models.CASCADE, related_name="source_pages")
    key = models.CharField(max_length=120, unique=True)
    page_id = models.CharField(max_length=120, blank=True)
    rank = models.PositiveSmallIntegerField(help_text="The place it is for: 1 is the primary, 2 the secondary.")
    opened_at = models.DateTimeField(default=clock.now)
    taken_at = models.DateTimeField(null=True, blank=True, help_text="When the card added on it was stored here.")

    class Meta:
        verbose_name = "page to add a card"
        verbose_name_plural = "pages to add a card"
        ordering = ("-opened_at", "-pk")
        constraints = [
            models.UniqueConstraint(fields=["page_id"], condition=~Q(page_id=""), name="source_page_once"),
            models.CheckConstraint(condition=Q(rank__gte=1), name="source_page_rank_from_one"),
            models.CheckConstraint(
                condition=Q(taken_at__isnull=True) | ~Q(page_id=""), name="source_page_taken_was_opened"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} rank {self.rank}"


class SandboxPage(models.Model):
    """A page of the sandbox gateway, on which a customer pays or adds a test card."""

    class State(models.TextChoices):
        OPEN = "open", "open"
        DONE = "done", "done"
        LEFT = "left", "left"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    key = models.CharField(max_length=120, unique=True)
    account_ref = models.CharField(max_length=64)
    amount = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    currency = models.CharField(max_length=3)
    keep = models.BooleanField(default=False)
    rank = models.PositiveSmallIntegerField(default=0)
    return_url = models.CharField(max_length=500)
    leave_url = models.CharField(max_length=500)
    open_until = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    source_token = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ("-open_until", "-pk")
        constraints = [
            models.CheckConstraint(condition=Q(amount__isnull=True) | Q(amount__gt=0), name="sandbox_page_amount"),
            models.CheckConstraint(condition=~Q(state="done") | ~Q(source_token=""), name="sandbox_page_done_by_card"),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.get_state_display()}"
