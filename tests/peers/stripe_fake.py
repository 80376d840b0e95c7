"""A Stripe of our own that keeps its promises about keys and misbehaves on request, with an append-only log.

In a process of its own: ``python -m tests.peers.stripe_fake --log FILE`` prints its port; in a test it is run by
``with running(log) as fake``. The token of the card chooses what happens to a charge:

| token | what happens |
|---|---|
| pm_insufficient, pm_expired, pm_stolen, ... (DECLINES) | 402 card_declined with the bank's reason |
| pm_3ds | 402 authentication_required; pm_action: 200 requires_action |
| pm_bank | 200 processing: a bank debit, until /_fake/finish |
| pm_gone, pm_foreign | 400: no such payment method; not this customer's |
| pm_429, pm_503, pm_reset_before, pm_403 | nothing is charged |
| pm_hang, pm_reset, pm_500, pm_broken, pm_redirect | charged, and the answer is lost in that way |
| pm_slow | charged after a while: the same key meanwhile gets 409 |
| any other | charged |

``/_fake/...`` does what happens at Stripe without us: refunds, disputes, pages that are paid, cards that are removed.
"""

import argparse
import hashlib
import json
import random
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import requests
import stripe

from billing_project.kernel import clock
from billing_project.processes import end_with_parent
from tests.peers.http_handler import PeerHandler
from tests.peers.stripe_books import Books, Wrong

KEY, SECRET = "sk_test_a-key-for-tests", "whsec_a-secret-for-tests"
SILENCE_SECONDS, SLOW_SECONDS = 30.0, 0.6
NOTHING_DONE = {"pm_429": 429, "pm_503": 503, "pm_reset_before": 0, "pm_403": 403}
ANSWER_LOST = {
    "pm_hang": "hang",
    "pm_reset": "reset",
    "pm_500": "500",
    "pm_broken": "broken",
    "pm_redirect": "redirect",
}


