"""The append-only ledger: every balance is a sum over it."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing_project.kernel import clock


class ReasonCode(models.TextChoices):
    """Why money is given up or given back; what no code says is written beside it."""

    GOODWILL = "goodwill", "goodwill"
    OUR_MISTAKE = "our_mistake", "our mistake"
    PROVIDER_ERROR = "provider_error", "error of the bank or payment provider"
    HARDSHIP = "hardship", "hardship"
    DISPUTE_UPHELD = "dispute_upheld", "dispute upheld"
    OTHER = "other", "other (say what)"


class LedgerEntry(models.Model):
    """One movement of money. Positive: the customer owes more. Never changed, never deleted (a trigger refuses).

    An entry moves one pot: an invoice's (`invoice` set), a waiting charge's (`charge` set), or the account's credit
    (neither set). So an invoice's remaining is the sum over its entries, credit is minus the sum over the entries of
    neither, and the account's balance is the sum over all (I2).
    """

    class Kind(models.TextChoices):
        INVOICE = "invoice", "invoice issued"
        PAYMENT = "payment", "payment"
        CREDIT_USED = "credit_used", "credit used"
        REVERSAL = "reversal", "payment reversed"
        CHARGE = "charge", "charge"
        CHARGE_INVOICED = "charge_invoiced", "charge invoiced"
        WAIVER = "waiver", "charge waived"
        CREDIT_NOTE = "credit_note", "credit note"
        ADJUSTMENT = "adjustment", "adjustment"
        VOID = "void", "invoice voided"
        WRITE_OFF = "write_off", "written off"
        REFUND = "refund", "refund"

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="ledger_entries")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    invoice = models.ForeignKey(
        "invoicing.Invoice", null=True, blank=True, on_delete=models.PROTECT, related_name="ledger_entries"
    )
    charge = models.ForeignKey(
        "invoicing.Charge", null=True, blank=True, on_delete=models.PROTECT, related_name="ledger_entries"
    )
    payment = models.ForeignKey(
        "invoicing.Payment",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="ledger_entries",
        help_text="The payment this entry uses or takes back.",
    )
    key = models.CharField(max_length=160, unique=True, help_text="Makes the entry once.")
    effective_at = models.DateTimeField(help_text="The instant at which it counts.")
    recorded_at = models.DateTimeField(default=clock.now)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    reason = models.CharField(max_length=300, blank=True)
    reason_code = models.CharField(max_length=16, choices=ReasonCode.choices, blank=True)

    class Meta:
        verbose_name_plural = "ledger entries"
        ordering = ("effective_at", "pk")
        constraints = [
            models.CheckConstraint(condition=~Q(amount=0), name="ledger_not_zero"),
            models.CheckConstraint(condition=Q(invoice__isnull=True) | Q(charge__isnull=True), name="ledger_one_pot"),
            models.CheckConstraint(
                condition=~Q(kind__in=["payment", "credit_used", "reversal"]) | Q(payment__isnull=False),
                name="ledger_payment_named",
            ),
        ]
        indexes = [
            models.Index(fields=["effective_at", "id"], name="ledger_by_day"),
            models.Index(fields=["account", "effective_at"], name="ledger_of_account"),
            models.Index(fields=["account", "id"], name="ledger_new_of_account"),
            models.Index(
                fields=["account"], condition=Q(invoice__isnull=True, charge__isnull=True), name="ledger_credit"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount}"
