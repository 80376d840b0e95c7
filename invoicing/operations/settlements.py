"""Ask the gateway for the payments that our books do not have, before anybody is charged a fee or cut off (R-07, R-08).

Reports usually bring them in, and charges that are open are looked up by themselves. This is for what neither knows: a
payment that the gateway made although it was declined or given up here, while its report was lost. One listing for each
tick, however many accounts are late.
"""

from datetime import datetime, timedelta

from django.conf import settings

from accounts.operations import raise_attention, resolve_attention
from billing_project.kernel.errors import OutcomeUnknown, StaleState, Unavailable
from invoicing.gateways.registry import gateway
from invoicing.models import GatewayEvent, GatewayPoll, Payment, PaymentAttempt
from invoicing.queries import accounts_in_doubt
from invoicing.signals import balance_changed

from . import reconcile

# How far before the last listing the next one begins: pages on which people pay are open for half an hour.
OVERLAP, AT_FIRST = timedelta(hours=1), timedelta(days=1)
UNASKED = "settlements-unasked"


def poll_settlements(at: datetime) -> int:
    """Bring in the payments that the gateway has and we have not, and return how many.

    If it cannot be asked and has reported nothing for hours either, fees and cuts of accounts whose cards were charged
    in the last days wait, and the clerks are told.
    """
    own = gateway()
    poll, _ = GatewayPoll.objects.get_or_create(provider=own.name)
    since = (poll.asked_at - OVERLAP) if poll.asked_at else at - AT_FIRST
    try:
        listed = own.charged_since(since)
    except (Unavailable, OutcomeUnknown) as error:
        _go_on_blind(poll, str(error), at)
        return 0
    found = sum(_bring_in(provider_id, at) for provider_id in _missing(listed))
    in_doubt = accounts_in_doubt() if poll.blind_since_at else set()
    GatewayPoll.objects.filter(pk=poll.pk).update(asked_at=at, blind_since_at=None)
    resolve_attention(UNASKED, own.name, "the gateway answers again")
    if in_doubt:
        balance_changed.send(sender=GatewayPoll, account_ids=sorted(in_doubt))
    return found


def _missing(listed: list[str]) -> list[str]:
    """Return the payments that we do not have, without those that are open here: these are looked up by themselves."""
    known = set(Payment.objects.filter(reference__in=listed).values_list("reference", flat=True))
    rest = [provider_id for provider_id in listed if provider_id not in known]
    if not rest:
        return []
    open_here = PaymentAttempt.objects.filter(state__in=PaymentAttempt.ASKED, provider_id__in=rest)
    return [one for one in rest if one not in set(open_here.values_list("provider_id", flat=True))]


def _bring_in(provider_id: str, at: datetime) -> bool:
    try:
        reconcile.bring_up_to_date(provider_id, at)
    except (Unavailable, OutcomeUnknown, StaleState):
        return False  # the listing of the next tick has it again
    return Payment.objects.filter(reference=provider_id).exists()


def _go_on_blind(poll: GatewayPoll, why: str, at: datetime) -> None:
    """Note that nobody can tell who has paid, unless the gateway goes on reporting by itself."""
    heard_after = at - timedelta(hours=settings.STRIPE_SILENT_HOURS)
    if GatewayEvent.objects.filter(provider=poll.provider, received_at__gt=heard_after).exists():
        return
    GatewayPoll.objects.filter(pk=poll.pk, blind_since_at__isnull=True).update(blind_since_at=at)
    raise_attention(
        code=UNASKED, key=poll.provider,
        words=f"{poll.provider.title()} cannot be asked which payments were made, and has reported none for"
        f" {settings.STRIPE_SILENT_HOURS} hours: {why} Fees and cuts of accounts whose cards were charged in the last"
        " days wait until it answers. Look at the gateway's settings and its status page.",
    )  # fmt: skip
