"""Calls by Twilio: it dials, asks us for the words when somebody answers, and reports how the call ended."""

import re
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from accounts.models import Notice
from billing_project.kernel.errors import Unavailable

from . import references, spoken
from .port import Message, Receipt
from .twilio_client import LISTED_MAX, client, translated
from .twilio_sms import first_of_ours, receipt

RING_SECONDS = 25
CALL_SECONDS_MAX = 240
# A call without an answer of Twilio's was placed within this time, or not at all: the request waits 20 seconds.
PLACED_WITHIN = timedelta(minutes=1)
EVENTS = ["initiated", "ringing", "answered", "completed"]
_NUMBER = re.compile(r"\+[1-9]\d{6,14}")


class VoiceChannel:
    """Place calls that read a notice aloud."""

    def send(self, message: Message) -> Receipt:
        """Have one number called; raises Rejected, Unavailable or OutcomeUnknown."""
        sender = next((name for name in (message.sender.strip(), settings.TWILIO_FROM) if _NUMBER.fullmatch(name)), "")
        if not sender:
            raise Unavailable("Calls need a number to come from; set TWILIO_FROM to one, such as +15550109999.")
        wanted: dict[str, Any] = {"timeout": RING_SECONDS, "time_limit": CALL_SECONDS_MAX}
        if message.notice_id is None:  # a trial: there is nothing to report about, and no menu
            wanted["twiml"] = spoken.read_out(message.body, message.language)
        else:
            wanted |= {
                "url": references.hook("hook-twilio-words", message.notice_id),
                "method": "POST",
                "status_callback": references.hook("hook-twilio-call", message.notice_id),
                "status_callback_method": "POST",
                "status_callback_event": EVENTS,
                # Waits for the beep of a machine, so that what is left there is heard from its first word on.
                "machine_detection": "DetectMessageEnd",
            }
        with translated(writes=True):
            return receipt(client().calls.create(to=message.to_address, from_=sender, **wanted))

    def lookup(self, message: Message, *, since: datetime) -> Receipt | None:
        """Return the receipt of the one call to this number at this time; raises Unavailable.

        A call carries no words to know it by. So where two calls in doubt to one number are too close to be told
        apart, none is claimed; Twilio's report of the call names the notice and clears it up.
        """
        until = since + PLACED_WITHIN
        in_doubt = Notice.objects.filter(
            state=Notice.State.AMBIGUOUS, channel="voice", to_address=message.to_address,
            sending_at__range=(since - 2 * PLACED_WITHIN, until + 2 * PLACED_WITHIN),
        )  # fmt: skip
        if in_doubt.exclude(pk=message.notice_id or 0).exists():
            return None
        with translated(writes=False):
            listed = list(client().calls.page(to=message.to_address, page_size=LISTED_MAX))
        return first_of_ours(listed, message, since, until)
