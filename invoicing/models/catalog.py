"""What is sold: recurring services, one-off charges, discounts and taxes."""

from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords


class Tax(models.Model):
    """A tax, in percent of a line, rounded half up to the cent on every line."""

    name = models.CharField(max_length=60, unique=True)
    percent = models.DecimalField(
        max_digits=7,
        decimal_places=4,
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(100))],
        help_text="Percent of the line's amount, such as 8.8750.",
    )
    history = HistoricalRecords()

    class Meta:
        verbose_name_plural = "taxes"
        ordering = ("name",)
        constraints = [
            models.CheckConstraint(condition=Q(percent__gte=0, percent__lte=100), name="tax_percent_0_to_100")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.percent.normalize():f} %"


class CatalogItem(models.Model):
    """A recurring service, or a one-off charge, with its price."""

    class Kind(models.TextChoices):
        RECURRING = "recurring", "recurring service"
        ONE_OFF = "one_off", "one-off charge"

    name = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.RECURRING)
    price = models.DecimalField(max_digits=12, decimal_places=2, validators=[MinValueValidator(Decimal(0))])
    taxes = models.ManyToManyField(Tax, blank=True, related_name="items")
    active = models.BooleanField(default=True, help_text="Untick to stop offering it; accounts that have it keep it.")
    history = HistoricalRecords(m2m_fields=[taxes])

    class Meta:
        ordering = ("name",)
        constraints = [models.CheckConstraint(condition=Q(price__gte=0), name="catalog_price_not_negative")]

    def __str__(self) -> str:
        return self.name


class Discount(models.Model):
    """Takes a percentage or an amount off a subscription's line."""

    name = models.CharField(max_length=80, unique=True)
    percent = models.DecimalField(
        max_digits=7,
        decimal_places=4,
        default=Decimal(0),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(100))],
    )
    amount = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        default=Decimal("0.00"),
        validators=[MinValueValidator(Decimal(0))],
        help_text="Taken off after the percentage; a line never goes below zero.",
    )
    history = HistoricalRecords()

    class Meta:
        ordering = ("name",)
        constraints = [
            models.CheckConstraint(
                condition=Q(percent__gte=0, percent__lte=100, amount__gte=0), name="discount_in_bounds"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Subscription(models.Model):
    """A recurring service an account has, from one date to another."""

    account = models.ForeignKey("accounts.Account", on_delete=models.CASCADE, related_name="subscriptions")
    item = models.ForeignKey(CatalogItem, on_delete=models.PROTECT, related_name="subscriptions")
    quantity = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1)])
    price = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
        help_text="This account's own price. Blank: the catalogue's.",
    )
    discount = models.ForeignKey(Discount, null=True, blank=True, on_delete=models.PROTECT)
    starts_on = models.DateField(null=True, blank=True, help_text="First day billed. Blank: always.")
    ends_on = models.DateField(null=True, blank=True, help_text="Last day billed. Blank: until cancelled.")
    history = HistoricalRecords()

    class Meta:
        ordering = ("account", "pk")
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gte=1), name="subscription_quantity_from_one"),
            models.CheckConstraint(
                condition=Q(price__isnull=True) | Q(price__gte=0), name="subscription_price_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(starts_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                name="subscription_ends_after_start",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.item}"
