"""What other rooms read: positions, invoices with their movements, payments; all in few questions."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from invoicing import queries
from invoicing.models import Invoice
from invoicing.operations.adjust import freeze_invoice
from invoicing.operations.imports import ImportedInvoice, record_imported_invoices
from invoicing.operations.payments import record_payment, reverse_payment
from tests.factories import instant, make_account

pytestmark = pytest.mark.django_db

ISSUED, PAID, MORE, BACK = (
    instant(text) for text in ("2026-01-01 00:05", "2026-01-10 10:00", "2026-01-12 10:00", "2026-01-20 10:00")
)


def story() -> Account:
    """Return an account with two invoices: A was paid by P and reopened by its return, B was paid by Q."""
    account = make_account()
    record_imported_invoices(
        [
            ImportedInvoice(
                account_id=account.pk, number=f"{account.pk}-{name}", issued_on=date(2026, 1, 1),
                due_on=date(2026, 1, due), amount=Decimal("100.00"), effective_at=ISSUED,
            )
            for name, due in (("A", 16), ("B", 17))
        ]
    )  # fmt: skip
    payment = record_payment(account=account, reference=f"{account.pk}-P", amount=Decimal("100.00"), received_at=PAID)
    record_payment(account=account, reference=f"{account.pk}-Q", amount=Decimal("130.00"), received_at=MORE)
    reverse_payment(payment=payment, at=BACK, why="no funds")
    return account


def test_a_position_is_what_the_ledger_says() -> None:
    account, untouched = story(), make_account()
    found = queries.positions([account.pk, untouched.pk])
    position = found[account.pk]
    assert (position.balance, position.credit, position.invoiced) == (Decimal(70), Decimal(30), Decimal(100))
    assert [invoice.number for invoice in position.open_invoices] == [f"{account.pk}-A"]
    assert (found[untouched.pk].balance, found[untouched.pk].pay_all) == (Decimal(0), Decimal(0))


def test_what_is_disputed_is_owed_and_nobody_is_asked_to_pay_it() -> None:
    account = story()
    freeze_invoice(invoice=Invoice.objects.get(number=f"{account.pk}-A"), frozen=True)
    position = queries.account_position(account.pk)
    assert (position.balance, position.disputed, position.pay_all) == (Decimal(70), Decimal(100), Decimal(0))


QUESTIONS: dict[str, Callable[[list[int]], Any]] = {
    "positions": queries.positions,
    "charges": queries.waiting_charges,
    "credit": queries.credit_parts,
    "unsettled": queries.accounts_with_unsettled,
}


@pytest.mark.parametrize("name", list(QUESTIONS))
def test_twelve_accounts_cost_no_more_questions_than_one(name: str) -> None:
    ids = [story().pk for _ in range(12)]
    counts = []
    for chosen in (ids[:1], ids):
        with CaptureQueriesContext(connection) as captured:
            QUESTIONS[name](chosen)
        counts.append(len(captured))
    assert counts[0] == counts[1]
