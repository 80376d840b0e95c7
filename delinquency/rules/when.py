"""When what may happen to an invoice: dates and amounts that both the look and the outlook ask for."""

from collections.abc import Iterable
from datetime import date, time
from decimal import Decimal

from .calendar import is_bill_date, months_later
from .facts import AccountState, InvoiceState, Proof
from .policy import Policy, Step

# Order within one local time: midnight, money, a switch before the bill, invoices, due, everything else.
MIDNIGHT, FACT, SWITCH, ISSUE, DUE, LOOK = range(6)
ISSUE_TIME = time(0, 5)


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


def fee_on(
    policy: Policy, state: AccountState, step: Step, invoice: InvoiceState, check_on: date, delinquent_on: date | None
) -> tuple[date, bool] | None:
    """Return the date of a late fee and whether Grace Until puts it off; only grants made before it count (A9, G16)."""
    own = step.date_for(issued_on=invoice.issued_on, due_on=invoice.due_on, delinquent_on=delinquent_on)
    return None if own is None else put_off(policy, state, step, own, check_on)


def put_off(policy: Policy, state: AccountState, step: Step, own: date, check_on: date) -> tuple[date, bool]:
    """Return the date of a late fee with its own date, and whether Grace Until puts it off (A9)."""
    grace = state.grace_at_midnight(check_on) if step.as_of_midnight else state.grace_until
    if grace is None or grace <= own or not policy.grace_until_defers_fees:
        return own, False
    return grace, True


def fee_unpaid(step: Step, invoice: InvoiceState, on: date, *, deferred: bool) -> Decimal:
    """Return the unpaid amount that a fee is decided by; one that was put off looks at the check itself (A9)."""
    return invoice.unpaid_at_midnight(on) if step.as_of_midnight and not deferred else invoice.remaining


def proof_of(state: AccountState, step: Step, causes: Iterable[InvoiceState]) -> Proof:
    """Tell whether the notice or ticket that a cut requires went out, for its invoice or its episode (A30)."""
    if not step.requires_notice:
        return Proof.ACCEPTED
    anchors = [invoice.anchor for invoice in causes]
    if state.episode is not None:
        anchors.append(state.case_anchor)
    done = [anchor for anchor in anchors if (step.requires_notice, anchor) in state.done]
    if not done:
        return Proof.FAILED
    if state.proof is None:
        return Proof.ACCEPTED
    proofs = set()
    for anchor in done:
        said_on = state.said.get((step.requires_notice, anchor))
        if said_on is None:
            proofs.add(state.proof(step.requires_notice, anchor))
        else:
            # Written just now: on its way if letters leave today, else recorded as of its day (contract section 4).
            proofs.add(Proof.WAITING if said_on == state.leaves_on else Proof.ACCEPTED)
    return next(proof for proof in (Proof.ACCEPTED, Proof.WAITING, Proof.FAILED) if proof in proofs)


def serious_on(policy: Policy, invoice: InvoiceState) -> date:
    """Return the day at whose end an unpaid invoice is seriously late (A27); after a later reversal, its day."""
    own = policy.agenda(invoice.issued_on, invoice.due_on).serious_on
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
    return None if on is None else held_off(state, step, invoice, on)


def held_off(state: AccountState, step: Step, invoice: InvoiceState, own: date) -> date | None:
    """Return the date of a cut with its own date; None until its invoice is delinquent, or flagged (see `cut_date`)."""
    if invoice.delinquent_on is not None:
        return own
    if not step.only_flagged:
        return None
    return own if state.grace_until is None else max(own, state.grace_until)


def is_bill_day(state: AccountState, on: date) -> bool:
    """Tell whether a date is a bill date of the account."""
    return on in state.bill_dates or (state.bill_day is not None and is_bill_date(on, state.bill_day))
