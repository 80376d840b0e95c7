"""Where the e-mail provider calls us: what became of our letters, and what customers answer (R-08, SEC-14).

Only the provider that EMAIL_CHANNEL names is heard, and only if it signs its requests. Nothing is done before the
signature is verified; a request that cannot be read is refused, and never an error of ours. How old an event is does
not matter where the signature does not say when it was sent (Mailgun): reports may be days late, and each counts
once by its id.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from anymail.signals import AnymailInboundEvent, AnymailTrackingEvent
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from accounts.models import ProviderEvent
from accounts.outreach import callbacks, inbound
from accounts.outreach.callbacks import Report
from accounts.outreach.inbound_letter import Letter
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, Unavailable

from . import anymail_readers as readers
from .anymail_events import report_of
from .anymail_letters import letter_of

logger = logging.getLogger(__name__)

EVENTS_BYTES = 1024 * 1024
MAIL_BYTES = 10 * 1024 * 1024

T = TypeVar("T")


@csrf_exempt
def tracking(request: HttpRequest, provider: str) -> HttpResponse:
    """Take in what became of our letters."""
    return _answer(request, provider, readers.TRACKING, EVENTS_BYTES, _reports, callbacks.take_in)


@csrf_exempt
def incoming(request: HttpRequest, provider: str) -> HttpResponse:
    """Take in mails from customers."""
    return _answer(request, provider, readers.INBOUND, MAIL_BYTES, _letters, _take_in_once)


def _answer(
    request: HttpRequest,
    provider: str,
    kind: str,
    bytes_max: int,
    translate: Callable[[str, Iterable[Any]], list[T]],
    take_in: Callable[[T], object],
) -> HttpResponse:
    if provider != readers.provider_in_use():
        return HttpResponse(status=404)
    refused = readers.why_not_taken_in(provider, kind)
    if refused:
        return HttpResponse(refused, status=403, content_type="text/plain; charset=utf-8")
    if request.method in ("HEAD", "GET"):  # some providers ask once whether anybody is there
        return HttpResponse()
    if request.method != "POST":
        return HttpResponse(status=405, headers={"Allow": "POST"})
    status = _read_whole(request, bytes_max)
    if status:
        return HttpResponse(status=status)
    view = readers.READERS[provider, kind].verified(request)
    if view is None:
        return HttpResponse(status=403)
    try:
        found = translate(provider, view.parse_events(request))
    except Unavailable as error:
        logger.warning("a mail of %s could not be fetched: %s", provider, error)
        return HttpResponse(status=503)
    except readers.UNREADABLE as error:
        # The words of the error may quote the request; its class says enough.
        logger.warning("a %s request of %s could not be read: %s", kind, provider, type(error).__name__)
        return HttpResponse(status=400)
    try:
        for one in found:
            take_in(one)
    except Refused as refusal:  # somebody holds a row for too long: they may send it again
        logger.warning("a %s request of %s was put off: %s", kind, provider, refusal.words)
        return HttpResponse(status=503)
    return HttpResponse()


def _read_whole(request: HttpRequest, bytes_max: int) -> int:
    """Read a request's body up to a limit of our own, which Django's parsers then use; return an error's status."""
    try:
        told = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 400
    if told > bytes_max:
        return 413
    try:
        request._body = request.read(bytes_max + 1)
    except OSError:
        return 400
    return 413 if len(request._body) > bytes_max else 0


def _reports(provider: str, events: Iterable[Any]) -> list[Report]:
    """Translate all reports of a request before the first of them is taken in."""
    now = clock.now()
    return [report_of(provider, event, now) for event in events if isinstance(event, AnymailTrackingEvent)]


def _letters(provider: str, events: Iterable[Any]) -> list[Letter]:
    now = clock.now()
    return [letter_of(provider, event, now) for event in events if isinstance(event, AnymailInboundEvent)]


def _take_in_once(letter: Letter) -> None:
    """Take in a letter once by the provider's id of the event, too: some sign that id only, and not what they forward.

    Otherwise a signature that was seen once would let anybody forward mails of their own making.
    """
    with transaction.atomic():
        if letter.event_id:
            event = ProviderEvent(
                provider=letter.provider[:20], event_key=f"inbound:{letter.event_id}"[:200], kind="inbound",
                happened_at=letter.received_at, received_at=clock.now(),
            )  # fmt: skip
            ProviderEvent.objects.bulk_create([event], ignore_conflicts=True)
            new = ProviderEvent.objects.filter(provider=event.provider, event_key=event.event_key, outcome="")
            kept = new.select_for_update().first()
            if kept is None:
                return
            kept.outcome = inbound.take_in_letter(letter)[:300]
            kept.save(update_fields=["outcome"])
        else:
            inbound.take_in_letter(letter)
