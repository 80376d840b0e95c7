"""Decide again from the facts that an event stored: the same functions, the same answer.

An event keeps what was compared when it was decided. Read back with its policy version, it must lead to the same
decision; where it does not, either the row was touched or the rules are not what they were.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from .actions import Kind
from .calendar import months_later
from .facts import CENT, AccountState, InvoiceState
from .policy import Do, Policy, Step
from .when import cut_date, entry_natural_on, fee_on, flag_allows

Facts = Mapping[str, Any]
ZERO = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Decision:
    """What the stored facts lead to: whether it happens on that day, and for how much."""

    holds: bool
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """An event as its row tells it."""

    kind: str
    on: date
    facts: Facts
    amount: Decimal | None = None
    step: str = ""


def freeze(facts: Facts) -> dict[str, Any]:
    """Return facts as JSON can keep them: dates in ISO form, amounts as text."""
    return {key: _frozen(value) for key, value in facts.items()}


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _frozen(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_frozen(item) for item in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def decide_again(told: Told, policy: Policy) -> Decision:
    """Return what the facts of an event lead to under its policy version."""
    judge = JUDGES.get(told.kind)
    return Decision(holds=False) if judge is None else judge(told, policy)


def _on(facts: Facts, name: str) -> date | None:
    return date.fromisoformat(facts[name]) if facts.get(name) else None


def _sum(facts: Facts, name: str) -> Decimal:
    return Decimal(str(facts.get(name) or ZERO))


def _state(facts: Facts) -> AccountState:
    return AccountState(
        grace_until=_on(facts, "grace_until_on"), flagged_on=_on(facts, "flagged_on"), asked_on=_on(facts, "asked_on")
    )


def _invoice(facts: Facts, on: date) -> InvoiceState:
    due_on = _on(facts, "due_on") or on
    return InvoiceState(
        key="",
        number="",
        issued_on=_on(facts, "issued_on") or due_on,
        due_on=due_on,
        amount=_sum(facts, "unpaid"),
        remaining=_sum(facts, "unpaid"),
        delinquent_on=_on(facts, "delinquent_on"),
    )


def _recorded(told: Told, _policy: Policy) -> Decision:
    """Money and bills are facts themselves: nothing was decided here."""
    return Decision(holds=True, amount=told.amount)


def _due(told: Told, _policy: Policy) -> Decision:
    unpaid = _sum(told.facts, "unpaid")
    return Decision(_on(told.facts, "due_on") == told.on and unpaid >= CENT, unpaid)


def _past_due(told: Told, _policy: Policy) -> Decision:
    due_on, unpaid = _on(told.facts, "due_on"), _sum(told.facts, "unpaid")
    return Decision(due_on is not None and due_on < told.on and unpaid >= CENT, unpaid)


def _delinquent(told: Told, policy: Policy) -> Decision:
    """Grace is over, the day is open, and enough is unpaid (A3, A5, A7)."""
    unpaid = _sum(told.facts, "unpaid")
    natural = entry_natural_on(policy, _state(told.facts), _invoice(told.facts, told.on))
    is_open = told.on.weekday() in policy.calendar.check_weekdays and not told.facts.get("excluded")
    return Decision(natural <= told.on and is_open and unpaid >= policy.threshold, unpaid)


def _account_delinquent(told: Told, _policy: Policy) -> Decision:
    return Decision(bool(told.facts.get("invoices")))


def _late_fee(told: Told, policy: Policy) -> Decision:
    """The fee's date has come, grace or not, and enough is unpaid (E4, A9)."""
    step, facts = _step(told, policy), told.facts
    if step is None:
        return Decision(holds=False)
    invoice, unpaid = _invoice(facts, told.on), _sum(facts, "unpaid")
    found = fee_on(policy, _state(facts), step, invoice, told.on, invoice.delinquent_on)
    is_time = found is not None and found[0] <= told.on and found[1] == bool(facts.get("put_off"))
    return Decision(is_time and unpaid >= policy.least[step.key], step.fee(unpaid))


def _message(told: Told, policy: Policy) -> Decision:
    """The step's date has come, enough is unpaid, and the flag allows it (E2, E3, E7, E8)."""
    step = _step(told, policy)
    if step is None:
        return Decision(holds=False)
    unpaid = _sum(told.facts, "unpaid")
    on = _own_date(step, told)
    allowed = told.facts.get("due_on") is None or flag_allows(_state(told.facts), step, _invoice(told.facts, told.on))
    holds = on is not None and on <= told.on and unpaid >= policy.least[step.key] and allowed
    return Decision(holds, unpaid if step.action is Do.CHARGE else None)


