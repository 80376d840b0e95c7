"""Who is told of events by signed calls: entered, given a new secret, tested, told again."""

import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from accounts.models import User
from billing_project.kernel import clock
from billing_project.kernel.destinations import checked_url
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_row
from billing_project.kernel.nudge import nudge

from ..models import WebhookDelivery, WebhookEndpoint
from ..rules.telling import NAMES

# Both secrets sign for so long after a change, so that the other side can take its time.
ROTATION = timedelta(hours=24)
TASK = "delinquency.report_webhooks"


def check_endpoint(endpoint: WebhookEndpoint) -> None:
    """Raise Refused unless the address may be called and the events exist."""
    checked_url(endpoint.url, settings.WEBHOOK_PRIVATE_NETWORKS)
    unknown = sorted(set(endpoint.kinds) - set(NAMES))
    if unknown or not endpoint.kinds:
        raise Refused("unknown_event", f"Events: choose some of {', '.join(NAMES.values())}.")


def save_endpoint(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """Save an endpoint; a new one gets its secret. Raises Refused as check_endpoint does."""
    check_endpoint(endpoint)
    if not endpoint.secret:
        endpoint.secret = new_secret()
    # What was wrong with the old address says nothing of the new one.
    endpoint.failures_in_row, endpoint.retry_at, endpoint.failing_since_at, endpoint.failure = 0, None, None, ""
    endpoint.save()
    return endpoint


@transaction.atomic
def rotate_secret(endpoint: WebhookEndpoint, *, reason: str, by: User | None = None) -> str:
    """Give an endpoint a new secret and return it; the old one signs beside it for a day. Raises Refused."""
    if not reason.strip():
        raise Refused("reason_missing", "Say why the secret is changed; the reason is kept.")
    locked = lock_row(WebhookEndpoint.objects.order_by(), endpoint.pk)
    locked.old_secret, locked.old_secret_until_at = locked.secret, clock.now() + ROTATION
    locked.secret = new_secret()
    locked._change_reason = reason[:100]  # type: ignore[attr-defined]
    locked._history_user = by  # type: ignore[attr-defined]
    locked.save()
    return locked.secret


@transaction.atomic
def tell_again(delivery: WebhookDelivery) -> WebhookDelivery:
    """Put a call back into the queue, whatever came of it; the other side knows it by its id. Raises Refused."""
    locked = lock_row(WebhookDelivery.objects.order_by(), delivery.pk)
    if locked.state in (WebhookDelivery.State.QUEUED, WebhookDelivery.State.CLAIMED):
        raise Refused("waits_already", "It is waiting to be sent already.")
    locked.state, locked.due_at, locked.attempts = WebhookDelivery.State.QUEUED, clock.now(), 0
    locked.lease_until_at = None
    locked.save(update_fields=["state", "due_at", "attempts", "lease_until_at"])
    WebhookEndpoint.objects.filter(pk=locked.endpoint_id).update(retry_at=None)
    nudge(TASK)
    return locked


def cancel_calls(since: datetime, why: str) -> int:
    """Give up the calls about what happened since a moment and waits; any of them can be sent by hand later."""
    waiting = (WebhookDelivery.State.QUEUED, WebhookDelivery.State.CLAIMED)
    return WebhookDelivery.objects.filter(state__in=waiting, event__recorded_at__gte=since).update(
        state=WebhookDelivery.State.PARKED, answer=why, lease_until_at=None
    )


def new_secret() -> str:
    """Return a new secret."""
    return f"whsec_{secrets.token_urlsafe(32)}"