class StripeFake(ThreadingHTTPServer):
    """The server: keys, faults and answers. What it remembers is in its books."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, log: Path, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.books = Books(log)
        self.keys: dict[str, tuple[str, int, bytes]] = {}
        self.in_flight: set[str] = set()
        self.plan: dict[str, Any] = {"share": 0.0, "faults": [], "down": ""}
        self.lock = threading.Lock()
        self.ended = threading.Event()


class _Handler(PeerHandler):
    @property
    def fake(self) -> StripeFake:
        return cast(StripeFake, self.server)

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        self._serve("GET")

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
        self._serve("POST")

    def _serve(self, method: str) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if parts.path.startswith("/_fake/"):
            self._control(parts.path.removeprefix("/_fake/"), json.loads(body or "{}"))
            return
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            self._error(401, {"type": "invalid_request_error", "message": f"Invalid API Key: {KEY[:12]}"})
            return
        if self.fake.plan["down"]:
            self._spoil(self.fake.plan["down"], b"")
            return
        params = nested(parse_qsl(body if method == "POST" else parts.query, keep_blank_values=True))
        self.fake.books.note({"asked": f"{method} {parts.path}", "params": params})
        key = self.headers.get("Idempotency-Key", "") if method == "POST" else ""
        if key:
            self._once(key, parts.path, params)
        else:
            self._answer(*self._do(method, parts.path, params))

    def _once(self, key: str, path: str, params: dict[str, Any]) -> None:
        """Do a request once for its key: the same one again gets the same answer, another one with it is refused."""
        fake, token = self.fake, str(params.get("payment_method", ""))
        if token in NOTHING_DONE:
            # Refused before it was begun, so the key stays free.
            self._spoil(str(NOTHING_DONE[token] or "reset"), b"")
            return
        said = hashlib.sha256(json.dumps([path, params], sort_keys=True).encode()).hexdigest()
        with fake.lock:
            known, busy = fake.keys.get(key), key in fake.in_flight
            if known is None and not busy:
                fake.in_flight.add(key)
        if busy:
            self._error(409, {"type": "invalid_request_error", "code": "idempotency_key_in_use", "message": "In use."})
        elif known is None:
            self._first(key, said, path, params)
        elif known[0] != said:
            self._error(400, {"type": "idempotency_error", "message": "Keys are for one request."})
        else:
            self._send(known[1], known[2])

    def _first(self, key: str, said: str, path: str, params: dict[str, Any]) -> None:
        fake, token = self.fake, str(params.get("payment_method", ""))
        fault = self._fault(key, token)
        if fault == "before":
            with fake.lock:
                fake.in_flight.discard(key)
            self._spoil("reset", b"")
            return
        if token == "pm_slow":
            fake.ended.wait(SLOW_SECONDS)
        status, answer = self._do("POST", path, params)
        content = json.dumps(answer).encode()
        with fake.lock:
            if status != 404:
                fake.keys[key] = (said, status, content)
            fake.in_flight.discard(key)
        if fault and status == 200:
            self._spoil(fault, content)
        else:
            self._send(status, content)

    def _fault(self, key: str, token: str) -> str:
        if token in ANSWER_LOST:
            return ANSWER_LOST[token]
        dice = random.Random(key)
        return str(dice.choice(self.fake.plan["faults"])) if dice.random() < self.fake.plan["share"] else ""

    def _do(self, method: str, path: str, params: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        with self.fake.lock:
            try:
                return 200, self.fake.books.serve(method, path, params)
            except Wrong as wrong:
                return wrong.status, {"error": wrong.error}

    def _control(self, name: str, asked: dict[str, Any]) -> None:
        with self.fake.lock:
            if name == "plan":
                self.fake.plan |= asked
                answer: Any = self.fake.plan
            else:
                answer = getattr(self.fake.books, name)(**asked)
        self._answer(200, answer if isinstance(answer, dict) else {"data": answer})

    # --- answers, and their loss ---

    def _spoil(self, how: str, content: bytes) -> None:
        """Answer in a way that tells nothing, or not at all."""
        match how:
            case "hang":
                self.fake.ended.wait(SILENCE_SECONDS)
                self.close_connection = True
            case "reset":
                self.reset()
            case "broken":
                self._send(200, content[: len(content) // 2] or b'{"id": "pi_')
            case "redirect":
                self._send(302, b"")
            case "429":
                self._error(429, {"type": "invalid_request_error", "code": "rate_limit", "message": "Too many."})
            case "403":
                self._error(403, {"type": "invalid_request_error", "message": f"The key {KEY} may not do this."})
            case _:
                self._send(int(how), b"<html>Service Unavailable</html>")

    def _answer(self, status: int, content: Mapping[str, Any]) -> None:
        self._send(status, json.dumps(content).encode())

    def _error(self, status: int, error: dict[str, Any]) -> None:
        self._answer(status, {"error": error})

    def _send(self, status: int, content: bytes) -> None:
        self.send_content(status, content, **({"Location": "http://127.0.0.1:9/elsewhere"} if status == 302 else {}))


def nested(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the form a[b][0]=c as {"a": {"b": {"0": "c"}}}."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        path = re.findall(r"[^\[\]]+", name)
        here = found
        for part in path[:-1]:
            here = here.setdefault(part, {})
        here[path[-1]] = value
    return found


# --- the test's side of it ---


class Running:
    """A fake in a process of its own, as a test sees it."""

    def __init__(self, port: int, log: Path) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.log = log

    def do(self, name: str, **asked: Any) -> Any:
        """Do something at Stripe without us, such as ``do("dispute", intent="pi_...")``."""
        answer = requests.post(f"{self.base}/_fake/{name}", json=asked, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def rows(self) -> list[dict[str, Any]]:
        """Return the log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def charged(self, key: str = "") -> list[dict[str, Any]]:
        """Return the charges that were made, all or those of a key."""
        made = [row["charged"] for row in self.rows() if "charged" in row]
        return [row for row in made if not key or row["metadata"].get("attempt") == key]

    def asked(self, what: str) -> list[dict[str, Any]]:
        """Return the parameters of the requests such as "POST /v1/refunds"."""
        return [row["params"] for row in self.rows() if row.get("asked") == what]

    def events(self) -> list[dict[str, Any]]:
        """Return every event there was so far, oldest first."""
        return cast(list[dict[str, Any]], self.do("list_events")["data"])


def signed(event: Mapping[str, Any], *, secret: str = SECRET, at: float | None = None) -> tuple[str, str]:
    """Return an event as Stripe sends it: its body and its signature, signed at a time (now, without one)."""
    body = json.dumps(event)
    stamp = int(clock.now().timestamp() if at is None else at)
    return body, stripe.WebhookSignature.generate_signature_header(body, secret, stamp)


@contextmanager
def running(log: Path) -> Iterator[Running]:
    """Run a fake in a process of its own; it ends with the test."""
    code = [sys.executable, "-m", "tests.peers.stripe_fake", "--log", str(log)]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(code, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        try:
            yield Running(int(process.stdout.readline()), log)
        finally:
            process.kill()


def main() -> None:
    """Run until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    asked = parser.parse_args()
    end_with_parent()
    fake = StripeFake(asked.log, asked.port)
    print(fake.server_address[1], flush=True)
    fake.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
