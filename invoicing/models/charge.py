"""Charges that wait for the next invoice: fees, proration, one-off items."""

from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from billing_project.kernel import clock


class Charge(models.Model):
    """An uninvoiced debit or credit (A20, contract section 3): in the balance, never in what restores service."""

    class Kind(models.TextChoices):
        LATE_FEE = "late_fee", "late fee"
        RECONNECTION_FEE = "reconnection_fee", "reconnection fee"
        NSF_FEE = "nsf_fee", "returned payment fee"
        PRORATION = "proration", "proration"
        ONE_OFF = "one_off", "one-off charge"

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="charges")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    key = models.CharField(max_length=120, help_text="Makes the charge once: kind, invoice or case, step.")
    description = models.CharField(max_length=200)
    amount = models.DecimalField(max_digits=12, decimal_places=2, help_text="Negative for a credit.")
    charged_on = models.DateField()
    about_invoice = models.ForeignKey(
        "invoicing.Invoice",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="fees",
        help_text="The late invoice that a fee is for.",
    )
    invoice = models.ForeignKey(
        "invoicing.Invoice",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="charges",
        help_text="The invoice that carries this charge. Blank: it waits for the next one.",
    )
    waived_at = models.DateTimeField(null=True, blank=True)
    waived_why = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    history = HistoricalRecords()

    class Meta:
        ordering = ("account", "charged_on", "pk")
        permissions = [("waive_fee", "Can waive fees and take that back")]
        constraints = [
            models.UniqueConstraint(fields=["account", "key"], name="charge_once"),
            models.UniqueConstraint(
                fields=["about_invoice", "kind", "key"], condition=Q(kind="late_fee"), name="late_fee_once_per_rule"
            ),
            models.CheckConstraint(condition=~Q(amount=0), name="charge_not_zero"),
            models.CheckConstraint(
                condition=Q(kind__in=["proration", "one_off"]) | Q(amount__gt=0), name="charge_fee_is_positive"
            ),
        ]
        indexes = [
            models.Index(fields=["charged_on", "id"], name="charge_by_day"),
            models.Index(
                fields=["account"], condition=Q(invoice__isnull=True, waived_at__isnull=True), name="charge_uninvoiced"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.description} {self.amount}"
