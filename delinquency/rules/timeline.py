"""The story of an account: facts and policy in, dated events out, past and to come (D2).

`advance` plays an account forward from where its state stands. The sweeps call it with the state from rows and stop at
the present; `timeline` calls it with an empty state and stops where it is told. Nothing is stepped day by day: after
each moment the next one at which something can be due is computed, so idle time costs nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from invoicing.rules.allocation import Fact, Issued, Received, Returned, replay

from .actions import Event, Kind
from .calendar import ONE_DAY
from .facts import AccountState, Grant, InvoiceState
from .outlook import Moment, next_look
from .overdue import past_due
from .plan import Look, granted
from .policy import Policy
from .quiet import without_quiet
from .release import reopen_ticket, settle
from .when import (
    DUE,
    FACT,
    ISSUE,
    LOOK,
    MIDNIGHT,
    SWITCH,
)

START: Moment = (datetime.min, MIDNIGHT)


@dataclass(frozen=True, slots=True)
class Scenario:
    """The facts of one account, whole: what `timeline` and `backtest` are given."""

    invoices: tuple[Issued, ...] = ()
    payments: tuple[Received, ...] = ()
    reversals: tuple[Returned, ...] = ()
    grants: tuple[Grant, ...] = ()


def timeline(scenario: Scenario, policy: Policy, until: date) -> list[Event]:
    """Return every event of a scenario up to and including a date, after that day's check."""
    invoices = [_as_due(invoice, policy) for invoice in scenario.invoices]
    facts = replay(invoices, scenario.payments, scenario.reversals)
    return _play(scenario, facts, policy, until)


def countable_timeline(scenario: Scenario, policy: Policy, until: date) -> tuple[list[Event], list[date]]:
    """Return the events that a count asks for, and the dates on which quiet invoices were issued.

    That is all of them but those of the quiet invoices and of due dates; what is past due comes last.
    """
    invoices = [_as_due(invoice, policy) for invoice in scenario.invoices]
    facts, quiet = without_quiet(replay(invoices, scenario.payments, scenario.reversals), policy)
    if not facts:
        return [], quiet
    return _play(scenario, facts, policy, until, tells_due=False) + past_due(facts, until), quiet


def _play(
    scenario: Scenario, facts: Sequence[Fact], policy: Policy, until: date, *, tells_due: bool = True
) -> list[Event]:
    bill_dates = frozenset(invoice.issued_on for invoice in scenario.invoices)
    state = AccountState(bill_day=policy.bill_day, bill_dates=bill_dates, tells_due=tells_due)
    events = advance(state, [*facts, *scenario.grants], policy, (datetime.combine(until, time.max), LOOK))
    return [event for event in events if event.shown]


def _as_due(invoice: Issued, policy: Policy) -> Issued:
    """Return an invoice with the due date that counts under a policy."""
    due_on = policy.due_on(invoice.issued_on, invoice.due_on)
    if due_on == invoice.due_on:
        return invoice
    return Issued(invoice.key, invoice.number, invoice.issued_on, due_on, invoice.amount, invoice.frozen)


def advance(
    state: AccountState, facts: Iterable[Fact | Grant], policy: Policy, until: Moment, *, after: Moment = START
) -> list[Event]:
    """Play an account forward to a moment, inclusive; the state moves along and the events are returned.

    `after` is the moment up to which the state has been played already. Facts from before it take effect right after
    it, so that what was decided stands (A36).
    """
    queue = sorted((_moment(fact, after) for fact in facts), key=lambda item: item[:3])
    # In the hour that a clock change repeats, local time stands still: what arrives counts at once all the same.
    until = max(until, after)
    events: list[Event] = []
    index = 0
    while True:
        look = next_look(state, policy, after)
        fact = queue[index] if index < len(queue) else None
        if fact is not None and (look is None or fact[:2] <= look):
            if fact[:2] > until:
                break
            after, index = fact[:2], index + 1
            _apply(fact[3], fact[0], policy, state, events)
        elif look is not None and look <= until:
            after = look
            _look(look, policy, state, events)
        else:
            break
    return events


