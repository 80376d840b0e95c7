"""Issue invoices: a chunk of accounts for one bill date, or one account by hand (S13, S29, A20, A34)."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from django.db import transaction

from accounts.models import Account, User
from billing_project.kernel import clock, money
from billing_project.kernel.bulk import copy_rows, copy_values, reserve_keys, update_values, update_with_history
from billing_project.kernel.locks import lock_rows, lock_values
from billing_project.kernel.together import Reading, in_turn
from invoicing import queries
from invoicing.models import (
    BillingParameters,
    CatalogItem,
    Charge,
    Invoice,
    InvoiceLine,
    InvoiceSeries,
    Subscription,
)
from invoicing.rules import charges as pricing
from invoicing.rules import periods
from invoicing.signals import balance_changed

from . import ledger
from .charges import ChargeOrder, add_charges
from .ledger import ZERO, Kind

NUMBER_DIGITS = 6
LINE_FIELDS = (
    "invoice", "position", "description", "quantity", "unit_price", "discount", "tax", "taxes", "amount"
)  # fmt: skip
# The same few dates for all that are billed together.
next_bill_on_after, period_of = lru_cache(periods.next_bill_on_after), lru_cache(periods.period_of)


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


class Payer(NamedTuple):
    """What an invoice needs to know of the account it is for."""

    account_id: int
    number: str
    company_id: int


@dataclass(slots=True)
class Draft:
    """An invoice that is about to be issued, with what goes on it."""

    payer: Payer
    invoice: Invoice
    lines: Sequence[pricing.Line]
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
        payers = _lock_activating(account_ids)
        terms = _terms_of(payers, bill_on, daily_billing=daily_billing)
        billable = [row for row in terms if row.account_id not in hold]
        drafts = _draft(billable, payers, bill_on, zone)
        _issue(drafts)
        for row in terms:
            outcome.moved_on[row.account_id] = next_bill_on_after(bill_on, row.bill_day)
        update_values(
            BillingParameters,
            ["next_bill_on"],
            [(row.pk, outcome.moved_on[row.account_id]) for row in terms],
            reason=f"billed for {bill_on}",
        )
        outcome.held = len(terms) - len(billable)
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
    _issue([Draft(Payer(account.pk, account.number, account.company_id), invoice, lines, charges)])
    return invoice


def services_of(account_ids: Iterable[int]) -> dict[int, list[pricing.Service]]:
    """Return the recurring services of accounts as the pricing rule sees them; two queries."""
    return in_turn(services_reading(account_ids))


def services_reading(account_ids: Iterable[int]) -> Reading[dict[int, list[pricing.Service]]]:
    """Read the recurring services of accounts; two rounds."""
    rows = Subscription.objects.filter(account_id__among=list(account_ids)).order_by("pk")
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
    # Many accounts have the very same service: it is made once.
    made: dict[tuple[Any, ...], pricing.Service] = {}
    for account_id, *terms in found:
        key = tuple(terms)
        service = made.get(key)
        if service is None:
            service = made[key] = _service(key, taxes)
        services[account_id].append(service)
    return dict(services)


def _service(terms: tuple[Any, ...], taxes: Mapping[int, tuple[pricing.TaxRate, ...]]) -> pricing.Service:
    item_id, name, quantity, own_price, price, percent, amount, starts_on, ends_on = terms
    return pricing.Service(
        description=name,
        quantity=quantity,
        unit_price=price if own_price is None else own_price,
        discount_percent=percent or ZERO,
        discount_amount=amount or ZERO,
        taxes=taxes.get(item_id, ()),
        starts_on=starts_on,
        ends_on=ends_on,
    )


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


class _Terms(NamedTuple):
    pk: int
    account_id: int
    bill_day: int
    due_days: int


def _lock_activating(account_ids: Collection[int]) -> dict[int, Payer]:
    # The rows first, everything else after: a joined row read while waiting for a lock would be an old one.
    rows = Account.objects.filter(parked_at__isnull=True, closed_on__isnull=True, status__activates_billing=True)
    locked = lock_values(rows, account_ids, ("pk", "number", "company_id"))
    return {row[0]: Payer(*row) for row in locked}


def _terms_of(account_ids: Collection[int], bill_on: date, *, daily_billing: bool) -> list[_Terms]:
    rows = BillingParameters.objects.filter(
        account_id__among=account_ids, next_bill_on=bill_on, daily_billing=daily_billing
    )
    return [_Terms(*row) for row in rows.order_by("account_id").values_list(*_Terms._fields)]


@lru_cache(maxsize=1024)
def recurring(services: tuple[pricing.Service, ...], bill_on: date) -> tuple[tuple[pricing.Line, ...], Decimal]:
    """Price what accounts have; most have what many others have, at the same price."""
    lines = tuple(pricing.service_lines(services, bill_on))
    return lines, pricing.total(lines)


def _draft(terms: Sequence[_Terms], payers: Mapping[int, Payer], bill_on: date, zone: str) -> list[Draft]:
    ids = [row.account_id for row in terms]
    services, waiting = services_of(ids), queries.waiting_charges(ids)
    effective_at, issued_at = issue_instant(bill_on, zone), clock.now()
    drafts, overcredited = [], []
    for row in terms:
        charges = waiting.get(row.account_id, [])
        period_lines, amount = recurring(tuple(services.get(row.account_id, ())), bill_on)
        lines = (*period_lines, *(pricing.charge_line(charge.description, charge.amount) for charge in charges))
        amount += sum((charge.amount for charge in charges), ZERO)
        if amount <= 0:
            overcredited += _as_charges(row.account_id, period_lines, bill_on, effective_at)
            continue
        start_on, end_on = period_of(bill_on, row.bill_day)
        invoice = Invoice(
            account_id=row.account_id,
            source=Invoice.Source.BILLING_RUN,
            issued_on=bill_on,
            due_on=bill_on + timedelta(days=row.due_days),
            period_start_on=start_on,
            period_end_on=end_on,
            amount=amount,
            remaining=amount,
            effective_at=effective_at,
            issued_at=issued_at,
        )
        drafts.append(Draft(payers[row.account_id], invoice, lines, charges))
    if overcredited:
        add_charges(overcredited)
    return drafts


def _as_charges(
    account_id: int, recurring: Sequence[pricing.Line], bill_on: date, effective_at: datetime
) -> list[ChargeOrder]:
    # Credits outweigh the bill: the period's services wait beside them, so that neither is lost and both meet
    # on the next invoice that comes out above zero.
    return [
        ChargeOrder(
            account_id=account_id,
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
    unspent = queries.credit_parts([draft.payer.account_id for draft in drafts])
    # From here on other workers wait for the next number, so everything that can be has been read and priced before.
    _number(drafts)
    reserve_keys([draft.invoice for draft in drafts])
    entries: list[ledger.Entry] = []
    for draft in drafts:
        invoice = draft.invoice
        at = invoice.effective_at
        entries.append(ledger.on_invoice(Kind.INVOICE, invoice.amount, invoice, cause="invoice", at=at))
        entries += _carry_charges(draft)
        entries += _use_credit(invoice, unspent.get(draft.payer.account_id, ()))
    copy_rows(Invoice, [draft.invoice for draft in drafts])
    copy_values(InvoiceLine, LINE_FIELDS, chain.from_iterable(map(_rows, drafts)))
    ledger.write(entries)
    update_with_history([charge for draft in drafts for charge in draft.charges], ["invoice"], reason="invoiced")
    balance_changed.send(sender=Invoice, account_ids=sorted({draft.payer.account_id for draft in drafts}))


def _carry_charges(draft: Draft) -> list[ledger.Entry]:
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


def _use_credit(invoice: Invoice, parts: Iterable[queries.CreditPart]) -> list[ledger.Entry]:
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


def _rows(draft: Draft) -> Iterator[tuple[Any, ...]]:
    """Return the lines of an invoice, in the order of LINE_FIELDS."""
    key = draft.invoice.pk
    return ((key, position, *_columns(line)) for position, line in enumerate(draft.lines, 1))


@lru_cache(maxsize=1024)
def _columns(line: pricing.Line) -> tuple[Any, ...]:
    taxes = [[part.rate.name, f"{part.rate.percent.normalize():f}", money.text(part.amount)] for part in line.taxes]
    return (
        line.description[:300], line.quantity, line.unit_price, line.discount, line.tax, json.dumps(taxes), line.amount
    )  # fmt: skip


def _number(drafts: Sequence[Draft]) -> None:
    """Give invoices the next numbers of their companies; the lock on a series makes them gapless."""
    by_company: dict[int, list[Invoice]] = defaultdict(list)
    for draft in drafts:
        by_company[draft.payer.company_id].append(draft.invoice)
    for series in _lock_series(by_company):
        prefix, own = series.company.invoice_prefix, by_company[series.company_id]
        while unnumbered := [invoice for invoice in own if not invoice.number]:
            names = [f"{prefix}{series.last_number + step:0{NUMBER_DIGITS}d}" for step in range(1, len(unnumbered) + 1)]
            # A number that an import brought along is passed over: it is in the book, so there is no gap.
            taken = set(Invoice.objects.filter(number__among=names).values_list("number", flat=True))
            series.last_number += len(names)
            for invoice, name in zip(unnumbered, [name for name in names if name not in taken], strict=False):
                invoice.number = name
        series.save(update_fields=["last_number"])


def _lock_series(company_ids: Collection[int]) -> list[InvoiceSeries]:
    rows = InvoiceSeries.objects.filter(company_id__among=company_ids).select_related("company")
    found = lock_rows(rows)
    if len(found) < len(company_ids):
        InvoiceSeries.objects.bulk_create(
            [InvoiceSeries(company_id=key) for key in sorted(company_ids)], ignore_conflicts=True
        )
        found = lock_rows(rows.all())
    return found


def _named(draft: Draft) -> IssuedInvoice:
    invoice = draft.invoice
    return IssuedInvoice(draft.payer.number, invoice.number, invoice.issued_on, invoice.due_on, invoice.amount)


def _written_by(by: User | None) -> str:
    return f"Waiting charges, invoiced by {by}" if by else "Waiting charges"
