"""Pure: a report of Stripe's, verified and read; what it says is only a reason to ask how things stand (R-08)."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

TOLERANCE = timedelta(seconds=300)
HEADER_MAX = 2000
# What a report is about is asked for by the payment it belongs to, if it belongs to one.
_BY_PAYMENT = frozenset({"charge", "dispute", "refund"})


class Forged(Exception):
    """Say that a report is not Stripe's, or is an old one played again."""


class Unreadable(Exception):
    """Say that a report is Stripe's and cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A verified report: that something happened to an object at Stripe."""

    event_id: str
    type: str
    object_id: str
    happened_at: datetime
    live: bool


def read(body: bytes, header: str, secrets: Iterable[str], now: datetime) -> Report:
    """Return a report whose signature fits one of the secrets and is at most five minutes old.

    Raises Forged otherwise, and Unreadable for one that says nothing of use.
    """
    verify(body, header, secrets, now)
    try:
        event = json.loads(body)
        thing = event["data"]["object"]
        happened_at = datetime.fromtimestamp(int(event["created"]), UTC)
        found = Report(
            event_id=_text(event["id"], 120),
            type=_text(event["type"], 80),
            object_id=_object_id(thing),
            happened_at=happened_at,
            live=event.get("livemode") is True,
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, OSError, RecursionError):
        raise Unreadable from None
    if not found.event_id:
        raise Unreadable
    return found


def verify(body: bytes, header: str, secrets: Iterable[str], now: datetime) -> None:
    """Pass if the header signs the body with one of the secrets, at a time near now; raises Forged."""
    parts = [part.strip().partition("=") for part in header[:HEADER_MAX].split(",")]
    times = [value for name, _, value in parts if name == "t"]
    signatures = [value.encode(errors="replace") for name, _, value in parts if name == "v1"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) <= 11) or not signatures:
        raise Forged
    signed = times[0].encode() + b"." + body
    expected = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode() for secret in secrets if secret]
    # Every pair is compared, each in constant time.
    fits = [hmac.compare_digest(ours, theirs) for ours in expected for theirs in signatures]
    if not any(fits) or abs(now.timestamp() - int(times[0])) > TOLERANCE.total_seconds():
        raise Forged


def _object_id(thing: Mapping[str, Any]) -> str:
    named = thing.get("payment_intent") if thing.get("object") in _BY_PAYMENT else None
    return _text(named or thing.get("id") or "", 120)


def _text(value: Any, most: int) -> str:
    """Return a short text; PostgreSQL keeps no NUL, and half of a surrogate pair is no text."""
    if not isinstance(value, str) or len(value) > most or "\0" in value:
        raise TypeError
    value.encode()
    return value
