"""Writing, asking and charging: the steps that leave service alone."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from .actions import Kind
from .facts import CENT, InvoiceState
from .looking import Looking
from .policy import Do, Step
from .when import flag_allows

MESSAGES = {
    Do.NOTICE: Kind.NOTICE,
    Do.TICKET: Kind.TICKET_OPENED,
    Do.CALL_TASK: Kind.CALL_TASK,
    Do.REQUEST_SECONDARY: Kind.SECONDARY_SOURCE_REQUESTED,
    Do.CHARGE: Kind.CHARGE,
}


# Letters that say that service has been cut: they must not go out where the cut was held back.
SAYS_CUT = ("slowed", "suspended")


class Messages(Looking):
    """Runs the steps that write, ask or charge."""

    def is_grounded(self, step: Step) -> bool:
        """Tell whether the airbag holds a message back: one that takes money, or speaks of a cut as done."""
        takes = step.action is Do.CHARGE
        return self.state.grounded and (takes or (step.template or step.key) in SAYS_CUT)

    def message(self, step: Step) -> None:
        """Run a step that writes, asks or charges."""
        if not step.per_invoice:
            self.message_for_episode(step)
            return
        for invoice in self.reached(step):
            if invoice.remaining < CENT or (step.key, invoice.anchor) in self.state.done:
                continue
            on = step.date_for(issued_on=invoice.issued_on, due_on=invoice.due_on, delinquent_on=invoice.delinquent_on)
            if on is None or invoice.frozen or not self.is_time(step, invoice.anchor, on):
                continue
            if not self.still_wanted(step, invoice, on) or not flag_allows(self.state, step, invoice):
                continue
            if step.action is Do.REQUEST_SECONDARY and self.state.asked_on is None:
                self.state.asked_on = self.on
            self.say(step, invoice.anchor, frozenset({invoice.key}), invoice)

    def still_wanted(self, step: Step, invoice: InvoiceState, on: date) -> bool:
        """Tell whether a message about an invoice still makes sense at this look."""
        # A charge belongs to its day and hour: missed is missed (E8), unless it was held that very day.
        is_now = self.charge_day(step, on) == self.on and (self.late or step.at == self.at.time())
        if step.action is Do.CHARGE and not is_now:
            return False
        if on <= invoice.due_on < self.on:
            return False  # a reminder of a due date is of no use after it
        if step.honours_exclusions and not self.policy.calendar.is_open(self.on):
            return False
        enough = self.policy.least[step.key]
        return invoice.remaining >= enough and (
            not step.as_of_midnight or invoice.unpaid_at_midnight(self.on) >= enough
        )

    def charge_day(self, step: Step, on: date) -> date:
        """Return the day of a charge: its own, or the next open one if it honours exclusions."""
        return self.policy.calendar.next_open(on) if step.honours_exclusions else on

    def message_for_episode(self, step: Step) -> None:
        """Run a message step once for the running episode."""
        state = self.state
        if state.episode is None or not self.is_time(step, state.case_anchor, self.episode_date(step)):
            return
        if step.honours_exclusions and not self.policy.calendar.is_open(self.on):
            return
        causes = [invoice for invoice in state.delinquent() if flag_allows(state, step, invoice)]
        if causes and sum(i.remaining for i in causes) >= self.policy.least[step.key]:
            if step.action is Do.REQUEST_SECONDARY and state.asked_on is None:
                state.asked_on = self.on
            self.say(step, state.case_anchor, frozenset(i.key for i in causes), None)

    def episode_date(self, step: Step) -> date | None:
        """Return the date of a step counted from the day the account became delinquent (A12, A22)."""
        since = self.state.delinquent_since
        return None if since is None else since + timedelta(days=step.offset_days)

    def invoice_facts(self, invoice: InvoiceState, delinquent_on: date | None) -> dict[str, Any]:
        """Return the dates of an invoice from which a step's own date is counted."""
        return {"issued_on": invoice.issued_on, "due_on": invoice.due_on, "delinquent_on": delinquent_on}

    def flag_facts(self, step: Step) -> dict[str, Any]:
        """Return what decides whether an only-flagged step may run (E7, E8, A29); nothing for other steps."""
        return {"flagged_on": self.state.flagged_on, "asked_on": self.state.asked_on} if step.only_flagged else {}

    def say(self, step: Step, anchor: str, causes: frozenset[object], invoice: InvoiceState | None) -> None:
        """Emit a message step's event; a second ticket comments on the open one (contract section 3)."""
        state = self.state
        state.done.add((step.key, anchor))
        if step.action is not Do.TICKET:
            state.said[step.key, anchor] = self.on
        kind = MESSAGES[step.action]
        if step.action is Do.TICKET:
            if state.ticket is not None:
                kind = Kind.TICKET_COMMENT
            state.ticket = (state.ticket or frozenset()) | causes
        unpaid = sum((state.invoices[key].remaining for key in causes), start=Decimal("0.00"))
        facts = self.invoice_facts(invoice, invoice.delinquent_on) if invoice else {"since_on": state.delinquent_since}
        self.emit(
            kind,
            facts | self.flag_facts(step) | {"unpaid": unpaid},
            rule={Do.TICKET: "E2", Do.NOTICE: "E3", Do.CALL_TASK: "E3", Do.CHARGE: "E8"}.get(step.action, "E7"),
            invoice=invoice.key if invoice else None,
            number=invoice.number if invoice else None,
            amount=unpaid if step.action is Do.CHARGE else None,
            step=step,
            anchor=anchor,
            causes=causes,
        )
