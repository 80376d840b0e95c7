"""What should happen at one moment: the decisions themselves. Called by the sweeps and by `timeline` alike (D2).

A *look* is a moment at which something may be due: the check at 09:00, a step's own time of day, 00:00 for past due,
00:05 for a switch on a bill date. Money, reversals and grants are not looks: they only release and cure.
"""

from .actions import Event, Kind
from .entries import Entries
from .facts import CENT, AccountState, Grant
from .messages import MESSAGES
from .policy import Do, Policy
from .release import settle


class Look(Entries):
    """One look at an account: what is due at this moment is appended to `events` and done to the state."""

    def due(self) -> None:
        """Note invoices that are due today and not paid."""
        for invoice in self.invoices:
            if not invoice.due_noted and invoice.due_on == self.on:
                invoice.due_noted = True
                if invoice.remaining >= CENT:
                    self.emit(
                        Kind.DUE,
                        {"due_on": invoice.due_on, "unpaid": invoice.remaining},
                        rule="S14",
                        invoice=invoice.key,
                        number=invoice.number,
                        amount=invoice.remaining,
                    )

    def switch_before_bill(self) -> None:
        """Make the status switches that fall on a bill date before anything is billed (D5, A13)."""
        if self.state.grounded or self.state.is_held(self.on):
            return
        for step in self.steps_that(Do.STATUS_SWITCH):
            self.cut(step, early=True)

    def look(self) -> None:
        """Do everything that is due at this time of day, in the order of contract section 4."""
        # While a charge is not settled nothing punitive happens to the account; nor while the airbag holds it. Then it
        # may still become late, but for an entry that would bring released cuts back with it.
        state = self.state
        harms = not (state.unsettled or state.grounded)
        enters = harms or (state.grounded and not state.unsettled and not state.released_cuts)
        if self.is_check:
            self.midnight()
        if state.is_held(self.on):
            return  # what falls into the hold runs at the first check after it, dated then
        if harms:
            for step in self.steps_that(Do.LATE_FEE):
                self.late_fee(step)
        if enters and self.is_check and (state.released_cuts or not self.late):
            self.enter()
        if self.is_check:
            self.count_seriously_late()
        for step in self.steps_that(*MESSAGES):
            if not self.is_grounded(step):
                self.message(step)
        if harms:
            self.switch_again()
            for step in (*self.steps_that(Do.STATUS_SWITCH), *self.steps_that(Do.RESTRICT)):
                self.cut(step)


def granted(policy: Policy, state: AccountState, grant: Grant, events: list[Event]) -> None:
    """Put a grant in force, and end the running episode if it says so (A7, A8)."""
    state.grant(grant)
    if grant.lift_now:
        settle(policy, state, grant.at, events, lift=True)
