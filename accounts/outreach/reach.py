"""Ways to a person that open again: who could not be reached is looked at once more (A30, R-10)."""

from collections.abc import Iterable

from accounts import signals
from accounts.models import Attention, Contact, Suppression, User
from accounts.operations import resolve_attentions

from . import suppressions
from .fallback import out_of_reach

CANNOT_BE_REACHED = "cannot-be-reached"


def look_at_reach(account_ids: Iterable[int], why: str, *, by: User | None = None) -> list[int]:
    """Close the exception of accounts whose person can be reached again, announce it, and return them.

    Costs one query where no such exception is open.
    """
    keys = {f"account:{pk}": pk for pk in account_ids}
    waiting = Attention.objects.filter(code=CANNOT_BE_REACHED, key__in=keys, resolved_at__isnull=True)
    lost = [keys[key] for key in waiting.values_list("key", flat=True)]
    if not lost:
        return []
    still = out_of_reach(lost)
    back = sorted(pk for pk in lost if pk not in still)
    if back:
        resolve_attentions(CANNOT_BE_REACHED, [f"account:{pk}" for pk in back], why, by=by)
        signals.reachable.send(sender=Contact, account_ids=back)
    return back


def use_again(channel: str, address: str, why: str, *, by: User | None = None) -> int:
    """Take an address off the list and look at whom that lets us reach again; raises Refused without a reason."""
    lifted = suppressions.lift(channel, address, why, by=by)
    if lifted:
        field = "email__iexact" if channel == "email" else "phone"
        owners = Contact.objects.filter(**{field: address}).values_list("account_id", flat=True)
        look_at_reach(set(owners), f"{address} may be used again: {why}", by=by)
    return lifted


def history_of(channel: str, address: str) -> list[Suppression]:
    """Return every time an address was left alone, the newest first."""
    place = suppressions.normal(channel, address)
    return list(Suppression.objects.filter(channel=channel, address=place).select_related("by", "lifted_by")[:20])
