"""Anything else: a program of the operator's own that obeys signed calls over HTTP. See docs/webhook.md.

Both sides sign with the device's secret, so a program that is not who it says it is is not believed. A call that may
have been heard without a usable answer is an unknown outcome, which the read-back clears up.
"""

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from billing_project.kernel import clock
from billing_project.kernel.calls import Answer, Lost, NotSent, Target, post
from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected, Unavailable
from netenforce.models import Device
from netenforce.rules.desired import LEVELS, OPEN
from netenforce.rules.webhook_contract import (
    REQUEST_ID,
    SIGNATURE,
    TIMESTAMP,
    Unbelievable,
    body_of,
    check_signature,
    held_of,
    page_of,
    parse_answer,
    probe_of,
    refusal_of,
    remarks_of,
    signed,
)
from netenforce.rules.webhook_options import IDENTIFIERS, SECRET_LENGTH_MIN, Options, parse_options

from .networks import network_in
from .port import NOTHING, Capabilities, Change, Held, Inventory, Probe

# Reading everything may take longer than one call, and still has an end.
FACTOR_MAX = 4
PAGES_MAX = 1000
ADDRESSES_MAX = 200_000
CHANGING = ("apply", "adopt")
# Of the client errors these alone are no word on what was asked: slow down, or come back.
LATER = (408, 425, 429)
Read = TypeVar("Read")


class WebhookDriver:
    """Speak to programs of the operator's own; see ``rules/webhook_options.py`` for a device's options."""

    def __init__(self, identifier: str = "ip") -> None:
        self.capabilities = Capabilities(
            levels=frozenset(LEVELS), identifiers=IDENTIFIERS[identifier], adopts=True, tells_uptime=True
        )

    def bound_to(self, device: Device) -> "WebhookDriver":
        """Return the driver as this device needs it: by its options it knows lines by addresses or by user names."""
        try:
            return WebhookDriver(parse_options(device.options).identifier)
        except Refused:
            return self  # each call says what is wrong with them

    def probe(self, device: Device) -> Probe:
        """Return what the program says of itself."""
        version, model, uptime_seconds, notes = _Call(device).ask("probe", {}, probe_of)
        return Probe(version=version, model=model, uptime_seconds=uptime_seconds, notes=notes)

    def read_all(self, device: Device) -> Inventory:
        """Return all that the program holds, page by page."""
        call = _Call(device)
        until = clock.monotonic() + FACTOR_MAX * call.options.timeout_seconds
        ours: dict[str, Held] = {}
        foreign: dict[str, Held] = {}
        cursor, met = "", {""}
        for _ in range(PAGES_MAX):
            page = call.ask("read_all", {"cursor": cursor}, page_of)
            known = len(ours) + len(foreign)
            ours.update(page.ours)
            foreign.update(page.foreign)
            if len(ours.keys() | foreign.keys()) != known + len(page.ours) + len(page.foreign):
                raise Unavailable(f"{device.name} listed an address on two pages; what it holds is not known.")
            cursor = page.cursor
            if not cursor:
                return Inventory(ours=ours, foreign=foreign)
            if cursor in met or len(ours) + len(foreign) > ADDRESSES_MAX or clock.monotonic() > until:
                break
            met.add(cursor)
        raise Unavailable(f"{device.name} did not come to an end in listing what it holds; none of it is believed.")

    def read(self, device: Device, addresses: Iterable[str]) -> Mapping[str, Held]:
        """Return what each address is there; one that the program does not name is open."""
        asked = list(dict.fromkeys(addresses))
        held: dict[str, Held] = {}
        call = _Call(device)
        for some in _batches(asked, call.options.batch):
            held |= call.ask("read", {"addresses": some}, partial(held_of, asked=some))
        return {address: held.get(address, NOTHING) for address in asked}

    def apply(self, device: Device, changes: Sequence[Change]) -> Mapping[str, str]:
        """Make the addresses what they should be, the last word on each counting, in batches."""
        call = _Call(device)
        wanted = {change.address: change for change in changes}
        for change in wanted.values():
            _check(device, call.options, change)
        remarks: dict[str, str] = {}
        for place, some in enumerate(_batches(list(wanted.values()), call.options.batch)):
            asked = {change.address for change in some}
            told = {"changes": [_told(change) for change in some]}
            try:
                remarks |= call.ask("apply", told, partial(remarks_of, asked=asked))
            except Unavailable as error:
                # Of several batches the first ones were done.
                raise OutcomeUnknown(str(error)) if place else error from None
        return remarks

    def adopt(self, device: Device, addresses: Iterable[str]) -> None:
        """Tell the program that entries which others made are ours from now on."""
        call = _Call(device)
        for some in _batches(list(dict.fromkeys(addresses)), call.options.batch):
            call.ask("adopt", {"addresses": some}, partial(remarks_of, asked=some))


