"""Companies (brands), account types and statuses, and the account itself."""

import uuid
from typing import Any

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Upper
from simple_history.models import HistoricalRecords

from billing_project.kernel import clock
from billing_project.kernel.errors import Refused

number_validator = RegexValidator(r"^[^\x00-\x1f\x7f]+$", "Use printable characters only.")


def validate_zone(name: str) -> None:
    """Refuse a time zone that the zone database does not know; raises ValidationError."""
    try:
        clock.zone(name)
    except Refused as refusal:
        raise ValidationError(str(refusal)) from refusal


class Company(models.Model):
    """A brand that bills under its own name (E13)."""

    name = models.CharField(max_length=120, unique=True)
    currency = models.CharField(
        max_length=3,
        default="USD",
        validators=[RegexValidator(r"^[A-Z]{3}$", "Three capital letters, such as USD.")],
        help_text="ISO code of the currency all of this company's accounts are billed in, such as USD.",
    )
    timezone = models.CharField(
        max_length=64,
        default="America/New_York",
        validators=[validate_zone],
        help_text="Zone of accounts that have none of their own (A33), such as America/New_York.",
    )
    address = models.TextField(blank=True, help_text="Printed on invoices.")
    logo = models.FileField(upload_to="logos/", blank=True, help_text="PNG or SVG, printed on invoices and the portal.")
    email_sender = models.CharField(
        max_length=200, blank=True, help_text="Sender of notices, such as Valley Fibre <billing@valley.example>."
    )
    sms_sender = models.CharField(max_length=20, blank=True, help_text="Number or short name that texts come from.")
    phone = models.CharField(max_length=32, blank=True, help_text="Printed in notices: who to call.")
    attach_pdfs = models.BooleanField(
        "attach PDFs",
        default=True,
        help_text="Send the invoice with the e-mail of a new invoice, and the receipt with the e-mail of a payment.",
    )
    invoice_prefix = models.CharField(
        max_length=8, blank=True, default="INV-", help_text="Written before the running invoice number, such as INV-."
    )
    staff_hours_baseline = models.DecimalField(
        max_digits=6,
        decimal_places=1,
        default=62,
        help_text="Hours a month that staff spent on late accounts before (E10); the home page compares with it.",
    )
    customer_extensions = models.BooleanField(
        "customers may take more days",
        default=True,
        help_text="In the portal, within the two limits below. Off: they are asked to write or call instead.",
    )
    customer_extension_days_max = models.PositiveSmallIntegerField(
        "most days at a time",
        default=7,
        validators=[MinValueValidator(1), MaxValueValidator(60)],
        help_text="1 to 60. With 7, whoever would become delinquent on May 17 may promise to pay by May 23: they"
        " then become delinquent on May 24 at the earliest.",
    )
    customer_extensions_per_year = models.PositiveSmallIntegerField(
        "times in 12 months",
        default=2,
        help_text="Counted together with what staff gave (A9). With 2, an account that got more time in March and"
        " June is asked to write to us until next March.",
    )
    customer_extension_pause_days = models.PositiveSmallIntegerField(
        "days without, after a broken promise",
        default=90,
        help_text="With 90, whoever did not keep a promise that ended on May 23 may take days again from August 21."
        " 0: a broken promise has no effect.",
    )
    history = HistoricalRecords()

    class Meta:
        verbose_name_plural = "companies"
        ordering = ("name",)
        constraints = [
            models.CheckConstraint(
                condition=models.Q(customer_extension_days_max__gte=1, customer_extension_days_max__lte=60),
                name="company_customer_days_1_to_60",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AccountType(models.Model):
    """A class of customers, such as Residential; policies and address lists may select by it."""

    name = models.CharField(max_length=60, unique=True)
    is_business = models.BooleanField(default=False)
    history = HistoricalRecords()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class AccountStatus(models.Model):
    """A status an account can have. Status drives billing, and nothing else (D1, S1, S22)."""

    class Colour(models.TextChoices):
        GREEN = "green", "green"
        AMBER = "amber", "amber"
        RED = "red", "red"
        GREY = "grey", "grey"
        BLUE = "blue", "blue"

    name = models.CharField(max_length=60, unique=True)
    activates_billing = models.BooleanField(
        default=True, help_text="Accounts in this status are billed on their bill date (S13). Untick for Delinquent."
    )
    colour = models.CharField(max_length=8, choices=Colour.choices, default=Colour.GREY)
    history = HistoricalRecords()

    class Meta:
        verbose_name_plural = "account statuses"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Account(models.Model):
    """A customer who is billed. What is owed, decided and enforced lives in the other rooms."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    number = models.CharField(max_length=64, unique=True, validators=[number_validator])
    name = models.CharField(max_length=200)
    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="accounts")
    account_type = models.ForeignKey(AccountType, on_delete=models.PROTECT, related_name="accounts")
    status = models.ForeignKey(AccountStatus, on_delete=models.PROTECT, related_name="accounts")
    status_since_at = models.DateTimeField(default=clock.now, editable=False)
    timezone = models.CharField(
        max_length=64,
        validators=[validate_zone],
        help_text="Zone of the service address: it decides which day it is for this account (A33).",
    )
    address = models.TextField(blank=True)
    note = models.TextField(blank=True, help_text="Seen by staff only. Never write card numbers here.")
    opened_on = models.DateField(null=True, blank=True)
    closed_on = models.DateField(null=True, blank=True)
    parked_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Set when a sweep could not handle this account; it is left alone until cleared.",
    )
    parked_why = models.TextField(blank=True)
    history = HistoricalRecords()

    class Meta:
        permissions = [("set_status", "Can set the status of accounts, close them and let parked ones go on")]
        ordering = ("number",)
        constraints = [
            models.CheckConstraint(condition=~models.Q(number=""), name="account_number_not_blank"),
            models.CheckConstraint(
                condition=models.Q(closed_on__isnull=True)
                | models.Q(opened_on__isnull=True)
                | models.Q(closed_on__gte=models.F("opened_on")),
                name="account_closes_after_it_opens",
            ),
        ]
        indexes = [
            models.Index(fields=["parked_at"], condition=models.Q(parked_at__isnull=False), name="account_parked"),
            models.Index(fields=["name"], name="account_name"),
            # Billing and checks ask which zones there are, and who is in the few where a day has begun.
            models.Index(fields=["timezone"], name="account_timezone"),
            # For the search: the beginning of a number, any part of a name.
            models.Index(OpClass(Upper("number"), name="text_pattern_ops"), name="account_number_typed"),
            GinIndex(OpClass(Upper("name"), name="gin_trgm_ops"), name="account_name_typed"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; an account without a zone takes its company's (A33)."""
        if not self.timezone:
            self.timezone = self.company.timezone
        super().save(*args, **kwargs)
