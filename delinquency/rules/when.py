"""When what may happen to an invoice: dates and amounts that both the look and the outlook ask for."""

from datetime import date, time, timedelta
from decimal import Decimal

from .calendar import is_bill_date, months_later
from .facts import CENT, AccountState, InvoiceState
from .policy import Policy, Step, switch_step

# Order within one local time: midnight, money, a switch before the bill, invoices, due, everything else.
MIDNIGHT, FACT, SWITCH, ISSUE, DUE, LOOK = range(6)
ISSUE_TIME = time(0, 5)


def all_steps(policy: Policy) -> tuple[Step, ...]:
    """Return the policy's steps, with the one that its status switch days stand for."""
    if policy.status_switch_days is None:
        return policy.steps
    return (*policy.steps, switch_step(policy.status_switch_days))


def step_amount(policy: Policy, step: Step) -> Decimal:
    """Return the least that must be unpaid for a step to run; cuts also obey the policy's minimum (I9)."""
    return max(CENT, step.minimum_amount, policy.minimum_amount_due if step.cuts else CENT)


def flag_allows(state: AccountState, step: Step, invoice: InvoiceState) -> bool:
    """Tell whether an only-flagged step may run for an invoice (E7, E8, A29)."""
    if not step.only_flagged:
        return True
    if state.flagged_on is None or invoice.due_on <= state.flagged_on:
        return False
    return not step.cuts or (state.asked_on is not None and invoice.due_on > state.asked_on)


def entry_natural_on(policy: Policy, state: AccountState, invoice: InvoiceState) -> date:
    """Return the first date on which an invoice may become delinquent, before exclusions (A3, A7)."""
    natural = policy.natural_entry_on(invoice.due_on)
    return natural if state.grace_until is None else max(natural, state.grace_until)


def entry_unpaid(policy: Policy, invoice: InvoiceState, on: date) -> Decimal:
    """Return the unpaid amount that an entry on a date is decided by (contract section 3)."""
    return invoice.remaining if policy.after_day_of_month is None else invoice.unpaid_at_midnight(on)


def fee_on(policy: Policy, state: AccountState, step: Step, invoice: InvoiceState, check_on: date) -> date | None:
    """Return the date of a late fee: its own, or Grace Until if that defers it (A9, G16)."""
    own = step.date_for(issued_on=invoice.issued_on, due_on=invoice.due_on, delinquent_on=invoice.delinquent_on)
    if own is None or not policy.grace_until_defers_fees:
        return own
    grace = state.grace_at_midnight(check_on) if step.as_of_midnight else state.grace_until
    return own if grace is None else max(own, grace)


def serious_on(policy: Policy, invoice: InvoiceState) -> date:
    """Return the day at whose end an unpaid invoice is seriously late (A27); after a later reversal, its day."""
    own = invoice.due_on + timedelta(days=policy.seriously_late_after_days)
    if invoice.reopened_at is not None and invoice.reopened_at.date() > own:
        return invoice.reopened_at.date()
    return own


def flag_drops_on(state: AccountState) -> date | None:
    """Return when the flag drops: 12 months after the last counted event (A28)."""
    if state.flagged_on is None:
        return None
    return months_later(max(state.seriously_late, default=state.flagged_on), 12)


def cut_date(state: AccountState, step: Step, invoice: InvoiceState) -> date | None:
    """Return the date of a cut for an invoice; None until it is delinquent, or flagged with no grace running."""
    on = step.date_for(issued_on=invoice.issued_on, due_on=invoice.due_on, delinquent_on=invoice.delinquent_on)
    if on is None or invoice.delinquent_on is not None:
        return on
    if not step.only_flagged:
        return None
    return on if state.grace_until is None else max(on, state.grace_until)


def is_bill_day(state: AccountState, on: date) -> bool:
    """Tell whether a date is a bill date of the account."""
    return on in state.bill_dates or (state.bill_day is not None and is_bill_date(on, state.bill_day))
