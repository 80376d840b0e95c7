"""Studies of a policy version before it goes live, and the forecast of each coming day."""

from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from billing_project.kernel import clock


class Study(models.Model):
    """One question about a policy version: what would it have done, or what will it do. Nothing is changed by it.

    The version's content is kept as a policy file: a draft may be edited, or thrown away, after it was studied.
    """

    class Kind(models.TextChoices):
        BACKTEST = "backtest", "backtest"
        AHEAD = "ahead", "thirty days ahead"

    class Scope(models.TextChoices):
        POLICY = "policy", "accounts under this policy"
        ALL = "all", "all accounts"

    class State(models.TextChoices):
        QUEUED = "queued", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    version = models.ForeignKey(
        "delinquency.PolicyVersion", null=True, blank=True, on_delete=models.SET_NULL, related_name="studies"
    )
    name = models.CharField(max_length=100, help_text="Policy and version as they were called then.")
    policy_file = models.JSONField(help_text="What the version said when the study began.")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    scope = models.CharField(max_length=10, choices=Scope.choices, default=Scope.ALL)
    scope_policy = models.ForeignKey(
        "delinquency.Policy", on_delete=models.PROTECT, related_name="studies", help_text="Whose version it is."
    )
    against = models.ForeignKey(
        "delinquency.PolicyVersion",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="What it is compared with. Blank: each account's own version.",
    )
    from_on = models.DateField()
    to_on = models.DateField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    done = models.PositiveIntegerField(default=0, help_text="Accounts that have been played.")
    total = models.PositiveIntegerField(default=0, help_text="Accounts to be played.")
    requested_at = models.DateTimeField(default=clock.now)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    # Who works on it: the turn is counted up by whoever takes it, so that a worker that was given up finds out.
    lease_until_at = models.DateTimeField(null=True, blank=True, editable=False)
    turn = models.PositiveIntegerField(default=0, editable=False)
    tries = models.PositiveSmallIntegerField(default=0, editable=False, help_text="Turns since it last got on.")
    last_account_id = models.BigIntegerField(default=0, editable=False, help_text="Accounts up to this key are done.")
    partial = models.JSONField(default=dict, editable=False, help_text="The counts so far.")
    result = models.JSONField(default=dict, editable=False)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        permissions = [("run_study", "Can start and stop studies of policies")]
        verbose_name_plural = "studies"
        ordering = ("-requested_at", "-pk")
        constraints = [
            models.CheckConstraint(condition=Q(from_on__lte=F("to_on")), name="study_from_before_to"),
            models.CheckConstraint(condition=Q(done__lte=F("total")), name="study_done_of_total"),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running"], finished_at__isnull=True)
                | Q(state__in=["done", "failed", "cancelled"], finished_at__isnull=False),
                name="study_finished_has_time",
            ),
            models.CheckConstraint(condition=~Q(state="failed") | ~Q(error=""), name="study_failed_says_why"),
            models.CheckConstraint(
                condition=Q(state="running") | Q(lease_until_at__isnull=True), name="study_leased_is_running"
            ),
            models.UniqueConstraint(
                fields=["version", "kind"], condition=Q(state__in=["queued", "running"]), name="study_one_at_a_time"
            ),
        ]
        indexes = [
            models.Index(fields=["requested_at"], condition=Q(state__in=["queued", "running"]), name="study_to_be_done")
        ]

    def __str__(self) -> str:
        if self.kind == self.Kind.AHEAD:
            return f"{self.name}, thirty days from {self.from_on}"
        return f"{self.name}, backtest {self.from_on} to {self.to_on}"

    @property
    def is_open(self) -> bool:
        """Tell whether it waits or runs."""
        return self.state in (self.State.QUEUED, self.State.RUNNING)

    def is_left_alone(self) -> bool:
        """Tell whether it should be worked on and nobody does: its bell was lost, or its worker died."""
        if self.state == self.State.QUEUED:
            return clock.now() - self.requested_at > timedelta(seconds=10)
        return self.state == self.State.RUNNING and (self.lease_until_at is None or self.lease_until_at < clock.now())


class StudyFinding(models.Model):
    """An account for which a study's version decides differently."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="findings")
    account = models.ForeignKey("accounts.Account", on_delete=models.CASCADE, related_name="+")
    differences = models.JSONField(help_text="What differs, with both dates, in order.")
    newly_cut = models.BooleanField(
        default=False, help_text="The version cuts it over invoices for which live does not, or not as hard."
    )
    spared = models.BooleanField(default=False, help_text="What is live cuts it, the version does not.")
    paid_by_itself = models.BooleanField(
        null=True,
        blank=True,
        help_text="Newly cut, and everything the cut was about was paid within seven days after it. "
        "Unknown while the seven days run.",
    )

    class Meta:
        ordering = ("study", "account")
        constraints = [
            models.UniqueConstraint(fields=["study", "account"], name="study_finding_once"),
            models.CheckConstraint(
                condition=Q(newly_cut=True) | Q(paid_by_itself__isnull=True), name="study_finding_paid_was_cut"
            ),
            models.CheckConstraint(condition=~Q(newly_cut=True, spared=True), name="study_finding_cut_or_spared"),
        ]

    def __str__(self) -> str:
        return f"account {self.account_id} in study {self.study_id}"


class Forecast(models.Model):
    """What a coming day should bring if nobody pays; made before that day begins, kept to be compared with it."""

    for_on = models.DateField(unique=True, help_text="The local day of the accounts it is about.")
    made_at = models.DateTimeField()
    accounts_played = models.PositiveIntegerField(default=0, help_text="Accounts at which anything was due by then.")
    cuts = models.PositiveIntegerField(default=0, help_text="Lines restricted and statuses switched.")
    fees = models.PositiveIntegerField(default=0, help_text="Late and reconnection fees.")
    fee_total = models.DecimalField(max_digits=14, decimal_places=2, default=Decimal("0.00"))
    notices = models.PositiveIntegerField(default=0)
    invoices = models.PositiveIntegerField(default=0)
    invoice_total = models.DecimalField(max_digits=14, decimal_places=2, default=Decimal("0.00"))

    class Meta:
        ordering = ("-for_on",)
        constraints = [
            models.CheckConstraint(
                condition=Q(fee_total__gte=0, invoice_total__gte=0), name="forecast_money_not_negative"
            )
        ]

    def __str__(self) -> str:
        return f"forecast for {self.for_on}"
