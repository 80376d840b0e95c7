"""How much more time a role may give alone, and what waits for a second person (A9, SEC-21)."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords

from accounts.models.second_person import SecondPersonRequest, came_of_approval

from .promise import Promise
from .standing import GraceGrant


class GraceLimit(models.Model):
    """How much more time the members of a group may give alone; nobody without one may give any alone.

    Superusers have no limit; of several groups the highest limit counts.
    """

    group = models.OneToOneField("auth.Group", on_delete=models.CASCADE, related_name="grace_limit")
    days_max = models.PositiveSmallIntegerField(
        "most days at once",
        validators=[MinValueValidator(1), MaxValueValidator(366)],
        help_text="1 to 366, counted from today to Grace Until, such as 14. Above it a second person decides.",
    )
    times_a_year = models.PositiveSmallIntegerField(
        "times in 12 months",
        help_text="So often for one account, whoever gave it, promises included, such as 2. Above it a second person"
        " decides.",
    )
    history = HistoricalRecords()

    class Meta:
        ordering = ("group__name",)
        constraints = [
            models.CheckConstraint(
                condition=Q(days_max__gte=1, days_max__lte=366), name="grace_limit_days_within_a_year"
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.group}: {self.days_max} days"


class GraceRequest(SecondPersonRequest):
    """More time, or a promise to pay, that somebody asks for above their limit and another person decides (SEC-21)."""

    until_on = models.DateField("grace until", help_text="First date on which the account may become delinquent.")
    lift_now = models.BooleanField(default=False, help_text="End a running case at once (A8).")
    pay_by_on = models.DateField(null=True, blank=True, help_text="Of a promise: paid by the end of this day.")
    amount = models.DecimalField(
        max_digits=12, decimal_places=2, null=True, blank=True,
        help_text="Of a promise: what was promised; blank if it was all that was owed.",
    )  # fmt: skip
    channel = models.CharField(max_length=8, choices=Promise.Channel.choices, blank=True)
    grant = models.OneToOneField(
        GraceGrant, null=True, blank=True, on_delete=models.PROTECT, related_name="request",
        help_text="The grant that came of it.",
    )  # fmt: skip

    class Meta(SecondPersonRequest.Meta):
        verbose_name = "request for more time"
        verbose_name_plural = "requests for more time"
        permissions = [("approve_grace", "Can decide more time that others ask for above their limit")]
        constraints = [
            *SecondPersonRequest.Meta.constraints,
            models.CheckConstraint(condition=came_of_approval("grant"), name="gracerequest_approved_is_granted"),
            models.CheckConstraint(
                condition=Q(pay_by_on__isnull=True, amount__isnull=True, channel="")
                | (Q(pay_by_on__isnull=False, until_on__gt=F("pay_by_on")) & ~Q(channel="")),
                name="gracerequest_promise_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"promise by {self.pay_by_on}" if self.pay_by_on else f"grace until {self.until_on}"
