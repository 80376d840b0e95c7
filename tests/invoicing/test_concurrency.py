"""Real transactions on two connections at once: numbers without gaps, and money put to use once."""

import threading
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import Account
from billing_project.kernel import nudge
from billing_project.kernel.errors import Refused
from invoicing import queries
from invoicing.dispatch import dispatch_charges
from invoicing.models import Invoice, InvoiceSeries, LedgerEntry, PaymentAttempt, SandboxCharge
from invoicing.operations import collect
from invoicing.operations.issue import issue_for
from invoicing.operations.payments import record_payment
from invoicing.sweep import bill
from tests.factories import NEW_YORK, bill_by, instant, make_account, make_source

from .helpers import assert_books_balance

pytestmark = pytest.mark.django_db(transaction=True)

FIRST = instant("2026-01-01 00:05")


def at_once(*jobs: Callable[[], Any]) -> list[Any]:
    """Run jobs at the same moment, each on its own connection; return what came of them, or the error."""
    barrier, results = threading.Barrier(len(jobs)), [None] * len(jobs)

    def run(place: int, job: Callable[[], Any]) -> None:
        try:
            with nudge.recorded():
                barrier.wait(10)
                results[place] = job()
        except Exception as error:  # noqa: BLE001 - handed to the test
            results[place] = error  # type: ignore[call-overload]
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def accounts_due(count: int) -> list[Account]:
    accounts = [make_account() for _ in range(count)]
    for account in accounts:
        bill_by(account, "2026-01-01")
    return accounts


def test_numbers_have_no_gaps_when_two_chunks_are_issued_at_once() -> None:
    accounts = accounts_due(40)
    halves: Sequence[list[int]] = [[a.pk for a in accounts[:20]], [a.pk for a in accounts[20:]]]
    outcomes = at_once(*(lambda ids=ids: issue_for(ids, FIRST.date(), NEW_YORK) for ids in halves))  # type: ignore[misc]
    assert [len(outcome.issued) for outcome in outcomes] == [20, 20]
    assert sorted(Invoice.objects.values_list("number", flat=True)) == [f"VF-{n:06d}" for n in range(1, 41)]


def test_a_chunk_that_fails_gives_its_numbers_back() -> None:
    accounts = accounts_due(3)
    with transaction.atomic():
        issue_for([accounts[0].pk], FIRST.date(), NEW_YORK)
        transaction.set_rollback(True)
    issue_for([account.pk for account in accounts[1:]], FIRST.date(), NEW_YORK)
    assert sorted(Invoice.objects.values_list("number", flat=True)) == ["VF-000001", "VF-000002"]
    assert InvoiceSeries.objects.get().last_number == 2


def test_two_ticks_at_once_bill_each_account_once() -> None:
    accounts_due(30)
    results = at_once(lambda: bill(FIRST), lambda: bill(FIRST))
    assert sum(len(result.issued) for result in results) == 30
    assert [result.parked for result in results] == [[], []]
    assert Invoice.objects.count() == 30
    assert_books_balance()


def test_the_same_payment_twice_at_once_is_recorded_once() -> None:
    account = make_account()

    def pay() -> Any:
        return record_payment(account=account, reference="P-1", amount=Decimal(10), received_at=FIRST)

    results = at_once(pay, pay)
    refused = [result for result in results if isinstance(result, Refused)]
    assert [error.code for error in refused] == ["payment_exists"]
    assert queries.account_position(account.pk).credit == Decimal(10)


def test_two_payments_at_once_never_put_more_on_an_invoice_than_it_needs() -> None:
    (account,) = accounts_due(1)
    bill(FIRST)

    def pay(reference: str) -> Callable[[], Any]:
        return lambda: record_payment(account=account, reference=reference, amount=Decimal("80.00"), received_at=FIRST)

    at_once(pay("P-1"), pay("P-2"))
    position = queries.account_position(account.pk)
    assert (position.invoiced, position.credit) == (Decimal(0), Decimal("73.20"))
    assert_books_balance()


def test_without_the_lock_both_would_see_the_invoice_unpaid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: the lock is what the test above rests on."""
    (account,) = accounts_due(1)
    bill(FIRST)
    met = threading.Barrier(2)

    def unlocked(account_id: int) -> dict[int, Invoice]:
        rows = {row.pk: row for row in Invoice.objects.filter(account_id=account_id, state="open")}
        met.wait(10)
        return rows

    monkeypatch.setattr("invoicing.operations.ledger.lock_account", lambda key: Account.objects.get(pk=key))
    monkeypatch.setattr("invoicing.operations.ledger.lock_open_invoices", unlocked)

    def pay(reference: str) -> Callable[[], Any]:
        return lambda: record_payment(account=account, reference=reference, amount=Decimal("80.00"), received_at=FIRST)

    at_once(pay("P-1"), pay("P-2"))
    on_invoice = LedgerEntry.objects.filter(kind="payment", invoice__isnull=False)
    assert sum(on_invoice.values_list("amount", flat=True)) == Decimal("-160.00")


def test_two_dispatchers_at_once_charge_a_card_once() -> None:
    (account,) = accounts_due(1)
    bill(FIRST)
    make_source(account, 1, "tok_ok")
    make_source(account, 2, "tok_second")
    invoice = Invoice.objects.get()
    with nudge.recorded():
        for rank in (1, 2):
            collect.queue_charge(
                account=account,
                invoice=invoice,
                rank=rank,
                key=f"k{rank}",
                amount=invoice.amount,
                due_at=FIRST,
                why="",
            )
    results = at_once(
        lambda: dispatch_charges(instant("2026-01-01 06:00")),
        lambda: dispatch_charges(instant("2026-01-01 06:00")),
    )
    assert not [result for result in results if isinstance(result, Exception)]
    assert SandboxCharge.objects.count() == 1
    assert sorted(PaymentAttempt.objects.values_list("state", flat=True)) == ["done", "refused"]
    assert queries.account_position(account.pk).balance == Decimal(0)
