"""Who may give how much away alone, and what waits for a second person (SEC-21)."""

from decimal import Decimal

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from accounts.models.second_person import BY_ANOTHER, BY_SOMEBODY, TwoPeople

from .ledger import ReasonCode

_ZERO = Decimal("0.00")


def _limit(what: str) -> "models.DecimalField[Decimal, Decimal]":
    return models.DecimalField(
        max_digits=12, decimal_places=2, default=_ZERO, validators=[MinValueValidator(_ZERO)],
        help_text=f"{what}, at one time and in the account's currency. Above it a second person decides.",
    )  # fmt: skip


class MoneyLimit(models.Model):
    """How much the members of a group may give away alone; nobody without one may give away anything alone.

    Administrators have no limit; of several groups the highest limit counts.
    """

    group = models.OneToOneField(Group, on_delete=models.CASCADE, related_name="money_limit")
    waive_max = _limit("The largest fee waived, or credit given on an invoice")
    write_off_max = _limit("The most written off, or voided")
    refund_max = _limit("The most paid back")
    history = HistoricalRecords()

    class Meta:
        ordering = ("group__name",)
        constraints = [
            models.CheckConstraint(
                condition=Q(waive_max__gte=0, write_off_max__gte=0, refund_max__gte=0), name="money_limit_not_negative"
            )
        ]

    def __str__(self) -> str:
        return str(self.group)


class Approval(TwoPeople):
    """Something with money that one person asks for and another decides; carried out when it is approved."""

    class Kind(models.TextChoices):
        WAIVE = "waive", "waive a fee"
        CREDIT_NOTE = "credit_note", "credit note"
        WRITE_OFF = "write_off", "write off"
        VOID = "void", "void an invoice"
        REFUND = "refund", "refund"

    kind = models.CharField(max_length=12, choices=Kind.choices)
    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="approvals")
    charge = models.ForeignKey(
        "invoicing.Charge", null=True, blank=True, on_delete=models.PROTECT, related_name="approvals"
    )
    invoice = models.ForeignKey(
        "invoicing.Invoice", null=True, blank=True, on_delete=models.PROTECT, related_name="approvals"
    )
    payment = models.ForeignKey(
        "invoicing.Payment", null=True, blank=True, on_delete=models.PROTECT, related_name="approvals"
    )
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    reason_code = models.CharField(max_length=16, choices=ReasonCode.choices)
    reason = models.CharField(max_length=200, blank=True)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="approvals_asked")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="approvals_decided"
    )

    class Meta(TwoPeople.Meta):
        permissions = [("approve_money", "Can decide what another asks for above their limit")]
        constraints = [
            models.CheckConstraint(condition=BY_ANOTHER, name="approval_by_a_second_person"),
            models.CheckConstraint(condition=BY_SOMEBODY, name="approval_decided_by_somebody"),
            models.CheckConstraint(
                condition=Q(kind="waive", charge__isnull=False, invoice__isnull=True, payment__isnull=True)
                | Q(
                    kind__in=["credit_note", "write_off", "void"],
                    charge__isnull=True,
                    invoice__isnull=False,
                    payment__isnull=True,
                )
                | Q(kind="refund", charge__isnull=True, invoice__isnull=True, payment__isnull=False),
                name="approval_about_one_thing",
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="approval_amount_positive"),
            models.UniqueConstraint(
                fields=["kind", "charge", "invoice", "payment"], condition=Q(state="waiting"),
                nulls_distinct=False, name="approval_asked_once",
            ),
        ]  # fmt: skip
        indexes = [models.Index(fields=["asked_at"], condition=Q(state="waiting"), name="approval_waiting")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.amount}: {self.about}"

    @property
    def about(self) -> models.Model:
        """Return the fee, invoice or payment it is about."""
        found = self.charge or self.invoice or self.payment
        assert found is not None  # the database sees to it
        return found