_FACT_ORDER = {"payment": 0, "reversal": 1, "adjusted": 2, "issued": 0}


def moment_of(fact: Fact | Grant) -> Moment:
    """Return the moment at which a fact takes effect: bills after everything else of their minute."""
    return (fact.at, FACT if isinstance(fact, Grant) or fact.kind != "issued" else ISSUE)


def _moment(fact: Fact | Grant, after: Moment) -> tuple[datetime, int, int, Fact | Grant]:
    """Return when a fact is played: never before what has been played already."""
    at, phase = max(moment_of(fact), after)
    return (at, phase, 3 if isinstance(fact, Grant) else _FACT_ORDER[fact.kind], fact)


def _apply(fact: Fact | Grant, at: datetime, policy: Policy, state: AccountState, events: list[Event]) -> None:
    if isinstance(fact, Grant):
        granted(policy, state, fact, events)
        return
    if fact.kind == "issued":
        _issue(fact, at, state, events)
    elif fact.kind in (Kind.PAYMENT, Kind.REVERSAL):
        named = state.invoices.get(fact.named) if fact.named is not None else None
        facts: dict[str, Any] = {"reference": fact.reference, "moves": [[str(key), part] for key, part in fact.moves]}
        if fact.kind == "reversal" and policy.nsf_fee > 0:
            facts["nsf_fee"] = policy.nsf_fee
        events.append(
            Event(
                at,
                Kind(fact.kind),
                facts,
                rule="A21" if fact.kind == "payment" else "A23",
                invoice=fact.named,
                number=named.number if named else (fact.named if isinstance(fact.named, str) else None),
                amount=fact.amount,
                episode=state.episode,
                reference=fact.reference,
            )
        )
    for key, change in fact.moves:
        invoice = state.touch(key)
        if invoice is not None:
            invoice.move(at, change)
    if fact.kind == Kind.REVERSAL:
        reopen_ticket(policy, state, at, events)
    settle(policy, state, at, events)


def _issue(fact: Fact, at: datetime, state: AccountState, events: list[Event]) -> None:
    invoice = fact.invoice
    assert invoice is not None
    state.invoices[invoice.key] = InvoiceState(
        key=invoice.key,
        number=invoice.number,
        issued_on=invoice.issued_on,
        due_on=invoice.due_on,
        amount=invoice.amount,
        remaining=invoice.amount,
        frozen=invoice.frozen,
        due_noted=not state.tells_due,
        past_due_on=None if state.tells_due else invoice.due_on + ONE_DAY,
    )
    events.append(
        Event(
            at,
            Kind.ISSUED,
            {"issued_on": invoice.issued_on, "due_on": invoice.due_on},
            rule="S13",
            invoice=invoice.key,
            number=invoice.number,
            amount=invoice.amount,
            episode=state.episode,
        )
    )


def _look(moment: Moment, policy: Policy, state: AccountState, events: list[Event]) -> None:
    at, phase = moment
    look = Look(policy, state, at, events)
    if phase == MIDNIGHT:
        look.midnight()
    elif phase == SWITCH:
        look.switch_before_bill()
    elif phase == DUE:
        look.due()
    else:
        look.look()


def look_at_waiting(policy: Policy, state: AccountState, at: datetime) -> list[Event]:
    """Try the cuts that waited for a notice to be accepted, at any time of their day."""
    events: list[Event] = []
    if state.waiting:
        Look(policy, state, at, events).look()
    return events


def look_late(policy: Policy, state: AccountState, at: datetime) -> list[Event]:
    """Make up, later on the same day, for what its check had to hold back; what was paid meanwhile is not touched."""
    events: list[Event] = []
    Look(policy, state, at, events, late=True).look()
    return events
