"""Billing defaults, and the copy of one that each account keeps (S32, X12)."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords


class BillingTerms(models.Model):
    """What a billing default says and an account copies: changing the default changes no account (X12)."""

    due_days = models.PositiveSmallIntegerField(
        default=15,
        validators=[MaxValueValidator(120)],
        help_text="Days from the invoice date to the due date (X2): 15 makes an invoice of the 1st due on the 16th.",
    )
    daily_billing = models.BooleanField(
        default=True, help_text="Bill by itself on the bill date (S29). Off: a clerk bills by hand."
    )
    prorate_account_status_change = models.BooleanField(
        default=False,
        help_text="Credit the days from a status switch to the next bill date, debit them on return (S27, A20).",
    )
    prorate_account_delinquency_status_change = models.BooleanField(
        default=False,
        help_text="Credit the days of a restriction without a status switch (X7). Throttling never counts.",
    )
    autopay_entire_amount_due = models.BooleanField(
        "charge the entire amount due",
        default=False,
        help_text="On: a day's automatic charge covers everything that is due or past due, once, oldest first. Off:"
        " each invoice is charged by itself, on its own days (X8).",
    )

    class Meta:
        abstract = True


class BillingDefault(BillingTerms):
    """The terms that new accounts of a kind start with. A policy belongs to one (S32, S33)."""

    name = models.CharField(max_length=80, unique=True)
    bill_day = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(28)],
        help_text="Day of the month on which invoices are made, 1 to 28 (X11, A34).",
    )
    history = HistoricalRecords()

    class Meta:
        ordering = ("name",)
        constraints = [
            models.CheckConstraint(condition=Q(bill_day__gte=1, bill_day__lte=28), name="billing_default_day_1_to_28")
        ]

    def __str__(self) -> str:
        return self.name


class BillingParameters(BillingTerms):
    """An account's own copy of its billing default, and its next bill date."""

    account = models.OneToOneField("accounts.Account", on_delete=models.CASCADE, related_name="billing_parameters")
    billing_default = models.ForeignKey(BillingDefault, on_delete=models.PROTECT, related_name="accounts")
    bill_day = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(31)],
        help_text="The anchor: 29 to 31 (imports only) bill on the last day of shorter months, without drifting (A34).",
    )
    next_bill_on = models.DateField(
        null=True, blank=True, help_text="The account's next bill date. Blank: nothing is billed until one is set."
    )
    autopay = models.BooleanField(
        "automatic payment",
        default=True,
        help_text="Charge the stored cards on the days the policy says. Off: the customer pays each bill by hand, and"
        " those days count as refused without a call.",
    )
    history = HistoricalRecords()

    class Meta:
        permissions = [("move_bill_date", "Can move the next bill date of an account")]
        verbose_name = "billing parameters"
        verbose_name_plural = "billing parameters"
        constraints = [
            models.CheckConstraint(
                condition=Q(bill_day__gte=1, bill_day__lte=31), name="billing_parameters_day_1_to_31"
            )
        ]
        indexes = [
            # By key within a date, so that a run walks them in the order in which it locks them.
            models.Index(
                fields=["next_bill_on", "account"],
                condition=Q(next_bill_on__isnull=False, daily_billing=True), name="next_bill_date_of_runs",
            ),
            models.Index(
                fields=["next_bill_on"],
                condition=Q(next_bill_on__isnull=False, daily_billing=False), name="next_bill_date_by_hand",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.account_id}: {self.billing_default}"
