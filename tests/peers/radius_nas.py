"""A RADIUS client of our own that listens for CoA and Disconnect on loopback, and a log of all that reached it.

``how`` says what it does with a request: ``ack``; ``nak`` with ``cause``; ``silent`` (it does nothing);
``lost_ack`` (it does it, and the answer is lost); ``twice`` (it answers twice); ``forged`` (the answer is not signed).
"""

import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pyrad import packet
from pyrad.dictionary import Dictionary

_DICTIONARY = """
ATTRIBUTE User-Name 1 string
ATTRIBUTE Acct-Session-Id 44 string
ATTRIBUTE Error-Cause 101 integer
VENDOR Mikrotik 14988
BEGIN-VENDOR Mikrotik
ATTRIBUTE Mikrotik-Rate-Limit 8 string
ATTRIBUTE Mikrotik-Address-List 19 string
END-VENDOR Mikrotik
"""


@dataclass
class Nas:
    """The client: what it is told to do, and what it was asked for."""

    line: socket.socket
    secret: bytes = b"coa-secret"
    how: str = "ack"
    cause: int | None = 503
    causes: dict[str, int] = field(default_factory=dict)
    log: list[dict[str, str]] = field(default_factory=list)
    packets: int = 0
    done: set[str] = field(default_factory=set)

    @property
    def port(self) -> int:
        """Return where it listens."""
        return int(self.line.getsockname()[1])

    def serve(self) -> None:
        """Answer until the socket is closed."""
        words = Dictionary(io.StringIO(_DICTIONARY))
        while True:
            try:
                raw, peer = self.line.recvfrom(4096)
            except OSError:
                return
            if not raw:
                return
            self.packets += 1
            request = packet.CoAPacket(packet=raw, secret=self.secret, dict=words)
            if request.VerifyCoARequest() and request.verify_message_authenticator():
                self._answer(request, peer)

    def _answer(self, request: packet.CoAPacket, peer: tuple[str, int]) -> None:
        name = request["User-Name"][0]
        kind = "disconnect" if request.code == packet.DisconnectRequest else "coa"
        told = {key: str(request[key][0]) for key in ("Mikrotik-Rate-Limit", "Mikrotik-Address-List") if key in request}
        self.log.append({"kind": kind, "user": name, "session": request["Acct-Session-Id"][0], **told})
        reply = request.CreateReply()
        cause = self.causes.get(name, self.cause if self.how == "nak" else None)
        if name in self.causes or self.how == "nak":
            reply.code = packet.DisconnectNAK if kind == "disconnect" else packet.CoANAK
            if cause is not None:
                reply.AddAttribute("Error-Cause", cause)
        elif self.how != "silent":
            self.done.add(name)
        if self.how in ("silent", "lost_ack"):
            return
        answer = reply.ReplyPacket()
        if self.how == "forged":
            answer = answer[:4] + bytes(16) + answer[20:]
        for _ in range(2 if self.how == "twice" else 1):
            self.line.sendto(answer, peer)


@contextmanager
def listening() -> Iterator[Nas]:
    """Run a client in a thread for the block."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", 0))
        nas = Nas(line)
        thread = threading.Thread(target=nas.serve, daemon=True)
        thread.start()
        yield nas
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", nas.port))
        thread.join(5)
