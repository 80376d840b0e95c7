"""Mail providers over HTTP, as far as anymail's adapters look: Postmark, Mailgun, Resend and Postal.

The recipient's name chooses what happens: ``invalid@`` and ``blocked@`` (refused as each provider does it),
``status-NNN@`` (that answer, nothing taken), ``config@`` (400 about the sender), ``hang@``, ``reset@`` and ``broken@``
(taken, and no answer that can be read), ``lost@`` (not taken, connection reset).
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from http.server import ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qs

from tests.peers.http_handler import PeerHandler

PROVIDERS = ("postmark", "mailgun", "resend", "postal")
# What each adapter needs in the settings, besides its address.
KEYS = {
    "postmark": {"POSTMARK_SERVER_TOKEN": "t"},
    "mailgun": {"MAILGUN_API_KEY": "k", "MAILGUN_SENDER_DOMAIN": "valley.example"},
    "resend": {"RESEND_API_KEY": "k"},
    "postal": {"POSTAL_API_KEY": "k"},
}


@dataclass
class MailProvider:
    """What arrived, in order: the fields as the provider got them, and to whom."""

    name: str
    port: int = 0
    taken: list[dict[str, Any]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def settings(self) -> dict[str, Any]:
        """Return the settings that make the program send here."""
        address = {f"{self.name.upper()}_API_URL": f"http://127.0.0.1:{self.port}/"}
        return {
            "EMAIL_BACKEND": f"anymail.backends.{self.name}.EmailBackend",
            "ANYMAIL": {
                **KEYS[self.name],
                **address,
                "REQUESTS_TIMEOUT": (1, 0.5),
                "IGNORE_UNSUPPORTED_FEATURES": True,
            },
        }

    def bodies(self) -> list[str]:
        """Return the text of each mail."""
        names = {"postmark": "TextBody", "mailgun": "text", "resend": "text", "postal": "plain_body"}
        return [str(fields[names[self.name]]).strip() for fields in self.taken]

    def files(self) -> list[str]:
        """Return the names of the files that came with the mails."""
        named = {"postmark": ("Attachments", "Name"), "resend": ("attachments", "filename"),
                 "postal": ("attachments", "name"), "mailgun": ("files", "name")}  # fmt: skip
        where, name = named[self.name]
        return [str(file[name]) for fields in self.taken for file in fields.get(where, [])]

    def yes(self, to: str) -> dict[str, Any]:
        """Return the answer of a provider that took a letter."""
        number = f"id-{len(self.taken)}"
        return {
            "postmark": {"ErrorCode": 0, "Message": "OK", "MessageID": number, "To": to, "SubmittedAt": "2026-01-21"},
            "mailgun": {"id": f"<{number}>", "message": "Queued. Thank you."},
            "resend": {"id": number},
            "postal": {"status": "success", "data": {"message_id": number, "messages": {to: {"id": number}}}},
        }[self.name]

    def no(self, reason: str, to: str) -> tuple[int, dict[str, Any]]:
        """Return the answer of a provider that will not have a recipient."""
        about = f"Invalid `to` field: {reason}"
        if self.name == "postmark":
            if reason == "invalid":
                return 422, {"ErrorCode": 300, "Message": f"Invalid 'To' address: '{to}'."}
            return 422, {"ErrorCode": 406, "Message": f"Found inactive addresses: {to}. Inactive recipients are ..."}
        if self.name == "postal":
            return 200, {"status": "error", "data": {"code": "NoRecipients", "message": about}}
        return (400 if self.name == "mailgun" else 422), {"message": about, "name": "validation_error"}


class _Handler(PeerHandler):
    @property
    def provider(self) -> MailProvider:
        return cast(Any, self.server).provider

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
        fields = _fields(self.headers["Content-Type"], self.rfile.read(int(self.headers["Content-Length"])))
        to = _address(fields)
        name = to.partition("@")[0]
        if found := re.fullmatch(r"status-(\d{3})", name):
            self._answer(int(found[1]), {"message": "injected", "ErrorCode": 1})
        elif name in ("invalid", "blocked"):
            self._answer(*self.provider.no(name, to))
        elif name == "config":
            self._answer(400, {"message": "The domain of the sender is not verified.", "ErrorCode": 400})
        elif name == "lost":
            self.reset()
        else:
            self.provider.taken.append(fields)
            self._after(name, to)

    def _after(self, name: str, to: str) -> None:
        if name == "hang":
            self.provider.ended.wait(10)
            self.close_connection = True
        elif name == "reset":
            self.reset()
        elif name == "broken":
            self.send_content(200, b'{"id": ')
        else:
            self._answer(200, self.provider.yes(to))

    def _answer(self, status: int, content: object) -> None:
        self.send_content(status, json.dumps(content).encode())


def _fields(kind: str, body: bytes) -> dict[str, Any]:
    """Return the fields of JSON, of a form, or of a form in parts."""
    if "json" in kind:
        return dict(json.loads(body))
    if "multipart" in kind:
        parts = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body, policy=default)
        given = list(parts.iter_parts())  # type: ignore[attr-defined]
        fields = {str(part.get_param("name", header="content-disposition")): part.get_content() for part in given}
        return fields | {"files": [{"name": part.get_filename()} for part in given if part.get_filename()]}
    return {name: values[0] for name, values in parse_qs(body.decode()).items()}


def _address(fields: dict[str, Any]) -> str:
    to = fields.get("To") or fields.get("to")
    return str(to[0] if isinstance(to, list) else to)


@contextmanager
def running(name: str) -> Iterator[MailProvider]:
    """Run a provider in a thread."""
    provider = MailProvider(name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    cast(Any, server).provider = provider
    provider.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.ended.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
