"""CoA and Disconnect (RFC 5176): many packets under way to many RADIUS clients, answers collected by their number.

The packets are made and checked by pyrad. What is sent again is the same packet, so a client that has done it already
answers from its memory. A client with another shared secret answers nothing at all: that is silence, and no error.
"""

import io
import selectors
import socket
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache

from pyrad import packet
from pyrad.dictionary import Dictionary

from billing_project.kernel import clock
from netenforce.rules.radius_options import Nas
from netenforce.rules.radius_sessions import Session

# So many packets wait for an answer of one client at once; a client that lets all of them wait is not asked further.
WINDOW = 64
SECONDS_MAX = 40.0
ACK, NAK, SILENT = "ack", "nak", "silent"
_DICTIONARY = """
ATTRIBUTE User-Name 1 string
ATTRIBUTE NAS-IP-Address 4 ipaddr
ATTRIBUTE Framed-IP-Address 8 ipaddr
ATTRIBUTE Filter-Id 11 string
ATTRIBUTE Class 25 octets
ATTRIBUTE Acct-Session-Id 44 string
ATTRIBUTE Message-Authenticator 80 octets
ATTRIBUTE NAS-IPv6-Address 95 ipv6addr
ATTRIBUTE Error-Cause 101 integer
VENDOR Mikrotik 14988
BEGIN-VENDOR Mikrotik
ATTRIBUTE Mikrotik-Rate-Limit 8 string
ATTRIBUTE Mikrotik-Address-List 19 string
END-VENDOR Mikrotik
VENDOR WISPr 14122
BEGIN-VENDOR WISPr
ATTRIBUTE WISPr-Bandwidth-Max-Up 7 integer
ATTRIBUTE WISPr-Bandwidth-Max-Down 8 integer
END-VENDOR WISPr
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One packet to send: a CoA with attributes, or without any a Disconnect."""

    session: Session
    nas: Nas
    secret: str = field(repr=False)
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came back for one packet; ``cause`` is the Error-Cause of a NAK, if it gave one."""

    how: str
    cause: int | None = None


@dataclass(slots=True)
class _Flight:
    """One client: its socket, what waits to be sent, and what waits for an answer by its number."""

    line: socket.socket
    waiting: deque[Order]
    flying: dict[int, "_Sent"] = field(default_factory=dict)
    answered: bool = False
    next_number: int = 0


@dataclass(slots=True)
class _Sent:
    order: Order
    packet: packet.CoAPacket
    raw: bytes
    due_at: float
    tries: int = 1


def send(orders: Sequence[Order], *, timeout_seconds: float, tries: int) -> dict[str, Verdict]:
    """Send all packets and return what came of each, by the session's key; in a bounded time, whoever is silent."""
    verdicts: dict[str, Verdict] = {}
    until = clock.monotonic() + SECONDS_MAX
    with _flights(orders) as flights, selectors.DefaultSelector() as selector:
        for flight in flights:
            selector.register(flight.line, selectors.EVENT_READ, flight)
        while any(flight.waiting or flight.flying for flight in flights) and clock.monotonic() < until:
            for flight in flights:
                _fill(flight, timeout_seconds)
            soonest = min((sent.due_at for flight in flights for sent in flight.flying.values()), default=0.0)
            for key, _ in selector.select(max(0.0, soonest - clock.monotonic())):
                _collect(key.data, verdicts)
            for flight in flights:
                _lose_patience(flight, verdicts, timeout_seconds, tries)
    return {order.session.key: verdicts.get(order.session.key, Verdict(how=SILENT)) for order in orders}


@contextmanager
def _flights(orders: Iterable[Order]) -> Iterator[list[_Flight]]:
    by_nas: dict[Nas, deque[Order]] = {}
    for order in orders:
        by_nas.setdefault(order.nas, deque()).append(order)
    with ExitStack() as stack:
        flights = []
        for nas, waiting in by_nas.items():
            family = socket.AF_INET6 if ":" in nas.send_to else socket.AF_INET
            line = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            line.setblocking(False)
            try:
                line.connect((nas.send_to, nas.port))
            except OSError:
                continue  # no way there: as silent as any other
            flights.append(_Flight(line, waiting))
        yield flights


def _fill(flight: _Flight, timeout_seconds: float) -> None:
    """Send as many packets as may be under way."""
    while flight.waiting and len(flight.flying) < WINDOW:
        order = flight.waiting.popleft()
        while flight.next_number in flight.flying:
            flight.next_number = (flight.next_number + 1) % 256
        made = _packet(order, flight.next_number)
        sent = _Sent(order, made, made.RequestPacket(), clock.monotonic() + timeout_seconds)
        flight.flying[flight.next_number] = sent
        flight.next_number = (flight.next_number + 1) % 256
        _put(flight, sent)


def _put(flight: _Flight, sent: _Sent) -> None:
    try:
        flight.line.send(sent.raw)
    except OSError:
        return  # nobody listens there, or the way is full: the next try, or silence


def _packet(order: Order, number: int) -> packet.CoAPacket:
    session = order.session
    code = packet.CoARequest if order.attributes else packet.DisconnectRequest
    made = packet.CoAPacket(code=code, id=number, secret=order.secret.encode(), dict=_dictionary())
    made.AddAttribute("User-Name", session.username)
    if session.id:
        made.AddAttribute("Acct-Session-Id", session.id)
    if session.address and ":" not in session.address:
        made.AddAttribute("Framed-IP-Address", session.address)
    made.AddAttribute("NAS-IPv6-Address" if ":" in session.nas else "NAS-IP-Address", session.nas)
    for name, value in order.attributes.items():
        made.AddAttribute(name, int(value) if name.startswith("WISPr") else value)
    made.add_message_authenticator()
    return made


def _collect(flight: _Flight, verdicts: dict[str, Verdict]) -> None:
    """Take all answers that have come; what does not belong to a packet under way, or is not signed, is dropped."""
    while True:
        try:
            raw = flight.line.recv(4096)
        except OSError:
            return
        sent = flight.flying.get(raw[1]) if len(raw) >= 20 else None
        if sent is None:
            continue
        try:
            reply = sent.packet.CreateReply(packet=raw)
            good = sent.packet.VerifyReply(reply, raw)
        except (packet.PacketError, ValueError, KeyError):
            continue
        if good and reply.code in (packet.DisconnectACK, packet.CoAACK, packet.DisconnectNAK, packet.CoANAK):
            del flight.flying[raw[1]]
            flight.answered = True
            acknowledged = reply.code in (packet.DisconnectACK, packet.CoAACK)
            verdicts[sent.order.session.key] = (
                Verdict(how=ACK) if acknowledged else Verdict(how=NAK, cause=_cause(reply))
            )


def _cause(reply: packet.CoAPacket) -> int | None:
    values = reply.get("Error-Cause") or [None]
    return values[0] if isinstance(values[0], int) else None


def _lose_patience(flight: _Flight, verdicts: dict[str, Verdict], timeout_seconds: float, tries: int) -> None:
    """Send again what was not answered in time, and give up what was sent often enough."""
    now = clock.monotonic()
    for number, sent in list(flight.flying.items()):
        if sent.due_at > now:
            continue
        if sent.tries < tries:
            sent.tries += 1
            sent.due_at = now + timeout_seconds
            _put(flight, sent)
        else:
            del flight.flying[number]
            verdicts[sent.order.session.key] = Verdict(how=SILENT)
            if not flight.answered:
                flight.waiting.clear()  # one that has not said a word all the while is not asked further


@lru_cache(maxsize=1)
def _dictionary() -> Dictionary:
    return Dictionary(io.StringIO(_DICTIONARY))
