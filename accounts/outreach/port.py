"""What a channel to the outside world can do, and the three ways in which it may fail."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One letter, ready to go: nothing in it has to be looked up or rendered any more.

    ``key`` is ``notice:ID`` for what comes from the outbox; anything else is a trial of staff, of which no provider's
    later word is expected. ``html``, ``message_id``, ``thread`` (the id of the mail it continues) and ``answers_to``
    are for e-mail.
    """

    key: str
    channel: str
    to_address: str
    subject: str
    body: str
    sender: str = ""
    language: str = "en"
    html: str = ""
    message_id: str = ""
    thread: str = ""
    answers_to: str = ""


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

    def lookup(self, message: Message, *, since: datetime) -> Receipt | None:
        """Return the receipt of a message that was handed over at ``since`` or later, or None if they do not know it.

        Raises Unavailable if they cannot be asked now.
        """
        ...
