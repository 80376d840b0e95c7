"""Issue invoices: a chunk of accounts for one bill date, or one account by hand (S13, S29, A20, A34)."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import transaction

from accounts.models import Account, AccountStatus, Company, User
from billing_project.kernel import clock, money
from billing_project.kernel.bulk import copy_rows, reserve_keys, update_with_history
from billing_project.kernel.locks import lock_rows
from billing_project.kernel.together import Reading, in_turn
from invoicing import queries
from invoicing.models import (
    BillingParameters,
    CatalogItem,
    Charge,
    Invoice,
    InvoiceLine,
    InvoiceSeries,
    LedgerEntry,
    Subscription,
)
from invoicing.rules import charges as pricing
from invoicing.rules import periods
from invoicing.signals import balance_changed

from . import ledger
from .charges import ChargeOrder, add_charges
from .ledger import ZERO, Kind

NUMBER_DIGITS = 6


@dataclass(frozen=True, slots=True)
class IssuedInvoice:
    """An invoice as the answer of a tick names it."""

    account: str
    number: str
    issued_on: date
    due_on: date
    amount: Decimal


@dataclass(slots=True)
class Outcome:
    """What billing some accounts for one bill date did."""

    issued: list[IssuedInvoice] = field(default_factory=list)
    moved_on: dict[int, date] = field(default_factory=dict)  # account id -> its new next bill date
    held: int = 0


@dataclass(slots=True)
class Draft:
    """An invoice that is about to be issued, with what goes on it."""

    account: Account
    invoice: Invoice
    lines: list[pricing.Line]
    charges: list[Charge]


def issue_for(
    account_ids: Collection[int],
    bill_on: date,
    zone: str,
    hold: Collection[int] = (),
    *,
    daily_billing: bool = True,
) -> Outcome:
    """Bill accounts of one zone for one bill date, all in one transaction and a constant number of queries.

    What is read is read under the accounts' locks: one that meanwhile was billed, closed, parked, or put in a
    status that does not activate billing is left alone (S13, D5). The others' next bill date moves on, with
    an invoice if there is something to bill; those in ``hold`` get none for this date (A15).
    """
    outcome = Outcome()
    with transaction.atomic():
        accounts = _lock_activating(account_ids)
        parameters = {
            row.account_id: row
            for row in BillingParameters.objects.filter(
                account_id__in=accounts, next_bill_on=bill_on, daily_billing=daily_billing
            )
        }
        billable = [accounts[key] for key in parameters if key not in hold]
        drafts = _draft(sorted(billable, key=lambda account: account.pk), parameters, bill_on, zone)
        _issue(drafts)
        for row in parameters.values():
            row.next_bill_on = periods.next_bill_on_after(bill_on, row.bill_day)
            outcome.moved_on[row.account_id] = row.next_bill_on
        update_with_history(list(parameters.values()), ["next_bill_on"], reason=f"billed for {bill_on}")
        outcome.held = sum(1 for key in parameters if key in hold)
        outcome.issued = [_named(draft) for draft in drafts]
    return outcome


@transaction.atomic
def invoice_waiting_charges(account_id: int, *, on: date, by: User | None = None) -> Invoice | None:
    """Invoice an account now for what waits, such as the fees of one that closes; None if that is nothing.

    Credits are deducted; if they are more than the charges there is no invoice, and they stay.
    """
    account = ledger.lock_account(account_id)
    parameters = BillingParameters.objects.filter(account_id=account_id).first()
    charges = queries.waiting_charges([account_id]).get(account_id, [])
    lines = [pricing.charge_line(charge.description, charge.amount) for charge in charges]
    amount = pricing.total(lines)
    if amount <= 0:
        return None
    invoice = Invoice(
        account=account,
        source=Invoice.Source.MANUAL,
        description=_written_by(by),
        issued_on=on,
        due_on=on + timedelta(days=parameters.due_days if parameters else 0),
        amount=amount,
        remaining=amount,
        effective_at=clock.now(),
    )
    _issue([Draft(account, invoice, lines, charges)])
    return invoice


def services_of(account_ids: Iterable[int]) -> dict[int, list[pricing.Service]]:
    """Return the recurring services of accounts as the pricing rule sees them; two queries."""
    return in_turn(services_reading(account_ids))


def services_reading(account_ids: Iterable[int]) -> Reading[dict[int, list[pricing.Service]]]:
    """Read the recurring services of accounts; two rounds."""
    rows = Subscription.objects.filter(account_id__in=list(account_ids)).order_by("pk")
    # Plain values: this is read for every account that is billed, and instances would be most of the cost.
    (found,) = yield (
        rows.values_list(
            "account_id",
            "item_id",
            "item__name",
            "quantity",
            "price",
            "item__price",
            "discount__percent",
            "discount__amount",
            "starts_on",
            "ends_on",
        ),
    )
    taxes = yield from _taxes_of({row[1] for row in found})
    services: dict[int, list[pricing.Service]] = defaultdict(list)
    for account_id, item_id, name, quantity, own_price, price, percent, amount, starts_on, ends_on in found:
        services[account_id].append(
            pricing.Service(
                description=name,
                quantity=quantity,
                unit_price=price if own_price is None else own_price,
                discount_percent=percent or ZERO,
                discount_amount=amount or ZERO,
                taxes=taxes.get(item_id, ()),
                starts_on=starts_on,
                ends_on=ends_on,
            )
        )
    return dict(services)


def _taxes_of(item_ids: Collection[int]) -> Reading[dict[int, tuple[pricing.TaxRate, ...]]]:
    taxes: dict[int, tuple[pricing.TaxRate, ...]] = defaultdict(tuple)
    rows = CatalogItem.objects.filter(pk__in=item_ids, taxes__isnull=False).order_by("pk", "taxes__pk")
    (found,) = yield (rows.values_list("pk", "taxes__percent", "taxes__name"),)
    for item_id, percent, name in found:
        taxes[item_id] += (pricing.TaxRate(percent, name),)
    return taxes


def issue_instant(bill_on: date, zone: str) -> datetime:
    """Return the instant at which a bill date is billed: 00:05 in the account's zone (X11)."""
    return clock.instant(datetime.combine(bill_on, periods.BILLING_TIME), zone)


