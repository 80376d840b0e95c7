"""A program of an operator's own, as docs/webhook.md asks for it: on loopback, with its faults and a log.

``fake.fault`` names what calls meet from now on, those of ``fake.on`` alone (changes, unless a test says more):

| fault | what happens |
|---|---|
| slam | every connection is closed before a word is read |
| drop_before, drop_after | the request is read, nothing is done or it is done, and the connection is cut |
| hang_after | it is done, and no answer comes |
| cut | it is done, half of the answer comes |
| drip | it is done, and the answer comes byte by byte, for ever |
| ignores | it says done, and does nothing |
| rejects | changes are refused with 422, in words |

``fake.answer`` may change an answer before it is signed, ``fake.spoil`` after: status, headers and body.
"""

import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any

from billing_project.kernel import clock
from tests.peers.http_handler import PeerHandler

SECRET = "a long s3cret of Zürich"
Reply = tuple[int, dict[str, str], bytes]


@dataclass
class WebhookFake:
    """What the program holds, what it heard, and how it fails."""

    secret: str = SECRET
    page_rows: int = 1000
    fault: str = ""
    on: tuple[str, ...] = ("apply", "adopt")
    held: dict[str, dict[str, Any]] = field(default_factory=dict)
    heard: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    answer: Callable[[dict[str, Any]], Any] = lambda answer: answer
    spoil: Callable[[Reply], Reply] = lambda reply: reply
    now: Callable[[], float] = lambda: clock.now().timestamp()
    port: int = 0
    url: str = ""

    def signature(self, *parts: str | bytes) -> str:
        joined = b".".join(part if isinstance(part, bytes) else part.encode() for part in parts)
        return "v1=" + hmac.new(self.secret.encode(), joined, hashlib.sha256).hexdigest()

    def take(self, headers: Any, body: bytes) -> Reply:
        """Check a request and carry it out; return the answer, signed."""
        stamp, given = headers.get("Billing-Timestamp", ""), headers.get("Billing-Signature", "")
        asked = json.loads(body)
        if not hmac.compare_digest(self.signature(stamp, body), given) or abs(self.now() - int(stamp)) > 300:
            self.refused.append(headers.get("Billing-Request-Id"))
            status, answer = 401, {"error": "I do not know you."}
        else:
            assert asked["protocol"] == 1
            assert asked["request"] == headers["Billing-Request-Id"]
            status, answer = 200, {}
            fault = self.fault if asked["verb"] in self.on else ""
            if fault == "rejects":
                status, answer = 422, {"error": "No such customer here."}
            elif fault != "drop_before":
                self.heard.append(asked)
                answer = getattr(self, asked["verb"])(asked)
        content = json.dumps(self.answer({"protocol": 1, **answer})).encode()
        stamp = str(int(self.now()))
        signature = self.signature(stamp, asked["request"], content)
        return self.spoil((status, {"Billing-Timestamp": stamp, "Billing-Signature": signature}, content))

    def probe(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"version": "2.1", "model": "fake", "uptime_seconds": 77, "notes": ["It has no rule yet."]}

    def read_all(self, asked: dict[str, Any]) -> dict[str, Any]:
        first = int(asked["cursor"] or 0)
        rows = [self.held[address] for address in sorted(self.held)]
        more = str(first + self.page_rows) if first + self.page_rows < len(rows) else ""
        return {"entries": rows[first : first + self.page_rows], "next": more}

    def read(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"entries": [self.held[address] for address in asked["addresses"] if address in self.held]}

    def apply(self, asked: dict[str, Any]) -> dict[str, Any]:
        for change in [] if self.fault == "ignores" else asked["changes"]:
            self.held.pop(change["address"], None)
            if change["level"] != "open":
                self.held[change["address"]] = {**change, "ours": True}
        return {"done": True}

    def adopt(self, asked: dict[str, Any]) -> dict[str, Any]:
        for address in asked["addresses"]:
            self.held[address]["ours"] = True
        return {"done": True}

    def verbs(self) -> list[str]:
        """Return what was carried out, in order."""
        return [asked["verb"] for asked in self.heard]


class _Handler(PeerHandler):
    server: "_Server"

    def handle(self) -> None:
        if self.server.fake.fault == "slam":
            self.reset()
            return
        super().handle()

    def do_POST(self) -> None:  # noqa: N802 - the server's name for it
        fake = self.server.fake
        fake.paths.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, headers, content = fake.take(self.headers, body)
        self.close_connection = True
        fault = fake.fault if json.loads(body)["verb"] in fake.on else ""
        if fault in ("drop_before", "drop_after"):
            self.reset()
        elif fault == "hang_after":
            fake.ended.wait(20)
        elif fault == "cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
        elif fault == "drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not fake.ended.wait(0.05):
                self.wfile.write(b" ")
        else:
            self.send_content(status, content, **headers)

    def do_GET(self) -> None:  # noqa: N802
        self.server.fake.paths.append("GET " + self.path)
        self.send_content(200, b"{}")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    fake: WebhookFake


@contextmanager
def running(*, tls: ssl.SSLContext | None = None, **fields: Any) -> Iterator[WebhookFake]:
    """Run a program in threads of this process."""
    server = _Server(("127.0.0.1", 0), _Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    fake = server.fake = WebhookFake(**fields)
    fake.port = server.server_address[1]
    fake.url = f"http://127.0.0.1:{fake.port}/billing?site=1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.ended.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
