"""Policies in versions, with their ordered steps, and the exclusions."""

import calendar
from decimal import Decimal

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

DAYS_IN_MONTH = {1: 31, 2: 29, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}


class Policy(models.Model):
    """What happens to accounts that do not pay; edited as versions, so that what was decided stays explainable."""

    name = models.CharField(max_length=80, unique=True)
    billing_default = models.OneToOneField(
        "invoicing.BillingDefault",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="policy",
        help_text="New accounts with this billing default start under this policy's newest published version (S32).",
    )
    history = HistoricalRecords()

    class Meta:
        permissions = [("import_policy", "Can import policies from a file")]
        verbose_name_plural = "policies"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class PolicyVersion(models.Model):
    """One version of a policy. Published versions never change, and accounts keep theirs until moved (A36, X12)."""

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        PUBLISHED = "published", "published"

    class OnReversal(models.TextChoices):
        RESTART = "restart", "restart: a new episode, with its steps again"
        RESUME = "resume", "resume: the episode goes on, no step is repeated"

    class Window(models.TextChoices):
        CALENDAR_YEAR = "calendar_year", "calendar year"
        ROLLING = "rolling_12_months", "rolling 12 months"

    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    published_at = models.DateTimeField(null=True, blank=True, editable=False)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL
    )
    bill_day = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(31)],
        help_text="Day of the month on which these accounts are billed, such as 1; for forecasts.",
    )
    due_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(366)],
        help_text="Days from invoice date to due date, such as 15. Blank: each invoice brings its own due date.",
    )
    grace_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(366)],
        help_text="Days after the due date on which an unpaid invoice is delinquent (A3): 5 makes the 16th the 21st.",
    )
    after_day_of_month = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(31)],
        help_text="Instead of grace days: unpaid at the end of this day of the month, such as 5 (E1, A24).",
    )
    check_weekdays = models.JSONField(
        default=list, help_text='Days on which accounts may become delinquent, such as ["mon", "tue"] (X5).'
    )
    minimum_amount_due = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        default=Decimal("0.01"),
        validators=[MinValueValidator(Decimal(0))],
        help_text="Less than this unpaid on an invoice never makes it delinquent, such as 5.00 (X6).",
    )
    status_switch_days = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Days of delinquency for status switch, such as 7 (S12). Blank: no switch."
    )
    delinquency_status = models.CharField(
        max_length=60,
        blank=True,
        default="Delinquent",
        help_text="Status to switch to; it should not activate billing (S22).",
    )
    removal_status = models.CharField(
        max_length=60, blank=True, help_text="Status to return to; blank: the one it had before the switch (X3, A19)."
    )
    grace_until_defers_fees = models.BooleanField(default=True, help_text="Grace Until puts late fees off too (A9).")
    on_reversal = models.CharField(max_length=8, choices=OnReversal.choices, default=OnReversal.RESTART)
    seriously_late_after_days = models.PositiveSmallIntegerField(
        default=14, help_text="Days after the due date at whose end an unpaid invoice counts as seriously late (A27)."
    )
    seriously_late_limit = models.PositiveSmallIntegerField(
        default=2, help_text="More than this many seriously late invoices flag the account (E6): 2 flags at the third."
    )
    seriously_late_window = models.CharField(max_length=20, choices=Window.choices, default=Window.CALENDAR_YEAR)
    reconnection_fee = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        default=Decimal("0.00"),
        validators=[MinValueValidator(Decimal(0))],
        help_text="Charged once when an episode ends that reached a cut or a status switch, such as 25.00 (A35).",
    )
    nsf_fee = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        default=Decimal("0.00"),
        validators=[MinValueValidator(Decimal(0))],
        help_text="Charged when a payment is returned, such as 30.00 (A23).",
    )
    full_balance_clears = models.BooleanField(
        default=False,
        help_text="Delinquency ends only when every issued invoice is paid, not just the delinquent ones (A18).",
    )
    hold_invoices_while_delinquent = models.BooleanField(
        default=False, help_text="Issue no invoice while the account is delinquent, even if its status is active (A15)."
    )
    window_opens = models.TimeField(default="09:00", help_text="Earliest local time of cuts (D6).")
    window_closes = models.TimeField(default="21:00", help_text="Latest local time of cuts (D6).")

    class Meta:
        permissions = [("publish_policy", "Can publish versions of policies")]
        ordering = ("policy", "-number")
        constraints = [
            models.UniqueConstraint(fields=["policy", "number"], name="policy_version_number_once"),
            models.CheckConstraint(
                condition=Q(grace_days__isnull=True, after_day_of_month__isnull=False)
                | Q(grace_days__isnull=False, after_day_of_month__isnull=True),
                name="policy_version_grace_or_day",
            ),
            models.CheckConstraint(
                condition=~Q(state="published") | Q(published_at__isnull=False),
                name="policy_version_published_has_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.policy} v{self.number}"


class PolicyStep(models.Model):
    """One rung of a policy's ladder (D3)."""

    class Action(models.TextChoices):
        TICKET = "ticket", "open a ticket"
        NOTICE = "notice", "write a notice"
        CALL_TASK = "call_task", "ask staff to call"
        LATE_FEE = "late_fee", "charge a late fee"
        CHARGE = "charge", "charge a funding source"
        REQUEST_SECONDARY = "request_secondary_source", "ask for a secondary funding source"
        RESTRICT = "restrict", "restrict the line"
        STATUS_SWITCH = "status_switch", "switch the account's status"

    class Anchor(models.TextChoices):
        ISSUED = "issued", "invoice issued"
        DUE = "due", "invoice due"
        DELINQUENT = "delinquent", "account delinquent"

    version = models.ForeignKey(PolicyVersion, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField(default=0)
    key = models.CharField(
        max_length=60,
        validators=[RegexValidator(r"^[A-Za-z0-9_.-]+$", "Letters, digits, _ . and - only.")],
        help_text="Short name of the step, such as notice-1.",
    )
    action = models.CharField(max_length=30, choices=Action.choices)
    anchor = models.CharField(max_length=10, choices=Anchor.choices, blank=True)
    offset_days = models.SmallIntegerField(
        null=True, blank=True, help_text="Days after the anchor; negative: before due."
    )
    after_day_of_month = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(31)],
        help_text="Instead of anchor and offset: unpaid at the end of this day of the month, such as 5.",
    )
    at = models.TimeField(null=True, blank=True, help_text="Local time; blank: 09:00, charges 06:00.")
    channels = models.JSONField(default=list, blank=True, help_text='For a notice, such as ["email", "sms"].')
    template = models.CharField(max_length=60, blank=True)
    source = models.CharField(max_length=10, blank=True, help_text="For a charge: primary or secondary.")
    level = models.CharField(
        max_length=16, blank=True, help_text="For a restriction: throttle, walled_garden or suspend."
    )
    flat = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal("0.00"), help_text="For a late fee.")
    percent = models.DecimalField(max_digits=7, decimal_places=4, default=Decimal(0), help_text="Of what is unpaid.")
    cap = models.DecimalField(
        max_digits=12, decimal_places=2, null=True, blank=True, help_text="Most that the fee may be."
    )
    minimum_amount = models.DecimalField(
        max_digits=12, decimal_places=2, null=True, blank=True, help_text="Only if at least this much is unpaid."
    )
    only_flagged = models.BooleanField(
        default=False, help_text="Only for accounts flagged for being seriously late (E7, E8)."
    )
    honours_exclusions = models.BooleanField(
        null=True,
        blank=True,
        help_text="Put off on excluded days. Blank: restrictions are, everything else is not (A6).",
    )
    requires_notice = models.CharField(
        max_length=60, blank=True, help_text="Key of a notice or ticket step that must have been accepted before (D9)."
    )

    class Meta:
        ordering = ("version", "position", "pk")
        constraints = [models.UniqueConstraint(fields=["version", "key"], name="policy_step_key_once")]

    def __str__(self) -> str:
        return self.key


