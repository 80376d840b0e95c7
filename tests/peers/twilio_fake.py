"""A Twilio of our own: its errors, its silences, its lists and its signed reports, with an append-only log.

In a process of its own: ``python -m tests.peers.twilio_fake --log FILE [--plan JSON]``; it prints its port. In a test:
``with running(log) as fake``. The end of the number that is written to chooses what happens:

| ends in | what happens |
|---|---|
| 1610, 1211, 1614, 1408, 1606 | 400 with the error code 21610, ... : nothing is taken |
| 4290, 4010 | 429, 401: nothing is taken |
| 5000 | 500: nothing is taken |
| 0404 | the connection is reset, nothing is taken |
| 5040 | taken, and no answer comes |
| 1040 | taken, and the connection is reset |
| 2000 | taken, and the answer is broken JSON |
| 5020 | taken, and the answer is 502 |
"""

import argparse
import base64
import json
import re
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from email.utils import format_datetime
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import requests
from twilio.request_validator import RequestValidator

from billing_project.kernel import clock
from tests.peers.http_handler import PeerHandler

ACCOUNT = "AC" + "0" * 31 + "1"
TOKEN = "a-token-for-tests"
SILENCE_SECONDS = 30
PLAN = {
    "1610": "21610", "1211": "21211", "1614": "21614", "1408": "21408", "1606": "21606",
    "4290": "429", "4010": "401", "5000": "500", "0404": "lose",
    "5040": "take_and_hang", "1040": "take_and_reset", "2000": "take_and_break", "5020": "take_and_502",
}  # fmt: skip
_PATH = re.compile(r"/2010-04-01/Accounts/(AC[0-9a-f]{32})/(Messages|Calls)\.json")
KINDS = {"Messages": ("messages", "SM"), "Calls": ("calls", "CA")}
MESSAGE_STORY = ("queued", "sent", "delivered")
CALL_STORY = ("initiated", "ringing", "in-progress", "completed")


class TwilioFake(ThreadingHTTPServer):
    """The server, and what it remembers."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, log: Path, plan: Mapping[str, str] | None = None, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.log = log
        self.plan = dict(PLAN if plan is None else plan)
        self.taken: list[dict[str, Any]] = read_log(log) if log.exists() else []
        self.requests: list[dict[str, Any]] = []
        self.ended = threading.Event()
        self._lock = threading.Lock()

    @property
    def base(self) -> str:
        """Return its address, as TWILIO_API_BASE wants it."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fault_of(self, to: str) -> str:
        """Return what happens to this number; the longest matching end wins."""
        ends = sorted((end for end in self.plan if to.endswith(end)), key=len)
        return self.plan[ends[-1]] if ends else ""

    def take(self, collection: str, fields: dict[str, str]) -> dict[str, Any]:
        """Take a message or a call, for good: it is in the log before anybody hears of it."""
        row = {
            "sid": KINDS[collection][1] + uuid.uuid4().hex,
            "kind": KINDS[collection][0],
            "created": clock.now().isoformat(),
            "fields": fields,
        }
        with self._lock:
            with self.log.open("a") as file:
                file.write(json.dumps(row) + "\n")
            self.taken.append(row)
        return row

    def bodies(self, kind: str = "messages") -> list[str]:
        """Return the words of what was taken, in order; of a call, what it was told to say or where to ask."""
        rows = [row["fields"] for row in self.taken if row["kind"] == kind]
        return [fields.get("Body") or fields.get("Twiml") or fields.get("Url", "") for fields in rows]

    def reports(
        self, row: Mapping[str, Any], story: Sequence[str] = (), token: str = TOKEN, **more: str
    ) -> list[tuple[str, dict[str, str], str]]:
        """Return the signed reports about a row: address, fields, signature."""
        told = []
        is_call = row["kind"] == "calls"
        for status in story or (CALL_STORY if is_call else MESSAGE_STORY):
            sid, name = ("CallSid", "CallStatus") if is_call else ("MessageSid", "MessageStatus")
            fields = {"AccountSid": ACCOUNT, sid: row["sid"], name: status, **more}
            address = row["fields"]["StatusCallback"]
            told.append((address, fields, sign(address, fields, token)))
        return told

    def report(self, row: Mapping[str, Any], story: Sequence[str] = (), **more: str) -> list[int]:
        """Call the program back about a row over HTTP, and return the answers' status codes."""
        return [
            requests.post(address, data=fields, headers={"X-Twilio-Signature": signature}, timeout=10).status_code
            for address, fields, signature in self.reports(row, story, **more)
        ]


