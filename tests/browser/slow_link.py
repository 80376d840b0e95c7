"""A slow line in front of a server: so many bits a second in all, a way there and back that takes its time.

Every connection costs one round trip before it carries anything, as TCP's handshake does, and each 1,460 bytes carry 40
more of headers. The throttling of a browser's own tools knows neither.
"""

import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from billing_project.kernel.clock import monotonic

SEGMENT, HEADERS, HANDSHAKE = 1460, 40, 120


@dataclass
class Way:
    """One direction of the line, shared by all connections."""

    bits: float
    seconds: float
    free_at: float = 0.0
    carried: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def arrival(self, size: int) -> float:
        """Return when so many bytes arrive that are sent now."""
        with self.lock:
            self.carried += size
            self.free_at = max(self.free_at, monotonic()) + size * 8 / self.bits
            return self.free_at + self.seconds


@dataclass
class SlowLine:
    """The line: its near end is a port of this machine."""

    port: int
    up: Way
    down: Way
    connections: int = 0

    @property
    def carried(self) -> int:
        """Return how many bytes went over the line both ways, headers and handshakes included."""
        return self.up.carried + self.down.carried


@contextmanager
def slow_line(to_port: int, *, kbit: float = 64, round_trip: float = 0.3) -> Iterator[SlowLine]:
    """Run a line to a port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    line = SlowLine(
        listener.getsockname()[1], Way(kbit * 1000, round_trip / 2), Way(kbit * 1000, round_trip / 2)
    )  # fmt: skip
    ended = threading.Event()

    def accept() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            line.connections += 1
            far = socket.create_connection(("127.0.0.1", to_port))
            opened_at = max(line.up.arrival(HANDSHAKE), monotonic()) + round_trip / 2
            for source, target, way in ((near, far, line.up), (far, near, line.down)):
                _carry(source, target, way, opened_at, ended)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield line
    finally:
        ended.set()
        listener.close()


def _carry(source: socket.socket, target: socket.socket, way: Way, opened_at: float, ended: threading.Event) -> None:
    """Carry what comes from a socket to another, each piece when it arrives."""
    on_the_way: queue.Queue[tuple[float, bytes]] = queue.Queue()

    def read() -> None:
        data = b"-"
        while data:
            try:
                data = source.recv(SEGMENT)
            except OSError:
                data = b""
            if data:
                wait = opened_at - monotonic()
                if wait > 0:
                    ended.wait(wait)
            on_the_way.put((way.arrival(len(data) + HEADERS), data))

    def write() -> None:
        while True:
            arrives_at, data = on_the_way.get()
            ended.wait(max(0.0, arrives_at - monotonic()))
            try:
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(data)
            except OSError:
                return

    for work in (read, write):
        threading.Thread(target=work, daemon=True).start()
