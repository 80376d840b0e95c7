"""What the gateway pays out to us: each payout, and each line of it beside the payment or refund it is about."""

from django.db import models
from django.db.models import F, Q

from billing_project.kernel import clock


class Payout(models.Model):
    """One transfer of the gateway's to our bank account."""

    provider = models.CharField(max_length=20)
    provider_id = models.CharField(max_length=120)
    currency = models.CharField(max_length=3)
    amount = models.DecimalField(max_digits=12, decimal_places=2, help_text="What arrives; negative if we owe.")
    made_at = models.DateTimeField(help_text="When the gateway made it.")
    arrives_on = models.DateField(help_text="When the bank should have it.")
    fetched_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ("-arrives_on", "-pk")
        constraints = [models.UniqueConstraint(fields=["provider", "provider_id"], name="payout_once")]

    def __str__(self) -> str:
        return f"{self.provider_id} {self.amount} {self.currency}"


class PayoutLine(models.Model):
    """One line of a payout: a charge, a refund, a dispute or a fee; matched with one row of ours at most."""

    class Kind(models.TextChoices):
        CHARGE = "charge", "charge"
        REFUND = "refund", "refund"
        DISPUTE = "dispute", "dispute"
        OTHER = "other", "fee or other"

    payout = models.ForeignKey(Payout, on_delete=models.CASCADE, related_name="lines")
    provider_id = models.CharField(max_length=120)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    about = models.CharField(max_length=120, blank=True, help_text="The charge or refund it is about, at the gateway.")
    gross = models.DecimalField(max_digits=12, decimal_places=2, help_text="Negative for money that went back.")
    fee = models.DecimalField(max_digits=12, decimal_places=2)
    net = models.DecimalField(max_digits=12, decimal_places=2, help_text="Gross less fee.")
    happened_at = models.DateTimeField()
    words = models.CharField(max_length=300, blank=True)
    payment = models.ForeignKey(
        "invoicing.Payment", null=True, blank=True, on_delete=models.PROTECT, related_name="payout_lines"
    )
    refund = models.ForeignKey(
        "invoicing.RefundAttempt", null=True, blank=True, on_delete=models.PROTECT, related_name="payout_lines"
    )

    class Meta:
        ordering = ("happened_at", "pk")
        constraints = [
            models.UniqueConstraint(fields=["payout", "provider_id"], name="payout_line_once"),
            models.UniqueConstraint(fields=["payment"], condition=Q(kind="charge"), name="payout_charge_matched_once"),
            models.UniqueConstraint(fields=["refund"], name="payout_refund_matched_once"),
            models.CheckConstraint(condition=Q(net=F("gross") - F("fee")), name="payout_line_adds_up"),
            models.CheckConstraint(
                condition=Q(refund__isnull=True) | Q(kind="refund"), name="payout_refund_on_refund_lines"
            ),
        ]
        indexes = [
            models.Index(fields=["happened_at", "id"], name="payout_line_by_day"),
            models.Index(fields=["about"], name="payout_line_about"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.gross}"
