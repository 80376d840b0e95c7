"""Canned replies and macros: what is written and done again and again, by one click."""

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from .queue import TicketQueue


class CannedReply(models.Model):
    """A text that answers many customers; variables are filled for the account before anybody sees it."""

    title = models.CharField(max_length=80, unique=True)
    shortcut = models.CharField(
        max_length=20,
        unique=True,
        validators=[RegexValidator(r"^[a-z0-9-]+$", "Use small letters, digits and hyphens, such as promise-thanks.")],
        help_text="A short name, such as promise-thanks.",
    )
    text_en = models.TextField("text in English", max_length=4000)
    text_es = models.TextField(
        "text in Spanish", max_length=4000, blank=True, help_text="Blank: these customers get the English one."
    )
    queues = models.ManyToManyField(
        TicketQueue, blank=True, related_name="canned_replies", help_text="Only offered in these. None: in all."
    )
    used_count = models.PositiveIntegerField("used", default=0, editable=False)
    history = HistoricalRecords(excluded_fields=["used_count"])

    class Meta:
        verbose_name_plural = "canned replies"
        ordering = ("title",)

    def __str__(self) -> str:
        return self.title


class Macro(models.Model):
    """Several things that are done to a ticket together, all or none."""

    name = models.CharField(max_length=60, unique=True, help_text="What the button says.")
    purpose = models.CharField(max_length=200, blank=True, help_text="When to use it.")
    queues = models.ManyToManyField(
        TicketQueue, blank=True, related_name="macros", help_text="Only offered in these. None: in all."
    )
    position = models.PositiveSmallIntegerField(default=1, help_text="Its place among the buttons.")
    used_count = models.PositiveIntegerField("used", default=0, editable=False)
    history = HistoricalRecords(excluded_fields=["used_count"])

    class Meta:
        ordering = ("position", "name")

    def __str__(self) -> str:
        return self.name


class MacroAction(models.Model):
    """One of a macro's actions; which of the values it needs depends on what it does."""

    class Does(models.TextChoices):
        REPLY = "reply", "answer with a canned reply"
        NOTE = "note", "add an internal note"
        PRIORITY = "priority", "set the priority"
        QUEUE = "queue", "move to a queue"
        TAKE = "take", "assign to me"
        PROMISE_IN = "promise_in", "note a promise to pay in so many days"
        PROMISE_ON = "promise_on", "note a promise to pay on the next such weekday"
        WAIT = "wait", "wait for the customer"
        OPEN = "open", "open it again"
        CLOSE = "close", "close"

    macro = models.ForeignKey(Macro, on_delete=models.CASCADE, related_name="actions")
    position = models.PositiveSmallIntegerField(default=1)
    does = models.CharField(max_length=10, choices=Does.choices)
    canned = models.ForeignKey(
        CannedReply, null=True, blank=True, on_delete=models.PROTECT, related_name="+", verbose_name="canned reply"
    )
    text = models.CharField(max_length=500, blank=True, help_text="The note, or why it is closed or moved.")
    priority = models.PositiveSmallIntegerField(
        null=True, blank=True, choices=[(1, "low"), (2, "normal"), (3, "high"), (4, "urgent")]
    )
    queue = models.ForeignKey(TicketQueue, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    days = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(60)],
        help_text="For a promise or for waiting.",
    )  # fmt: skip
    weekday = models.PositiveSmallIntegerField(
        null=True, blank=True, choices=list(enumerate(
            ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"))),
    )  # fmt: skip

    class Meta:
        ordering = ("position", "pk")
        verbose_name = "action"
        constraints = [
            models.CheckConstraint(
                condition=~Q(does="reply") | Q(canned__isnull=False), name="macro_reply_has_text",
                violation_error_message="Choose the canned reply to answer with.",
            ),
            models.CheckConstraint(
                condition=~Q(does__in=["note", "close"]) | ~Q(text=""), name="macro_note_has_text",
                violation_error_message="Write the text of the note, or why it is closed.",
            ),
            models.CheckConstraint(
                condition=~Q(does="priority") | Q(priority__isnull=False), name="macro_priority_named",
                violation_error_message="Choose the priority.",
            ),
            models.CheckConstraint(
                condition=~Q(does="queue") | Q(queue__isnull=False), name="macro_queue_named",
                violation_error_message="Choose the queue.",
            ),
            models.CheckConstraint(
                condition=~Q(does="promise_in") | Q(days__isnull=False, days__gte=1, days__lte=60),
                name="macro_promise_days",
                violation_error_message="Say in how many days, 1 to 60.",
            ),
            models.CheckConstraint(
                condition=~Q(does="promise_on") | Q(weekday__isnull=False, weekday__lte=6),
                name="macro_promise_weekday",
                violation_error_message="Choose the weekday.",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.get_does_display()