def _lock_activating(account_ids: Collection[int]) -> dict[int, Account]:
    # The rows first, everything else after: a joined row read while waiting for a lock would be an old one.
    rows = lock_rows(Account.objects.filter(parked_at__isnull=True, closed_on__isnull=True), account_ids)
    activating = set(AccountStatus.objects.filter(activates_billing=True).values_list("pk", flat=True))
    return {account.pk: account for account in rows if account.status_id in activating}


def _draft(
    accounts: Sequence[Account], parameters: dict[int, BillingParameters], bill_on: date, zone: str
) -> list[Draft]:
    ids = [account.pk for account in accounts]
    services, waiting = services_of(ids), queries.waiting_charges(ids)
    effective_at = issue_instant(bill_on, zone)
    drafts, overcredited = [], []
    for account in accounts:
        terms, charges = parameters[account.pk], waiting.get(account.pk, [])
        recurring = pricing.service_lines(services.get(account.pk, ()), bill_on)
        lines = recurring + [pricing.charge_line(charge.description, charge.amount) for charge in charges]
        amount = pricing.total(lines)
        if amount <= 0:
            overcredited += _as_charges(account, recurring, bill_on, effective_at)
            continue
        start_on, end_on = periods.period_of(bill_on, terms.bill_day)
        invoice = Invoice(
            account=account,
            source=Invoice.Source.BILLING_RUN,
            issued_on=bill_on,
            due_on=bill_on + timedelta(days=terms.due_days),
            period_start_on=start_on,
            period_end_on=end_on,
            amount=amount,
            remaining=amount,
            effective_at=effective_at,
        )
        drafts.append(Draft(account, invoice, lines, charges))
    add_charges(overcredited)
    return drafts


def _as_charges(
    account: Account, recurring: Sequence[pricing.Line], bill_on: date, effective_at: datetime
) -> list[ChargeOrder]:
    # Credits outweigh the bill: the period's services wait beside them, so that neither is lost and both meet
    # on the next invoice that comes out above zero.
    return [
        ChargeOrder(
            account_id=account.pk,
            kind=Charge.Kind.ONE_OFF,
            key=f"period:{bill_on}:{position}",
            amount=line.amount,
            description=f"{line.description}, from {bill_on}",
            charged_on=bill_on,
            effective_at=effective_at,
        )
        for position, line in enumerate(recurring, 1)
    ]