def _batches(rows: Sequence[Any], size: int) -> Iterator[list[Any]]:
    return (list(rows[first : first + size]) for first in range(0, len(rows), size))


def _told(change: Change) -> Mapping[str, Any]:
    return {
        "address": change.address, "level": change.level, "list": "" if change.level == OPEN else change.list_name,
        "rate_down_kbit": change.rate_down_kbit, "rate_up_kbit": change.rate_up_kbit,
    }  # fmt: skip


def _check(device: Device, options: Options, change: Change) -> None:
    """Raise Rejected for what can never be a customer's line."""
    if options.identifier == "ip":
        network_in(device, change)


class _Call:
    """Calls to one program: signs them, and believes an answer only after all checks."""

    def __init__(self, device: Device) -> None:
        try:
            self.options = parse_options(device.options)
        except Refused as refusal:
            raise Rejected(f"{device.name}: {refusal.words}", refusal.code) from refusal
        if len(device.secret) < SECRET_LENGTH_MIN:
            raise Rejected(
                f"{device.name} has no secret of at least {SECRET_LENGTH_MIN} signs; enter the same long random one at"
                " the device and in your program.",
                "incomplete",
            )
        self._device = device
        self._target = Target(
            name=device.name, url=self.options.url, ca_pem=self.options.ca_pem,
            timeout_seconds=self.options.timeout_seconds,
        )  # fmt: skip

    def ask(self, verb: str, asked: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Read]) -> Read:
        """Call the program and return its answer as ``read`` reads it; raises the three errors of a port."""
        name, secret = self._device.name, self._device.secret
        request_id = uuid.uuid4().hex
        now = clock.now().timestamp()
        body = body_of(verb, request_id, name, asked)
        headers = {
            "Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity",
            REQUEST_ID: request_id, TIMESTAMP: str(int(now)), SIGNATURE: signed(secret, str(int(now)), body),
        }  # fmt: skip
        unsure = OutcomeUnknown if verb in CHANGING else Unavailable
        try:
            answer = post(self._target, headers, body)
        except NotSent as error:
            raise Unavailable(str(error)) from None
        except Lost as error:
            raise unsure(str(error)) from None
        doubt = self._doubt(answer, request_id, now)
        if answer.status != 200:
            raise self._no(answer, doubt, unsure)
        if doubt:
            # Whoever that was, a change may have been made; what was only read is to be mended by a person.
            raise (OutcomeUnknown if verb in CHANGING else Rejected)(f"{name} {doubt}; the answer is not believed.")
        try:
            return read(parse_answer(self._masked(answer.body)))
        except Unbelievable as error:
            raise unsure(f"{name} {error}; the answer is not believed.") from None

    def _doubt(self, answer: Answer, request_id: str, now: float) -> str:
        """Return why an answer is not from who it should be; blank if it is."""
        given = {name.lower(): value for name, value in answer.headers.items()}
        try:
            check_signature(
                self._device.secret,
                request_id=request_id,
                timestamp=given.get(TIMESTAMP.lower(), ""),
                signature=given.get(SIGNATURE.lower(), ""),
                body=answer.body,
                now=now,
            )
        except Unbelievable as error:
            return str(error)
        return ""

    def _no(
        self, answer: Answer, doubt: str, unsure: type[OutcomeUnknown] | type[Unavailable]
    ) -> Rejected | Unavailable | OutcomeUnknown:
        """Return what an answer other than 200 means."""
        name, status = self._device.name, answer.status
        if 300 <= status < 400:
            return Rejected(
                f"{name} points elsewhere (HTTP {status}), and that is not followed; enter the final address in its"
                " options.",
                "redirect",
            )
        words = refusal_of(self._masked(answer.body))
        if doubt and 400 <= status < 500 and status not in LATER:
            return Rejected(
                f"{name} answered HTTP {status} and {doubt}. Check the address in its options, and that both sides have"
                f" the same secret.{f' It said: {words}' if words else ''}",
                "unsigned",
            )
        if status in LATER or (status == 503 and not doubt):
            # Signed, 503 says that nothing was done; unsigned it may come from anything on the way.
            return Unavailable(f"{name} asks to come back later (HTTP {status}). {words}".strip())
        if 400 <= status < 500:
            return Rejected(f"{name} does not take this: {words or f'HTTP {status}'}", "refused")
        return unsure(f"{name} is in trouble itself (HTTP {status}). {words}".strip())

    def _masked(self, body: bytes) -> bytes:
        """Return a body without the secret, in whichever of both ways JSON writes it: its words are shown to people."""
        secret = self._device.secret
        for spelt in (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
            body = body.replace(spelt.encode(), b"***")
        return body
