"""E-mail: by SMTP, or by any provider that anymail speaks to. Which one is a matter of the settings."""

import re
from datetime import datetime
from email.utils import make_msgid
from typing import Any
from urllib.parse import urlsplit

import requests
from anymail.exceptions import (
    AnymailAPIError,
    AnymailConfigurationError,
    AnymailError,
    AnymailInvalidAddress,
    AnymailRecipientsRefused,
)
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.validators import EmailValidator

from billing_project.kernel.errors import OutcomeUnknown, PortError, Rejected, Unavailable

from . import references
from .http_faults import never_left
from .port import Message, Receipt

SUBJECT_LENGTH = 200
ADDRESS_LENGTH = 254
PROVIDER_ID_LENGTH = 120
_is_address = EmailValidator()
# Controls, halves of signs, and signs that turn the direction of writing round: none belongs into a header.
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_NAMED = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]+)>")
# How providers speak of the recipient when they refuse a letter for it.
_ABOUT_RECIPIENT = re.compile(r"[`'\"]to[`'\"]|recipient|\bto address\b", re.IGNORECASE)
# Postal says no in this way.
_ERROR_IN_200 = re.compile(r'"status": ?"(?:error|parameter-error)"')


class MailChannel:
    """Hand e-mails to the provider in the settings."""

    def send(self, message: Message) -> Receipt:
        """Hand one e-mail over; raises Rejected, Unavailable or OutcomeUnknown."""
        letter = letter_of(message)
        try:
            letter.send()
        except PortError:
            raise
        except AnymailError as error:
            raise _meant(error, letter) from None
        except AnymailConfigurationError as error:
            raise Unavailable(f"The e-mail provider is not set up: {_excerpt(str(error))}") from None
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            # Everything that could be wrong with the letter was tried before: it is their answer.
            raise OutcomeUnknown("The e-mail provider's answer cannot be read.") from None
        return _receipt(letter)

    def lookup(self, message: Message, *, since: datetime) -> Receipt | None:
        """Return None: neither SMTP nor most providers can be asked what they took.

        Their report of the letter carries its mark and clears it up; until then it is shown to a person.
        """
        return None


def letter_of(message: Message) -> EmailMultiAlternatives:
    """Return a message as Django sends it; raises Rejected for an address that is none, Unavailable for no sender."""
    address = message.to_address.strip()
    if not is_address(address):
        raise Rejected(f"{one_line(address)[:80]!r} is no e-mail address.", "unknown_address")
    host = urlsplit(settings.PUBLIC_BASE_URL).hostname or "localhost"
    headers = {
        # The same each time, so that a doubled letter can be recognised.
        "Message-ID": message.message_id or make_msgid(domain=host),
        # Holiday greetings are not wanted; answers of people are.
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "OOF, AutoReply",
    }
    if message.thread:
        headers |= {"In-Reply-To": message.thread, "References": message.thread}
    letter = EmailMultiAlternatives(
        subject=one_line(message.subject)[:SUBJECT_LENGTH],
        body=message.body,
        from_email=sender_of(message.sender),
        to=[address],
        reply_to=[message.answers_to] if is_address(message.answers_to) else None,
        headers={name: one_line(value) for name, value in headers.items()},
    )
    if message.html:
        letter.attach_alternative(message.html, "text/html")
    for file in message.attachments:
        letter.attach(one_line(file.name), file.content, file.media_type)
    more: Any = letter  # what anymail reads and SMTP passes over
    if message.notice_id is not None:
        more.metadata = {"notice": references.token_of(message.notice_id)}
    if message.template:
        more.tags = [one_line(message.template)]
    # Nobody is watched: no picture that tells of opening, no link that leads elsewhere first.
    more.track_opens = more.track_clicks = False
    try:
        letter.message()
    except (ValueError, UnicodeError) as error:
        raise Rejected(f"The letter cannot be written as an e-mail ({type(error).__name__}).", "rejected") from None
    return letter


def sender_of(text: str) -> str:
    """Return a sender such as Valley Fibre <billing@valley.example>, made safe; raises Unavailable if it is none."""
    given = one_line(text)
    named = _NAMED.fullmatch(given)
    address = (named["address"] if named else given).strip()
    if not is_address(address):
        raise Unavailable(
            f"The company's e-mail sender is {given[:80]!r}; write one on its page, such as"
            " Valley Fibre <billing@valley.example>."
        )
    name = named["name"].strip().strip('"').replace("\\", "").replace('"', "") if named else ""
    return f'"{name}" <{address}>' if name else address


def is_address(text: str) -> bool:
    """Tell whether a text is one e-mail address and nothing else."""
    try:
        _is_address(text)
    except ValidationError:
        return False
    return len(text) <= ADDRESS_LENGTH and not _HIDDEN.search(text)


def one_line(text: str) -> str:
    """Return a text without anything that could begin another header line, or hide."""
    return " ".join(_HIDDEN.sub(" ", text).split())


def _receipt(letter: EmailMultiAlternatives) -> Receipt:
    """Return the receipt of a letter that was handed over; raises Rejected if the provider said no after all."""
    status: Any = getattr(letter, "anymail_status", None)
    said = getattr(status, "status", None) or set()
    if said and said <= {"failed", "rejected", "invalid"}:
        raise _refused(said)
    theirs = getattr(status, "message_id", None)
    own = str(letter.extra_headers["Message-ID"])
    return Receipt(provider_id=(str(theirs) if theirs else own).strip("<>")[:PROVIDER_ID_LENGTH])


def _refused(said: set[str]) -> Rejected:
    if "invalid" in said:
        return Rejected("The e-mail provider says that the address is none.", "unknown_address")
    return Rejected(
        "The e-mail provider refuses this address: it bounced or complained before, or is blocked there.", "rejected"
    )


def _meant(error: AnymailError, letter: EmailMultiAlternatives) -> PortError:
    """Return what anymail's failure means."""
    if isinstance(error, AnymailRecipientsRefused):
        return _refused(getattr(letter, "anymail_status").status or set())  # noqa: B009  (anymail's own attribute)
    if isinstance(error, AnymailInvalidAddress):
        return Rejected("The address cannot be written for the e-mail provider.", "unknown_address")
    if not isinstance(error, AnymailAPIError):  # it was noticed before anything was sent
        return Unavailable(f"The e-mail provider cannot be given this letter: {_excerpt(str(error))}")
    cause = error.__cause__
    if isinstance(cause, requests.RequestException) and error.response is None:
        name = type(cause).__name__
        if never_left(cause):
            return Unavailable(f"The e-mail provider cannot be reached ({name}).")
        return OutcomeUnknown(f"The e-mail provider took the letter and did not answer ({name}).")
    return _answer(error.status_code or 0, _excerpt(getattr(error.response, "text", "")))


def _answer(status: int, said: str) -> PortError:
    """Return what an answer of a provider means that is not a yes."""
    words = f"The e-mail provider answered {status}: {said}"
    if status in (429, 503):
        return Unavailable(words)
    if status in (401, 402, 403, 404):
        return Unavailable(f"The e-mail provider refuses this account; look at its key, domain and plan. {words}")
    says_no = status == 200 and _ERROR_IN_200.search(said)
    if (400 <= status < 500 and status != 408) or says_no:
        # Only what is about the recipient is the letter's fault; a sender that is not set up concerns them all, and
        # must not send every customer a text instead.
        return Rejected(words, "rejected") if _ABOUT_RECIPIENT.search(said) else Unavailable(words)
    return OutcomeUnknown(words)


def _excerpt(text: str) -> str:
    return " ".join(text.split())[:160]
