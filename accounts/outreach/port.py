"""What a channel to the outside world can do, and the three ways in which it may fail."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with an e-mail."""

    name: str
    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One letter, ready to go: nothing in it has to be looked up or rendered any more.

    ``key`` is ``notice:ID`` for what comes from the outbox; anything else is a trial of staff, of which no provider's
    later word is expected. ``html``, ``message_id``, ``thread`` (the id of the mail it continues), ``answers_to``
    ``template`` (its name, for the provider's own counts) and ``attachments`` are for e-mail.
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
    template: str = ""
    attachments: tuple[Attachment, ...] = ()

    @property
    def notice_id(self) -> int | None:
        """Return the notice this comes from, or None for a trial of staff."""
        kind, _, pk = self.key.partition(":")
        return int(pk) if kind == "notice" and pk.isascii() and pk.isdigit() else None


@dataclass(frozen=True, slots=True)
class Receipt:
    """A provider's word that it has taken a message."""

    provider_id: str


class Channel(Protocol):
    """A way to reach people: e-mail, text messages or calls."""

    def send(self, message: Message) -> Receipt:
        """Send one message; whoever calls does so once for each ``message.key`` (the outbox does).

        Most providers know no keys, so an adapter cannot promise that a second call sends nothing; one whose
        provider does know them says ``idempotent = True`` and then gives the same receipt again.

        Raises Rejected (final: this address or this letter will never do), Unavailable (it certainly did not
        happen; try again later) or OutcomeUnknown (it may have gone out; look it up, never repeat it).
        """
        ...

    def lookup(self, message: Message, *, since: datetime) -> Receipt | None:
        """Return the receipt of a message that was handed over at ``since`` or later, or None if they do not know it.

        None also if they cannot be asked at all (most e-mail providers): then only their later word clears it up.
        Raises Unavailable if they cannot be asked now.
        """
        ...
