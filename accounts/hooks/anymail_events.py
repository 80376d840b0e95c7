"""Pure: what an e-mail provider's event means for our letter. It is hard or soft by the provider's own class first."""

import hashlib
import json
import re
from datetime import datetime
from typing import Any

from anymail.signals import AnymailTrackingEvent, EventType, RejectReason

from accounts.outreach import references
from accounts.outreach.callbacks import Kind, Report
from billing_project.kernel.texts import one_line

SIMPLE = {
    EventType.QUEUED: Kind.ACCEPTED,
    EventType.SENT: Kind.ACCEPTED,
    EventType.DELIVERED: Kind.DELIVERED,
    EventType.COMPLAINED: Kind.COMPLAINED,
    # Who unsubscribes has got the letter: it was delivered, and no other may follow.
    EventType.UNSUBSCRIBED: Kind.REFUSED,
}
BY_REASON = {
    RejectReason.INVALID: Kind.BOUNCED,
    RejectReason.BOUNCED: Kind.BOUNCED,
    RejectReason.SPAM: Kind.OPTED_OUT,
    RejectReason.UNSUBSCRIBED: Kind.OPTED_OUT,
}
_HARD = frozenset({
    "hard_bounce", "hard_bounced", "permanent", "activity.hard_bounced", "err_user_unknown", "err_user_inactive",
    "err_domain_inactive", "invalid", "suppress-bounce", "bad_mailbox",
})  # fmt: skip
_SOFT = frozenset({
    "soft_bounce", "soft_bounced", "transient", "undetermined", "activity.soft_bounced", "blocked", "err_mailbox_full",
    "err_too_large", "err_unreachable", "err_skip_letter", "soft bounce", "err_mailbox_discarded",
    "err_destination_misconfigured", "temporary",
})  # fmt: skip
_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_BASIC = re.compile(r"(?<![\d.])([45]\d\d)(?![\d.])")


def report_of(provider: str, event: AnymailTrackingEvent, now: datetime) -> Report:
    """Return an event in our words. May raise what a malformed event raises (TypeError, ValueError, LookupError)."""
    happened = event.timestamp if isinstance(event.timestamp, datetime) and event.timestamp.tzinfo else now
    message_id = str(event.message_id or "")
    metadata = event.metadata if isinstance(event.metadata, dict) else {}
    notice_id = references.notice_in(str(metadata.get("notice") or "")) or references.notice_in(message_id)
    said = next((str(part) for part in (event.description, event.mta_response) if part), "")
    return Report(
        provider=provider,
        event_key=_key(event),
        kind=kind_of(event),
        happened_at=min(happened, now),
        notice_id=notice_id,
        provider_id=one_line(message_id, 120),
        detail=one_line(said or str(event.reject_reason or ""), 300),
    )


def kind_of(event: AnymailTrackingEvent) -> Kind:
    """Return what an event means; bounced is only what says that the address itself is wrong."""
    if event.event_type in SIMPLE:
        return SIMPLE[event.event_type]
    if event.event_type == EventType.REJECTED:
        return BY_REASON.get(event.reject_reason, Kind.FAILED)
    if event.event_type in (EventType.BOUNCED, EventType.FAILED):
        if event.reject_reason in (RejectReason.SPAM, RejectReason.UNSUBSCRIBED):
            return BY_REASON[event.reject_reason]
        return Kind.BOUNCED if is_hard(event) else Kind.FAILED
    return Kind.OTHER


def is_hard(event: AnymailTrackingEvent) -> bool:
    """Tell whether a bounce means that the address does not exist, rather than that this letter was not wanted."""
    named = {word.lower() for word in _own_classes(event.esp_event) if isinstance(word, str)}
    if named & _SOFT:
        return False
    text = " ".join(str(part)[:2000] for part in (event.mta_response, event.description, *_codes(event)) if part)
    enhanced = _ENHANCED.search(text)
    if enhanced:
        # 5.1.x speaks of the address; 5.2.1 is a mailbox that was closed; 5.2.2 is full, 5.7.x is policy.
        return enhanced[1] == "5" and (enhanced[2] == "1" or enhanced.groups()[1:] == ("2", "1"))
    if named & _HARD:
        return True
    basic = _BASIC.search(text)
    if basic:
        return basic[1] in ("550", "551", "553") and event.reject_reason != RejectReason.BLOCKED
    return event.reject_reason in (RejectReason.BOUNCED, RejectReason.INVALID)


def _own_classes(said: Any) -> list[Any]:
    """Return the words by which providers class a bounce, wherever each of them puts it."""
    if not isinstance(said, dict):
        return []
    found = [said.get(name) for name in ("event", "type", "status", "bounce_category")]
    for inside in ("data", "event-data"):
        part = said.get(inside)
        if isinstance(part, dict):
            bounce = part.get("bounce")
            found += [part.get("type"), part.get("severity") if part.get("severity") == "temporary" else None]
            found += [part.get("reason")]
            found += [bounce.get("type")] if isinstance(bounce, dict) else []
    delivery = said.get("delivery_info")
    if isinstance(delivery, dict):
        found.append(delivery.get("delivery_status"))
    return found


def _codes(event: AnymailTrackingEvent) -> list[Any]:
    """Return the status codes that stand beside the words."""
    said = event.esp_event
    if not isinstance(said, dict):
        return []
    data = said.get("event-data")
    delivery = data.get("delivery-status") if isinstance(data, dict) else None
    codes = [said.get("response_code")]
    if isinstance(delivery, dict):
        codes += [delivery.get("enhanced-code"), delivery.get("code")]
    status = said.get("status")
    return [*codes, status if isinstance(status, str) and _ENHANCED.fullmatch(status) else None]


def _key(event: AnymailTrackingEvent) -> str:
    """Return the provider's id of the event, or what makes it unique where the provider gives none."""
    if event.event_id:
        return one_line(str(event.event_id), 200)
    said = json.dumps(event.esp_event, sort_keys=True, default=str)
    return f"sha256:{hashlib.sha256(said.encode('utf-8', 'replace')).hexdigest()}"