def sign(address: str, fields: Mapping[str, str], token: str = TOKEN) -> str:
    """Return Twilio's signature over an address and fields."""
    return str(RequestValidator(token).compute_signature(address, dict(fields)))


def read_log(log: Path) -> list[dict[str, Any]]:
    """Return what was taken, from the log."""
    return [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]


def taken_by_letter(log: Path) -> Counter[tuple[str, str]]:
    """Return how often each text was taken, by number and words."""
    return Counter((row["fields"]["To"], row["fields"].get("Body", "")) for row in read_log(log))


@contextmanager
def running(log: Path, plan: Mapping[str, str] | None = None) -> Iterator[TwilioFake]:
    """Run a fake in a thread."""
    fake = TwilioFake(log, plan)
    thread = threading.Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.ended.set()
        fake.shutdown()
        fake.server_close()
        thread.join(5)


class _Handler(PeerHandler):
    @property
    def fake(self) -> TwilioFake:
        return cast(TwilioFake, self.server)

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        if len(body) < length:  # the sender died before it had said all: there is nothing to take
            self.close_connection = True
            return
        fields = {name: values[-1] for name, values in parse_qs(body, keep_blank_values=True).items()}
        self.fake.requests.append({"path": self.path, "fields": parse_qs(body), "headers": dict(self.headers)})
        collection = self._collection()
        if not collection:
            return
        fault = self.fake.fault_of(fields.get("To", ""))
        if fault.isdigit():
            self._refuse(fault)
        elif fault == "lose":
            self.reset()
        else:
            row = self.fake.take(collection, fields)
            self._after(fault, row)

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        collection = self._collection()
        if not collection:
            return
        kind, _ = KINDS[collection]
        asked = parse_qs(urlsplit(self.path).query)
        to, size = asked.get("To", [""])[0], int(asked.get("PageSize", ["50"])[0])
        rows = [_shown(row) for row in self.fake.taken if row["kind"] == kind and to in ("", row["fields"]["To"])]
        self._answer(200, {kind: rows[::-1][:size], "next_page_uri": None, "page_size": size})

    def _collection(self) -> str:
        """Return what is asked for, or answer that it may not be."""
        found = _PATH.fullmatch(urlsplit(self.path).path)
        expected = "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        if self.headers.get("Authorization") != expected:
            self._answer(401, {"code": 20003, "message": "Authenticate", "status": 401})
        elif not found or found[1] != ACCOUNT:
            self._answer(404, {"code": 20404, "message": "The requested resource was not found", "status": 404})
        else:
            return found[2]
        return ""

    def _refuse(self, fault: str) -> None:
        status = int(fault) if len(fault) == 3 else 400
        code = {"429": 20429, "401": 20003, "500": 20500}.get(fault, int(fault))
        self._answer(status, {"code": code, "message": "The fake's own words", "status": status})

    def _after(self, fault: str, row: dict[str, Any]) -> None:
        match fault:
            case "take_and_hang":
                self.fake.ended.wait(SILENCE_SECONDS)
                self.close_connection = True
            case "take_and_reset":
                self.reset()
            case "take_and_break":
                self.send_content(201, b'{"sid": "SM')
            case "take_and_502":
                self.send_content(502, b"<html>Bad Gateway</html>")
            case _:
                self._answer(201, _shown(row))

    def _answer(self, status: int, content: object) -> None:
        self.send_content(status, json.dumps(content).encode())


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    fields = row["fields"]
    created = format_datetime(datetime.fromisoformat(row["created"]))
    common = {
        "sid": row["sid"], "account_sid": ACCOUNT, "to": fields["To"], "from": fields.get("From"),
        "date_created": created, "date_updated": created, "status": "queued", "uri": f"/{row['sid']}.json",
    }  # fmt: skip
    if row["kind"] == "messages":
        return {**common, "body": fields.get("Body", ""), "date_sent": None, "error_code": None}
    return {**common, "start_time": None, "answered_by": None}


def main() -> None:
    """Run in a process of its own until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--plan", type=json.loads, default=None)
    asked = parser.parse_args()
    fake = TwilioFake(asked.log, asked.plan)
    print(fake.server_address[1], flush=True)
    fake.serve_forever()


if __name__ == "__main__":
    main()
