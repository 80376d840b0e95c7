"""The portal's doors: who asked to come in, who came in, and links that were closed."""

from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from billing_project.kernel import clock

from .account import Account
from .notice import Channel

TRIES_MAX = 5


class SignInRequest(models.Model):
    """Somebody asked for a link and a code. Every request is a row, whether or not anybody is known by what was typed.

    What was typed is kept until it is answered; a code, the browser's mark and its address are kept as keyed hashes
    only. Rows are deleted after a day.
    """

    class Outcome(models.TextChoices):
        WAITING = "waiting", "waiting"
        SENT = "sent", "sent"
        UNKNOWN = "unknown", "nobody is known by it"
        UNREACHABLE = "unreachable", "no way to the person is open"
        LIMITED = "limited", "asked too often"
        LATE = "late", "answered too late"
        FAILED = "failed", "could not be handled"

    mark_hash = models.CharField(max_length=64, unique=True, help_text="Of the mark in the browser's cookie.")
    ip_hash = models.CharField(max_length=64, help_text="Of the address it was asked from.")
    typed = models.CharField(max_length=254, blank=True)
    channel = models.CharField(max_length=8, choices=Channel.choices, default=Channel.EMAIL)
    account = models.ForeignKey(
        Account, null=True, blank=True, on_delete=models.CASCADE, related_name="sign_in_requests"
    )
    outcome = models.CharField(max_length=12, choices=Outcome.choices, default=Outcome.WAITING)
    code_hash = models.CharField(max_length=64, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    asked_at = models.DateTimeField(default=clock.now)
    answered_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "request to sign in"
        verbose_name_plural = "requests to sign in"
        ordering = ("-asked_at", "-pk")
        constraints = [
            models.CheckConstraint(condition=Q(tries__lte=TRIES_MAX), name="sign_in_tries_bounded"),
            models.CheckConstraint(condition=Q(outcome="waiting") | Q(typed=""), name="sign_in_typed_forgotten"),
            models.CheckConstraint(
                condition=Q(outcome="waiting", answered_at__isnull=True)
                | (~Q(outcome="waiting") & Q(answered_at__isnull=False)),
                name="sign_in_answered_has_time",
            ),
            models.CheckConstraint(
                condition=Q(code_hash="", used_at__isnull=True) | Q(account__isnull=False),
                name="sign_in_code_of_account",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(outcome="waiting"), name="sign_in_waiting"),
            models.Index(fields=["ip_hash", "answered_at"], name="sign_in_by_ip"),
            models.Index(fields=["asked_at"], name="sign_in_asked"),
        ]

    def __str__(self) -> str:
        return f"{self.asked_at:%Y-%m-%d %H:%M} {self.get_outcome_display()}"


class PortalEntry(models.Model):
    """A customer came in: by which door, and when. The mark makes each pass through it good for once."""

    class Door(models.TextChoices):
        LINK = "link", "link"
        OWN_LINK = "own_link", "link asked for in the same browser"
        CODE = "code", "code"

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="portal_entries")
    door = models.CharField(max_length=8, choices=Door.choices)
    mark_hash = models.CharField(max_length=64, unique=True)
    at = models.DateTimeField(default=clock.now)

    class Meta:
        verbose_name = "entry to the portal"
        verbose_name_plural = "entries to the portal"
        ordering = ("-at", "-pk")
        indexes = [
            models.Index(fields=["at", "id"], name="portal_entry_by_day"),
            models.Index(fields=["account", "-at"], name="portal_entry_of_account"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} by {self.get_door_display()}"


class PortalDoor(models.Model):
    """From when on an account's links and sessions are good: older ones were closed, and why."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, related_name="portal_door")
    closed_at = models.DateTimeField(help_text="Links made and sessions opened up to then are closed.")
    why = models.CharField(max_length=200)
    times = models.PositiveIntegerField(default=1)
    history = HistoricalRecords()

    class Meta:
        permissions = [("close_links", "Can close all links of an account to the portal")]
        verbose_name = "closing of links"
        verbose_name_plural = "closings of links"
        ordering = ("-closed_at", "-pk")
        constraints = [
            models.CheckConstraint(condition=~Q(why=""), name="portal_door_why_not_blank"),
            models.CheckConstraint(condition=Q(times__gte=1), name="portal_door_counted"),
        ]

    def __str__(self) -> str:
        return f"links of {self.account} closed {self.closed_at:%Y-%m-%d %H:%M}"
