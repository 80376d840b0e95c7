"""One bounded conversation with a MikroTik device: connect, log in, ask many things at once, hang up.

The library sends word by word and waits for each answer. Here what is sent is gathered until an answer is waited for,
so that any number of commands costs one round trip; and every wait counts towards one limit for the whole call.
"""

import hashlib
import hmac
import logging
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from routeros_api.api import RouterOsApi
from routeros_api.api_communicator import ApiCommunicator
from routeros_api.base_api import Connection
from routeros_api.exceptions import RouterOsApiCommunicationError, RouterOsApiError

from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable
from netenforce.models import Device
from netenforce.rules.routeros_options import Options

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0
FLIGHT = 100  # commands on their way at once: neither side's buffer may fill while both of them write
WORD_BYTES_MAX = 1 << 20
_CHUNK = 1 << 16
# What a broken or hostile stream makes of the library's parser.
_GARBLED = (KeyError, ValueError, TypeError, IndexError, AssertionError)


class Lost(RouterOsApiError):
    """Say that the conversation ended before its time; the words are for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One command for the router; ``queries`` are the filter words of a print, in their order."""

    path: str
    verb: str
    fields: Mapping[str, str] = field(default_factory=dict)
    queries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back: rows, or the router's words for why it did not do it."""

    rows: Sequence[Mapping[str, str]] = ()
    trap: str = ""


@dataclass(frozen=True, slots=True)
class _Words:
    """Filter words that go out as they are, in the form the library asks for."""

    words: tuple[str, ...]

    def get_api_format(self) -> list[bytes]:
        return [word.encode() for word in self.words]


class _Line:
    """A socket with one deadline for everything, that gathers what is sent and reads in large pieces."""

    def __init__(self, sock: socket.socket, name: str, until: float) -> None:
        self._socket = sock
        self._name = name
        self._until = until
        self._out = bytearray()
        self._in = bytearray()

    def send(self, data: bytes) -> None:
        """Gather words; they leave when an answer is waited for."""
        self._out += data

    def receive(self, length: int) -> bytes:
        """Return up to so many bytes; raises Lost if they do not come in time."""
        if length > WORD_BYTES_MAX:
            raise Lost(f"{self._name} answers with something that is not the RouterOS API; check host and port.")
        if not self._in:
            try:
                self._flush()
                self._wait()
                self._in += self._socket.recv(_CHUNK)
            except OSError as error:
                raise Lost(trouble(self._name, error)) from error
            if not self._in:
                raise Lost(f"{self._name} closed the connection.")
        piece = bytes(self._in[:length])
        del self._in[:length]
        return piece

    def _flush(self) -> None:
        if self._out:
            self._wait()
            self._socket.sendall(self._out)
            self._out.clear()

    def _wait(self) -> None:
        left = self._until - clock.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(min(left, ANSWER_SECONDS))


class Talk:
    """A logged-in conversation. ``wrote`` tells whether the router may have been changed."""

    def __init__(self, api: RouterOsApi, device: Device) -> None:
        self._api = api
        self.name = device.name
        self.wrote = False

    def log_in(self, device: Device) -> None:
        """Say who we are; raises Rejected if the router does not want us, Lost if it does not say."""
        try:
            self._api.login(device.username, device.secret, True)
        except RouterOsApiCommunicationError as error:
            # Not "from error": its text would repeat the command, and with it the password.
            raise Rejected(
                f"{self.name} refuses the log-in of {device.username!r}: {_words(error)}. Check user name and secret,"
                " and on the router the user's group (policies api, read, write) and allowed address.",
                "login",
            ) from None
        except Lost as error:
            raise Lost(f"{error} That was during the log-in.") from None
        except (RouterOsApiError, *_GARBLED):
            raise Lost(f"{self.name} does not answer the log-in as RouterOS does; check host and port.") from None

    def ask(self, asks: Sequence[Ask]) -> list[Reply]:
        """Ask everything at once and return the answers in order; raises Lost if one does not come."""
        return [
            reply
            for start in range(0, len(asks), FLIGHT)
            for reply in self._flight(asks[start : start + FLIGHT])
        ]  # fmt: skip

    def change(self, asks: Sequence[Ask]) -> list[Reply]:
        """Ask for changes: from here on nobody knows what happened, unless the answer comes."""
        self.wrote = self.wrote or bool(asks)
        return self.ask(asks)

    def _flight(self, asks: Sequence[Ask]) -> list[Reply]:
        try:
            promises = [
                self._api.get_resource(ask.path).call_async(
                    ask.verb, dict(ask.fields), additional_queries=(_Words(ask.queries),) if ask.queries else ()
                )
                for ask in asks
            ]
            return [_reply(promise) for promise in promises]
        except Lost:
            raise
        except (RouterOsApiError, *_GARBLED) as error:
            raise Lost(f"{self.name} ended the session in the middle, or its answer was garbled.") from error


