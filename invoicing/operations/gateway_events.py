"""Reports of a gateway: kept once each, answered at once, and then handled by asking how things stand (R-08)."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F

from accounts.operations import raise_attention, resolve_attention
from billing_project.kernel import clock
from billing_project.kernel.claims import claim_due, release_expired
from billing_project.kernel.errors import PortError, StaleState
from billing_project.kernel.nudge import nudge
from invoicing.gateways.registry import gateway
from invoicing.models import GatewayEvent, PaymentAttempt

from . import reconcile, sources

logger = logging.getLogger(__name__)

State = GatewayEvent.State
LEASE = timedelta(minutes=2)
# Few at a time: the gateway is asked about each, and other workers may take the next ones meanwhile.
ROWS_MAX = 5
# How long to wait after each try that failed; the last one again and again, until it is given up after about two days.
BACKOFF = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1), timedelta(hours=6))
# An account that somebody else holds is free again in a moment: so often it is tried again in the same pass, as whoever
# has paid must not wait for the next one.
AT_ONCE_MAX = 2
UNHANDLED, SILENT = "report-unhandled", "reports-silent"
# A report needs a moment to arrive: a charge of the last minutes proves no silence.
ARRIVES_WITHIN = timedelta(minutes=10)

KEPT_FOR = timedelta(days=90)

PAYMENTS = ("payment_intent.", "charge.", "refund.")
PAGES = ("checkout.session.",)
SOURCES = ("payment_method.",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A verified report, as its adapter read it."""

    provider: str
    event_id: str
    type: str
    object_id: str
    happened_at: datetime


@transaction.atomic
def take_in(told: Told) -> bool:
    """Keep a report and wake whoever handles it; a report that came before changes nothing, and False says so."""
    now = clock.now()
    _, is_new = GatewayEvent.objects.get_or_create(
        provider=told.provider, event_id=told.event_id,
        defaults={
            "type": told.type, "object_id": told.object_id, "happened_at": told.happened_at, "received_at": now,
            "due_at": now,
        },
    )  # fmt: skip
    if is_new:
        nudge("invoicing.process_event")
    return is_new


def process_events(at: datetime) -> int:
    """Handle every report that is due, and return how many were handled; what fails comes again later."""
    handled = 0
    release_expired(GatewayEvent.objects.all(), at=at)
    while claimed := claim_due(GatewayEvent.objects.all(), at=at, lease=LEASE, rows_max=ROWS_MAX):
        for pk in claimed:
            handled += _process(pk, at)
    return handled


def purge_events(at: datetime) -> int:
    """Forget reports that were handled more than 90 days ago, and return how many.

    No gateway sends one again after 30 days, so none of them is taken for a new one.
    """
    old = GatewayEvent.objects.filter(received_at__lt=at - KEPT_FOR, state__in=[State.DONE, State.PARKED])
    return old.delete()[0]


def watch_silence(at: datetime) -> bool:
    """Tell the clerks if a gateway that reports has said nothing for hours although charges were made; return whether.

    Open charges are looked up all the same, so nothing is lost but minutes.
    """
    own = gateway()
    if not own.reports:
        return False
    since = at - timedelta(hours=settings.STRIPE_SILENT_HOURS)
    if GatewayEvent.objects.filter(provider=own.name, received_at__gt=since).exists():
        resolve_attention(SILENT, own.name, "it reports again")
        return False
    made = PaymentAttempt.objects.filter(
        settled_at__gt=since, settled_at__lte=at - ARRIVES_WITHIN, state=PaymentAttempt.State.DONE
    ).exclude(provider_id="")
    if not made.exists():
        return False
    raise_attention(
        code=SILENT, key=own.name,
        words=f"{own.name.title()} has reported nothing for {settings.STRIPE_SILENT_HOURS} hours, although charges were"
        " made. Open charges are looked up meanwhile; refunds and disputes are not seen. Look at the webhook endpoint"
        f" {settings.PUBLIC_BASE_URL}/callbacks/{own.name}/ in its dashboard.",
    )  # fmt: skip
    return True


def _process(pk: int, at: datetime) -> int:
    """Handle one claimed report and return 1, or put it off and return 0."""
    # Counted before it is handled: one that ends the program must not stay at the head of the queue.
    event = GatewayEvent.objects.get(pk=pk)
    put_off = BACKOFF[min(event.tries, len(BACKOFF) - 1)]
    GatewayEvent.objects.filter(pk=pk).update(tries=F("tries") + 1, due_at=at + put_off)
    try:
        outcome = _handle(event, at)
    except StaleState as error:
        return _put_off(event, f"waits: {error}", at, at_once=event.tries < AT_ONCE_MAX)
    except PortError as error:
        return _put_off(event, f"waits: {error}", at)
    except Exception as error:
        logger.exception("report %s cannot be handled", event.event_id)
        return _put_off(event, f"cannot be handled ({type(error).__name__})", at)
    GatewayEvent.objects.filter(pk=pk).update(
        state=State.DONE, handled_at=at, lease_until_at=None, outcome=outcome[:300]
    )
    resolve_attention(UNHANDLED, f"event:{pk}", "handled")
    return 1


def _handle(event: GatewayEvent, at: datetime) -> str:
    """Ask how the thing stands that a report is about, and bring our books to it."""
    if event.provider != gateway().name:
        return f"{event.provider} is not the gateway in use"
    if not event.object_id:
        return "about nothing of ours"
    if event.type.startswith(PAYMENTS):
        return reconcile.bring_up_to_date(event.object_id, at)
    if event.type.startswith(PAGES):
        return reconcile.bring_page_up_to_date(event.object_id, at)
    if event.type.startswith(SOURCES):
        return sources.bring_source_up_to_date(event.object_id)
    return "of no use here"


def _put_off(event: GatewayEvent, why: str, at: datetime, *, at_once: bool = False) -> int:
    last = event.tries + 1 >= GatewayEvent.TRIES_MAX
    GatewayEvent.objects.filter(pk=event.pk).update(
        state=State.PARKED if last else State.QUEUED, handled_at=at if last else None, lease_until_at=None,
        outcome=why[:300], **({"due_at": at} if at_once else {}),
    )  # fmt: skip
    if last:
        raise_attention(
            code=UNHANDLED, key=f"event:{event.pk}",
            words=f"The gateway's report {event.event_id} ({event.type} of {event.object_id}) {why}. Look at"
            f" {event.object_id} at the gateway, then press “Handle again” on the report.",
        )  # fmt: skip
    return 0


@transaction.atomic
def handle_again(event_id: int) -> None:
    """Put a report back into the queue with all its tries, such as after what kept it was mended."""
    GatewayEvent.objects.filter(pk=event_id).exclude(state=State.CLAIMED).update(
        state=State.QUEUED, tries=0, due_at=clock.now(), handled_at=None
    )
    nudge("invoicing.process_event")
