"""When to look next: the earliest moment at which something may be due, so that idle time costs nothing."""

from datetime import date, datetime, time, timedelta

from .calendar import ONE_DAY
from .facts import CENT, AccountState, InvoiceState, Proof
from .policy import CHECK_TIME, Do, Policy, Step
from .when import (
    DUE,
    ISSUE_TIME,
    LOOK,
    MIDNIGHT,
    SWITCH,
    cut_date,
    entry_natural_on,
    fee_on,
    flag_allows,
    flag_drops_on,
    is_bill_day,
    proof_of,
    serious_on,
    step_amount,
)

Moment = tuple[datetime, int]
MIDNIGHT_TIME = time(0, 0)


def next_look(state: AccountState, policy: Policy, after: Moment) -> Moment | None:
    """Return the next moment after one at which something may be due, if no fact comes before it."""
    return Outlook(state, policy, after).earliest()


class Outlook:
    """Finds the next moment at which something may be due."""

    def __init__(self, state: AccountState, policy: Policy, after: Moment) -> None:
        """Stand at a moment and look ahead."""
        self.state, self.policy, self.after = state, policy, after
        self.today = after[0].date()
        checked = (datetime.combine(self.today, CHECK_TIME), LOOK) <= after
        self.check_on = self.today + ONE_DAY if checked and self.today < date.max else self.today
        self.best: Moment | None = None

    def offer(self, on: date, at: time, phase: int = LOOK) -> None:
        """Take a moment into account, if it lies ahead."""
        moment = (datetime.combine(on, at), phase)
        if moment > self.after and (self.best is None or moment < self.best):
            self.best = moment

    def offer_step(self, on: date, step: Step, *, exclusions: bool) -> None:
        """Offer a step's own time on its date or, where that has passed, the next check."""
        at = step.at
        if datetime.combine(on, at) <= self.after[0]:
            on, at = max(on, self.check_on), CHECK_TIME
        if exclusions:
            on = self.policy.calendar.next_open(on)
        if on < date.max:
            self.offer(on, at)

    def earliest(self) -> Moment | None:
        """Return the earliest moment over all invoices, the episode and the flag."""
        settled = []
        for key, invoice in self.state.invoices.items():
            live = invoice.remaining >= CENT
            # Paid today: what was decided as of last midnight is still to be recorded at today's check.
            echo = not live and invoice.day == self.today == self.check_on and invoice.opening >= CENT
            if live or echo:
                self._invoice(invoice, live=live)
            elif invoice.delinquent_on is None and invoice.day != self.today:
                settled.append(key)
        self.state.put_by(settled)
        if self.state.episode is not None and self.state.delinquent_since is not None:
            for step in self.policy.ladder:
                if not step.per_invoice and (step.key, self.state.case_anchor) not in self.state.done:
                    self._episode_step(step, self.state.delinquent_since)
        drops_on = flag_drops_on(self.state)
        if drops_on is not None:
            self.offer(max(drops_on, self.check_on), CHECK_TIME)
        return self.best

    def _invoice(self, invoice: InvoiceState, *, live: bool) -> None:
        state, policy = self.state, self.policy
        last = date.max if live else self.today  # an echo matters at today's check only
        if live:
            self._due_dates(invoice)
        if invoice.frozen:
            return
        if invoice.may_enter and invoice.delinquent_on is None:
            self._entry(invoice, live=live, last=last)
        if invoice.seriously_late_on is None and invoice.counts:
            on = max(serious_on(policy, invoice) + ONE_DAY, self.check_on)
            if on <= last:
                self.offer(on, CHECK_TIME)
        for step in policy.ladder:
            if step.per_invoice and (step.key, invoice.anchor) not in state.done:
                self._invoice_step(step, invoice, live=live, last=last)

    def _due_dates(self, invoice: InvoiceState) -> None:
        if not invoice.due_noted:
            self.offer(invoice.due_on, ISSUE_TIME, DUE)
        if invoice.past_due_on is None:
            midnight = invoice.due_on + ONE_DAY
            self.offer(midnight, MIDNIGHT_TIME, MIDNIGHT)
            if midnight <= self.today:
                self.offer(self.check_on, CHECK_TIME)

    def _entry(self, invoice: InvoiceState, *, live: bool, last: date) -> None:
        unpaid = invoice.remaining if live else invoice.opening
        if unpaid < self.policy.threshold or not (live or self.policy.after_day_of_month is not None):
            return
        natural = entry_natural_on(self.policy, self.state, invoice)
        on = self.policy.calendar.next_open(max(natural, self.check_on))
        if on <= last and on < date.max:
            self.offer(on, CHECK_TIME)

    def _invoice_step(self, step: Step, invoice: InvoiceState, *, live: bool, last: date) -> None:
        state, policy = self.state, self.policy
        if step.action is Do.LATE_FEE:
            self._fee(step, invoice, live=live, last=last)
            return
        if not live or invoice.remaining < step_amount(policy, step):
            return
        if step.cuts:
            on = cut_date(state, step, invoice)
            if on is not None and flag_allows(state, step, invoice):
                self._cut(step, invoice.anchor, on, [invoice])
            return
        on = step.date_for(issued_on=invoice.issued_on, due_on=invoice.due_on, delinquent_on=invoice.delinquent_on)
        if on is None or not flag_allows(state, step, invoice):
            return
        if step.action is Do.CHARGE:
            day = policy.calendar.next_open(on) if step.honours_exclusions else on
            if day < date.max:
                self.offer(day, step.at)
            return
        missed = datetime.combine(on, step.at) <= self.after[0]
        if not (missed and on <= invoice.due_on < self.check_on):
            self.offer_step(on, step, exclusions=step.honours_exclusions)

    def _fee(self, step: Step, invoice: InvoiceState, *, live: bool, last: date) -> None:
        """Offer a fee's moment, as grace stands now and as it stood when the day of the next check began."""
        if (invoice.remaining if live else invoice.opening) < step_amount(self.policy, step):
            return
        for day in (self.check_on, self.check_on + ONE_DAY):
            found = fee_on(self.policy, self.state, step, invoice, day, invoice.delinquent_on)
            if found is not None and max(found[0], self.check_on) <= last and (live or step.as_of_midnight):
                self.offer_step(found[0], step, exclusions=step.honours_exclusions)

    def _episode_step(self, step: Step, since: date) -> None:
        on = since + timedelta(days=step.offset_days)
        if step.cuts:
            self._cut(step, self.state.case_anchor, on, self.state.delinquent())
        else:
            self.offer_step(on, step, exclusions=step.honours_exclusions)

    def _cut(self, step: Step, anchor: str, on: date, causes: list[InvoiceState]) -> None:
        """Offer a cut's moment; one that is held back waits for its notice, and then for the next check."""
        if step.action is Do.STATUS_SWITCH:
            if not self.state.may_switch:
                return
            day = max(on, self.today)
            for candidate in (day, day + ONE_DAY):
                if is_bill_day(self.state, candidate) and (
                    not step.honours_exclusions or self.policy.calendar.is_open(candidate)
                ):
                    self.offer(candidate, ISSUE_TIME, SWITCH)
        if (step.key, anchor) not in self.state.held or proof_of(self.state, step, causes) is Proof.ACCEPTED:
            self.offer_step(on, step, exclusions=step.honours_exclusions)
