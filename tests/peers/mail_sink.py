"""A mail server that keeps what it gets, and fails at a step that the recipient's name chooses.

| mail to | what happens |
|---|---|
| ``rcpt-550@`` (any code) | that answer to RCPT; 550 says 5.1.1, others do not |
| ``sender-553@`` cannot be: MAIL FROM ``bad-sender@`` | 553 to MAIL |
| ``data-451@``, ``data-554@`` | that answer after the letter |
| ``drop@`` | taken, and the connection ends before the answer |
| ``lost@`` | not taken, and the connection ends before the answer |
| ``slow@`` | taken, and the answer comes too late |
"""

import asyncio
import email
import email.policy
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.controller import Controller

SLOW_SECONDS = 3


@dataclass
class MailSink:
    """What arrived, in order."""

    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)

    async def handle_MAIL(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address.startswith("bad-sender@"):
            return "553 5.7.1 not yours"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if found := re.match(r"rcpt-(\d{3})@", address):
            return f"{found[1]} 5.1.1 no such user" if found[1] == "550" else f"{found[1]} injected"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        to = envelope.rcpt_tos[0]
        if found := re.match(r"data-(\d{3})@", to):
            return f"{found[1]} injected"
        if not to.startswith("lost@"):
            self.messages.append(
                cast(EmailMessage, email.message_from_bytes(envelope.content, policy=email.policy.default))
            )
            self.recipients.append(list(envelope.rcpt_tos))
        if to.startswith(("drop@", "lost@")):
            server.transport.abort()
        if to.startswith("slow@"):
            await asyncio.sleep(SLOW_SECONDS)
        return "250 2.0.0 queued"

    def bodies(self) -> list[str]:
        """Return the text of each mail."""
        return [str(cast(EmailMessage, mail.get_body(("plain",))).get_content()).strip() for mail in self.messages]

    def files(self) -> list[str]:
        """Return the names of the files that came with the mails."""
        return [str(part.get_filename()) for mail in self.messages for part in mail.iter_attachments()]


@contextmanager
def running() -> Iterator[MailSink]:
    """Run a mail server in a thread."""
    sink = MailSink()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(sink, hostname="127.0.0.1", port=port)
    controller.start()
    sink.port = port
    try:
        yield sink
    finally:
        controller.stop()


@contextmanager
def rude(*answers: bytes) -> Iterator[int]:
    """Run a server that says these lines, one for each connection, and hangs up; yield its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answer in answers:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        thread.join(1)
