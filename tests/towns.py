"""A town of customers who all owe the same, for what happens only when there are many."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from accounts.models import Account, User
from billing_project.kernel import clock
from delinquency.sweep import SweepResult, sweep
from invoicing.models import Invoice
from invoicing.operations.imports import ImportedInvoice, record_imported_invoices
from invoicing.operations.payments import record_payment

from .factories import NEW_YORK, instant
from .worlds import Story


def town(policy: dict[str, Any], count: int, *, issued_on: str = "2026-01-01", first: int = 1) -> list[Account]:
    """Make customers who owe one invoice of 100.00 each; decided up to the eve of the check that enters them."""
    accounts = [Story(policy, number=f"{number:04d}", price=None).account for number in range(first, first + count)]
    issued = datetime.fromisoformat(f"{issued_on} 00:05")
    record_imported_invoices(
        [
            ImportedInvoice(
                account_id=account.pk, number=f"I-{account.number}-{issued_on}", issued_on=issued.date(),
                due_on=issued.date(), amount=Decimal("100.00"), description="",
                effective_at=clock.instant(issued, NEW_YORK),
            )
            for account in accounts
        ]
    )  # fmt: skip
    return accounts


def check(local: str, **options: Any) -> SweepResult:
    """Do one tick at a local time of New York."""
    return sweep(instant(local), **options)


def pay(account: Account, local: str) -> None:
    """Pay what an account owes."""
    at = instant(local)
    with clock.at(at):
        for invoice in Invoice.objects.filter(account=account, state="open"):
            record_payment(account=account, reference=f"P-{invoice.pk}", amount=invoice.remaining, received_at=at)


def clerk(username: str) -> User:
    """Make a member of staff."""
    return User.objects.create_user(username, is_staff=True)
