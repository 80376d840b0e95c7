"""What other rooms read: positions, invoices with their movements, payments; all in few questions."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from invoicing import queries
from invoicing.models import Invoice
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


def movements(account: Account, since: datetime | None) -> dict[str, list[tuple[datetime, str, str]]]:
    rows = queries.open_invoices_with_movements([account.pk], {account.pk: since}).get(account.pk, [])
    return {row.number[-1]: [(move.effective_at, str(move.delta), move.kind) for move in row.movements] for row in rows}


def test_open_invoices_and_those_that_moved_come_with_all_their_movements() -> None:
    account = story()
    of_a = [(ISSUED, "100.00", "invoice"), (PAID, "-100.00", "payment"), (BACK, "100.00", "reversal")]
    of_b = [(ISSUED, "100.00", "invoice"), (MORE, "-100.00", "payment")]
    assert movements(account, None) == {"A": of_a, "B": of_b}
    assert movements(account, PAID) == {"A": of_a, "B": of_b}
    assert movements(account, MORE) == {"A": of_a}
    assert movements(account, BACK) == {"A": of_a}  # it is open


def test_payments_and_returns_after_an_instant_say_what_they_did_to_each_invoice() -> None:
    account = story()
    numbers = dict(Invoice.objects.values_list("pk", "number"))

    def facts(since: datetime | None) -> list[tuple[str, str, datetime, list[tuple[str, str]]]]:
        rows = queries.payments_since([account.pk], {account.pk: since}).get(account.pk, [])
        return [
            (
                row.kind,
                row.reference[-1],
                row.at,
                [(numbers[key][-1], str(delta)) for key, delta in row.moves],
            )
            for row in rows
        ]

    p = ("payment", "P", PAID, [("A", "-100.00")])
    q = ("payment", "Q", MORE, [("B", "-100.00")])
    back = ("reversal", "P", BACK, [("A", "100.00")])
    assert facts(None) == [p, q, back]
    assert facts(PAID) == [q, back]
    assert facts(MORE) == [back]
    assert facts(BACK) == []


def test_invoices_issued_since_leaves_out_the_instant_itself() -> None:
    account = story()
    ids = [account.pk]
    assert len(queries.invoices_issued_since(ids, {})[account.pk]) == 2
    assert queries.invoices_issued_since(ids, {account.pk: ISSUED}) == {}
    assert queries.invoices_issued_since([], {}) == {}


QUESTIONS: dict[str, Callable[[list[int]], Any]] = {
    "positions": queries.positions,
    "movements": lambda ids: queries.open_invoices_with_movements(ids, {}),
    "payments": lambda ids: queries.payments_since(ids, {}),
    "issued": lambda ids: queries.invoices_issued_since(ids, {}),
    "charges": queries.waiting_charges,
    "credit": queries.credit_parts,
    "unsettled": queries.accounts_with_unsettled,
    "charged": queries.invoices_being_charged,
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
