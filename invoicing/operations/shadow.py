"""Shadow mode and money: charges that were decided while another system was in charge are never made."""

from datetime import datetime

from django.db.models import QuerySet

from accounts.queries import open_stops
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from invoicing.models import PaymentAttempt

DECIDED_IN_SHADOW = "decided in shadow"
State = PaymentAttempt.State


def charges_of_shadow(since: datetime) -> QuerySet[PaymentAttempt]:
    """Return the charges that were queued in shadow and wait."""
    return PaymentAttempt.objects.filter(state__in=[State.QUEUED, State.CLAIMED], created_at__gte=since)


def cancel_charges(since: datetime) -> int:
    """Refuse the charges that were queued in shadow; no card is charged for them."""
    return charges_of_shadow(since).update(
        state=State.REFUSED, why=DECIDED_IN_SHADOW, settled_at=clock.now(), lease_until_at=None
    )


def is_shadow() -> bool:
    """Tell whether another system is in charge."""
    return any(stop.is_shadow for stop in open_stops())


def refuse_in_shadow(words: str) -> None:
    """Raise Refused with these words while another system is in charge: no money moves through this program then."""
    if is_shadow():
        raise Refused("shadow", words)
