"""Where an account stands: its policy, grace, flag, and how far its story has been worked out."""

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from billing_project.kernel import clock

from .policy import PolicyVersion


class Standing(models.Model):
    """An account under its policy. The cursor says up to which instant its story is decided."""

    account = models.OneToOneField("accounts.Account", on_delete=models.PROTECT, related_name="standing")
    policy_version = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="standings")
    grace_until = models.DateField(
        null=True,
        blank=True,
        help_text="First date on which the account may become delinquent (D7, A7); protected through the day before.",
    )
    held_until = models.DateField(
        null=True,
        blank=True,
        editable=False,
        help_text="On hold: nothing follows from what is owed before this day. Why stands in the account's holds.",
    )
    delinquent_since = models.DateField(
        null=True, blank=True, help_text="Earliest delinquency date among its delinquent invoices (A22)."
    )
    flagged_on = models.DateField(null=True, blank=True, help_text="Seriously late more often than allowed (E6, A28).")
    unflagged_on = models.DateField(
        null=True, blank=True, help_text="Invoices that were late before this no longer count."
    )
    unflagged_why = models.CharField(max_length=200, blank=True)
    second_source_asked_on = models.DateField(
        null=True, blank=True, help_text="When a secondary source was asked for (E7)."
    )
    switched_on = models.DateField(null=True, blank=True, help_text="Day of the status switch now in force.")
    status_before_switch = models.ForeignKey(
        "accounts.AccountStatus", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    looked_until_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Everything up to this instant has been decided."
    )
    next_look_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When something may next have to be decided."
    )
    looked_until_phase = models.PositiveSmallIntegerField(
        default=5,
        editable=False,
        help_text="Which part of that instant: before or after its invoices were issued (D5).",
    )
    ledger_seen = models.BigIntegerField(default=0, editable=False, help_text="Newest ledger entry taken into account.")
    grants_seen = models.BigIntegerField(default=0, editable=False, help_text="Newest grant taken into account.")
    grace_set_on = models.DateField(null=True, blank=True, editable=False, help_text="Local day of the last grant.")
    grace_before = models.DateField(
        null=True,
        blank=True,
        editable=False,
        help_text="Grace Until when that day began: what is decided as of midnight.",
    )
    events_count = models.PositiveIntegerField(default=0, editable=False)
    history = HistoricalRecords(
        excluded_fields=[
            "looked_until_at",
            "looked_until_phase",
            "next_look_at",
            "ledger_seen",
            "grants_seen",
            "grace_set_on",
            "grace_before",
            "events_count",
        ]
    )

    class Meta:
        permissions = [("decide_flag", "Can remove flags and say which late payments count")]
        ordering = ("account",)
        indexes = [
            models.Index(
                fields=["next_look_at", "account"], condition=Q(next_look_at__isnull=False), name="standing_to_look_at"
            ),
            models.Index(fields=["flagged_on"], condition=Q(flagged_on__isnull=False), name="standing_flagged"),
            models.Index(
                fields=["delinquent_since"], condition=Q(delinquent_since__isnull=False), name="standing_delinquent"
            ),
        ]

    def __str__(self) -> str:
        return f"standing of account {self.account_id}"


class GraceGrant(models.Model):
    """More days for one account: who granted them, why, until when (S10, A7–A9). Append-only.

    A grant that was a mistake is withdrawn by another row that puts the date before it back in force: the account's
    story knows grants only, and the last one counts.
    """

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="grace_grants")
    until_on = models.DateField(help_text="First date on which the account may become delinquent.")
    lift_now = models.BooleanField(default=False, help_text="End a running episode at once (A8).")
    reason = models.CharField(max_length=300)
    granted_at = models.DateTimeField(default=clock.now)
    granted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    withdraws = models.OneToOneField(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="withdrawal",
        help_text="The grant that this row takes back; neither counts towards the yearly limit.",
    )

    class Meta:
        ordering = ("-granted_at", "-pk")
        permissions = (("grant_grace", "Can give more time, note promises and take them back"),)
        constraints = [
            models.CheckConstraint(
                condition=Q(withdraws__isnull=True) | Q(lift_now=False), name="grant_withdrawal_lifts_nothing"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="grant_has_reason"),
        ]
        indexes = [
            models.Index(fields=["granted_at", "id"], name="grace_grant_by_day"),
            models.Index(fields=["account", "granted_at"], name="grant_of_account"),
        ]

    def __str__(self) -> str:
        return f"until {self.until_on}"


class InvoiceStanding(models.Model):
    """What the policy made of one invoice (A1): past due, delinquent, cured, seriously late."""

    invoice = models.OneToOneField("invoicing.Invoice", on_delete=models.PROTECT, related_name="standing")
    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="invoice_standings")
    due_noted = models.BooleanField(default=False)
    past_due_on = models.DateField(null=True, blank=True)
    delinquent_on = models.DateField(null=True, blank=True, help_text="Set while the invoice is delinquent.")
    first_delinquent_on = models.DateField(null=True, blank=True)
    may_enter = models.BooleanField(
        default=True, help_text="False after a cure: it enters again only if its remaining rises (A18)."
    )
    reopened_at = models.DateTimeField(null=True, blank=True, help_text="When a reversal last reopened it (A23).")
    seriously_late_on = models.DateField(null=True, blank=True)
    moved_on = models.DateField(null=True, blank=True, editable=False, help_text="Local day of the last change.")
    opening = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        default=Decimal("0.00"),
        editable=False,
        help_text="Unpaid when that day began.",
    )
    not_counted_why = models.CharField(
        max_length=200, blank=True, help_text="Why being late with this one does not count towards the flag (A27)."
    )
    # What a person decided about it; what the policy made of it stands in the events.
    history = HistoricalRecords(
        excluded_fields=[
            "due_noted",
            "past_due_on",
            "delinquent_on",
            "first_delinquent_on",
            "may_enter",
            "reopened_at",
            "moved_on",
            "opening",
        ]
    )

    class Meta:
        ordering = ("-invoice",)
        indexes = [
            models.Index(
                fields=["account"], condition=Q(delinquent_on__isnull=False), name="invoice_standing_delinquent"
            ),
            models.Index(
                fields=["account"], condition=Q(seriously_late_on__isnull=False), name="invoice_standing_serious"
            ),
        ]

    def __str__(self) -> str:
        return f"standing of invoice {self.invoice_id}"
