"""Becoming late: past due, fees, the entry into delinquency, the flag."""

from datetime import date, datetime

from .actions import Kind
from .calendar import months_later
from .cuts import Cuts
from .facts import CENT, InvoiceState
from .policy import CHECK_TIME, HARD_LEVELS, Step
from .release import settle
from .when import (
    entry_natural_on,
    entry_unpaid,
    fee_on,
    fee_unpaid,
    flag_allows,
    flag_drops_on,
    serious_on,
    step_amount,
)


class Entries(Cuts):
    """Marks what is late, charges for it, and lets invoices become delinquent."""

    def midnight(self) -> None:
        """Mark what was not paid by the end of its due date (A2)."""
        for invoice in self.invoices:
            if invoice.past_due_on is None and invoice.due_on < self.on and invoice.remaining >= CENT:
                invoice.past_due_on = self.on
                self.emit(
                    Kind.PAST_DUE,
                    f"Invoice {invoice.number} was due on {invoice.due_on} and {invoice.remaining} of it "
                    "was unpaid at the end of that day.",
                    rule="A2",
                    invoice=invoice.key,
                    number=invoice.number,
                    amount=invoice.remaining,
                )

    def late_fee(self, step: Step) -> None:
        """Charge a late fee, once for each invoice, whatever the weekday unless it says otherwise (A6, E4)."""
        if step.honours_exclusions and not self.policy.calendar.is_open(self.on):
            return
        for invoice in self.invoices:
            if (step.key, invoice.anchor) in self.state.done:
                continue
            # A fee counted from delinquency may fall on the very check at which that begins.
            since = invoice.delinquent_on or (self.entry_date(invoice) if self.is_check else None)
            found = fee_on(self.policy, self.state, step, invoice, self.on, since)
            if found is None or invoice.frozen or not self.is_time(step, invoice.anchor, found[0]):
                continue
            unpaid = fee_unpaid(step, invoice, self.on, deferred=found[1] or found[0] < self.on)
            if unpaid < step_amount(self.policy, step) or not flag_allows(self.state, step, invoice):
                continue
            amount = step.fee(unpaid)
            self.state.done.add((step.key, invoice.anchor))
            if amount > 0:
                self.emit(
                    Kind.LATE_FEE,
                    f"{unpaid} of invoice {invoice.number}, due on {invoice.due_on}, was still unpaid; "
                    f"the late fee is {amount}.",
                    rule="E4",
                    invoice=invoice.key,
                    number=invoice.number,
                    amount=amount,
                    step=step,
                    anchor=invoice.anchor,
                )
            else:
                self.emit(Kind.STEP_DONE, "The fee rounds to nothing.", step=step, anchor=invoice.anchor)

    def may_enter(self, invoice: InvoiceState) -> bool:
        """Tell whether an invoice becomes delinquent at this check (S9, S15, A3, A7)."""
        if invoice.frozen or not invoice.may_enter or invoice.delinquent_on is not None:
            return False
        if entry_natural_on(self.policy, self.state, invoice) > self.on or not self.policy.calendar.is_open(self.on):
            return False
        return entry_unpaid(self.policy, invoice, self.on) >= self.policy.threshold

    def entry_date(self, invoice: InvoiceState) -> date | None:
        """Return the day an invoice that enters at this check counts from; None if it does not enter (A23)."""
        if not self.may_enter(invoice):
            return None
        return invoice.first_delinquent_on if self.policy.resumes and invoice.first_delinquent_on else self.on

    def came_after(self, invoice: InvoiceState) -> bool:
        """Tell whether an invoice was reopened after the check that a late look makes up for: the next one is its."""
        check = datetime.combine(self.on, CHECK_TIME)
        return self.late and invoice.reopened_at is not None and invoice.reopened_at > check

    def enter(self) -> None:
        """Make invoices delinquent, and the account with them; what was paid since midnight is cured at once."""
        state = self.state
        entering = [invoice for invoice in self.invoices if self.may_enter(invoice) and not self.came_after(invoice)]
        if not entering:
            return
        was_delinquent = state.episode is not None
        resumed = (
            not was_delinquent
            and state.resumable
            and self.policy.resumes
            and any(invoice.first_delinquent_on for invoice in entering)
        )
        if not was_delinquent:
            self.open_episode(resumed=resumed)
        for invoice in entering:
            invoice.delinquent_on = self.entry_date(invoice)
            invoice.first_delinquent_on = invoice.first_delinquent_on or self.on
            self.emit(
                Kind.DELINQUENT,
                self.why_delinquent(invoice),
                rule="A3" if self.policy.grace_days is not None else "A24",
                invoice=invoice.key,
                number=invoice.number,
                amount=entry_unpaid(self.policy, invoice, self.on),
            )
        state.delinquent_since = min(i.delinquent_on for i in state.delinquent() if i.delinquent_on)
        if not was_delinquent:
            numbers = ", ".join(invoice.number for invoice in entering)
            how = (
                f"The episode that began on {state.delinquent_since} goes on"
                if resumed
                else "The account is delinquent"
            )
            self.emit(Kind.ACCOUNT_DELINQUENT, f"{how}, because of {numbers}.", rule="A23" if resumed else "S9")
        self.tell_ticket(entering)
        self.hold_again(entering, resumed=resumed)
        settle(self.policy, state, self.at, self.events)

    def tell_ticket(self, entering: list[InvoiceState]) -> None:
        """Make an open ticket one about the invoices that are delinquent now as well (A32)."""
        new = frozenset(invoice.key for invoice in entering)
        if self.state.ticket is not None and not new <= self.state.ticket:
            self.state.ticket |= new
            numbers = ", ".join(invoice.number for invoice in entering)
            self.emit(Kind.TICKET_COMMENT, f"{numbers}: delinquent too.", rule="A32", causes=new)

    def open_episode(self, *, resumed: bool) -> None:
        """Begin an episode, or go on with the last one after a reversal (A23)."""
        state = self.state
        if not resumed:
            state.episodes_count += 1
            state.reached_cut = any(cut.level in HARD_LEVELS for cut in state.cuts) or state.switched
        state.episode, state.resumable = state.episodes_count, False

    def why_delinquent(self, invoice: InvoiceState) -> str:
        """Say in one sentence why an invoice is delinquent today and not earlier."""
        unpaid = entry_unpaid(self.policy, invoice, self.on)
        if self.policy.grace_days is not None:
            rule = f"due on {invoice.due_on} with {self.policy.grace_days} days of grace"
        else:
            rule = f"due on {invoice.due_on} and unpaid at the end of day {self.policy.after_day_of_month}"
        natural = entry_natural_on(self.policy, self.state, invoice)
        if natural == self.on:
            late = f", granted until {natural}" if natural == self.state.grace_until else ""
        elif invoice.reopened_at is not None:
            late = f"; it was reopened on {invoice.reopened_at.date()}"
        else:
            reason = self.policy.calendar.why_closed(natural) or "no check was due"
            late = f"; put off from {natural}, as {reason}"
        return f"{unpaid} of invoice {invoice.number} is unpaid: {rule}{late}."

    def count_seriously_late(self) -> None:
        """Count invoices unpaid at the end of due + N days, and raise or drop the flag (E6, A27, A28)."""
        state, policy = self.state, self.policy
        for invoice in self.invoices:
            late_on = serious_on(policy, invoice)
            if invoice.seriously_late_on or not invoice.counts or invoice.frozen or late_on >= self.on:
                continue
            if invoice.unpaid_at_midnight(self.on) < CENT:
                continue
            invoice.seriously_late_on = late_on
            state.seriously_late.append(late_on)
            counted = self.counted(late_on)
            if state.flagged_on is None and len(counted) > policy.seriously_late_limit:
                state.flagged_on = self.on
                days = ", ".join(str(day) for day in counted)
                self.emit(
                    Kind.FLAGGED,
                    f"Seriously late {len(counted)} times ({days}), more than the {policy.seriously_late_limit} "
                    "that the policy allows.",
                    rule="E6",
                    invoice=invoice.key,
                    number=invoice.number,
                )
        drops_on = flag_drops_on(state)
        if drops_on is not None and drops_on <= self.on:
            state.flagged_on, state.unflagged_on, state.asked_on = None, self.on, None
            self.emit(Kind.UNFLAGGED, "Twelve months have passed since the last seriously late invoice.", rule="A28")

    def counted(self, late_on: date) -> list[date]:
        """Return the seriously late days that count together with one of them (A28)."""
        days = sorted(
            d for d in self.state.seriously_late if self.state.unflagged_on is None or d > self.state.unflagged_on
        )
        if self.policy.seriously_late_window == "calendar_year":
            return [day for day in days if day.year == late_on.year]
        return [day for day in days if months_later(late_on, -12) < day <= late_on]
