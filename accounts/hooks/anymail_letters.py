"""Translate an inbound mail, as anymail parsed it, into a letter of ours; no mail is too odd to be read."""

from collections.abc import Iterator
from datetime import datetime
from email.message import Message
from email.utils import getaddresses, parseaddr
from typing import TYPE_CHECKING, Any

from anymail.inbound import AnymailInboundMessage
from anymail.signals import AnymailInboundEvent

from accounts.outreach.inbound_files import NAMED_MAX, File
from accounts.outreach.inbound_letter import Letter
from accounts.outreach.inbound_text import TEXT_MAX
from billing_project.kernel.texts import one_line, storable

if TYPE_CHECKING:
    Part = Message[Any, Any]
else:
    Part = Message

# What decides about a letter; of the others nothing is kept.
HEADERS = (
    "message-id", "in-reply-to", "references", "auto-submitted", "precedence", "x-autoreply", "x-autorespond",
    "x-auto-reply", "x-autoresponder", "list-id", "list-unsubscribe", "content-type",
)  # fmt: skip
HEADER_MAX = 8_000
ADDRESSES_MAX = 50
PARTS_MAX = 200
# Smaller pictures inside a text are logos of signatures.
LOGO_MAX = 20_000
_BROKEN = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


def letter_of(provider: str, event: AnymailInboundEvent, now: datetime) -> Letter:
    """Return a mail in our words. May raise what a malformed mail raises (TypeError, ValueError, LookupError)."""
    mail = event.message
    if not isinstance(mail, AnymailInboundMessage):
        raise TypeError("The provider sent no mail.")
    name, address = parseaddr(_header(mail, "from"))
    envelope_to = str(mail.envelope_recipient or "")
    parts = list(_parts(mail))
    happened = event.timestamp if isinstance(event.timestamp, datetime) and event.timestamp.tzinfo else now
    return Letter(
        provider=provider,
        event_id=one_line(str(event.event_id or ""), 190),
        received_at=min(happened, now),
        from_address=one_line(address, 254),
        from_name=one_line(name, 200),
        to_addresses=tuple(dict.fromkeys(filter(None, (one_line(envelope_to, 254), *_receivers(mail))))),
        envelope_sender=None if mail.envelope_sender is None else str(mail.envelope_sender),
        subject=one_line(_header(mail, "subject"), 300),
        text=_body(parts, "text/plain"),
        html=_body(parts, "text/html"),
        headers={name: storable(_header(mail, name), HEADER_MAX) for name in HEADERS},
        files=tuple(_files(parts)),
    )


def _header(mail: Part, name: str) -> str:
    """Return a header as text; one that cannot be read is empty."""
    try:
        return str(mail.get(name) or "")[:HEADER_MAX]
    except _BROKEN:
        return ""


def _receivers(mail: AnymailInboundMessage) -> list[str]:
    written = [_header(mail, name) for name in ("to", "cc", "delivered-to", "x-original-to", "x-forwarded-to")]
    return [one_line(address, 254) for _name, address in getaddresses(written)[:ADDRESSES_MAX] if "@" in address]


def _parts(mail: AnymailInboundMessage) -> Iterator[Part]:
    """Give the parts of a mail in order, however deep; not those of a mail inside it."""
    waiting: list[Part] = [mail]
    given = 0
    while waiting and given < PARTS_MAX:
        part = waiting.pop(0)
        given += 1
        inside = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(inside, list):
            waiting[:0] = [one for one in inside if isinstance(one, Message)]
        else:
            yield part


def _body(parts: list[Part], content_type: str) -> str:
    for part in parts:
        if part.get_content_type() == content_type and not _is_file(part):
            return _decoded(part)[: TEXT_MAX * (5 if content_type == "text/html" else 1)]
    return ""


def _decoded(part: Part) -> str:
    try:
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes):
            return ""
        charset = str(part.get_content_charset() or "utf-8")
        return content.decode(charset, "replace")
    except _BROKEN:  # an unknown character set, or a transfer encoding that is none
        raw = part.get_payload()
        return raw if isinstance(raw, str) else ""


def _is_file(part: Part) -> bool:
    try:
        return part.get_content_disposition() == "attachment" or bool(part.get_filename())
    except _BROKEN:
        return True


def _files(parts: list[Part]) -> Iterator[File]:
    """Give the attachments, and the pictures that phones put into the text; a few more than are kept or named."""
    given = 0
    for part in parts:
        if part.get_content_type() in ("text/plain", "text/html") and not _is_file(part):
            continue
        content = _content(part)
        logo = part.get_content_maintype() == "image" and part.get("content-id") and len(content) <= LOGO_MAX
        if (logo and _is_inline(part)) or not (_is_file(part) or part.get_content_maintype() == "image"):
            continue
        yield File(_name(part), one_line(part.get_content_type(), 60), content)
        given += 1
        if given >= NAMED_MAX:
            return


def _is_inline(part: Part) -> bool:
    try:
        return part.get_content_disposition() == "inline"
    except _BROKEN:
        return False


def _content(part: Part) -> bytes:
    """Return the bytes of a part; a mail inside a mail is named, and not kept."""
    try:
        content = part.get_payload(decode=True)
    except _BROKEN:
        return b""
    return content if isinstance(content, bytes) else b""


def _name(part: Part) -> str:
    try:
        return str(part.get_filename() or part.get_content_type().replace("/", "."))
    except _BROKEN:
        return "attachment"
