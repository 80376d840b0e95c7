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
    flag_allows,
    flag_drops_on,
    held_off,
    is_bill_day,
    proof_of,
    put_off,
    serious_on,
)

Moment = tuple[datetime, int]
MIDNIGHT_TIME = time(0, 0)


def next_look(state: AccountState, policy: Policy, after: Moment) -> Moment | None:
    """Return the next moment after one at which something may be due, if no fact comes before it."""
    return Outlook(state, policy, after).earliest()


class Outlook:
    """Finds the next moment at which something may be due.

    Nothing a step has to do lies before the step's own date: grace, exclusions and held notices only put it off. So
    what is dated after the best moment found so far needs no closer look.
    """

    def __init__(self, state: AccountState, policy: Policy, after: Moment) -> None:
        """Stand at a moment and look ahead."""
        self.state, self.policy, self.after = state, policy, after
        self.today, self.now = after[0].date(), after[0].time()
        checked = (self.now, after[1]) >= (CHECK_TIME, LOOK)
        self.check_on = self.today + ONE_DAY if checked and self.today < date.max else self.today
        self.best: Moment | None = None
        self.best_on = date.max

    def offer(self, on: date, at: time, phase: int = LOOK) -> None:
        """Take a moment into account, if it lies ahead."""
        if on > self.best_on:
            return
        moment = (datetime.combine(on, at), phase)
        if moment > self.after and (self.best is None or moment < self.best):
            self.best, self.best_on = moment, on

    def offer_check(self, on: date) -> None:
        """Offer the check of a date or, where that has passed, the next one."""
        self.offer(max(on, self.check_on), CHECK_TIME)

    def offer_step(self, on: date, step: Step) -> None:
        """Offer a step's own time on its date or, where that has passed, the next check."""
        at = step.at
        if self.has_passed(on, at):
            on, at = max(on, self.check_on), CHECK_TIME
        if step.honours_exclusions:
            on = self.policy.calendar.next_open(on)
        if on < date.max:
            self.offer(on, at)

    def has_passed(self, on: date, at: time) -> bool:
        """Tell whether a time of a date is over."""
        return on < self.today or (on == self.today and at <= self.now)

    def earliest(self) -> Moment | None:
        """Return the earliest moment over all invoices, the episode and the flag."""
        state = self.state
        settled = []
        for key, invoice in state.invoices.items():
            if invoice.remaining >= CENT:
                self._due_dates(invoice)
                if not invoice.frozen:
                    self._invoice(invoice, live=True)
            elif invoice.day != self.today:
                if invoice.delinquent_on is None:
                    settled.append(key)
            elif self.today == self.check_on and invoice.opening >= CENT and not invoice.frozen:
                # Paid today: what was decided as of last midnight is still to be recorded at today's check.
                self._invoice(invoice, live=False)
        state.put_by(settled)
        if state.episode is not None and state.delinquent_since is not None:
            anchor = state.case_anchor
            for step in self.policy.for_episode:
                if (step.key, anchor) not in state.done:
                    self._episode_step(step, anchor, state.delinquent_since)
        drops_on = flag_drops_on(state)
        if drops_on is not None:
            self.offer_check(drops_on)
        return self.best

    def _due_dates(self, invoice: InvoiceState) -> None:
        if not invoice.due_noted:
            self.offer(invoice.due_on, ISSUE_TIME, DUE)
        if invoice.past_due_on is None:
            midnight = invoice.due_on + ONE_DAY
            self.offer(midnight, MIDNIGHT_TIME, MIDNIGHT)
            if midnight <= self.today:
                self.offer_check(self.check_on)

    def _invoice(self, invoice: InvoiceState, *, live: bool) -> None:
        """Offer what may happen to an invoice; to one that was paid today, at today's check only."""
        done, anchor, is_flagged = self.state.done, invoice.anchor, self.state.flagged_on is not None
        agenda = self.policy.agenda(invoice.issued_on, invoice.due_on)
        if invoice.may_enter and invoice.delinquent_on is None:
            self._entry(invoice, agenda.entry_on, live=live)
        if invoice.seriously_late_on is None and invoice.counts:
            on = serious_on(self.policy, invoice) + ONE_DAY
            if on <= self.best_on and (live or on <= self.today):
                self.offer_check(on)
        for on, step in agenda.steps:
            if on > self.best_on:
                break
            if (is_flagged or not step.only_flagged) and (step.key, anchor) not in done:
                self._invoice_step(step, invoice, on, live=live)
        if invoice.delinquent_on is not None:
            for step in self.policy.from_delinquency:
                own = step.date_for(
                    issued_on=invoice.issued_on, due_on=invoice.due_on, delinquent_on=invoice.delinquent_on
                )
                if own is not None and (step.key, anchor) not in done:
                    self._invoice_step(step, invoice, own, live=live)

    def _entry(self, invoice: InvoiceState, natural: date, *, live: bool) -> None:
        unpaid = invoice.remaining if live else invoice.opening
        if unpaid < self.policy.threshold or not (live or self.policy.after_day_of_month is not None):
            return
        on = max(natural, self.state.grace_until or natural, self.check_on)
        if on > self.best_on:
            return
        on = self.policy.calendar.next_open(on)
        if on < date.max and (live or on <= self.today):
            self.offer(on, CHECK_TIME)

    def _invoice_step(self, step: Step, invoice: InvoiceState, own: date, *, live: bool) -> None:
        """Offer the moment of a step that has not run for an invoice, given the step's own date."""
        if step.action is Do.LATE_FEE:
            self._fee(step, invoice, own, live=live)
        elif not live or invoice.remaining < self.policy.least[step.key]:
            return
        elif step.cuts:
            on = held_off(self.state, step, invoice, own)
            if on is not None and flag_allows(self.state, step, invoice):
                self._cut(step, invoice.anchor, on, [invoice])
        elif not flag_allows(self.state, step, invoice):
            return
        elif step.action is Do.CHARGE:
            day = self.policy.calendar.next_open(own) if step.honours_exclusions else own
            if day < date.max:
                self.offer(day, step.at)
        elif not (own <= invoice.due_on < self.check_on and self.has_passed(own, step.at)):
            self.offer_step(own, step)

    def _fee(self, step: Step, invoice: InvoiceState, own: date, *, live: bool) -> None:
        """Offer a fee's moment, as grace stands now and as it stood when the day of the next check began."""
        if not (live or step.as_of_midnight):
            return
        if (invoice.remaining if live else invoice.opening) < self.policy.least[step.key]:
            return
        for day in (self.check_on, self.check_on + ONE_DAY):
            on, _ = put_off(self.policy, self.state, step, own, day)
            if live or max(on, self.check_on) <= self.today:
                self.offer_step(on, step)
            if self.state.grace_day is None:
                return  # both days see the same grace

    def _episode_step(self, step: Step, anchor: str, since: date) -> None:
        on = since + timedelta(days=step.offset_days)
        if step.cuts:
            self._cut(step, anchor, on, self.state.delinquent())
        else:
            self.offer_step(on, step)

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
            self.offer_step(on, step)
