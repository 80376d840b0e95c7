"""Payments, the attempts to collect them, and the sandbox gateway's own book."""

import uuid

from django.conf import settings
from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper

from billing_project.kernel import clock


class Payment(models.Model):
    """Money received. Its use is in the ledger; a returned payment is reversed, never deleted (A21, A23)."""

    class Method(models.TextChoices):
        CARD = "card", "card"
        BANK = "bank", "bank debit"
        CASH = "cash", "cash"
        CHEQUE = "cheque", "cheque"
        TRANSFER = "transfer", "bank transfer"
        IMPORTED = "imported", "imported"

    class Reversal(models.TextChoices):
        RETURNED = "returned", "returned by the bank"
        CHARGEBACK = "chargeback", "disputed by the payer"
        MISTAKE = "mistake", "recorded by mistake"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="payments")
    reference = models.CharField(max_length=64, unique=True, help_text="The payer's, bank's or gateway's reference.")
    received_at = models.DateTimeField(help_text="When the money arrived.")
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    method = models.CharField(max_length=20, default=Method.CASH)
    invoice = models.ForeignKey(
        "invoicing.Invoice",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="named_payments",
        help_text="The invoice the payer named. Blank: oldest due first (A21).",
    )
    funding_source = models.ForeignKey(
        "accounts.FundingSource", null=True, blank=True, on_delete=models.SET_NULL, related_name="payments"
    )
    effective_at = models.DateTimeField(
        help_text="When it counts: when it was received, or when it was recorded if that was later than a decision."
    )
    recorded_at = models.DateTimeField(default=clock.now)
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    reversed_at = models.DateTimeField(null=True, blank=True, help_text="When its return was recorded.")
    reversed_why = models.CharField(max_length=200, blank=True)
    reversed_as = models.CharField(max_length=10, choices=Reversal.choices, blank=True)

    class Meta:
        ordering = ("-received_at", "-pk")
        permissions = [
            ("record_payment", "Can record payments and bank files"),
            ("refund_payment", "Can give payments back"),
            ("reverse_payment", "Can reverse payments that came back"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_amount_positive"),
            models.CheckConstraint(
                condition=Q(reversed_at__isnull=True) | Q(reversed_at__gte=models.F("effective_at")),
                name="payment_reversed_after_it_counts",
            ),
            models.CheckConstraint(
                condition=Q(reversed_as="") | Q(reversed_at__isnull=False), name="payment_reversed_as_when_reversed"
            ),
        ]
        indexes = [
            models.Index(fields=["received_at", "id"], name="payment_by_day"),
            models.Index(fields=["account", "-received_at"], name="payment_of_account"),
            models.Index(OpClass(Upper("reference"), name="text_pattern_ops"), name="payment_reference_typed"),
            models.Index(fields=["reversed_at"], condition=Q(reversed_at__isnull=False), name="payment_back"),
        ]

    def __str__(self) -> str:
        return f"{self.reference} {self.amount}"


class PaymentAttempt(models.Model):
    """One call to a gateway to charge a funding source: reserved before the call, settled after it (R-05, R-07)."""

    class State(models.TextChoices):
        QUEUED = "queued", "queued"
        CLAIMED = "claimed", "claimed"
        SENDING = "sending", "sending"
        DONE = "done", "done"
        DECLINED = "declined", "declined"
        REFUSED = "refused", "refused without a call"
        UNKNOWN = "unknown", "unknown"
        PENDING = "pending", "under way"
        PARKED = "parked", "parked"

    UNSETTLED = ("queued", "claimed", "sending", "unknown", "pending")
    # The gateway may be taking money for it: it is open there, and nothing punitive happens meanwhile.
    ASKED = ("sending", "unknown", "pending")

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="payment_attempts")
    invoice = models.ForeignKey("invoicing.Invoice", on_delete=models.PROTECT, related_name="payment_attempts")
    funding_source = models.ForeignKey(
        "accounts.FundingSource", null=True, blank=True, on_delete=models.SET_NULL, related_name="payment_attempts"
    )
    key = models.CharField(max_length=120, unique=True, help_text="Sent to the gateway: one charge for one key.")
    source_mark = models.CharField(
        max_length=32,
        blank=True,
        help_text="Which card exactly was asked; another one in its place, or the same one renewed, has another mark.",
    )
    whole = models.BooleanField(
        "entire amount due",
        default=False,
        help_text="It covers everything of the account that is due, oldest first, not its own invoice alone (X8).",
    )
    covers = models.TextField(blank=True, help_text="What it was to pay, oldest first.")
    rank = models.PositiveSmallIntegerField(default=1)
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    code = models.CharField(max_length=60, blank=True, help_text="The gateway's reason for a decline.")
    why = models.CharField(max_length=300, blank=True)
    due_at = models.DateTimeField(default=clock.now)
    lease_until_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    provider_id = models.CharField(max_length=120, blank=True)
    page_id = models.CharField(
        max_length=120, blank=True, help_text="The page of the gateway on which the customer pays it."
    )
    page_url = models.TextField(blank=True)
    unclear_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when its outcome is unknown or under way; it is looked up from then on."
    )
    payment = models.OneToOneField(Payment, null=True, blank=True, on_delete=models.PROTECT, related_name="attempt")
    created_at = models.DateTimeField(default=clock.now)
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        permissions = [
            ("charge_due", "Can charge what is due and ask what became of a charge"),
            ("resolve_payment", "Can say what became of a charge that nobody knows of"),
        ]
        ordering = ("-created_at", "-pk")
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="attempt_amount_positive"),
            models.CheckConstraint(condition=Q(attempts__lte=5), name="attempt_count_bounded"),
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(whole=True, state__in=["sending", "unknown", "pending"]),
                name="attempt_whole_open_once",
            ),
            models.UniqueConstraint(
                fields=["invoice"],
                condition=Q(state__in=["claimed", "sending", "unknown", "pending"]),
                name="attempt_open_once",
            ),
            models.UniqueConstraint(fields=["page_id"], condition=~Q(page_id=""), name="attempt_page_once"),
            models.CheckConstraint(
                condition=~Q(state__in=["unknown", "pending"]) | Q(unclear_at__isnull=False),
                name="attempt_unclear_since_when",
            ),
            models.CheckConstraint(
                condition=~Q(state="done") | Q(payment__isnull=False), name="attempt_done_has_payment"
            ),
        ]
        indexes = [
            models.Index(fields=["created_at", "id"], name="attempt_by_day"),
            models.Index(fields=["due_at", "id"], condition=Q(state="queued"), name="attempt_due"),
            models.Index(fields=["id"], condition=Q(state="parked"), name="attempt_parked"),
            models.Index(
                fields=["account"], condition=Q(state__in=["sending", "unknown", "pending"]), name="attempt_unsettled"
            ),
            models.Index(fields=["due_at"], condition=Q(state__in=["unknown", "pending"]), name="attempt_to_look_up"),
            models.Index(fields=["provider_id"], condition=~Q(provider_id=""), name="attempt_at_the_gateway"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.get_state_display()}"


class SandboxCharge(models.Model):
    """The sandbox gateway's own book: what that outside world believes it charged."""

    key = models.CharField(max_length=120, unique=True)
    source_token = models.CharField(max_length=120)
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3)
    outcome = models.CharField(max_length=12)
    code = models.CharField(max_length=60, blank=True)
    at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ("-at", "-pk")

    def __str__(self) -> str:
        return f"{self.key} {self.outcome}"
