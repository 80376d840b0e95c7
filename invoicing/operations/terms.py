"""An account's billing terms: start them, roll the next bill date, prorate a switch (S24–S32, A16–A20)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Account, User
from accounts.operations import resolve_attention
from billing_project.kernel import clock
from billing_project.kernel.bulk import insert_with_history
from billing_project.kernel.errors import Refused
from invoicing.models import BillingDefault, BillingParameters, Charge, Invoice
from invoicing.rules import charges as pricing
from invoicing.rules import periods
from invoicing.signals import billing_started

from . import ledger
from .charges import ChargeOrder, add_charges
from .history import save_with_reason
from .issue import Outcome, issue_for, services_of

# The bill day of the next bill date waits for a clerk, because daily billing is off (G10).
BILL_DATE_WAITS = "bill-date-waits"

_CREDIT, _DEBIT = "proration:credit:", "proration:debit:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """An account that is to be billed, by which default, and from when."""

    account: Account
    billing_default: BillingDefault
    bill_day: int | None = None
    next_bill_on: date | None = None


def start_billing(
    account: Account,
    billing_default: BillingDefault,
    *,
    bill_day: int | None = None,
    next_bill_on: date | None = None,
) -> BillingParameters:
    """Give an account its copy of a billing default (S32, X12) and its first bill date.

    Without ``next_bill_on`` that is the next bill date from today on. Raises Refused if it is billed already.
    """
    return start_billing_many(
        [Start(account=account, billing_default=billing_default, bill_day=bill_day, next_bill_on=next_bill_on)]
    )[0]


@transaction.atomic
def start_billing_many(starts: Sequence[Start]) -> list[BillingParameters]:
    """Give many accounts their copies of billing defaults, in a constant number of queries."""
    billed = BillingParameters.objects.filter(account__in=[start.account for start in starts])
    for number in billed.values_list("account__number", flat=True)[:1]:
        raise Refused("already_billed", f"Account {number} has billing parameters already; change those instead.")
    parameters = [_parameters(start) for start in starts]
    insert_with_history(parameters, reason="billing started")
    billing_started.send(sender=None, account_ids=[row.account_id for row in parameters])
    return parameters


@transaction.atomic
def move_next_bill_date(
    account: Account, next_bill_on: date, *, reason: str, by: User | None = None
) -> BillingParameters:
    """Set an account's next bill date by hand and close the exception that it waited.

    Raises Refused without a reason.
    """
    locked = ledger.lock_account(account.pk)
    if not reason.strip():
        raise Refused("reason_missing", f"Say why the next bill date of account {locked.number} is moved.")
    parameters = BillingParameters.objects.get(account=locked)
    if parameters.next_bill_on is not None:
        resolve_attention(BILL_DATE_WAITS, waiting_key(locked.pk, parameters.next_bill_on), reason, by=by)
    _set_next_bill_on(parameters, next_bill_on, reason, clock.now(), by)
    return parameters


@transaction.atomic
def bill_by_hand(account: Account, *, by: User | None = None) -> Outcome:
    """Bill the waiting bill date of an account whose daily billing is off, and close that exception (G10).

    Raises Refused if that date has not come, or the account bills by itself, is not in a status that
    activates billing, or is parked or closed.
    """
    locked = ledger.lock_account(account.pk)
    parameters = BillingParameters.objects.filter(account=locked, daily_billing=False).first()
    bill_on = parameters.next_bill_on if parameters else None
    if bill_on is None or bill_on > clock.today(locked.timezone):
        raise Refused("no_bill_waits", f"Account {locked.number} has no bill date that waits for a clerk.")
    outcome = issue_for([locked.pk], bill_on, locked.timezone, daily_billing=False)
    if not outcome.moved_on:
        raise Refused(
            "not_billable",
            f"Account {locked.number} is not billed now: it is parked, closed, or its status does not bill.",
        )
    resolve_attention(BILL_DATE_WAITS, waiting_key(locked.pk, bill_on), "billed by hand", by=by)
    return outcome


def waiting_key(account_id: int, bill_on: date) -> str:
    """Return the key of the exception that a bill date waits for a clerk."""
    return f"account:{account_id}:{bill_on}"


@transaction.atomic
def account_activated(account_id: int, at: datetime, *, by_delinquency: bool) -> None:
    """Take an account back into billing: roll its next bill date, debit what a switch credited (S24–S30).

    The time left in the day is measured at ``at``, when the payment was recorded, not at the next tick (A17).
    With daily billing off nothing rolls: a clerk decides (G10).
    """
    account = ledger.lock_account(account_id)
    parameters = BillingParameters.objects.filter(account=account).first()
    if parameters is None or parameters.next_bill_on is None or not parameters.daily_billing:
        return
    local_at = clock.local(at, account.timezone)
    midnight = clock.instant(datetime.combine(local_at.date() + timedelta(days=1), time()), account.timezone)
    rolled = periods.rolled_on(parameters.next_bill_on, parameters.bill_day, local_at, midnight - at)
    if rolled != parameters.next_bill_on:
        _set_next_bill_on(parameters, rolled, "the account is active again; what lay between is not billed", at)
    if parameters.prorate_account_status_change:
        _debit_return(account, parameters, local_at.date(), at, by_delinquency=by_delinquency)


@transaction.atomic
def account_deactivated(account_id: int, at: datetime, *, by_delinquency: bool) -> None:
    """Credit the billed days from a switch made by delinquency to the period's end, if so set (S27, A20)."""
    if not by_delinquency:
        return
    account = ledger.lock_account(account_id)
    parameters = BillingParameters.objects.filter(account=account, prorate_account_status_change=True).first()
    switch_on = clock.local(at, account.timezone).date()
    billed = _billed_period(account_id, switch_on) if parameters else None
    if billed is None or billed.period_start_on is None or billed.period_end_on is None:
        return
    amount = pricing.credit_for_switch(
        _recurring_amounts(billed), switch_on, billed.period_start_on, billed.period_end_on
    )
    words = f"Credit for {switch_on} to {billed.period_end_on}: service was switched off"
    _prorate(account, f"{_CREDIT}{at.isoformat()}", -amount, words, switch_on, at)


