"""Pure: what is said between us and a program of the operator's own: the words, the signatures, and what is believed.

docs/webhook.md is the contract for those who write such a program. Nothing in an answer is believed before its
signature is; after that each field is still checked, and an answer that holds one thing too many is refused whole.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from .desired import LEVELS, OPEN, Held

PROTOCOL = 1
REQUEST_ID, TIMESTAMP, SIGNATURE = "Billing-Request-Id", "Billing-Timestamp", "Billing-Signature"
# So far may the clocks of both sides be apart.
SKEW_SECONDS = 300
WORDS_LENGTH, NAME_LENGTH, ADDRESS_LENGTH, CURSOR_LENGTH = 200, 60, 64, 400
NOTES_MAX = 10
UPTIME_MAX = 10**10


class Unbelievable(Exception):
    """Say why an answer is not believed; the words follow the name of the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of what the program holds: what it put there for us, what others did, and where it goes on."""

    ours: Mapping[str, Held]
    foreign: Mapping[str, Held] = field(default_factory=dict)
    cursor: str = ""


def body_of(verb: str, request_id: str, device: str, asked: Mapping[str, Any]) -> bytes:
    """Return the body of a call."""
    return json.dumps({"protocol": PROTOCOL, "request": request_id, "device": device, "verb": verb, **asked}).encode()


def signed(secret: str, *parts: str | bytes) -> str:
    """Return the signature over parts that are joined by dots."""
    joined = b".".join(part if isinstance(part, bytes) else part.encode() for part in parts)
    return "v1=" + hmac.new(secret.encode(), joined, hashlib.sha256).hexdigest()


def check_signature(  # the parts of an answer, each by its name
    secret: str, *, request_id: str, timestamp: str, signature: str, body: bytes, now: float
) -> None:
    """Raise Unbelievable unless an answer is from whoever knows the secret, to this very call, and fresh."""
    if not signature:
        raise Unbelievable("did not sign its answer")
    # The call's id is signed with it, so an answer to another call, or our own call sent back, does not pass.
    good = signed(secret, timestamp, request_id, body)
    if not hmac.compare_digest(good.encode(), signature.encode(errors="replace")):
        raise Unbelievable("signed its answer with another secret, or it was changed on the way")
    if not re.fullmatch(r"[0-9]{1,12}", timestamp, re.ASCII) or abs(int(timestamp) - now) > SKEW_SECONDS:
        raise Unbelievable(
            f"dated its answer more than {SKEW_SECONDS // 60} minutes away from our time; set the clocks right"
        )


def parse_answer(body: bytes) -> Mapping[str, Any]:
    """Read the body of an answer; raises Unbelievable if it is none of this protocol."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise Unbelievable("answered something that is no JSON") from None
    if not isinstance(answer, dict) or answer.get("protocol") != PROTOCOL or answer["protocol"] is True:
        raise Unbelievable(f'did not answer a JSON object with "protocol": {PROTOCOL}')
    return answer


def page_of(answer: Mapping[str, Any]) -> Page:
    """Read one page of all that the program holds; raises Unbelievable."""
    ours: dict[str, Held] = {}
    foreign: dict[str, Held] = {}
    for row in _rows(answer):
        address, held = _entry(row)
        if held.level == OPEN:
            raise Unbelievable(f"lists {address} as restricted and open at once")
        if address in ours or address in foreign:
            raise Unbelievable(f"lists {address} twice")
        mine = row.get("ours", True)
        if not isinstance(mine, bool):
            raise Unbelievable(f'answered "ours" of {address} with neither true nor false')
        (ours if mine else foreign)[address] = held
    return Page(ours=ours, foreign=foreign, cursor=_text(answer, "next", CURSOR_LENGTH))


def held_of(answer: Mapping[str, Any], asked: Collection[str]) -> dict[str, Held]:
    """Read what some addresses are; raises Unbelievable, also for an address that nobody asked for."""
    found: dict[str, Held] = {}
    for row in _rows(answer):
        address, held = _entry(row)
        _expect_asked(address, asked)
        if address in found:
            raise Unbelievable(f"answered twice for {address}")
        found[address] = held
    return found


def remarks_of(answer: Mapping[str, Any], asked: Collection[str]) -> dict[str, str]:
    """Read the answer to a change: that it was done, and what is worth knowing; raises Unbelievable."""
    remarks = answer.get("remarks", {})
    if answer.get("done") is not True or not isinstance(remarks, dict):
        raise Unbelievable('did not answer "done": true')
    for address, words in remarks.items():
        _expect_asked(address, asked)
        if not isinstance(words, str):
            raise Unbelievable(f"remarks on {address} something that is no text")
    return {address: shortened(words) for address, words in remarks.items()}


def probe_of(answer: Mapping[str, Any]) -> tuple[str, str, int | None, list[str]]:
    """Read version, model, seconds since its start and notes; raises Unbelievable."""
    uptime, notes = answer.get("uptime_seconds"), answer.get("notes", [])
    if uptime is not None and (type(uptime) is not int or not 0 <= uptime <= UPTIME_MAX):
        raise Unbelievable('answered "uptime_seconds" with no whole number of seconds')
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        raise Unbelievable('answered "notes" with no list of texts')
    told = [shortened(note) for note in notes[:NOTES_MAX]]
    return _text(answer, "version", 120), _text(answer, "model", 120), uptime, told


def refusal_of(body: bytes) -> str:
    """Return why the program says no, in its own words; blank if it has none."""
    try:
        words = parse_answer(body).get("error", "")
    except Unbelievable:
        return ""
    return shortened(words) if isinstance(words, str) else ""


def shortened(words: str) -> str:
    """Return words of somebody else's in one line of bounded length, without anything that is no letter or sign."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in words[: 4 * WORDS_LENGTH]).split())
    return plain if len(plain) <= WORDS_LENGTH else plain[: WORDS_LENGTH - 1] + "…"


def _expect_asked(address: str, asked: Collection[str]) -> None:
    if address not in asked:
        raise Unbelievable(f"told of {shortened(address)[:ADDRESS_LENGTH]!r}, which nobody asked for")


def _rows(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rows = answer.get("entries")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Unbelievable('answered no list of objects as "entries"')
    return rows


def _entry(row: Mapping[str, Any]) -> tuple[str, Held]:
    address, level = row.get("address"), row.get("level")
    if not isinstance(address, str) or not 0 < len(address) <= ADDRESS_LENGTH or not address.isprintable():
        raise Unbelievable("answered an entry without an address")
    if not isinstance(level, str) or level not in LEVELS:
        raise Unbelievable(f"answered a level for {address} that is none of {', '.join(LEVELS)}")
    return address, Held(level=level, list_name="" if level == OPEN else _text(row, "list", NAME_LENGTH))


def _text(row: Mapping[str, Any], key: str, longest: int) -> str:
    value = row.get(key, "")
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise Unbelievable(f"answered {key!r} with no text of at most {longest} signs")
    return value
