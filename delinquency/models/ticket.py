"""Tickets and calls: where people meet."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from billing_project.kernel import clock

from .case import Case


class Ticket(models.Model):
    """A ticket for an unpaid account: the billing contact on one side, a staff queue on the other (E2, A26)."""

    class State(models.TextChoices):
        OPEN = "open", "open"
        WAITING = "waiting", "waiting for the customer"
        CLOSED = "closed", "closed"

    class Queue(models.TextChoices):
        BILLING = "billing", "billing"
        SUPPORT = "support", "support"

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="tickets")
    case = models.ForeignKey(Case, null=True, blank=True, on_delete=models.PROTECT, related_name="tickets")
    number = models.CharField(max_length=20, unique=True)
    subject = models.CharField(max_length=200)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    queue = models.CharField(max_length=10, choices=Queue.choices, default=Queue.BILLING)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="tickets",
        help_text="The member of staff who works on it.",
    )
    customer_contact = models.ForeignKey(
        "accounts.Contact",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="tickets",
        help_text="The billing contact, who is told and may answer.",
    )
    is_delinquency = models.BooleanField(default=True, help_text="Opened by a policy step; closed by payment.")
    opened_on = models.DateField()
    opened_at = models.DateTimeField(default=clock.now)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_why = models.CharField(max_length=300, blank=True)
    invoices = models.JSONField(default=list, blank=True, help_text="Ids of the invoices it is about.")
    history = HistoricalRecords()

    class Meta:
        ordering = ("-opened_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=Q(is_delinquency=True) & ~Q(state="closed"), name="ticket_open_once"
            ),
            models.CheckConstraint(
                condition=Q(state="closed", closed_at__isnull=False) | Q(~Q(state="closed"), closed_at__isnull=True),
                name="ticket_closed_has_time",
            ),
        ]
        indexes = [models.Index(fields=["queue", "opened_at"], condition=~Q(state="closed"), name="ticket_open")]

    def __str__(self) -> str:
        return f"{self.number} {self.subject}"


class TicketComment(models.Model):
    """A note on a ticket, by staff or by the program. Append-only."""

    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="comments")
    at = models.DateTimeField(default=clock.now)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    text = models.TextField()
    internal = models.BooleanField(default=True)

    class Meta:
        ordering = ("at", "pk")

    def __str__(self) -> str:
        return self.text[:60]
