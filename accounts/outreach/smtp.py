"""Django's way to a mail server, with one thing added: at which point of the talk it broke off.

Until the server has asked for the letter itself (354), nothing can have gone out. From then until its answer, nobody
knows: it may have taken the letter and lost only the words that say so.
"""

import re
import smtplib
from collections.abc import Sequence
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend

from billing_project.kernel.errors import OutcomeUnknown, PortError, Rejected, Unavailable

GO_ON = 354
_NO_SUCH_ADDRESS = re.compile(r"\b5\.1\.(?:0|1|2|3|6|10)\b")
_SAYS_SO = frozenset({550, 551, 553})


class _Watched(smtplib.SMTP):
    """A talk with a mail server that remembers whether a letter's fate is open."""

    in_doubt = False
    taken = False
    _at_the_letter = False

    def getreply(self) -> tuple[int, bytes]:
        """Read the server's answer, and note what it means for the letter."""
        answer = super().getreply()
        if self._at_the_letter:
            self.in_doubt = answer[0] == GO_ON
            self.taken = 200 <= answer[0] < 300
        return answer

    def data(self, msg: Any) -> tuple[int, bytes]:
        """Hand the letter over."""
        self._at_the_letter = True
        answer = super().data(msg)
        self._at_the_letter = False
        return answer


class _WatchedTls(_Watched, smtplib.SMTP_SSL):
    """The same over TLS from the start."""


class SmtpBackend(EmailBackend):
    """Send by SMTP; what goes wrong is one of our three answers."""

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        """Return the kind of connection that is opened."""
        return _WatchedTls if self.use_ssl else _Watched

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send one letter; raises Rejected, Unavailable or OutcomeUnknown."""
        talk: Any = None
        try:
            self.open()
            talk = self.connection
            return super().send_messages(email_messages)
        except OSError as error:  # smtplib's own are among these
            if talk is not None and talk.taken:
                return len(email_messages)
            raise _meant(error, in_doubt=talk is not None and talk.in_doubt) from None
        finally:
            self._hang_up()

    def _hang_up(self) -> None:
        """Close the connection; a farewell that fails changes nothing about the letter."""
        talks: tuple[smtplib.SMTP | None, ...] = (self.connection, getattr(self, "_partial_connection", None))
        for talk in talks:  # the second one: it broke off on the way to the first
            if talk is not None:
                try:
                    talk.quit()
                except OSError:
                    talk.close()
        self.connection = self._partial_connection = None


def _meant(error: OSError, *, in_doubt: bool) -> PortError:
    """Return what a failure at the mail server means."""
    if in_doubt:
        return OutcomeUnknown(f"The mail server took the letter and did not answer ({type(error).__name__}).")
    match error:
        case smtplib.SMTPRecipientsRefused():
            code, words = next(iter(error.recipients.values()))
            return _no(code, words)
        case smtplib.SMTPAuthenticationError():
            return Unavailable(f"The mail server does not accept the user in EMAIL_URL ({error.smtp_code}).")
        case smtplib.SMTPSenderRefused():
            said = _text(error.smtp_error)
            return Unavailable(f"The mail server refuses our sender, {error.smtp_code}: {said}")
        case smtplib.SMTPDataError():
            return _no(error.smtp_code, error.smtp_error)
        case smtplib.SMTPResponseException():
            return Unavailable(f"The mail server said {error.smtp_code}: {_text(error.smtp_error)}")
        case _:
            return Unavailable(f"The mail server cannot be reached or broke off ({type(error).__name__}).")


def _no(code: int, words: bytes | str) -> PortError:
    """Return what a refusal of a recipient or of the letter means: 4xx for now, 5xx for good."""
    text = _text(words)
    if code < 500:
        return Unavailable(f"The mail server said {code}: {text}")
    if code in _SAYS_SO and _NO_SUCH_ADDRESS.search(text):
        return Rejected(f"The address does not exist. The mail server said {code}: {text}", "unknown_address")
    return Rejected(f"The mail server said {code}: {text}", "rejected")


def _text(words: bytes | str) -> str:
    text = words.decode(errors="replace") if isinstance(words, bytes) else str(words)
    return " ".join(text.split())[:160]
