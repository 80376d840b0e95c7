"""The same bills by the book: one account after the other, an object for each row, ``save()`` for each object.

What most programs do; measured beside the product's own way, so that the difference is a figure and no belief.
"""

from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.locks import lock_row
from delinquency.models import Standing
from invoicing import queries
from invoicing.due import Due
from invoicing.models import BillingParameters, Invoice, InvoiceLine, InvoiceSeries, LedgerEntry
from invoicing.operations.issue import NUMBER_DIGITS, issue_instant, services_of
from invoicing.rules import charges as pricing
from invoicing.rules import periods

ACCOUNTS = 500


def bill_by_saves(at: datetime) -> int:
    """Bill some of those who are due at an instant, one by one, and return how many."""
    done = 0
    with clock.at(at):
        for (bill_on, zone), account_ids in Due(at).chunks():
            for account_id in account_ids:
                if done == ACCOUNTS:
                    return done
                _bill(account_id, BillingParameters.objects.get(account=account_id, next_bill_on=bill_on), zone)
                done += 1
    return done


@transaction.atomic
def _bill(account_id: int, terms: BillingParameters, zone: str) -> None:
    account = lock_row(Account.objects.select_related("company"), account_id)
    bill_on = terms.next_bill_on
    assert bill_on is not None
    lines = pricing.service_lines(services_of([account_id]).get(account_id, ()), bill_on)
    lines += [
        pricing.charge_line(row.description, row.amount)
        for row in queries.waiting_charges([account_id]).get(account_id, ())
    ]
    amount, at = pricing.total(lines), issue_instant(bill_on, zone)
    InvoiceSeries.objects.get_or_create(company=account.company)
    series = InvoiceSeries.objects.select_for_update().get(company=account.company)
    series.last_number += 1
    series.save()
    start_on, end_on = periods.period_of(bill_on, terms.bill_day)
    invoice = Invoice(
        account=account, number=f"{account.company.invoice_prefix}{series.last_number:0{NUMBER_DIGITS}d}",
        source=Invoice.Source.BILLING_RUN, issued_on=bill_on, due_on=bill_on + timedelta(days=terms.due_days),
        period_start_on=start_on, period_end_on=end_on, amount=amount, remaining=amount, effective_at=at,
    )  # fmt: skip
    invoice.save()
    for position, line in enumerate(lines, 1):
        InvoiceLine(
            invoice=invoice, position=position, description=line.description, quantity=line.quantity,
            unit_price=line.unit_price, discount=line.discount, tax=line.tax, amount=line.amount,
            taxes=[[part.rate.name, str(part.rate.percent), str(part.amount)] for part in line.taxes],
        ).save()  # fmt: skip
    LedgerEntry(
        account=account, kind=LedgerEntry.Kind.INVOICE, amount=amount, invoice=invoice, key=f"invoice:{invoice.pk}",
        effective_at=at,
    ).save()  # fmt: skip
    terms.next_bill_on = periods.next_bill_on_after(bill_on, terms.bill_day)
    terms.save()
    standing = Standing.objects.select_for_update().get(account=account)
    standing.next_look_at = standing.looked_until_at
    standing.save()
