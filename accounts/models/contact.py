"""People we may write to or call."""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Reverse, Upper
from simple_history.models import HistoricalRecords

from .account import Account, validate_zone


class Contact(models.Model):
    """A person at a customer. The billing contact is who notices and tickets go to (E2, A26)."""

    class Language(models.TextChoices):
        ENGLISH = "en", "English"
        SPANISH = "es", "Spanish"

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="contacts")
    name = models.CharField(max_length=200)
    is_billing_contact = models.BooleanField(
        default=False, help_text="Notices and tickets about money go to this person; one per account."
    )
    email = models.EmailField(blank=True)
    phone = models.CharField(
        max_length=16,
        blank=True,
        validators=[
            RegexValidator(r"^\+[1-9]\d{6,14}$", "Write the number with its country code, such as +15550109999.")
        ],
        help_text="International form, such as +15550109999.",
    )
    email_allowed = models.BooleanField(default=True)
    sms_allowed = models.BooleanField(default=True)
    voice_allowed = models.BooleanField(default=True)
    consented_at = models.DateTimeField(
        null=True, blank=True, help_text="When the person agreed to be texted and called."
    )
    language = models.CharField(max_length=5, choices=Language.choices, default=Language.ENGLISH)
    timezone = models.CharField(
        max_length=64,
        blank=True,
        validators=[validate_zone],
        help_text="Only if it differs from the account's; quiet hours follow it.",
    )
    history = HistoricalRecords()

    class Meta:
        permissions = [("stop_channel", "Can stop texts, calls or e-mail to a contact")]
        ordering = ("account", "-is_billing_contact", "name")
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=models.Q(is_billing_contact=True), name="contact_one_billing_contact"
            )
        ]
        indexes = [
            # For the search: any part of a name or an address, and a phone number from its last digit backwards.
            GinIndex(OpClass(Upper("name"), name="gin_trgm_ops"), name="contact_name_typed"),
            GinIndex(OpClass(Upper("email"), name="gin_trgm_ops"), name="contact_email_typed"),
            models.Index(OpClass(Reverse("phone"), name="text_pattern_ops"), name="contact_phone_typed"),
        ]

    def __str__(self) -> str:
        return self.name