class Exclusion(models.Model):
    """A date on which nobody becomes delinquent (S6, S15). A blank year means every year."""

    name = models.CharField(max_length=80, help_text="Such as Christmas Day.")
    month = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(12)])
    day = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(31)])
    year = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1990), MaxValueValidator(2200)],
        help_text="Blank: every year. 29 February then counts in leap years only (A10).",
    )
    policy = models.ForeignKey(
        Policy,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="exclusions",
        help_text="Blank: all policies.",
    )
    copied_in = models.ForeignKey(
        "delinquency.HolidayCopy",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="exclusions",
        help_text="The copy of public holidays that it came with.",
    )
    history = HistoricalRecords()

    class Meta:
        ordering = ("month", "day", "year")
        constraints = [
            models.UniqueConstraint(
                fields=["policy", "month", "day", "year"], name="exclusion_once", nulls_distinct=False
            ),
            models.CheckConstraint(
                condition=Q(month__gte=1, month__lte=12, day__gte=1, day__lte=31)
                & ~Q(month=2, day__gt=29)
                & ~Q(month__in=[4, 6, 9, 11], day=31),
                name="exclusion_date_exists",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.month:02d}-{self.day:02d} {self.year or 'every year'}"

    def clean(self) -> None:
        """Refuse a date that no calendar has; raises ValidationError."""
        if self.month and self.day:
            if self.day > DAYS_IN_MONTH.get(self.month, 31):
                raise ValidationError({"day": f"Month {self.month} has no day {self.day}."})
            if self.year and (self.month, self.day) == (2, 29) and not calendar.isleap(self.year):
                raise ValidationError({"day": f"{self.year} is not a leap year: it has no 29 February."})
