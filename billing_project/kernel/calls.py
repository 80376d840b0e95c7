"""One signed call over HTTP: one connection, one request, one answer, within a time that holds for all of it.

It tells apart what certainly was not sent (NotSent) from what may have been heard (Lost). Redirects are not followed,
proxies of the environment are not asked, and an answer has a greatest length.
"""

import http.client
import io
import logging
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from . import clock

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
ANSWER_BYTES_MAX = 2 * 1024 * 1024


class NotSent(Exception):
    """Nothing of the request has left; the words say why."""


class Lost(Exception):
    """The request may have been heard, and no answer came that can be used; the words say why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Who is called: ``name`` is how people know it; with ``address`` the name of its host is not looked up again."""

    name: str
    url: str
    timeout_seconds: float
    ca_pem: str = ""
    address: str = ""

    @property
    def parts(self) -> SplitResult:
        """Return the parts of the address."""
        return urlsplit(self.url)

    @property
    def tls(self) -> bool:
        """Tell whether it is spoken to over TLS."""
        return self.parts.scheme == "https"

    @property
    def port(self) -> int:
        """Return the port in the address, or the usual one."""
        return self.parts.port or (443 if self.tls else 80)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, unbelieved."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def post(target: Target, headers: Mapping[str, str], body: bytes) -> Answer:
    """Post a body and return the answer; raises NotSent or Lost, with the target's name in the words."""
    until = clock.monotonic() + target.timeout_seconds
    sock = _connect(target, until)
    connection = http.client.HTTPConnection(target.parts.hostname or "", target.port)
    line = _Line(sock, until)
    # Stands in for the socket, so that a slow answer in small pieces ends in time as well.
    connection.sock = line
    try:
        path = target.parts.path or "/"
        path += f"?{target.parts.query}" if target.parts.query else ""
        connection.request("POST", path, body, {"Host": target.parts.netloc, "Connection": "close", **headers})
        response = connection.getresponse()
        content = response.read(ANSWER_BYTES_MAX + 1)
        if len(content) > ANSWER_BYTES_MAX:
            raise Lost(f"{target.name} answered more than {ANSWER_BYTES_MAX // 1024} KiB; it was not read to the end.")
        if response.length:
            raise Lost(f"{target.name}: the connection broke in the middle of the answer.")
        return Answer(status=response.status, headers=dict(response.getheaders()), body=content)
    except TimeoutError:
        raise Lost(f"{target.name} did not answer within {target.timeout_seconds} s.") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Lost(
            f"{target.name}: the connection broke, or the answer was no HTTP ({type(error).__name__})."
        ) from None
    finally:
        connection.close()
        line.hang_up()


class _Line:
    """A connection whose every read and write ends in time."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock = sock
        self._until = until

    def sendall(self, data: Any) -> None:
        """Send everything, or raise."""
        self.hurry()
        self._sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return what is received, as a file."""
        return io.BufferedReader(_Received(self))

    def receive(self, buffer: Any) -> int:
        """Wait for some bytes, no longer than there is time."""
        self.hurry()
        return self._sock.recv_into(buffer)

    def hurry(self) -> None:
        """Let the next wait be no longer than the time that is left; raises TimeoutError if there is none."""
        left = self._until - clock.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)

    def close(self) -> None:
        """Do nothing: the connection is given up here as soon as the head of an answer is there, its body not yet."""

    def hang_up(self) -> None:
        """End the connection; it may be gone already."""
        try:
            self._sock.close()
        except OSError as error:
            logger.debug("a connection was gone before it was closed: %s", error)


class _Received(io.RawIOBase):
    """The receiving side of a line."""

    def __init__(self, line: _Line) -> None:
        self._line = line

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill some of a buffer."""
        return self._line.receive(buffer)


def _connect(target: Target, until: float) -> socket.socket:
    """Open the connection and know the program by its certificate, before anything is said."""
    seconds = max(0.1, min(CONNECT_SECONDS, until - clock.monotonic()))
    host = target.parts.hostname or ""
    try:
        sock = socket.create_connection((target.address or host, target.port), timeout=seconds)
    except (OSError, UnicodeError) as error:
        raise NotSent(_trouble(target, error)) from None
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not target.tls:
            return sock
        context = ssl.create_default_context(cadata=target.ca_pem or None)
        return context.wrap_socket(sock, server_hostname=host)
    except (OSError, ValueError) as error:
        sock.close()
        raise NotSent(_trouble(target, error)) from None


def _trouble(target: Target, error: Exception) -> str:
    """Say in words why nothing could be sent."""
    if isinstance(error, TimeoutError):
        return f"{target.name} could not be reached in time."
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"{target.name}: its certificate is not accepted ({error.verify_message}); nothing was sent. Renew it"
            " there, or make the authority that signed it known to this side."
        )
    if isinstance(error, ssl.SSLError):
        return f"{target.name}: no secure connection ({error.reason or 'the answer is not TLS'}); nothing was sent."
    if isinstance(error, ConnectionRefusedError):
        return f"{target.name} refuses the connection; is the program running, and is the port in its address right?"
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"{target.name}: the host in its address is not known here; check it."
    return f"{target.name}: the connection broke ({getattr(error, 'strerror', None) or type(error).__name__})."
