"""The scenario file of contract section 4: read with every mistake named by its path, and answered."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from billing_project.kernel import clock, money
from billing_project.kernel.errors import Refused
from invoicing.rules.allocation import Issued, Received, Returned

from .actions import Event
from .document import parse
from .facts import Grant
from .fields import Reader, a_date, a_flag, an_amount, list_of, refuse
from .policy import Policy
from .timeline import Scenario, timeline


@dataclass(frozen=True, slots=True)
class Question:
    """One scenario, ready to be played."""

    policy: Policy
    scenario: Scenario
    until: date

    def answer(self) -> list[Event]:
        """Return the events of the scenario."""
        return timeline(self.scenario, self.policy, self.until)


def parse_scenario(data: Any, path: str = "") -> Question:
    """Read a scenario; raises Refused with the path of the first thing that is wrong."""
    reader = Reader(data, path, "scenario")
    reader.read("timezone", _a_zone)
    policy = reader.read("policy", parse)
    invoices = reader.read("invoices", list_of(_invoice_reader(policy), unique=False), ())
    payments = reader.read("payments", list_of(_a_payment, unique=False), ())
    reversals = reader.read("reversals", list_of(_a_reversal, unique=False), ())
    grants = reader.read("grace", list_of(_a_grant, unique=False), ())
    until = reader.read("until", a_date)
    reader.done()
    _check_references(reader, invoices, payments, reversals)
    return Question(policy, Scenario(invoices, payments, reversals, grants), until)


def document(event: Event) -> dict[str, Any]:
    """Return an event as the answer writes it."""
    return {
        "on": event.on.isoformat(),
        "kind": str(event.kind),
        "invoice": event.number,
        "amount": None if event.amount is None else money.text(event.amount),
        "step": event.step_key,
        "why": event.why,
    }


def a_local_time(value: Any, path: str) -> datetime:
    """Read a local date, which counts from 00:00, or a local date and time; no zone."""
    if isinstance(value, str) and len(value) == 10:
        return datetime.combine(a_date(value, path), time.min)
    try:
        if not isinstance(value, str):
            raise ValueError(value)
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise refuse(path, f"must be a local time such as 2026-01-24T14:10, or a date, not {value!r:.60}.") from error
    if moment.tzinfo is not None:
        raise refuse(path, f"must be local to the scenario's timezone, without an offset, not {value!r:.60}.")
    return moment


def _a_zone(value: Any, path: str) -> str:
    try:
        clock.zone(str(value))
    except Refused as refusal:
        raise refuse(path, refusal.words) from refusal
    return str(value)


def _reference(value: Any, path: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 64:
        raise refuse(path, f"must be a text of 1 to 64 characters, not {value!r:.60}.")
    return value


def _a_positive_amount(value: Any, path: str) -> Any:
    amount = an_amount(value, path)
    if amount <= 0:
        raise refuse(path, f"must be more than 0, not {value!r:.60}.")
    return amount


def _invoice_reader(policy: Policy) -> Callable[[Any, str], Issued]:
    def read(value: Any, path: str) -> Issued:
        reader = Reader(value, path, "invoice")
        number = reader.read("number", _reference)
        issued_on = reader.read("issued_on", a_date)
        due_on = reader.read("due_on", a_date, *([] if policy.due_days is None else [issued_on]))
        amount = reader.read("amount", _a_positive_amount)
        reader.done()
        if policy.due_days is None and due_on < issued_on:
            raise refuse(reader.at("due_on"), f"{due_on} is before the invoice date {issued_on}; mend one of them.")
        return Issued(number, number, issued_on, due_on, amount)

    return read


def _a_payment(value: Any, path: str) -> Received:
    reader = Reader(value, path, "payment")
    payment = Received(
        reference=reader.read("reference", _reference),
        at=reader.read("received", a_local_time),
        amount=reader.read("amount", _a_positive_amount),
        named=reader.read("invoice", _reference, None),
    )
    reader.done()
    return payment


def _a_reversal(value: Any, path: str) -> Returned:
    reader = Reader(value, path, "reversal")
    reversal = Returned(reference=reader.read("payment", _reference), at=reader.read("recorded", a_local_time))
    reader.done()
    return reversal


def _a_grant(value: Any, path: str) -> Grant:
    reader = Reader(value, path, "grant")
    grant = Grant(
        at=reader.read("granted", a_local_time),
        until=reader.read("until", a_date),
        lift_now=reader.read("lift_now", a_flag, False),
    )
    reader.done()
    return grant


def _check_references(
    reader: Reader, invoices: tuple[Issued, ...], payments: tuple[Received, ...], reversals: tuple[Returned, ...]
) -> None:
    """Refuse names given twice, and names of nothing."""
    numbers = _unique(reader, "invoices", "number", [invoice.number for invoice in invoices])
    references = _unique(reader, "payments", "reference", [payment.reference for payment in payments])
    _unique(reader, "reversals", "payment", [reversal.reference for reversal in reversals])
    for index, payment in enumerate(payments):
        if payment.named is not None and payment.named not in numbers:
            raise refuse(
                reader.at(f"payments[{index}].invoice"),
                f"there is no invoice {payment.named!r} in this scenario; name one of"
                " its own, or null for the oldest due first.",
            )
    received = {payment.reference: payment.at for payment in payments}
    for index, reversal in enumerate(reversals):
        path = reader.at(f"reversals[{index}]")
        if reversal.reference not in references:
            raise refuse(f"{path}.payment", f"there is no payment {reversal.reference!r} in this scenario.")
        if reversal.at < received[reversal.reference]:
            raise refuse(f"{path}.recorded", f"{reversal.at} is before the payment was received; mend one of them.")


def _unique(reader: Reader, part: str, key: str, names: list[str]) -> set[str]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            raise refuse(reader.at(f"{part}[{index}].{key}"), f"{name!r} is there twice; each may be named once.")
        seen.add(name)
    return seen
