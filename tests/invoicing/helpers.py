"""What the billing tests ask again and again."""

from datetime import date
from decimal import Decimal

from django.db.models import Sum

from accounts.models import Account
from billing_project.kernel import clock
from invoicing.models import BillingParameters, Invoice, LedgerEntry
from invoicing.sweep import BillingResult, bill
from tests.factories import NEW_YORK, instant


def tick(local: str, zone: str = NEW_YORK) -> BillingResult:
    """Do the billing tick of a local time, at that time."""
    at = instant(local, zone)
    with clock.at(at):
        return bill(at)


def invoices_of(account: Account) -> list[tuple[str, str, str]]:
    """Return issue date, due date and amount of an account's invoices, oldest first."""
    rows = Invoice.objects.filter(account=account).order_by("issued_on", "pk")
    return [(str(row.issued_on), str(row.due_on), str(row.amount)) for row in rows]


def next_bill_on(account: Account) -> date | None:
    """Return an account's next bill date."""
    return BillingParameters.objects.get(account=account).next_bill_on


def assert_books_balance() -> None:
    """Check I2: every invoice's remaining is the sum of its entries, and its amount the sum of its lines."""
    for invoice in Invoice.objects.all():
        entries = LedgerEntry.objects.filter(invoice=invoice).aggregate(total=Sum("amount"))["total"]
        assert invoice.remaining == entries, invoice.number
        assert invoice.amount == invoice.lines.aggregate(total=Sum("amount"))["total"], invoice.number
    credit = LedgerEntry.objects.filter(invoice=None, charge=None).values("payment").annotate(total=Sum("amount"))
    assert all(row["total"] <= Decimal(0) for row in credit)
