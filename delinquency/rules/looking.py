"""One look at an account: what it stands on, and whether it is time."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime
from functools import cached_property
from typing import Any

from .actions import Event, Kind
from .facts import CENT, AccountState, Cut, InvoiceState, in_order
from .policy import CHECK_TIME, Do, Policy, Step


class Looking:
    """The moment of a look, with what every decision of it needs."""

    def __init__(
        self, policy: Policy, state: AccountState, at: datetime, events: list[Event], *, late: bool = False
    ) -> None:
        """Prepare a look at a local time; a late one makes up for what the day's check had to hold back."""
        self.policy, self.state, self.at, self.events = policy, state, at, events
        self.late = late
        self.on, self.is_check = at.date(), late or at.time() == CHECK_TIME
        self.steps = policy.ladder
        # What was paid before today is settled; what was paid today may still be decided as of last midnight.
        self.invoices = in_order(i for i in state.invoices.values() if i.remaining >= CENT or i.day == self.on)
        self.returning: list[tuple[Step, Cut]] = []

    def emit(self, kind: Kind, facts: Mapping[str, Any], **rest: object) -> None:
        """Append an event of this moment, with the facts that decided it."""
        self.events.append(Event(self.at, kind, facts, episode=self.state.episode, **rest))  # type: ignore[arg-type]

    def steps_that(self, *actions: Do) -> list[Step]:
        """Return the steps of some actions that may run at this look, in the policy's order."""
        return [step for step in self._due[0] if step.action in actions]

    def reached(self, step: Step) -> list[InvoiceState]:
        """Return the invoices for which a step may run at this look: its own date has come, and it has not run.

        A step counted from delinquency may get its date at this very look, so it is asked for every invoice.
        """
        return self.invoices if step.key in self.policy.undated else self._due[1].get(step.key, [])

    @cached_property
    def _due(self) -> tuple[list[Step], dict[str, list[InvoiceState]]]:
        """The steps that may run at this look, and the invoices for which those with a date of their own may."""
        found: dict[str, list[InvoiceState]] = defaultdict(list)
        for invoice in self.invoices:
            for on, step in self.policy.agenda(invoice.issued_on, invoice.due_on).steps:
                if on > self.on:
                    break
                if (step.key, invoice.anchor) not in self.state.done:
                    found[step.key].append(invoice)
        undated = self.policy.undated
        return [step for step in self.steps if step.key in undated or step.key in found], found

    def is_time(self, step: Step, anchor: str, on: date | None) -> bool:
        """Tell whether a step of that date may run at this look: at its own time, or at a later check."""
        if on is None or on > self.on or (step.key, anchor) in self.state.done:
            return False
        if on == self.on and step.at > self.at.time():
            return False
        return self.is_check or step.at == self.at.time() or (step.key, anchor) in self.state.waiting
