"""What the post room does when a person's address changes, whoever changed it: a form, the portal or an import."""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from .models import Contact
from .outreach.reach import look_at_reach


@receiver(post_save, sender=Contact, dispatch_uid="accounts.contact_mended")
def look_at_mended(instance: Contact, raw: bool = False, **_: Any) -> None:
    """Go on with what waited for an address by which somebody can be reached (A30)."""
    if not raw:
        look_at_reach([instance.account_id], f"{instance.name} has an address again.")
