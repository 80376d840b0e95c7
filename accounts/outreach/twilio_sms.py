"""Texts by Twilio."""

import re
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from accounts.models import Notice
from billing_project.kernel.errors import OutcomeUnknown, Unavailable

from . import references
from .port import Message, Receipt
from .twilio_client import LISTED_MAX, client, translated

# A text that is still waiting at Twilio after that says what is true no more.
GOOD_FOR = timedelta(hours=4)
# Their clock and ours may differ by so much.
CLOCKS_APART = timedelta(seconds=60)
_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
_SID = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")


class SmsChannel:
    """Send texts; each carries the address at which Twilio reports what became of it."""

    def send(self, message: Message) -> Receipt:
        """Hand one text over; raises Rejected, Unavailable or OutcomeUnknown."""
        wanted: dict[str, Any] = {"body": message.body, "validity_period": int(GOOD_FOR.total_seconds())}
        sender = message.sender.strip() or settings.TWILIO_FROM
        if not sender:
            raise Unavailable("Texts have no sender; set TWILIO_FROM, or the company's SMS sender.")
        wanted["messaging_service_sid" if _SERVICE.fullmatch(sender) else "from_"] = sender
        if message.notice_id is not None:
            wanted["status_callback"] = references.hook("hook-twilio-message", message.notice_id)
        with translated(writes=True):
            return receipt(client().messages.create(to=message.to_address, **wanted))

    def lookup(self, message: Message, *, since: datetime) -> Receipt | None:
        """Return the receipt of the text with the very same words to this number; raises Unavailable.

        Asked for by number alone, newest first: a text that still waits has no date of sending to ask by.
        """
        with translated(writes=False):
            listed = list(client().messages.page(to=message.to_address, page_size=LISTED_MAX))
        same = [row for row in listed if (row.body or "").strip() == message.body.strip()]
        return first_of_ours(same, message, since)


def receipt(row: Any) -> Receipt:
    """Return the receipt in an answer; raises OutcomeUnknown if there is none in it."""
    if not (isinstance(row.sid, str) and _SID.fullmatch(row.sid)):
        raise OutcomeUnknown("Twilio's answer names no message.")
    return Receipt(provider_id=row.sid)


def first_of_ours(rows: list[Any], message: Message, since: datetime, until: datetime | None = None) -> Receipt | None:
    """Return the oldest of some rows that was made at ``since`` or later and is no other notice's."""
    made = [
        row
        for row in rows
        if isinstance(row.date_created, datetime)
        and row.date_created >= since - CLOCKS_APART
        and (until is None or row.date_created <= until + CLOCKS_APART)
    ]
    others = set(
        Notice.objects.filter(provider_id__in=[row.sid for row in made])
        .exclude(pk=message.notice_id or 0)
        .values_list("provider_id", flat=True)
    )
    found = sorted((row for row in made if row.sid not in others), key=lambda row: row.date_created)
    return receipt(found[0]) if found else None
