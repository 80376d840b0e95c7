"""What the room below announces: a status or type has changed (S21), or addresses are to be entered."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.db.models.signals import post_save
from django.dispatch import receiver

from accounts.models import Account, User
from accounts.signals import about_to_take_addresses, groups_with_higher_limits, status_changed

from .models import ReleaseLimit
from .operations.lists import follow_accounts
from .operations.releases import limit_of
from .queries import why_a_devices_own


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


@receiver(about_to_take_addresses, dispatch_uid="netenforce.devices_own")
def keep_devices_addresses(prefixes: list[str], **_: Any) -> str:
    """Keep the addresses of our devices out of the customers' lines."""
    return why_a_devices_own(prefixes)


@receiver(groups_with_higher_limits, dispatch_uid="netenforce.higher_limits")
def tell_higher_release_limits(user: User, **_: Any) -> list[int]:
    """Name the groups that may free a line for longer, or more often, than a user may."""
    own = limit_of(user)
    rows = ReleaseLimit.objects.all()
    if own is not None:
        rows = rows.filter(Q(hours_max__gt=own.hours_max) | Q(releases_a_month__gt=own.releases_a_month))
    return list(rows.values_list("group_id", flat=True))
