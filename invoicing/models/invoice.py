"""Invoices: numbered without gaps, unchangeable once issued."""

import uuid
from decimal import Decimal

from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper

from billing_project.kernel import clock


class InvoiceSeries(models.Model):
    """The running number of a company's invoices; its row lock makes numbers gapless."""

    company = models.OneToOneField("accounts.Company", on_delete=models.PROTECT, related_name="invoice_series")
    last_number = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "invoice series"

    def __str__(self) -> str:
        return f"{self.company}: {self.last_number}"


class Invoice(models.Model):
    """An issued invoice. What is late about it is the delinquency room's word, not kept here (D1).

    Only `remaining`, `state` and `frozen` ever change after issue; a trigger refuses the rest.
    """

    class State(models.TextChoices):
        OPEN = "open", "open"
        PAID = "paid", "paid"
        VOID = "void", "void"
        WRITTEN_OFF = "written_off", "written off"

    class Source(models.TextChoices):
        BILLING_RUN = "billing_run", "billing run"
        IMPORTED = "imported", "imported"
        MANUAL = "manual", "by hand"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="invoices")
    number = models.CharField(max_length=64, unique=True)
    source = models.CharField(max_length=12, choices=Source.choices, default=Source.BILLING_RUN)
    description = models.CharField(max_length=300, blank=True)
    issued_on = models.DateField(help_text="Invoice date, in the account's zone.")
    due_on = models.DateField(help_text="Last day on which payment is in time (A2).")
    period_start_on = models.DateField(null=True, blank=True, help_text="First day of the billing period.")
    period_end_on = models.DateField(null=True, blank=True, help_text="Last day of the billing period.")
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    remaining = models.DecimalField(max_digits=12, decimal_places=2, help_text="What is still unpaid.")
    state = models.CharField(max_length=12, choices=State.choices, default=State.OPEN)
    frozen = models.BooleanField(
        default=False,
        help_text="Disputed: payments are not put on it by themselves, and nothing escalates over it (X9).",
    )
    effective_at = models.DateTimeField(help_text="The instant from which it is owed: 00:05 local on its date.")
    issued_at = models.DateTimeField(default=clock.now, editable=False, help_text="When the row was written.")

    class Meta:
        ordering = ("-issued_on", "-pk")
        permissions = [
            ("credit_invoice", "Can give credit notes and take them back"),
            ("void_invoice", "Can void invoices"),
            ("write_off_invoice", "Can write invoices off and take that back"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "period_start_on"],
                condition=Q(source="billing_run") & ~Q(state="void"),
                name="invoice_once_per_period",
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="invoice_amount_positive"),
            models.CheckConstraint(
                condition=Q(remaining__gte=Decimal(0), remaining__lte=F("amount")), name="invoice_remaining_in_bounds"
            ),
            models.CheckConstraint(condition=Q(due_on__gte=F("issued_on")), name="invoice_due_after_issue"),
            models.CheckConstraint(
                condition=Q(state="open", remaining__gt=0) | Q(~Q(state="open"), remaining=0),
                name="invoice_open_means_unpaid",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "due_on"], condition=Q(state="open"), name="invoice_open_of_account"),
            models.Index(fields=["due_on"], condition=Q(state="open"), name="invoice_open_due"),
            models.Index(fields=["account", "-issued_on"], name="invoice_of_account"),
            models.Index(fields=["issued_on", "id"], name="invoice_by_day"),
            models.Index(OpClass(Upper("number"), name="text_pattern_ops"), name="invoice_number_typed"),
        ]

    def __str__(self) -> str:
        return self.number


class InvoiceLine(models.Model):
    """One line of an invoice, with its tax rounded by itself."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="lines")
    position = models.PositiveIntegerField()
    description = models.CharField(max_length=300)
    quantity = models.PositiveSmallIntegerField(default=1)
    unit_price = models.DecimalField(max_digits=12, decimal_places=2)
    discount = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal("0.00"))
    tax = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal("0.00"))
    taxes = models.JSONField(
        default=list,
        blank=True,
        help_text="What the tax is made of: name, percent and amount of each. Empty: not known, as on imported lines.",
    )
    amount = models.DecimalField(
        max_digits=12, decimal_places=2, help_text="Quantity × price − discount + tax; negative for a credit."
    )

    class Meta:
        ordering = ("invoice", "position")
        constraints = [
            models.UniqueConstraint(fields=["invoice", "position"], name="invoice_line_position_once"),
            models.CheckConstraint(
                condition=Q(amount=F("quantity") * F("unit_price") - F("discount") + F("tax")),
                name="invoice_line_adds_up",
            ),
        ]

    def __str__(self) -> str:
        return self.description
