"""Tickets and calls: where people meet."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from billing_project.kernel import clock

from .case import Case
from .queue import TicketQueue


class Ticket(models.Model):
    """Something about an account that people see to: a contact on one side, a staff queue on the other (E2, A26)."""

    class State(models.TextChoices):
        OPEN = "open", "open"
        WAITING = "waiting", "waiting for the customer"
        CLOSED = "closed", "closed"

    class Kind(models.TextChoices):
        DELINQUENCY = "delinquency", "unpaid account"
        UNREACHABLE = "unreachable", "cannot be reached"
        QUESTION = "question", "question"
        DISPUTE = "dispute", "dispute"
        NETWORK = "network", "device does not obey"
        OTHER = "other", "other"

    class Priority(models.IntegerChoices):
        LOW = 1, "low"
        NORMAL = 2, "normal"
        HIGH = 3, "high"
        URGENT = 4, "urgent"

    class ClosedHow(models.TextChoices):
        OPEN = "", "not closed"
        PAYMENT = "payment", "by payment"
        HAND = "hand", "by hand"
        MERGE = "merge", "merged into another"
        REACHED = "reached", "reachable again"
        OBEYED = "obeyed", "the device obeyed"

    # Opened by the program and by nobody else; an account has one of each kind at a time.
    SINGLE = (Kind.DELINQUENCY, Kind.UNREACHABLE, Kind.NETWORK)
    # Said among staff: customers see them once somebody has written to them on one.
    AMONG_STAFF = (Kind.UNREACHABLE, Kind.NETWORK)

    # Where a ticket may go from each state; closing it again and opening it twice are not among them.
    MOVES = {
        State.OPEN: (State.WAITING, State.CLOSED),
        State.WAITING: (State.OPEN, State.CLOSED),
        State.CLOSED: (State.OPEN,),
    }

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="tickets")
    case = models.ForeignKey(Case, null=True, blank=True, on_delete=models.PROTECT, related_name="tickets")
    number = models.CharField(max_length=20, unique=True)
    subject = models.CharField(max_length=200)
    kind = models.CharField(
        max_length=12,
        choices=Kind.choices,
        default=Kind.DELINQUENCY,
        help_text="An unpaid account: opened by a policy step, closed by payment.",
    )
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    waiting_until = models.DateField(
        null=True, blank=True, help_text="The day on which a waiting ticket opens again by itself."
    )
    priority = models.PositiveSmallIntegerField(choices=Priority.choices, default=Priority.NORMAL)
    queue = models.ForeignKey(TicketQueue, on_delete=models.PROTECT, related_name="tickets")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="tickets",
        help_text="The member of staff who works on it.",
    )
    watchers = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="watched_tickets")
    customer_contact = models.ForeignKey(
        "accounts.Contact",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="tickets",
        help_text="The billing contact, who is told and may answer.",
    )
    opened_on = models.DateField()
    opened_at = models.DateTimeField(default=clock.now)
    opened_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_why = models.CharField(max_length=300, blank=True)
    closed_how = models.CharField(max_length=8, choices=ClosedHow.choices, default=ClosedHow.OPEN, blank=True)
    merged_into = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="merged")
    follows = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="followed_by",
        help_text="The ticket of the episode before, after a returned payment.",
    )  # fmt: skip
    invoices = models.JSONField(default=list, blank=True, help_text="Ids of the invoices it is about.")
    customer_at = models.DateTimeField(null=True, blank=True, help_text="When the customer last wrote.")
    answered_at = models.DateTimeField(null=True, blank=True, help_text="When the customer was last written to.")
    owed_since_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when the customer waits for us; blank while we wait for them."
    )
    answer_due_at = models.DateTimeField(
        null=True, blank=True, help_text="By when its queue has promised an answer, in the queue's business hours."
    )
    replies_count = models.PositiveSmallIntegerField(default=0)
    version = models.PositiveIntegerField(default=1, help_text="Counts every change, so that none is overwritten.")
    history = HistoricalRecords()

    class Meta:
        ordering = ("-opened_at", "-pk")
        permissions = [
            ("work_ticket", "Can work on tickets: take, assign, rank, note, close and reopen them"),
            ("reply_ticket", "Can write to customers from tickets"),
            ("merge_ticket", "Can merge tickets"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=Q(kind="delinquency") & ~Q(state="closed"), name="ticket_open_once"
            ),
            models.UniqueConstraint(
                fields=["account"], condition=Q(kind="unreachable") & ~Q(state="closed"), name="ticket_unreachable_once"
            ),
            models.UniqueConstraint(
                fields=["account"], condition=Q(kind="network") & ~Q(state="closed"), name="ticket_network_once"
            ),
            models.CheckConstraint(
                condition=Q(state="closed", closed_at__isnull=False) | Q(~Q(state="closed"), closed_at__isnull=True),
                name="ticket_closed_has_time",
            ),
            models.CheckConstraint(
                condition=Q(state="closed") | Q(closed_how=""), name="ticket_open_is_not_closed_somehow"
            ),
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True) | Q(state="closed", closed_how="merge"),
                name="ticket_merged_is_closed",
            ),
            models.CheckConstraint(
                condition=Q(waiting_until__isnull=True) | Q(state="waiting"), name="ticket_waits_until_only_waiting"
            ),
            models.CheckConstraint(
                condition=Q(answer_due_at__isnull=True) | Q(owed_since_at__isnull=False), name="ticket_due_is_owed"
            ),
            models.CheckConstraint(
                condition=Q(owed_since_at__isnull=True) | Q(state="open"), name="ticket_owes_only_open"
            ),
            models.CheckConstraint(condition=Q(priority__gte=1, priority__lte=4), name="ticket_priority_known"),
        ]
        indexes = [
            models.Index(fields=["opened_on", "id"], name="ticket_by_day"),
            models.Index(
                fields=["answer_due_at"], condition=Q(answer_due_at__isnull=False), name="ticket_answer_promised"
            ),
            models.Index(fields=["opened_at", "id"], name="ticket_by_time"),
            models.Index(fields=["queue", "opened_at"], condition=~Q(state="closed"), name="ticket_open"),
            models.Index(fields=["waiting_until"], condition=Q(state="waiting"), name="ticket_waiting"),
            models.Index(fields=["answer_due_at"], condition=Q(state="open"), name="ticket_due"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.subject}"

    @property
    def is_delinquency(self) -> bool:
        """Tell whether a policy step opened it, so that payment closes it."""
        return self.kind == Ticket.Kind.DELINQUENCY

    @property
    def is_closed(self) -> bool:
        """Tell whether it is closed."""
        return self.state == Ticket.State.CLOSED


class TicketComment(models.Model):
    """A line of a ticket: what was written, by whom, to whom; or what was done with it. Its text never changes."""

    class Direction(models.TextChoices):
        IN = "in", "from the customer"
        OUT = "out", "to the customer"
        NOTE = "note", "note"
        EVENT = "event", "what happened"

    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="comments")
    at = models.DateTimeField(default=clock.now)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    contact = models.ForeignKey(
        "accounts.Contact", null=True, blank=True, on_delete=models.SET_NULL, related_name="ticket_comments"
    )
    text = models.TextField()
    internal = models.BooleanField(default=True)
    direction = models.CharField(max_length=5, choices=Direction.choices, default=Direction.NOTE)
    channel = models.CharField(max_length=8, blank=True, help_text="How it came or went: email, sms, portal.")
    notice = models.ForeignKey(
        "accounts.Notice", null=True, blank=True, on_delete=models.SET_NULL, related_name="ticket_comments"
    )
    inbound = models.OneToOneField(
        "accounts.InboundMessage", null=True, blank=True, on_delete=models.SET_NULL, related_name="ticket_comment",
        help_text="The letter or text from outside that it is; each becomes one line only.",
    )  # fmt: skip
    version = models.PositiveIntegerField(default=0, help_text="The ticket's version that this line made.")
    moved_from = models.ForeignKey(
        Ticket, null=True, blank=True, on_delete=models.SET_NULL, related_name="moved_comments",
        help_text="The merged ticket on which it was written.",
    )  # fmt: skip
    once = models.UUIDField(
        null=True, blank=True, unique=True, help_text="The customer's form that wrote it: pressing twice is once."
    )

    class Meta:
        ordering = ("at", "pk")
        constraints = [
            models.CheckConstraint(
                condition=~Q(direction__in=["in", "out"], internal=True), name="ticket_letters_are_not_internal"
            ),
        ]
        indexes = [
            models.Index(fields=["at", "id"], name="ticket_comment_by_day"),
        ]

    def __str__(self) -> str:
        return self.text[:60]
