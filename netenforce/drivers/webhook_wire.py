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

from billing_project.kernel import clock
from netenforce.rules.webhook_options import Options

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
ANSWER_BYTES_MAX = 2 * 1024 * 1024


class NotSent(Exception):
    """Nothing of the request has left; the words say why."""


class Lost(Exception):
    """The request may have been heard, and no answer came that can be used; the words say why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, unbelieved."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def post(name: str, options: Options, headers: Mapping[str, str], body: bytes) -> Answer:
    """Post a body and return the answer; raises NotSent or Lost, with the device's name in the words."""
    until = clock.monotonic() + options.timeout_seconds
    sock = _connect(name, options, until)
    connection = http.client.HTTPConnection(options.parts.hostname or "", options.port)
    line = _Line(sock, until)
    # Stands in for the socket, so that a slow answer in small pieces ends in time as well.
    connection.sock = line
    try:
        target = options.parts.path or "/"
        target += f"?{options.parts.query}" if options.parts.query else ""
        connection.request("POST", target, body, {"Host": options.parts.netloc, "Connection": "close", **headers})
        response = connection.getresponse()
        content = response.read(ANSWER_BYTES_MAX + 1)
        if len(content) > ANSWER_BYTES_MAX:
            raise Lost(f"{name} answered more than {ANSWER_BYTES_MAX // 1024} KiB; it was not read to the end.")
        if response.length:
            raise Lost(f"{name}: the connection broke in the middle of the answer.")
        return Answer(status=response.status, headers=dict(response.getheaders()), body=content)
    except TimeoutError:
        raise Lost(f"{name} did not answer within {options.timeout_seconds} s.") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Lost(f"{name}: the connection broke, or the answer was no HTTP ({type(error).__name__}).") from None
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


def _connect(name: str, options: Options, until: float) -> socket.socket:
    """Open the connection and know the program by its certificate, before anything is said."""
    seconds = max(0.1, min(CONNECT_SECONDS, until - clock.monotonic()))
    host = options.parts.hostname or ""
    try:
        sock = socket.create_connection((host, options.port), timeout=seconds)
    except (OSError, UnicodeError) as error:
        raise NotSent(_trouble(name, error)) from None
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not options.tls:
            return sock
        context = ssl.create_default_context(cadata=options.ca_pem or None)
        return context.wrap_socket(sock, server_hostname=host)
    except (OSError, ValueError) as error:
        sock.close()
        raise NotSent(_trouble(name, error)) from None


def _trouble(name: str, error: Exception) -> str:
    """Say in words why nothing could be sent."""
    if isinstance(error, TimeoutError):
        return f"{name} could not be reached in time."
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"{name}: its certificate is not accepted ({error.verify_message}); nothing was sent. Renew it there, or"
            ' enter its authority in the options ("ca_pem").'
        )
    if isinstance(error, ssl.SSLError):
        return f"{name}: no secure connection ({error.reason or 'the answer is not TLS'}); nothing was sent."
    if isinstance(error, ConnectionRefusedError):
        return f"{name} refuses the connection; is the program running, and is the port in its address right?"
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"{name}: the host in its address is not known here; check it."
    return f"{name}: the connection broke ({getattr(error, 'strerror', None) or type(error).__name__})."