def _cut(told: Told, policy: Policy) -> Decision:
    """The cut's date has come, enough is unpaid, the day is open, and its notice was accepted (D9, A6, A30)."""
    step, facts = _step(told, policy), told.facts
    if step is None:
        return Decision(holds=False)
    on = _own_date(step, told)
    enough = _sum(facts, "unpaid") >= policy.least[step.key]
    proven = not step.requires_notice or facts.get("again") or facts.get("proof") == "accepted"
    return Decision(on is not None and on <= told.on and enough and not facts.get("excluded") and bool(proven))


def _held(told: Told, policy: Policy) -> Decision:
    step = _step(told, policy)
    on = None if step is None else _own_date(step, told)
    return Decision(on is not None and on <= told.on and told.facts.get("proof") != "accepted")


def _own_date(step: Step, told: Told) -> date | None:
    """Return the date of a step for its invoice, or for the episode where it runs once for that."""
    if not step.per_invoice:
        since = _on(told.facts, "since_on")
        return None if since is None else step.date_for(issued_on=since, due_on=since, delinquent_on=since)
    invoice = _invoice(told.facts, told.on)
    if step.cuts:
        return cut_date(_state(told.facts), step, invoice)
    return step.date_for(issued_on=invoice.issued_on, due_on=invoice.due_on, delinquent_on=invoice.delinquent_on)


def _flagged(told: Told, policy: Policy) -> Decision:
    """Late too often for the policy, or decided by a person (A27, A28)."""
    return Decision(bool(told.facts.get("by_hand")) or len(told.facts.get("days_on", ())) > policy.seriously_late_limit)


def _unflagged(told: Told, _policy: Policy) -> Decision:
    last_on = _on(told.facts, "last_on")
    return Decision(bool(told.facts.get("by_hand")) or (last_on is not None and months_later(last_on, 12) <= told.on))


def _cured(told: Told, policy: Policy) -> Decision:
    return Decision(bool(told.facts.get("lifted")) or _sum(told.facts, "unpaid") < policy.threshold)


def _all_paid(told: Told, policy: Policy) -> Decision:
    """Nothing in its cause is owed any more, unless a clerk lifted it (A8, A18, S31)."""
    amounts = {**told.facts.get("invoices", {}), **told.facts.get("cured", {})}.values()
    paid = all(Decimal(amount) < policy.threshold for amount in amounts)
    return Decision(bool(told.facts.get("lifted")) or (paid and not told.facts.get("delinquent")))


def _restored(told: Told, _policy: Policy) -> Decision:
    return Decision(not told.facts.get("switches_left") and not told.facts.get("delinquent"))


def _reconnection(told: Told, policy: Policy) -> Decision:
    return Decision(bool(told.facts.get("reached_cut")), policy.reconnection_fee)


def _step(told: Told, policy: Policy) -> Step | None:
    """Return the step that an event carries; the switch that the policy's days stand for has no key."""
    return next((step for step in policy.ladder if (step.key if step.written else "") == told.step), None)


JUDGES: dict[str, Callable[[Told, Policy], Decision]] = {
    Kind.ISSUED: _recorded,
    Kind.PAYMENT: _recorded,
    Kind.REVERSAL: _recorded,
    Kind.DUE: _due,
    Kind.PAST_DUE: _past_due,
    Kind.DELINQUENT: _delinquent,
    Kind.ACCOUNT_DELINQUENT: _account_delinquent,
    Kind.LATE_FEE: _late_fee,
    Kind.NOTICE: _message,
    Kind.TICKET_OPENED: _message,
    Kind.CALL_TASK: _message,
    Kind.CHARGE: _message,
    Kind.SECONDARY_SOURCE_REQUESTED: _message,
    Kind.RESTRICTED: _cut,
    Kind.STATUS_SWITCH: _cut,
    Kind.HELD: _held,
    Kind.FLAGGED: _flagged,
    Kind.UNFLAGGED: _unflagged,
    Kind.CURED: _cured,
    Kind.ACCOUNT_CURED: _all_paid,
    Kind.RELEASED: _all_paid,
    Kind.STATUS_RESTORED: _restored,
    Kind.TICKET_CLOSED: _all_paid,
    Kind.RECONNECTION_FEE: _reconnection,
}
