"""Invoices of which no count can tell more than that they were issued: paid before anything could happen to them.

Most customers pay in time. A backtest need not play their invoices; it is enough to know that nothing would come of it.
"""

from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal

from invoicing.rules.allocation import Fact, Key

from .calendar import ONE_DAY
from .facts import CENT
from .policy import Policy


def without_quiet(facts: Sequence[Fact], policy: Policy) -> tuple[list[Fact], list[date]]:
    """Return the facts without those of quiet invoices, and the dates on which these were issued.

    Quiet is an invoice that money settles for good before the first day on which a step, the entry into delinquency or
    the end of its due date can see it. It leaves no trace on the account: nothing looks at it while it is unpaid, and
    everything that sums or compares looks at what is late. Only where the whole balance must be paid to end an episode
    does an invoice matter that is not late; then none is quiet. Facts must be in order of time.
    """
    if policy.full_balance_clears:
        return list(facts), []
    settled = _settled(facts)
    quiet: dict[Key, date] = {}
    for fact in facts:
        if fact.invoice is not None:
            at = settled.get(fact.invoice.key)
            if at is not None and at < _seen_from(policy, fact.invoice.issued_on, fact.invoice.due_on):
                quiet[fact.invoice.key] = fact.invoice.issued_on
    return [left for fact in facts if (left := _left(fact, quiet)) is not None], list(quiet.values())


def _settled(facts: Sequence[Fact]) -> dict[Key, datetime]:
    """Return since when each invoice is paid for good; one whose remaining ever rises is left out."""
    remaining: dict[Key, Decimal] = {}
    settled: dict[Key, datetime] = {}
    rose: set[Key] = set()
    for fact in facts:
        if fact.invoice is not None:
            remaining[fact.invoice.key] = fact.invoice.amount
        for key, change in fact.moves:
            left = remaining[key] = remaining[key] + change
            if change > 0:
                rose.add(key)
            elif left < CENT:
                settled[key] = fact.at
    for key in rose:
        settled.pop(key, None)
    return settled


def _seen_from(policy: Policy, issued_on: date, due_on: date) -> datetime:
    """Return the beginning of the first day on which anything may look at an unpaid invoice."""
    agenda = policy.agenda(issued_on, due_on)
    days = [due_on + ONE_DAY, agenda.entry_on, *(on for on, _ in agenda.steps[:1])]
    return datetime.combine(min(days), time.min)


def _left(fact: Fact, quiet: dict[Key, date]) -> Fact | None:
    """Return what is left of a fact without quiet invoices; None if that is nothing."""
    if fact.invoice is not None:
        return None if fact.invoice.key in quiet else fact
    if not any(key in quiet for key, _ in fact.moves):
        return fact
    moves = tuple((key, change) for key, change in fact.moves if key not in quiet)
    return Fact(fact.at, fact.kind, fact.amount, fact.reference, named=fact.named, moves=moves) if moves else None
