"""Let a stopped channel go on (R-11)."""

from decimal import Decimal

from django.db import transaction

from accounts.models import ChannelBreaker, User
from accounts.operations import resolve_attention
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row
from billing_project.kernel.nudge import nudge


@transaction.atomic
def let_go_on(stop: ChannelBreaker, why: str, *, extra_spend: Decimal, by: User | None = None) -> ChannelBreaker:
    """Close a breaker, and let its company spend so much more today (UTC) than the cap.

    Raises Refused without a reason or for a negative sum, StaleState if somebody else was faster.
    """
    if not why.strip():
        raise Refused("no_reason", "Say why the channel may go on; the reason is kept with it.")
    if extra_spend < 0:
        raise Refused("negative_sum", "The sum may be 0 or more; a lower cap is set under Contact rules.")
    locked = lock_row(ChannelBreaker.objects.all(), stop.pk)
    if locked.closed_at is not None:
        raise StaleState("This channel goes on already; nothing was changed.")
    locked.closed_at, locked.closed_by, locked.closed_why = clock.now(), by, why.strip()[:300]
    locked.extra_spend = extra_spend
    locked.save(update_fields=["closed_at", "closed_by", "closed_why", "extra_spend"])
    if not ChannelBreaker.objects.filter(company=locked.company_id, closed_at__isnull=True).exists():
        resolve_attention("channel-stopped", f"company:{locked.company_id}", why, by)
    nudge("accounts.dispatch_notices")
    return locked
