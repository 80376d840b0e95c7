"""Where one is: whether what is done here takes real money and reaches real people (U26)."""

from dataclasses import dataclass

from django.conf import settings

from invoicing.gateways.stripe_client import LIVE_KEYS

from .channels import SIMULATED

CHANNELS = {"EMAIL_CHANNEL": "e-mails", "SMS_CHANNEL": "texts", "VOICE_CHANNEL": "calls"}


@dataclass(frozen=True, slots=True)
class Mark:
    """What the bar above every page says; the tone repeats the word in colour."""

    word: str
    words: str
    tone: str


def mark() -> Mark:
    """Return the mark of this installation, from what its settings connect it to."""
    real_money = "stripe" in settings.PAYMENT_GATEWAY and settings.STRIPE_SECRET_KEY.startswith(LIVE_KEYS)
    leave = [words for name, words in CHANNELS.items() if getattr(settings, name) != SIMULATED]
    stay = [words for words in CHANNELS.values() if words not in leave]
    money = "real money" if real_money else "no real money"
    if real_money and not stay:
        return Mark("Live", "real money, real customers", "live")
    if not real_money and not leave:
        word = "Demo" if not (settings.DEBUG or settings.PRODUCTION) else "Sandbox"
        return Mark(word, "no real money, nothing is sent", "sandbox")
    sent = f"{_and(leave)} are really sent" if leave else "nothing is sent"
    kept = f", {_and(stay)} are not" if leave and stay else ""
    return Mark("Partly live", f"{money}, {sent}{kept}", "mixed")


def _and(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
