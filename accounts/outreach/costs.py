"""Pure: how many parts a text or a call has, and what that costs; estimates for caps and people."""

from decimal import Decimal

from accounts.models import OutreachRules

from .segments import billed_minutes, measure, spoken_seconds


def size_of(channel: str, body: str) -> int:
    """Return the segments of a text or the minutes of a call; an e-mail has size 1."""
    if channel == "voice":
        return billed_minutes(spoken_seconds(body))
    return max(1, measure(body).segments) if channel == "sms" else 1


def cost_of(channel: str, size: int, rules: OutreachRules) -> Decimal:
    """Return what that many segments or minutes cost; e-mails cost nothing here."""
    price = {"sms": rules.sms_price, "voice": rules.voice_price}.get(channel, Decimal(0))
    return price * size
