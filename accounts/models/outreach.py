"""What the post room may do: hours, caps, countries, prices; what it did today; and channels that are stopped."""

from datetime import time
from decimal import Decimal

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords

from billing_project.kernel import clock

from .account import Company
from .notice import Channel

EARLIEST, LATEST = time(8), time(21)


class Courtesy(models.TextChoices):
    """Letters that no policy step writes."""

    INVOICE = "invoice_issued", "a new invoice, with its PDF, by e-mail"
    RECEIPT = "payment_received", "a payment came in: its receipt, by e-mail"
    RESTORED = "restored", "the line is back, as its device confirmed"
    PAYMENT_FAILED = "payment_failed", "an automatic charge was declined that day"
    CARD_EXPIRING = "card_expiring", "a card will have expired when it is next needed"
    SECOND_SOURCE_REMINDER = "second_source_reminder", "a second way to pay was asked for and has not come"
    PROMISE_KEPT = "promise_kept", "thank you for keeping a promise to pay"
    PROMISE_BROKEN = "promise_broken", "the day of a promise has passed unpaid"


def all_courtesies() -> list[str]:
    """Return the keys of all of them, which is where a company begins."""
    return list(Courtesy.values)


class OutreachRules(models.Model):
    """The contact rules of one company (SEC-17, R-11). They may be stricter than 08:00 to 21:00, never laxer."""

    company = models.OneToOneField(Company, on_delete=models.CASCADE, related_name="outreach_rules")
    opens = models.TimeField(
        default=EARLIEST, help_text="Nobody is written to or called before, in their own zone; 08:00 at the earliest."
    )
    closes = models.TimeField(
        default=LATEST, help_text="Nor from this time on; 21:00 at the latest. A letter then waits for the morning."
    )
    calls_max = models.PositiveSmallIntegerField(
        default=7,
        validators=[MinValueValidator(1), MaxValueValidator(7)],
        help_text="Most call attempts to one customer within 7 days, by staff and by voice notices together.",
    )
    quiet_days = models.PositiveSmallIntegerField(
        default=7,
        validators=[MinValueValidator(7), MaxValueValidator(60)],
        help_text="Days without calls after somebody was spoken to.",
    )
    per_number_max = models.PositiveSmallIntegerField(
        default=3, validators=[MinValueValidator(1)], help_text="Most texts and voice notices to one number a day."
    )
    needs_recorded_consent = models.BooleanField(
        default=False, help_text="Text and call only people with a date of consent on their contact page."
    )
    countries = models.JSONField(
        default=list,
        blank=True,
        help_text='Countries whose numbers may be texted and called, such as ["US", "CA"]; all others are refused.'
        " Empty: the country of the company's own phone number.",
    )
    sms_price = models.DecimalField(
        max_digits=7,
        decimal_places=4,
        default=Decimal("0.0120"),
        validators=[MinValueValidator(Decimal(0))],
        help_text="What one segment of a text costs, such as 0.0120; for estimates and the daily cap.",
    )
    voice_price = models.DecimalField(
        max_digits=7,
        decimal_places=4,
        default=Decimal("0.0200"),
        validators=[MinValueValidator(Decimal(0))],
        help_text="What one minute of a call costs.",
    )
    daily_spend_max = models.DecimalField(
        max_digits=9,
        decimal_places=2,
        default=Decimal("200.00"),
        validators=[MinValueValidator(Decimal(0))],
        help_text="What texts and calls together may cost in a day (UTC); above it both stop until somebody looks.",
    )
    inbound_email = models.EmailField(
        blank=True,
        help_text="Where answers to e-mails arrive, such as replies@in.valley.example; blank: the sender's address.",
    )
    courtesies = models.JSONField(
        default=all_courtesies,
        blank=True,
        help_text="Letters that no policy step writes. What is not ticked is not sent.",
    )
    history = HistoricalRecords()

    class Meta:
        verbose_name = "contact rules"
        verbose_name_plural = "contact rules"
        constraints = [
            models.CheckConstraint(
                condition=Q(opens__gte=EARLIEST) & Q(closes__lte=LATEST) & Q(opens__lt=F("closes")),
                name="outreach_rules_decent_hours",
            ),
            models.CheckConstraint(
                condition=Q(calls_max__gte=1, calls_max__lte=7, quiet_days__gte=7), name="outreach_rules_few_calls"
            ),
        ]

    def __str__(self) -> str:
        return f"contact rules of {self.company}"

    def clean(self) -> None:
        """Refuse hours that are not decent and countries that do not exist; raises ValidationError."""
        if self.opens < EARLIEST or self.closes > LATEST or self.opens >= self.closes:
            raise ValidationError(
                {"opens": "Choose hours between 08:00 and 21:00, the first before the second, such as 09:00 and 20:00."}
            )
        unknown = [key for key in self.courtesies or () if key not in Courtesy.values]
        if not isinstance(self.courtesies, list) or unknown:
            raise ValidationError({"courtesies": f"Choose among {', '.join(Courtesy.values)}."})
        shape = RegexValidator(r"^[A-Z]{2}$", "Name countries by two capital letters.")
        if not isinstance(self.countries, list) or not all(isinstance(code, str) for code in self.countries):
            raise ValidationError({"countries": 'Write a list of countries, such as ["US", "CA"].'})
        for code in self.countries:
            try:
                shape(code)
            except ValidationError as error:
                raise ValidationError(
                    {"countries": f"{code!r} is no country; write two capitals, such as US."}
                ) from error


class ChannelDay(models.Model):
    """What one company sent by one channel on one day (UTC), counted as it is sent: the caps read it."""

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="+")
    channel = models.CharField(max_length=8, choices=Channel.choices)
    on = models.DateField()
    sent = models.PositiveIntegerField(default=0)
    spent = models.DecimalField(max_digits=11, decimal_places=4, default=Decimal("0.0000"))

    class Meta:
        ordering = ("-on", "channel")
        constraints = [models.UniqueConstraint(fields=["company", "channel", "on"], name="channel_day_once")]

    def __str__(self) -> str:
        return f"{self.channel} on {self.on}: {self.sent}"


class ChannelBreaker(models.Model):
    """A stop of one channel of one company: nothing goes out by it until somebody closes the breaker (R-11)."""

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="breakers")
    channel = models.CharField(max_length=8, choices=Channel.choices)
    tripped_at = models.DateTimeField(default=clock.now)
    why = models.CharField(max_length=300)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    closed_why = models.CharField(max_length=300, blank=True)
    extra_spend = models.DecimalField(
        max_digits=9,
        decimal_places=2,
        default=Decimal("0.00"),
        help_text="What may be spent above the cap on the day it was closed.",
    )

    class Meta:
        permissions = [("resume_channel", "Can let a stopped channel go on")]
        ordering = ("-tripped_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=["company", "channel"], condition=Q(closed_at__isnull=True), name="channel_breaker_open_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} stopped: {self.why}"
