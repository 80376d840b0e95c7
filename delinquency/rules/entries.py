"""Becoming late: past due, fees, the entry into delinquency, the flag."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from .actions import Kind
from .cuts import Cuts
from .facts import CENT, InvoiceState
from .flags import counting, in_window
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
                    {"due_on": invoice.due_on, "unpaid": invoice.remaining},
                    rule="A2",
                    invoice=invoice.key,
                    number=invoice.number,
                    amount=invoice.remaining,
                )

    def late_fee(self, step: Step) -> None:
        """Charge a late fee, once for each invoice, whatever the weekday unless it says otherwise (A6, E4)."""
        if step.honours_exclusions and not self.policy.calendar.is_open(self.on):
            return
        for invoice in self.reached(step):
            if (step.key, invoice.anchor) in self.state.done:
                continue
            # A fee counted from delinquency may fall on the very check at which that begins.
            since = invoice.delinquent_on or (self.entry_date(invoice) if self.is_check else None)
            found = fee_on(self.policy, self.state, step, invoice, self.on, since)
            if found is None or invoice.frozen or not self.is_time(step, invoice.anchor, found[0]):
                continue
            unpaid = fee_unpaid(step, invoice, self.on, deferred=found[1] or found[0] < self.on)
            if unpaid < self.policy.least[step.key] or not flag_allows(self.state, step, invoice):
                continue
            amount = step.fee(unpaid)
            self.state.done.add((step.key, invoice.anchor))
            if amount > 0:
                self.emit(
                    Kind.LATE_FEE,
                    self.fee_facts(invoice, unpaid, since, put_off=found[1]),
                    rule="E4",
                    invoice=invoice.key,
                    number=invoice.number,
                    amount=amount,
                    step=step,
                    anchor=invoice.anchor,
                )
            else:
                self.emit(Kind.STEP_DONE, {"unpaid": unpaid}, step=step, anchor=invoice.anchor)

    def fee_facts(self, invoice: InvoiceState, unpaid: Decimal, since: date | None, *, put_off: bool) -> dict[str, Any]:
        """Return what decides a late fee: what is unpaid, since when, and whether grace put it off."""
        return self.invoice_facts(invoice, since) | {
            "unpaid": unpaid,
            "put_off": put_off,
            "grace_until_on": self.state.grace_until if put_off else None,
        }

    def may_enter(self, invoice: InvoiceState) -> bool:
        """Tell whether an invoice becomes delinquent at this check (S9, S15, A3, A7)."""
        if invoice.delinquent_on is not None or invoice.frozen or not invoice.may_enter:
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
                self.entry_facts(invoice, resumed=resumed),
                rule="A3" if self.policy.grace_days is not None else "A24",
                invoice=invoice.key,
                number=invoice.number,
                amount=entry_unpaid(self.policy, invoice, self.on),
            )
        state.delinquent_since = min(i.delinquent_on for i in state.delinquent() if i.delinquent_on)
        if not was_delinquent:
            facts = {
                "invoices": [invoice.number for invoice in entering],
                "since_on": state.delinquent_since,
                "resumed": resumed,
            }
            self.emit(Kind.ACCOUNT_DELINQUENT, facts, rule="A23" if resumed else "S9")
        self.tell_ticket(entering)
        self.hold_again(entering, resumed=resumed)
        settle(self.policy, state, self.at, self.events)

    def tell_ticket(self, entering: list[InvoiceState]) -> None:
        """Make an open ticket one about the invoices that are delinquent now as well (A32)."""
        new = frozenset(invoice.key for invoice in entering)
        if self.state.ticket is not None and not new <= self.state.ticket:
            self.state.ticket |= new
            self.emit(Kind.TICKET_COMMENT, {"joined": [i.number for i in entering]}, rule="A32", causes=new)

    def open_episode(self, *, resumed: bool) -> None:
        """Begin an episode, or go on with the last one after a reversal (A23)."""
        state = self.state
        if not resumed:
            state.episodes_count += 1
            state.reached_cut = any(cut.level in HARD_LEVELS for cut in state.cuts) or state.switched
        state.episode, state.resumable = state.episodes_count, False

    def entry_facts(self, invoice: InvoiceState, *, resumed: bool) -> dict[str, Any]:
        """Return what decides that an invoice is delinquent today and not earlier (A3, A5, A7, A23)."""
        natural = entry_natural_on(self.policy, self.state, invoice)
        anchors = {invoice.anchor} | ({self.state.case_anchor} if resumed else set())
        again = sorted(cut.step_key for cut in self.state.released_cuts if cut.anchor in anchors)
        return {
            "on": self.on,
            "due_on": invoice.due_on,
            "grace_days": self.policy.grace_days,
            "after_day_of_month": self.policy.after_day_of_month,
            "grace_until_on": self.state.grace_until,
            "natural_on": natural,
            "reopened_on": invoice.reopened_at.date() if invoice.reopened_at else None,
            "closed_why": "" if natural == self.on else self.policy.calendar.why_closed(natural),
            "excluded": self.policy.calendar.why_closed(self.on),
            "unpaid": entry_unpaid(self.policy, invoice, self.on),
            "least": self.policy.threshold,
            **({"holds_again": again} if again else {}),
        }

    def count_seriously_late(self) -> None:
        """Count invoices unpaid at the end of due + N days, and raise or drop the flag (E6, A27, A28)."""
        state, policy = self.state, self.policy
        for invoice in self.invoices:
            if invoice.seriously_late_on or invoice.due_on >= self.on or not invoice.counts or invoice.frozen:
                continue
            late_on = serious_on(policy, invoice)
            if late_on >= self.on or invoice.unpaid_at_midnight(self.on) < CENT:
                continue
            invoice.seriously_late_on = late_on
            state.seriously_late.append(late_on)
            counted = self.counted(late_on)
            if state.flagged_on is None and len(counted) > policy.seriously_late_limit:
                state.flagged_on = self.on
                self.emit(
                    Kind.FLAGGED,
                    {"days_on": counted, "limit": policy.seriously_late_limit},
                    rule="E6",
                    invoice=invoice.key,
                    number=invoice.number,
                )
        drops_on = flag_drops_on(state)
        if drops_on is not None and drops_on <= self.on:
            facts = {"last_on": max(state.seriously_late, default=state.flagged_on)}
            state.flagged_on, state.unflagged_on, state.asked_on = None, self.on, None
            self.emit(Kind.UNFLAGGED, facts, rule="A28")

    def counted(self, late_on: date) -> list[date]:
        """Return the seriously late days that count together with one of them (A28)."""
        able = counting(self.state.seriously_late, self.state.unflagged_on)
        return in_window(able, self.policy.seriously_late_window, late_on)
