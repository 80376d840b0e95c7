"""The airbag: plans that were held because they were far from the usual, and the steps that wait for a decision."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords

from billing_project.kernel import clock


class AirbagTrip(models.Model):
    """A day's plan that was held (R-15). One person asks to release it, another one does; or it is dismissed."""

    class Kind(models.TextChoices):
        CUTS = "cuts", "accounts to be cut"
        MONEY = "money", "late fees"
        INVOICES = "invoices", "invoices"

    class State(models.TextChoices):
        HELD = "held", "held"
        ASKED = "asked", "release asked for"
        RELEASED = "released", "released"
        DISMISSED = "dismissed", "dismissed"

    OPEN = (State.HELD, State.ASKED)

    kind = models.CharField(max_length=10, choices=Kind.choices, editable=False)
    on = models.DateField(editable=False, help_text="The operator's day on which it was held.")
    tripped_at = models.DateTimeField(default=clock.now, editable=False)
    planned = models.DecimalField(
        max_digits=14, decimal_places=2, editable=False, help_text="What would have been done: a number or a sum."
    )
    limit = models.DecimalField(
        max_digits=14, decimal_places=2, editable=False, help_text="The most that goes without asking."
    )
    words = models.TextField(editable=False, help_text="Why it was held.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.HELD, editable=False)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField(null=True, editable=False)
    asked_why = models.CharField(max_length=200, blank=True, editable=False)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, editable=False)
    decided_why = models.CharField(max_length=200, blank=True, editable=False)
    history = HistoricalRecords()

    class Meta:
        permissions = [("decide_airbag", "Can decide what the airbag holds back")]
        ordering = ("-tripped_at", "-pk")
        constraints = [
            models.UniqueConstraint(
                fields=["kind"], condition=Q(state__in=["held", "asked"]), name="airbag_trip_open_once"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["held", "asked"], decided_at__isnull=True, decided_why="")
                | (Q(state__in=["released", "dismissed"], decided_at__isnull=False) & ~Q(decided_why="")),
                name="airbag_trip_decision_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["held", "dismissed"]) | (Q(asked_at__isnull=False) & ~Q(asked_why="")),
                name="airbag_trip_request_has_reason",
            ),
            models.CheckConstraint(
                condition=~Q(state="released", asked_by=F("decided_by")), name="airbag_trip_released_by_another"
            ),
        ]
        indexes = [models.Index(fields=["-decided_at"], name="airbag_trip_decided")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.on}"


class AirbagStep(models.Model):
    """A harmful step that was held: it waits for the decision about its trip, and is then decided afresh."""

    trip = models.ForeignKey(AirbagTrip, on_delete=models.PROTECT, related_name="steps")
    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="airbag_steps")
    kind = models.CharField(max_length=30, help_text="As in the journal, such as restricted; or invoice.")
    step = models.CharField(max_length=60, blank=True)
    anchor_key = models.CharField(max_length=80, help_text="invoice:ID, case:NUMBER or bill:DATE.")
    on = models.DateField(help_text="The local day on which it was due.")
    invoice = models.ForeignKey("invoicing.Invoice", null=True, on_delete=models.PROTECT, related_name="+")
    amount = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    why = models.CharField(max_length=400)
    held_at = models.DateTimeField(default=clock.now)
    again_at = models.DateTimeField(
        null=True, help_text="After a release: when it was decided again. What was paid meanwhile is not done."
    )

    class Meta:
        ordering = ("trip", "account", "pk")
        constraints = [
            models.UniqueConstraint(fields=["trip", "account", "kind", "step", "anchor_key"], name="airbag_step_once")
        ]
        indexes = [
            models.Index(fields=["account"], condition=Q(again_at__isnull=True), name="airbag_step_pending"),
            models.Index(fields=["again_at"], name="airbag_step_again"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of account {self.account_id}"
