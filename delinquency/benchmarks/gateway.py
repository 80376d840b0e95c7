"""A stand-in for Stripe while a measurement runs: it knows payments that went through, and reports them, signed."""

import hashlib
import hmac
import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import requests

from billing_project.kernel import clock

SECRET_KEY, SIGNING_SECRET = "sk_test_measurement", "whsec_measurement"
# About what the real one takes for an answer.
ANSWER_SECONDS = 0.2


class StandIn(ThreadingHTTPServer):
    """The server; ``payments`` are the PaymentIntents it knows, by id."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        self.payments: dict[str, dict[str, Any]] = {}
        super().__init__(("127.0.0.1", 0), _Answer)

    def server_bind(self) -> None:
        """Bind without asking the name service for our own name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    @property
    def environment(self) -> dict[str, str]:
        """Return the settings that make a program believe in it."""
        return {
            "PAYMENT_GATEWAY": "stripe", "STRIPE_SECRET_KEY": SECRET_KEY, "STRIPE_WEBHOOK_SECRET": SIGNING_SECRET,
            "STRIPE_API_BASE": f"http://127.0.0.1:{self.server_port}",
        }  # fmt: skip

    def take(self, provider_id: str, *, key: str, cents: int) -> None:
        """Let a payment go through here."""
        self.payments[provider_id] = {
            "id": provider_id, "object": "payment_intent", "status": "succeeded", "amount": cents,
            "amount_received": cents, "currency": "usd", "customer": None, "metadata": {"attempt": key},
            "payment_method": None, "latest_charge": None, "last_payment_error": None,
        }  # fmt: skip

    def report(self, provider_id: str, base: str) -> None:
        """Report a payment to a program, as Stripe does; raises requests.HTTPError if it is not taken."""
        at = int(clock.now().timestamp())
        body = json.dumps(
            {
                "id": f"evt_{provider_id}", "object": "event", "type": "payment_intent.succeeded", "created": at,
                "livemode": False, "data": {"object": self.payments[provider_id]},
            }
        ).encode()  # fmt: skip
        signed = hmac.new(SIGNING_SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        answer = requests.post(
            f"{base}/callbacks/stripe/", data=body, timeout=30,
            headers={"Content-Type": "application/json", "Stripe-Signature": f"t={at},v1={signed}"},
        )  # fmt: skip
        answer.raise_for_status()


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Tell how a payment stands."""
        found = cast(StandIn, self.server).payments.get(self.path.partition("?")[0].rpartition("/")[2])
        time.sleep(ANSWER_SECONDS)
        content = json.dumps(found or {"error": {"type": "invalid_request_error", "code": "resource_missing"}}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def running() -> Iterator[StandIn]:
    """Run a stand-in in a thread."""
    server = StandIn()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
