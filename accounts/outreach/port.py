"""What a channel to the outside world can do, and the three ways in which it may fail."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One letter, ready to go: nothing in it has to be looked up or rendered any more."""

    key: str
    channel: str
    to_address: str
    subject: str
    body: str
    sender: str = ""
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Receipt:
    """A provider's word that it has taken a message."""

    provider_id: str


class Channel(Protocol):
    """A way to reach people: e-mail, text messages or calls."""

    def send(self, message: Message) -> Receipt:
        """Send once for each ``message.key``; a second time gives the same receipt and sends nothing.

        Raises Rejected (final: this address or this letter will never do), Unavailable (it did not
        happen; try again later) or OutcomeUnknown (it may have gone out; look it up, never repeat it).
        """
        ...

    def lookup(self, key: str) -> Receipt | None:
        """Return the receipt of what was sent under the key, or None; raises Unavailable."""
        ...
