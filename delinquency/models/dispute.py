"""Disputes: a bill that its customer says is wrong, and what became of that (X9, A27, I9)."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords

from billing_project.kernel import clock

from .standing import GraceGrant
from .ticket import Ticket

TEXT_LENGTH_MAX = 2000


class Dispute(models.Model):
    """What a customer says is wrong with an invoice. While it is looked into the invoice is frozen."""

    class State(models.TextChoices):
        ASKED = "asked", "asked, holds nothing back yet"
        OPEN = "open", "being looked into"
        UPHELD = "upheld", "accepted"
        REJECTED = "rejected", "rejected"
        WITHDRAWN = "withdrawn", "withdrawn"

    RUNNING = (State.ASKED, State.OPEN)
    # Where a dispute may go from each state; a decision is final, a new dispute is another row.
    MOVES = {
        State.ASKED: (State.OPEN, State.UPHELD, State.REJECTED, State.WITHDRAWN),
        State.OPEN: (State.UPHELD, State.REJECTED, State.WITHDRAWN),
        State.UPHELD: (),
        State.REJECTED: (),
        State.WITHDRAWN: (),
    }

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="disputes")
    invoice = models.ForeignKey("invoicing.Invoice", on_delete=models.PROTECT, related_name="disputes")
    ticket = models.OneToOneField(
        Ticket, on_delete=models.PROTECT, related_name="dispute", help_text="Where it is talked about."
    )
    text = models.TextField(help_text="What the customer says is wrong.")
    state = models.CharField(max_length=9, choices=State.choices, default=State.OPEN)
    opened_at = models.DateTimeField(default=clock.now)
    opened_on = models.DateField(help_text="The account's local day on which it was opened.")
    opened_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="disputes_opened",
        help_text="The member of staff; blank if the customer did it in the portal.",
    )  # fmt: skip
    by_customer = models.BooleanField(default=False, help_text="Opened in the portal; once for each invoice.")
    confirmed_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when it holds the invoice back; blank while it only is asked."
    )
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="disputes_confirmed"
    )
    lifted = models.OneToOneField(
        GraceGrant, null=True, blank=True, on_delete=models.PROTECT, related_name="dispute",
        help_text="The grant that opened the line when it was confirmed (A8); it does not count as an extension.",
    )  # fmt: skip
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="disputes_decided"
    )
    decided_why = models.CharField(max_length=500, blank=True, help_text="Told to the customer.")
    credited = models.DecimalField(
        max_digits=12, decimal_places=2, null=True, blank=True, help_text="What was taken off the invoice."
    )
    once = models.UUIDField(
        null=True, blank=True, unique=True, help_text="The customer's form that opened it: pressing twice is once."
    )
    history = HistoricalRecords()

    class Meta:
        permissions = [
            ("open_dispute", "Can open disputes for customers"),
            ("decide_dispute", "Can look into disputes and decide them"),
        ]
        ordering = ("-opened_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=["invoice"], condition=Q(state__in=["asked", "open"]), name="dispute_runs_once"
            ),
            models.UniqueConstraint(fields=["invoice"], condition=Q(by_customer=True), name="dispute_once_by_customer"),
            models.CheckConstraint(
                condition=Q(state__in=["asked", "open"], decided_at__isnull=True)
                | Q(state__in=["upheld", "rejected", "withdrawn"], decided_at__isnull=False),
                name="dispute_decided_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(state="asked", confirmed_at__isnull=False) & ~Q(state="open", confirmed_at__isnull=True),
                name="dispute_open_is_confirmed",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["upheld", "rejected"], decided_why=""), name="dispute_decided_says_why"
            ),
            models.CheckConstraint(
                condition=Q(credited__isnull=True) | Q(credited__gt=0, state="upheld"),
                name="dispute_credits_if_upheld",
            ),
            models.CheckConstraint(
                condition=Q(by_customer=False) | Q(opened_by__isnull=True), name="dispute_by_customer_or_staff"
            ),
            models.CheckConstraint(
                condition=Q(decided_at__isnull=True) | Q(decided_at__gte=F("opened_at")),
                name="dispute_decided_after_opened",
            ),
            models.CheckConstraint(condition=~Q(text=""), name="dispute_says_something"),
        ]
        indexes = [
            models.Index(fields=["opened_at"], condition=Q(state__in=["asked", "open"]), name="dispute_running"),
        ]

    def __str__(self) -> str:
        return f"{self.invoice.number}: {self.text[:60]}"

    @property
    def runs(self) -> bool:
        """Tell whether nobody has decided it yet."""
        return self.state in self.RUNNING
