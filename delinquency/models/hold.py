"""Accounts on hold for a time, such as those of an area in which a storm took the lines down."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from billing_project.kernel import clock

from .standing import GraceGrant


class AccountHold(models.Model):
    """Nothing follows from what an account owes until a day: no cut, no fee, no notice. Bills go out as ever."""

    class Resume(models.TextChoices):
        GO_ON = "go_on", "go on where it stood"
        ANEW = "anew", "start the grace anew"

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="account_holds")
    until_on = models.DateField(help_text="First day on which the policy goes on, the account's time.")
    resume = models.CharField(max_length=6, choices=Resume.choices, default=Resume.GO_ON)
    anew_days = models.PositiveSmallIntegerField(default=0, help_text="Days of grace after it, where it starts anew.")
    freed = models.BooleanField(default=False, help_text="Whether a running case was ended, and its lines freed.")
    reason = models.CharField(max_length=200)
    held_at = models.DateTimeField(default=clock.now)
    held_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="account_holds"
    )
    grant = models.OneToOneField(
        GraceGrant, null=True, blank=True, on_delete=models.PROTECT, related_name="hold",
        help_text="The more time that came with it; it does not count as an extension.",
    )  # fmt: skip
    ended_at = models.DateTimeField(null=True, blank=True, help_text="When somebody ended it before its day.")
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="account_holds_ended"
    )
    ended_why = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = "account on hold"
        verbose_name_plural = "accounts on hold"
        ordering = ("-held_at", "-pk")
        indexes = [
            models.Index(fields=["until_on"], condition=Q(ended_at__isnull=True), name="account_hold_running"),
            models.Index(fields=["account", "held_at"], name="account_hold_of_account"),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="account_hold_has_reason"),
            models.CheckConstraint(
                condition=Q(resume="go_on", anew_days=0) | Q(resume="anew", anew_days__gte=1, anew_days__lte=60),
                name="account_hold_anew_has_days",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_why="") | Q(ended_at__gte=F("held_at")) & ~Q(ended_why=""),
                name="account_hold_ended_says_why",
            ),
        ]

    def __str__(self) -> str:
        return f"on hold until {self.until_on}"
