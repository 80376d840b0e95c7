"""Pure: a letter that came in, as every provider's adapter hands it over; and which letters nobody should answer."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from .inbound_files import File

_ROBOTS = re.compile(r"^(?:mailer-daemon|postmaster|bounces?|no-?reply|do-?not-?reply|.*-bounces)(?:[+@=-].*)?$", re.I)
_AWAY = re.compile(
    r"^\W*(?:automatic reply|auto(?:matic)?[- ]?(?:reply|response)|autoreply|out of (?:the )?office|away from (?:the )?"
    r"office|respuesta automática|respuesta automatica|fuera de (?:la )?oficina|ausente)\b",
    re.IGNORECASE,
)
_BULK = frozenset({"bulk", "list", "junk", "auto_reply"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One e-mail from outside, verified to come from our provider; what it says of its sender is not verified.

    ``headers`` have names in small letters; ``envelope_sender`` is None where the provider does not tell it.
    """

    provider: str
    event_id: str
    received_at: datetime
    from_address: str
    from_name: str = ""
    to_addresses: tuple[str, ...] = ()
    envelope_sender: str | None = None
    subject: str = ""
    text: str = ""
    html: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    files: tuple[File, ...] = ()

    def header(self, name: str) -> str:
        """Return a header's text, or an empty one."""
        return self.headers.get(name, "")

    @property
    def marks(self) -> str:
        """Return where our own mark may stand, the surest place first: its address, then the letters it answers."""
        answered = reversed(self.header("references").split()[-50:])
        return " ".join([*self.to_addresses, self.header("in-reply-to"), *answered])

    @property
    def key(self) -> str:
        """Return what makes the letter one: its id and what it says, so that a copy by another way is the same."""
        said = f"{self.from_address.lower()}\x00{self.subject}\x00{self.text}\x00{self.html}"
        content = hashlib.sha256(said.encode("utf-8", "replace"))
        for file in self.files:
            content.update(hashlib.sha256(file.content).digest())
        named = self.header("message-id").strip()[:100] or self.event_id[:100] or self.received_at.isoformat()
        return f"{named} {content.hexdigest()[:32]}"


def why_ignored(letter: Letter, own_addresses: Iterable[str]) -> str:
    """Return why a letter is from a machine, and so neither an answer nor a question; empty if a person wrote it."""
    sender = letter.from_address.lower()
    if not sender or "@" not in sender:
        return "It names no sender."
    if sender in {address.lower() for address in own_addresses if address}:
        return "It came from our own address."
    if letter.envelope_sender is not None and letter.envelope_sender.strip() in ("", "<>"):
        return "It is a report of a mail server (its envelope has no sender)."
    if _ROBOTS.match(sender.partition("@")[0]):
        return f"{sender} is the address of a machine."
    return _by_headers(letter) or _by_subject(letter)


def _by_headers(letter: Letter) -> str:
    auto = letter.header("auto-submitted").partition(";")[0].strip().lower()
    if auto and auto != "no":
        return f"A machine wrote it (Auto-Submitted: {auto[:40]})."
    for name in ("x-autoreply", "x-autorespond", "x-auto-reply", "x-autoresponder"):
        if letter.header(name).strip().lower() not in ("", "no", "false"):
            return f"A machine wrote it ({name})."
    precedence = letter.header("precedence").strip().lower()
    if precedence in _BULK:
        return f"It was sent to many, or by a machine (Precedence: {precedence})."
    if letter.header("list-id") or letter.header("list-unsubscribe"):
        return "It came by a mailing list."
    if letter.header("content-type").lower().startswith("multipart/report"):
        return "It is a report of a mail server."
    return ""


def _by_subject(letter: Letter) -> str:
    return "Somebody is away (the subject says so)." if _AWAY.match(letter.subject) else ""
