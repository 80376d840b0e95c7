"""What the room below announces: an account's status or type has changed, so lists may take it or let it go (S21)."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from accounts.models import Account
from accounts.signals import status_changed

from .operations.lists import follow_accounts


@receiver(status_changed, dispatch_uid="netenforce.status_changed")
def follow_status(account_id: int, at: datetime, by_delinquency: bool, **_: Any) -> None:
    """Follow a status that somebody set by hand; delinquency's own switches are followed for a whole chunk at once."""
    if not by_delinquency:
        follow_accounts([account_id], at=at, over_money=())


@receiver(post_save, sender=Account, dispatch_uid="netenforce.account_saved")
def follow_type(instance: Account, update_fields: Collection[str] | None = None, raw: bool = False, **_: Any) -> None:
    """Follow the type of an account that was opened or edited."""
    if not raw and (update_fields is None or "account_type" in update_fields):
        follow_accounts([instance.pk])
