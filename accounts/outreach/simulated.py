"""A channel that keeps what it was given, so that the demo and the tests can read it.

It behaves like a provider: it has its own memory (``SimulatedMessage`` rows, written in a
transaction of its own), takes a key once, and can be made to fail by the address:

| e-mail to | phone ends in | what happens |
|---|---|---|
| ``bounce@…`` | ``0001`` | Rejected: the address does not exist; nothing is kept |
| ``slow@…`` | ``0002`` | the message is taken, but the answer is lost: OutcomeUnknown |
| ``down@…`` | ``0003`` | Unavailable: nothing happened |
| ``lost@…`` | ``0004`` | OutcomeUnknown, and the message was never taken |

A voice message is a call: what is kept is the text that was spoken.
"""

from datetime import datetime

from django.db import transaction

from accounts.models import SimulatedMessage
from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable

from .port import Message, Receipt

FAULT_BY_MAILBOX = {
    "bounce": "reject",
    "slow": "lose_answer",
    "down": "refuse_service",
    "lost": "lose_message",
}
FAULT_BY_DIGITS = {"0001": "reject", "0002": "lose_answer", "0003": "refuse_service", "0004": "lose_message"}


class SimulatedChannel:
    """Take messages for any of the three channels and keep them."""

    idempotent = True

    def send(self, message: Message) -> Receipt:
        """Keep the message once for its key; see the head of this module for the addresses that fail."""
        fault = fault_of(message.to_address)
        if fault == "reject":
            raise Rejected(f"{message.to_address} does not exist.", "unknown_address")
        if fault == "refuse_service":
            raise Unavailable("The simulated provider is down for this address.")
        if fault == "lose_message":
            raise OutcomeUnknown("No answer came in time.")
        with transaction.atomic():
            kept, _ = SimulatedMessage.objects.get_or_create(
                key=message.key,
                defaults={
                    "channel": message.channel,
                    "to_address": message.to_address,
                    "subject": message.subject,
                    "body": message.body,
                    "attached": [{"name": one.name, "bytes": len(one.content)} for one in message.attachments],
                    "accepted_at": clock.now(),
                },
            )
        if fault == "lose_answer":
            raise OutcomeUnknown("The message was handed over, but no answer came in time.")
        return Receipt(provider_id=f"sim-{kept.pk}")

    def lookup(self, message: Message, *, since: datetime) -> Receipt | None:
        """Return the receipt of a kept message; its key says all."""
        kept = SimulatedMessage.objects.filter(key=message.key).only("pk").first()
        return Receipt(provider_id=f"sim-{kept.pk}") if kept else None


def fault_of(address: str) -> str:
    """Return which fault an address asks for, or an empty text."""
    if "@" in address:
        return FAULT_BY_MAILBOX.get(address.partition("@")[0].lower(), "")
    return FAULT_BY_DIGITS.get(address[-4:], "")
