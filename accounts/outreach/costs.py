"""Pure: how many parts a text or a call has, and what that costs; estimates for caps and people."""

from decimal import Decimal
from math import ceil

from accounts.models import OutreachRules

# A synthetic voice reads about this many characters a second; a call is billed by the minute begun.
CHARACTERS_PER_SECOND = 14
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_DOUBLE = frozenset("^{}\\[~]|€")


def size_of(channel: str, body: str) -> int:
    """Return the segments of a text or the minutes of a call; an e-mail has size 1."""
    if channel == "voice":
        return max(1, ceil(len(body) / CHARACTERS_PER_SECOND / 60))
    if channel != "sms":
        return 1
    if all(sign in _GSM or sign in _GSM_DOUBLE for sign in body):
        units, alone, joined = sum(2 if sign in _GSM_DOUBLE else 1 for sign in body), 160, 153
    else:
        units, alone, joined = len(body.encode("utf-16-be")) // 2, 70, 67
    return 1 if units <= alone else ceil(units / joined)


def cost_of(channel: str, size: int, rules: OutreachRules) -> Decimal:
    """Return what that many segments or minutes cost; e-mails cost nothing here."""
    price = {"sms": rules.sms_price, "voice": rules.voice_price}.get(channel, Decimal(0))
    return price * size