def _reply(promise: object) -> Reply:
    try:
        return Reply(rows=promise.get())  # type: ignore[attr-defined]  # the library ships no types
    except RouterOsApiCommunicationError as error:
        return Reply(trap=_words(error))


def _words(error: RouterOsApiCommunicationError) -> str:
    """Return the router's own words; the error's text would repeat the command, and with it the password."""
    return bytes(error.original_message).decode(errors="replace").strip() or "no reason given"


@contextmanager
def conversation(device: Device, options: Options, *, seconds: float) -> Iterator[Talk]:
    """Talk to a device for at most so many seconds; the connection is closed whatever happens.

    Raises Unavailable (nothing was changed), OutcomeUnknown (the connection broke after changes were sent) or
    Rejected (the log-in is refused, or something needed for it was never entered).
    """
    if not device.host or not device.username:
        lacking = "host" if not device.host else "user name"
        raise Rejected(f"{device.name} has no {lacking}; enter it at the device.", "incomplete")
    until = clock.monotonic() + seconds
    sock = _connect(device, options, until)
    try:
        talk = Talk(RouterOsApi(ApiCommunicator(Connection(_Line(sock, device.name, until)))), device)
        try:
            talk.log_in(device)
            yield talk
        except Lost as error:
            raise (OutcomeUnknown if talk.wrote else Unavailable)(str(error)) from None
    finally:
        _hang_up(sock)


def _connect(device: Device, options: Options, until: float) -> socket.socket:
    """Open the connection and know the router by its certificate, before anything is said."""
    seconds = max(0.1, min(CONNECT_SECONDS, until - clock.monotonic()))
    try:
        sock = socket.create_connection((device.host, device.port or options.port), timeout=seconds)
    except (OSError, UnicodeError) as error:
        raise Unavailable(trouble(device.name, error)) from error
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _secured(sock, device, options) if options.tls else sock
    except (OSError, ValueError) as error:
        _hang_up(sock)
        raise Unavailable(trouble(device.name, error)) from error
    except Unavailable:
        _hang_up(sock)
        raise


def _secured(sock: socket.socket, device: Device, options: Options) -> ssl.SSLSocket:
    context = ssl.create_default_context(cadata=options.ca_pem or None)
    if options.fingerprint or not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    secured = context.wrap_socket(sock, server_hostname=device.host)
    if options.fingerprint:
        seen = hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest()
        if not hmac.compare_digest(seen, options.fingerprint):
            _hang_up(secured)
            raise Unavailable(
                f"{device.name} shows a certificate with the fingerprint {seen}, not the one in its options;"
                " nothing was sent. If the router's certificate was renewed, enter the new fingerprint."
            )
    return secured


def trouble(name: str, error: Exception) -> str:
    """Say in words what became of a connection."""
    if isinstance(error, TimeoutError):
        return f"{name} did not answer in time."
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"{name}: its certificate is not accepted ({error.verify_message}); nothing was sent. Renew it on the"
            ' router, or enter its authority ("ca_pem") or its fingerprint in the options.'
        )
    if isinstance(error, ssl.SSLError):
        return (
            f"{name}: no secure connection ({error.reason or 'the answer is not TLS'}); nothing was sent. Give the"
            " router's api-ssl service a certificate, and check the port."
        )
    if isinstance(error, ConnectionRefusedError):
        return f"{name} refuses the connection; check port, the router's api service and its allowed addresses."
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"{name}: its host name is not known here; check it."
    return f"{name}: the connection broke ({getattr(error, 'strerror', None) or type(error).__name__})."


def _hang_up(sock: socket.socket) -> None:
    try:
        sock.close()
    except OSError as error:  # it is gone all the same
        logger.debug("a connection was gone before it was closed: %s", error)
