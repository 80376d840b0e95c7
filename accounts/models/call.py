"""Every call to a customer, by staff or by the program; the counter of calls reads these rows (SEC-17)."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing_project.kernel import clock

from .account import Account
from .contact import Contact
from .notice import Notice


class CallRecord(models.Model):
    """One attempt to call somebody. An attempt counts from the moment it is made, whatever came of it."""

    class Outcome(models.TextChoices):
        CALLING = "calling", "calling"
        REACHED = "reached", "reached"
        REFUSED = "refused", "reached, refused to talk"
        VOICEMAIL = "voicemail", "voicemail"
        BUSY = "busy", "busy"
        NO_ANSWER = "no_answer", "no answer"
        FAILED = "failed", "could not be connected"
        WRONG_NUMBER = "wrong_number", "wrong number"

    # After one of these the person is left alone for a week: a conversation took place.
    TALKED = (Outcome.REACHED, Outcome.REFUSED)

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="calls")
    contact = models.ForeignKey(Contact, null=True, blank=True, on_delete=models.SET_NULL, related_name="calls")
    number = models.CharField(max_length=16, help_text="The number that was called.")
    at = models.DateTimeField(default=clock.now)
    outcome = models.CharField(max_length=12, choices=Outcome.choices)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, help_text="Blank: a voice notice."
    )
    note = models.CharField(max_length=300, blank=True)
    notice = models.OneToOneField(
        Notice, null=True, blank=True, on_delete=models.SET_NULL, related_name="call", help_text="The notice spoken."
    )
    inbound = models.BooleanField(default=False, help_text="The customer called us: no attempt of ours.")

    class Meta:
        verbose_name = "call"
        ordering = ("-at", "-pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(by__isnull=False) | Q(notice__isnull=False) | ~Q(outcome="calling"),
                name="call_in_progress_has_caller",
            )
        ]
        indexes = [
            models.Index(fields=["at", "id"], name="call_record_by_day"),
            models.Index(fields=["account", "-at"], name="call_of_account"),
            models.Index(fields=["number", "-at"], name="call_of_number"),
        ]

    def __str__(self) -> str:
        return f"{self.get_outcome_display()} {self.at:%Y-%m-%d %H:%M}"