@transaction.atomic
def credit_restricted_days(account_id: int, *, first_on: date, last_on: date, key: str, at: datetime) -> Charge | None:
    """Credit the billed days of a restriction without a status switch, if so set (X7, A20); once by its key.

    Whoever restricts decides which days count: throttling never does. Returns None if nothing is credited.
    """
    account = ledger.lock_account(account_id)
    if not BillingParameters.objects.filter(account=account, prorate_account_delinquency_status_change=True).exists():
        return None
    amount = ledger.ZERO
    for billed in _billed_periods(account_id, first_on, last_on):
        if billed.period_start_on is None or billed.period_end_on is None:
            continue
        start_on, end_on = billed.period_start_on, billed.period_end_on
        days = pricing.days_between(max(first_on, start_on), min(last_on, end_on))
        amount += pricing.share_of_days(_recurring_amounts(billed), days, pricing.days_between(start_on, end_on))
    words = f"Credit for {first_on} to {last_on}: service was restricted"
    made = _prorate(account, f"restricted:{key}", -amount, words, last_on, at)
    return made[0] if made else None


def _parameters(start: Start) -> BillingParameters:
    terms, bill_day = start.billing_default, start.bill_day or start.billing_default.bill_day
    if not 1 <= bill_day <= 31:
        raise Refused("bad_bill_day", f"Account {start.account.number}: bill day {bill_day} is not from 1 to 31.")
    first = start.next_bill_on
    if first is None:
        yesterday = clock.today(start.account.timezone) - timedelta(days=1)
        first = periods.next_bill_on_after(yesterday, bill_day)
    return BillingParameters(
        account=start.account,
        billing_default=terms,
        bill_day=bill_day,
        next_bill_on=first,
        due_days=terms.due_days,
        daily_billing=terms.daily_billing,
        prorate_account_status_change=terms.prorate_account_status_change,
        prorate_account_delinquency_status_change=terms.prorate_account_delinquency_status_change,
        autopay_entire_amount_due=terms.autopay_entire_amount_due,
    )


def _set_next_bill_on(
    parameters: BillingParameters, next_bill_on: date, reason: str, at: datetime, by: User | None = None
) -> None:
    parameters.next_bill_on = next_bill_on
    save_with_reason(parameters, ["next_bill_on"], reason, at=at, by=by)


def _debit_return(
    account: Account, parameters: BillingParameters, return_on: date, at: datetime, *, by_delinquency: bool
) -> None:
    last = (
        Charge.objects.filter(account=account, kind=Charge.Kind.PRORATION, key__startswith="proration:")
        .exclude(waived_at__isnull=False)
        .order_by("-pk")
        .first()
    )
    credited = last is not None and last.key.startswith(_CREDIT)
    # Days that an invoice billed and no switch credited are paid for already. A period that nobody billed is
    # owed from the return on, if it was delinquency that switched (A20); a status set by hand prorates
    # nothing.
    owed = credited or (by_delinquency and _billed_period(account.pk, return_on) is None)
    if not owed or parameters.next_bill_on is None:
        return
    lines = pricing.service_lines(services_of([account.pk]).get(account.pk, ()), return_on)
    amounts = [line.amount for line in lines]
    amount = pricing.debit_for_return(amounts, return_on, parameters.next_bill_on, parameters.bill_day)
    words = f"Service from {return_on} to {parameters.next_bill_on - timedelta(days=1)}: switched on again"
    _prorate(account, f"{_DEBIT}{at.isoformat()}", amount, words, return_on, at)


def _billed_period(account_id: int, day: date) -> Invoice | None:
    """Return the invoice of a billing run that bills a day."""
    return _billed_periods(account_id, day, day).first()


def _billed_periods(account_id: int, first_on: date, last_on: date) -> QuerySet[Invoice]:
    """Return the invoices of billing runs that bill any of these days."""
    rows = Invoice.objects.filter(
        account_id=account_id,
        source=Invoice.Source.BILLING_RUN,
        period_start_on__lte=last_on,
        period_end_on__gte=first_on,
    )
    return rows.exclude(state=Invoice.State.VOID).order_by("-period_start_on")


def _recurring_amounts(invoice: Invoice) -> list[Decimal]:
    """Return what an invoice billed for services; its lines carry these first, then the waiting charges."""
    lines = list(invoice.lines.order_by("position"))
    return [line.amount for line in lines[: len(lines) - invoice.charges.count()]]


def _prorate(account: Account, key: str, amount: Decimal, words: str, on: date, at: datetime) -> list[Charge]:
    order = ChargeOrder(
        account_id=account.pk,
        kind=Charge.Kind.PRORATION,
        key=key,
        amount=amount,
        description=words,
        charged_on=on,
        effective_at=at,
    )
    return add_charges([order])
