"""Promises to pay: what a customer said, and whether it came true (D7)."""

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from billing_project.kernel import clock

from .standing import GraceGrant


class Promise(models.Model):
    """A customer's word to pay by a day; until that day is over the account is protected (D7)."""

    class State(models.TextChoices):
        OPEN = "open", "open"
        KEPT = "kept", "kept"
        BROKEN = "broken", "broken"
        WITHDRAWN = "withdrawn", "withdrawn"

    class Channel(models.TextChoices):
        PHONE = "phone", "on the phone"
        DESK = "desk", "at the desk"
        WRITING = "writing", "in writing"
        PORTAL = "portal", "in the portal"

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="promises")
    pay_by_on = models.DateField("pay by", help_text="Kept if it is paid by the end of this day, the account's time.")
    amount = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text="What was promised; blank if it was everything that was owed then.",
    )
    owed = models.DecimalField(
        max_digits=12, decimal_places=2, help_text="What was unpaid, past due or due by then, when it was made."
    )
    invoices = models.JSONField(default=list, help_text="Ids of the invoices that this is about.")
    ledger_seen = models.BigIntegerField(
        default=0, editable=False, help_text="Newest ledger entry when it was made: only what came later keeps it."
    )
    made_at = models.DateTimeField(default=clock.now)
    made_on = models.DateField(help_text="The account's local day on which it was made.")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    channel = models.CharField(max_length=8, choices=Channel.choices, default=Channel.PHONE)
    note = models.CharField(max_length=200, blank=True)
    grant = models.OneToOneField(GraceGrant, on_delete=models.PROTECT, related_name="promise")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    decided_on = models.DateField(null=True, blank=True, help_text="The local day on which it was kept or broken.")
    decided_why = models.CharField(max_length=300, blank=True)
    paid = models.DecimalField(
        max_digits=12, decimal_places=2, default=Decimal("0.00"), help_text="What came of it by the end of that day."
    )
    history = HistoricalRecords()

    class Meta:
        ordering = ("-made_at", "-pk")
        constraints = [
            models.UniqueConstraint(fields=["account"], condition=Q(state="open"), name="promise_open_once"),
            models.CheckConstraint(
                condition=Q(state="open", decided_on__isnull=True) | Q(~Q(state="open"), decided_on__isnull=False),
                name="promise_decided_has_day",
            ),
            models.CheckConstraint(condition=Q(amount__isnull=True) | Q(amount__gt=0), name="promise_amount_positive"),
            models.CheckConstraint(condition=Q(owed__gt=0), name="promise_about_something_owed"),
            models.CheckConstraint(condition=Q(pay_by_on__gte=models.F("made_on")), name="promise_is_ahead"),
        ]
        indexes = [
            models.Index(fields=["made_at", "id"], name="promise_by_day"),
            models.Index(fields=["pay_by_on"], condition=Q(state="open"), name="promise_open"),
            models.Index(fields=["pay_by_on", "state"], name="promise_by_month"),
        ]

    def __str__(self) -> str:
        return f"{self.promised:,.2f} by {self.pay_by_on}"

    @property
    def promised(self) -> Decimal:
        """Return the amount that was promised: the one that was named, or all that was owed."""
        return self.owed if self.amount is None else self.amount