def _issue(drafts: Sequence[Draft]) -> None:
    """Number and write drafted invoices with lines, ledger entries and the credit they use."""
    if not drafts:
        return
    _number(drafts)
    reserve_keys([draft.invoice for draft in drafts])
    entries: list[LedgerEntry] = []
    unspent = queries.credit_parts([draft.account.pk for draft in drafts])
    for draft in drafts:
        invoice = draft.invoice
        at = invoice.effective_at
        entries.append(ledger.on_invoice(Kind.INVOICE, invoice.amount, invoice, cause="invoice", at=at))
        entries += _carry_charges(draft)
        entries += _use_credit(invoice, unspent.get(draft.account.pk, ()))
    copy_rows(Invoice, [draft.invoice for draft in drafts])
    copy_rows(InvoiceLine, [line for draft in drafts for line in _rows(draft)])
    ledger.write(entries)
    update_with_history([charge for draft in drafts for charge in draft.charges], ["invoice"], reason="invoiced")
    balance_changed.send(sender=Invoice, account_ids=sorted({draft.account.pk for draft in drafts}))


def _carry_charges(draft: Draft) -> list[LedgerEntry]:
    entries = []
    for charge in draft.charges:
        # Assigned as an object, not by key: the row does not exist yet, but its key is reserved.
        charge.invoice = draft.invoice
        entries.append(
            ledger.on_charge(
                Kind.CHARGE_INVOICED,
                -charge.amount,
                charge,
                cause=f"charge_invoiced:{draft.invoice.pk}",
                at=draft.invoice.effective_at,
            )
        )
    return entries


def _use_credit(invoice: Invoice, parts: Iterable[queries.CreditPart]) -> list[LedgerEntry]:
    entries = []
    for part in parts:
        used = min(part.left, invoice.remaining)
        if used <= 0:
            continue
        part.left -= used
        ledger.move(invoice, -used)
        cause, at = (
            f"credit_used:{part.payment_id}:{invoice.pk}",
            max(invoice.effective_at, part.effective_at),
        )
        entries.append(ledger.on_invoice(Kind.CREDIT_USED, -used, invoice, cause=cause, at=at, payment=part.payment_id))
        entries.append(
            ledger.on_credit(Kind.CREDIT_USED, used, invoice.account_id, cause=cause, at=at, payment=part.payment_id)
        )
    return entries


def _rows(draft: Draft) -> list[InvoiceLine]:
    return [
        InvoiceLine(
            invoice=draft.invoice,
            position=position,
            description=line.description[:300],
            quantity=line.quantity,
            unit_price=line.unit_price,
            discount=line.discount,
            tax=line.tax,
            taxes=[
                [part.rate.name, f"{part.rate.percent.normalize():f}", money.text(part.amount)] for part in line.taxes
            ],
            amount=line.amount,
        )
        for position, line in enumerate(draft.lines, 1)
    ]


def _number(drafts: Sequence[Draft]) -> None:
    """Give invoices the next numbers of their companies; the lock on a series makes them gapless."""
    companies = Company.objects.in_bulk({draft.account.company_id for draft in drafts})
    InvoiceSeries.objects.bulk_create(
        [InvoiceSeries(company_id=key) for key in sorted(companies)], ignore_conflicts=True
    )
    for series in lock_rows(InvoiceSeries.objects.filter(company_id__in=companies)):
        own = [draft.invoice for draft in drafts if draft.account.company_id == series.company_id]
        prefix = companies[series.company_id].invoice_prefix
        while unnumbered := [invoice for invoice in own if not invoice.number]:
            names = [f"{prefix}{series.last_number + step:0{NUMBER_DIGITS}d}" for step in range(1, len(unnumbered) + 1)]
            # A number that an import brought along is passed over: it is in the book, so there is no gap.
            taken = set(Invoice.objects.filter(number__in=names).values_list("number", flat=True))
            series.last_number += len(names)
            for invoice, name in zip(unnumbered, [name for name in names if name not in taken], strict=False):
                invoice.number = name
        series.save(update_fields=["last_number"])


def _named(draft: Draft) -> IssuedInvoice:
    invoice = draft.invoice
    return IssuedInvoice(draft.account.number, invoice.number, invoice.issued_on, invoice.due_on, invoice.amount)


def _written_by(by: User | None) -> str:
    return f"Waiting charges, invoiced by {by}" if by else "Waiting charges"
