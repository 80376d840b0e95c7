"""Imported history ends where the allocation rule says, in whatever order the files come."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from invoicing import queries
from invoicing.models import Invoice, LedgerEntry, Payment
from invoicing.operations.imports import (
    ImportedInvoice,
    ImportedPayment,
    record_imported_invoices,
    record_imported_payments,
)
from invoicing.operations.payments import record_payment
from invoicing.rules.allocation import Issued, Received, Returned, replay
from tests.factories import NEW_YORK, instant, make_account

from .helpers import assert_books_balance

pytestmark = pytest.mark.django_db


def paper(account: Account, number: str, issued_on: str, amount: str = "100.00", due_days: int = 15) -> ImportedInvoice:
    on = date.fromisoformat(issued_on)
    return ImportedInvoice(
        account_id=account.pk, number=number, issued_on=on, due_on=on + timedelta(days=due_days),
        amount=Decimal(amount), effective_at=instant(f"{issued_on} 00:05"), description="Service",
    )  # fmt: skip


def money(account: Account, reference: str, local: str, amount: str, **fields: Any) -> ImportedPayment:
    if "returned" in fields:
        fields["reversed_at"] = instant(fields.pop("returned"))
    return ImportedPayment(
        account_id=account.pk,
        reference=reference,
        received_at=instant(local),
        amount=Decimal(amount),
        **fields,
    )


def remaining() -> dict[str, str]:
    return {row.number: str(row.remaining) for row in Invoice.objects.all()}


def test_money_goes_to_what_was_issued_when_it_came_and_the_rest_to_what_issued_next() -> None:
    account = make_account()
    record_imported_invoices([paper(account, "A", "2026-01-01"), paper(account, "B", "2026-02-01", due_days=0)])
    # B is due before the money's leftover could know of it, but was not issued yet: A first.
    record_imported_payments([money(account, "P", "2026-01-10 12:00", "130.00")])
    assert remaining() == {"A": "0.00", "B": "70.00"}
    used = LedgerEntry.objects.filter(kind="credit_used", invoice__number="B").get()
    assert (used.amount, used.effective_at) == (Decimal("-30.00"), instant("2026-02-01 00:05"))
    assert_books_balance()


def test_a_returned_payment_takes_back_all_it_paid() -> None:
    account = make_account()
    record_imported_invoices([paper(account, "A", "2026-01-01"), paper(account, "B", "2026-02-01")])
    record_imported_payments([money(account, "P", "2026-01-10 12:00", "150.00", returned="2026-02-05 00:00")])
    assert remaining() == {"A": "100.00", "B": "100.00"}
    assert queries.account_position(account.pk).credit == Decimal(0)
    assert Payment.objects.get().reversed_at == instant("2026-02-05 00:00")
    assert_books_balance()


def test_later_imports_use_what_is_left_and_rewrite_nothing() -> None:
    account = make_account()
    record_imported_invoices([paper(account, "A", "2026-01-01")])
    record_payment(account=account, reference="cash", amount=Decimal("120.00"), received_at=instant("2026-01-20 10:00"))
    before = list(LedgerEntry.objects.order_by("pk").values())
    # Received before the cash was, but recorded after it: A is paid, so all of it waits for B.
    record_imported_payments([money(account, "P", "2026-01-10 12:00", "50.00")])
    record_imported_invoices([paper(account, "B", "2026-02-01")])
    assert remaining() == {"A": "0.00", "B": "30.00"}
    assert list(LedgerEntry.objects.order_by("pk").values())[: len(before)] == before
    assert_books_balance()


def test_an_old_credit_does_not_go_onto_an_old_invoice_because_something_is_imported() -> None:
    from invoicing.operations import adjust

    account = make_account()
    record_imported_invoices([paper(account, "A", "2026-01-01"), paper(account, "B", "2026-02-01")])
    record_imported_payments([money(account, "P", "2026-01-10 12:00", "100.00")])
    adjust.void_invoice(invoice=Invoice.objects.get(number="A"), why="billed twice")
    record_imported_payments([money(account, "Q", "2026-02-10 12:00", "10.00")])
    assert remaining() == {"A": "0.00", "B": "90.00"}
    assert queries.account_position(account.pk).credit == Decimal("100.00")


def test_another_accounts_invoice_is_refused() -> None:
    account, other = make_account(), make_account()
    record_imported_invoices([paper(other, "A", "2026-01-01")])
    with pytest.raises(Refused, match="another account"):
        record_imported_payments([money(account, "P", "2026-01-10 12:00", "1.00", invoice_id=Invoice.objects.get().pk)])


def test_an_import_asks_as_many_questions_for_many_as_for_few() -> None:
    counts = []
    for size in (2, 30):
        accounts = [make_account() for _ in range(size)]
        with CaptureQueriesContext(connection) as captured:
            record_imported_invoices([paper(account, f"I{account.pk}", "2026-01-01") for account in accounts])
            record_imported_payments(
                [money(account, f"P{account.pk}", "2026-01-05 10:00", "130.00") for account in accounts]
            )
            record_imported_invoices([paper(account, f"J{account.pk}", "2026-02-01") for account in accounts])
        counts.append(len(captured))
    assert counts[0] == counts[1]


DAYS = st.integers(0, 40)
CENTS = st.integers(1, 20000).map(lambda cents: Decimal(cents) / 100)


@st.composite
def histories(draw: st.DrawFn) -> dict[str, Any]:
    invoices = draw(st.lists(st.tuples(DAYS, st.integers(0, 20), CENTS), min_size=1, max_size=6))
    named = st.one_of(st.none(), st.integers(0, len(invoices) - 1))
    returned = st.one_of(st.none(), st.integers(0, 30))
    payments = draw(st.lists(st.tuples(DAYS, st.integers(0, 23), CENTS, named, returned), max_size=8))
    return {"invoices": invoices, "payments": payments}


class ImportsAgreeWithTheRule(TestCase):
    """Two files, or the same files in pieces, end with the same money on each invoice as the pure replay."""

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(histories())
    def test_the_ledger_of_two_imports_is_the_replay_of_all_facts(self, history: dict[str, Any]) -> None:
        account = make_account()
        first = date(2026, 1, 1)
        issued = [
            Issued(n, f"{account.pk}-{n}", first + timedelta(days=day), first + timedelta(days=day + due), amount)
            for n, (day, due, amount) in enumerate(history["invoices"])
        ]
        received, returned = [], []
        for n, (day, hour, amount, named, after) in enumerate(history["payments"]):
            at = datetime(2026, 1, 1, hour) + timedelta(days=day)
            received.append(Received(f"{account.pk}-p{n}", at, amount, named))
            if after is not None:
                returned.append(Returned(f"{account.pk}-p{n}", at + timedelta(days=after)))
        expected = {one.number: one.amount for one in issued}
        for fact in replay(issued, received, returned):
            for key, delta in fact.moves:
                expected[issued[int(str(key))].number] += delta
        self._import(account, issued, received, returned)
        found = {row.number: row.remaining for row in Invoice.objects.filter(account=account)}
        assert found == expected
        assert_books_balance()

    def _import(
        self, account: Account, issued: list[Issued], received: list[Received], returned: list[Returned]
    ) -> None:
        record_imported_invoices(
            [
                ImportedInvoice(
                    account_id=account.pk, number=one.number, issued_on=one.issued_on, due_on=one.due_on,
                    amount=one.amount, effective_at=instant(f"{one.issued_on} 00:05"),
                )
                for one in issued
            ]
        )  # fmt: skip
        keys = dict(Invoice.objects.filter(account=account).values_list("number", "pk"))
        back = {one.reference: clock.instant(one.at, NEW_YORK) for one in returned}
        record_imported_payments(
            [
                ImportedPayment(
                    account_id=account.pk, reference=one.reference, amount=one.amount,
                    received_at=clock.instant(one.at, NEW_YORK),
                    invoice_id=None if one.named is None else keys[issued[int(str(one.named))].number],
                    reversed_at=back.get(one.reference),
                )
                for one in received
            ]
        )  # fmt: skip
