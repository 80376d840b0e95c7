"""Tell other programs what happened: one pass over the calls that wait, endpoint by endpoint.

Each call is at least once: an answer that was lost leads to another call with the same id. A dead endpoint is left
alone for a while after each failure, so it costs the others nothing.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from accounts.queries import open_pause
from billing_project.kernel import clock
from billing_project.kernel.calls import Answer, Lost, NotSent, Target, post
from billing_project.kernel.claims import claim_due, release_claimed, release_expired
from billing_project.kernel.destinations import address_for, checked_url
from billing_project.kernel.errors import Refused

from .models import WebhookDelivery, WebhookEndpoint
from .rules.telling import SIGNATURE, body_of, rest_after, signature, wait_after

logger = logging.getLogger(__name__)

State = WebhookDelivery.State
CALL_SECONDS = 5.0
LEASE = timedelta(minutes=2)
CALLS_A_TURN = 100
# A pass ends in time for its worker's limit; what is left is found by the next one.
PASS_SECONDS = 40.0
WORDS_LENGTH = 300


def tell(at: datetime | None = None) -> int:
    """Make the calls that are due and return how many were answered well; none while everything is paused (R-15)."""
    if open_pause() is not None:
        return 0
    moment = at or clock.now()
    until = clock.monotonic() + PASS_SECONDS
    release_expired(WebhookDelivery.objects.all(), at=moment)
    free = Q(retry_at__isnull=True) | Q(retry_at__lte=moment)
    waiting = Q(deliveries__state=State.QUEUED, deliveries__due_at__lte=moment)
    told = 0
    for endpoint in WebhookEndpoint.objects.filter(free, waiting, is_active=True).distinct().order_by("retry_at", "pk"):
        told += _tell_one(endpoint, moment, until)
        if clock.monotonic() > until:
            break
    return told


def try_endpoint(endpoint: WebhookEndpoint) -> str:
    """Make a test call and return what was answered, in words; raises Refused if that is no success."""
    said, trouble = _call(endpoint, b'{"id":"evt_test","type":"test"}')
    if trouble:
        raise Refused("call_failed", trouble)
    return f"It answered well: {said}"


def _tell_one(endpoint: WebhookEndpoint, at: datetime, until: float) -> int:
    queue = WebhookDelivery.objects.filter(endpoint=endpoint)
    pks = claim_due(queue, at=at, lease=LEASE, rows_max=CALLS_A_TURN)
    rows = WebhookDelivery.objects.filter(pk__in=pks).select_related("event__account__company", "event__invoice")
    told = 0
    for place, delivery in enumerate(rows.order_by("event_id")):
        if clock.monotonic() > until:
            break
        now = clock.now()
        said, trouble = _call(endpoint, _body(delivery))
        delivery.attempts, delivery.tried_at = delivery.attempts + 1, now
        delivery.answer, delivery.lease_until_at = (trouble or said)[:WORDS_LENGTH], None
        if trouble:
            wait = wait_after(delivery.attempts)
            delivery.state = State.PARKED if wait is None else State.QUEUED
            delivery.due_at = now + (wait or timedelta(0))
            delivery.save()
            _note_failure(endpoint, trouble, now)
            logger.info("webhook %s: call %d failed, place %d of its turn", endpoint.pk, delivery.pk, place)
            break
        delivery.state = State.SENT
        delivery.save()
        told += 1
        _note_success(endpoint)
    release_claimed(queue, pks)
    return told


def _body(delivery: WebhookDelivery) -> bytes:
    event = delivery.event
    return body_of(
        key=event.pk, kind=event.kind, at=event.recorded_at, on=event.on.isoformat(), account=event.account.number,
        invoice=event.invoice.number if event.invoice else None,
        amount=None if event.amount is None else f"{event.amount:.2f}",
        currency=event.account.company.currency, step=event.step,
    )  # fmt: skip


def _call(endpoint: WebhookEndpoint, body: bytes) -> tuple[str, str]:
    """Call an endpoint; return what it answered, and what is wrong with that, if anything."""
    now = clock.now()
    secrets = [endpoint.secret]
    if endpoint.old_secret and endpoint.old_secret_until_at and now < endpoint.old_secret_until_at:
        secrets.append(endpoint.old_secret)
    headers = {
        "Content-Type": "application/json", "User-Agent": "billing-webhooks/1", "Accept-Encoding": "identity",
        SIGNATURE: signature(secrets, stamp=int(now.timestamp()), body=body),
    }  # fmt: skip
    listed = settings.WEBHOOK_PRIVATE_NETWORKS
    try:
        target = Target(name=endpoint.name, url=checked_url(endpoint.url, listed), timeout_seconds=CALL_SECONDS)
        # Looked up once, judged, and connected to as judged: a second look-up could be answered otherwise (SEC-15).
        address = address_for(target.parts.hostname or "", listed)
        answer = post(Target(name=target.name, url=target.url, timeout_seconds=CALL_SECONDS, address=address), headers,
                      body)  # fmt: skip
    except Refused as refusal:
        return "", refusal.words
    except (NotSent, Lost) as error:
        return "", str(error)
    return _judged(answer)


def _judged(answer: Answer) -> tuple[str, str]:
    words = f"{answer.status} {answer.body[:120].decode(errors='replace')}".strip()
    words = "".join(sign if sign.isprintable() else " " for sign in words)
    if 200 <= answer.status < 300:
        return words, ""
    if 300 <= answer.status < 400:
        return words, f"It answered {answer.status}: redirects are not followed; enter the address it leads to."
    return words, f"It answered {words}"


def _note_failure(endpoint: WebhookEndpoint, words: str, now: datetime) -> None:
    endpoint.failures_in_row += 1
    endpoint.retry_at = now + rest_after(endpoint.failures_in_row)
    endpoint.failing_since_at, endpoint.failure = endpoint.failing_since_at or now, words[:WORDS_LENGTH]
    _save_state(endpoint)


def _note_success(endpoint: WebhookEndpoint) -> None:
    if endpoint.failures_in_row:
        endpoint.failures_in_row, endpoint.retry_at = 0, None
        endpoint.failing_since_at, endpoint.failure = None, ""
        _save_state(endpoint)


def _save_state(endpoint: WebhookEndpoint) -> None:
    # Not by save(): how it answers is no change that its history should tell of.
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(
        failures_in_row=endpoint.failures_in_row, retry_at=endpoint.retry_at,
        failing_since_at=endpoint.failing_since_at, failure=endpoint.failure,
    )  # fmt: skip
