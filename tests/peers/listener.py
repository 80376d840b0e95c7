"""A program that listens for webhooks: on loopback, with a log, an answer to choose, and silence."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer

from tests.peers.http_handler import PeerHandler


@dataclass
class Listener:
    """What it heard, and how it answers: a status, or 0 to break the connection off after reading."""

    status: int = 200
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@contextmanager
def listening() -> Iterator[Listener]:
    """Run a listener for the time of a test."""
    listener = Listener()

    class Handler(PeerHandler):
        def do_POST(self) -> None:  # noqa: N802 - the server's name for it
            body = self.rfile.read(int(self.headers["Content-Length"]))
            listener.heard.append((dict(self.headers), body))
            if listener.status:
                self.send_content(listener.status, b'{"thanks": true}', **listener.headers)
            else:
                self.reset()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.url = f"http://127.0.0.1:{server.server_port}/hooks?from=billing"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
