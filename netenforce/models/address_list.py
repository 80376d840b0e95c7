"""Address lists: the named sets of addresses that a device treats in one way (S16, S19, S20, X10)."""

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from .hold import Hold, Level


class AddressList(models.Model):
    """What devices do to some lines: how hard they are restricted, how fast they are, and whose lines these are.

    Of the lists of a level that a device carries and whose criteria an account meets, the one with the smallest order
    is taken. One that takes lines by account alone restricts them without any step of a policy.
    """

    name = models.CharField(
        max_length=60,
        unique=True,
        validators=[RegexValidator(r"^[A-Za-z0-9_.-]+$", "Letters, digits, _ . and - only.")],
        help_text="As the devices know it, such as Delinquent: a list of addresses, a set, or a RADIUS group.",
    )
    level = models.CharField(
        max_length=16,
        choices=[c for c in Level.choices if c[0] != "open"],
        help_text="What can still be reached: everything but slowly, the payment page only, or nothing.",
    )
    rate_down_kbit = models.PositiveIntegerField(
        null=True, blank=True, help_text="Download speed in kbit/s; blank: not limited."
    )
    rate_up_kbit = models.PositiveIntegerField(
        null=True, blank=True, help_text="Upload speed in kbit/s; blank: not limited."
    )
    position = models.PositiveSmallIntegerField(
        "order", default=100, help_text="Where an account meets several lists of a level, the smallest number wins."
    )
    cause = models.CharField(
        max_length=16, blank=True, choices=Hold.Cause.choices,
        help_text="Only for lines restricted for this reason, such as non-payment; blank: for any.",
    )  # fmt: skip
    statuses = models.ManyToManyField(
        "accounts.AccountStatus", blank=True, related_name="+",
        help_text="Only for accounts with one of these statuses; none chosen: for all.",
    )  # fmt: skip
    account_types = models.ManyToManyField(
        "accounts.AccountType", blank=True, related_name="+",
        help_text="Only for accounts of one of these types; none chosen: for all.",
    )  # fmt: skip
    devices = models.ManyToManyField(
        "netenforce.Device", blank=True, related_name="address_lists",
        help_text="Only on these devices; none chosen: on all.",
    )  # fmt: skip
    by_account = models.BooleanField(
        "takes lines by account alone", default=False, db_default=False,
        help_text="On: every account with such a status or type is restricted, without any step of a policy.",
    )  # fmt: skip
    history = HistoricalRecords(m2m_fields=[statuses, account_types, devices])

    class Meta:
        ordering = ("level", "position", "name")
        constraints = [
            models.CheckConstraint(condition=Q(by_account=False) | Q(cause=""), name="address_list_by_account_or_cause")
        ]

    def __str__(self) -> str:
        return self.name
