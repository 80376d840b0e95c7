"""Cards and bank accounts, as tokens only."""

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from simple_history.models import HistoricalRecords

from .account import Account


class FundingSource(models.Model):
    """A stored card or bank account, tried in order of rank (E7, E8). Only the gateway's tokens are kept."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="funding_sources")
    rank = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1)], help_text="1 is the primary, 2 the secondary."
    )
    gateway = models.CharField(max_length=20, default="sandbox")
    customer_token = models.CharField(max_length=120, blank=True)
    source_token = models.CharField(max_length=120)
    brand = models.CharField(max_length=30, blank=True)
    last4 = models.CharField(max_length=4, blank=True, validators=[RegexValidator(r"^\d{4}$", "Four digits.")])
    expires_on = models.DateField(null=True, blank=True)
    barred_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Set when a payment from this source was returned: not charged until re-verified (A23).",
    )
    barred_why = models.CharField(max_length=200, blank=True)
    history = HistoricalRecords()

    class Meta:
        permissions = [("bar_fundingsource", "Can bar cards and bank accounts from being charged")]
        ordering = ("account", "rank")
        constraints = [
            models.UniqueConstraint(fields=["account", "rank"], name="funding_source_rank_once"),
            models.UniqueConstraint(fields=["gateway", "account", "source_token"], name="funding_source_token_once"),
            models.CheckConstraint(condition=models.Q(rank__gte=1), name="funding_source_rank_from_one"),
        ]
        indexes = [
            # The cards that are announced before they expire (E12).
            models.Index(
                fields=["expires_on"],
                condition=models.Q(rank=1, barred_at__isnull=True, expires_on__isnull=False),
                name="funding_source_expires",
            ),
            # For the search.
            models.Index(fields=["last4"], condition=~models.Q(last4=""), name="funding_source_last4"),
            models.Index(fields=["source_token"], name="funding_source_token"),
            models.Index(
                fields=["customer_token"], condition=~models.Q(customer_token=""), name="funding_source_customer"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.brand or self.gateway} •••• {self.last4 or '????'}"
