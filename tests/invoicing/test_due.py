"""Whose bill date has come: walked in order, in each zone at its own time, and found by index (X11, A34)."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.locks import lock_free
from billing_project.kernel.nudge import recorded
from invoicing import due, sweep
from invoicing.models import BillingParameters, BillingRun, Invoice
from invoicing.sweep import bill
from invoicing.tasks import share_tick
from tests.factories import NEW_YORK, bill_by, instant, make_account, many_accounts

from .test_concurrency import at_once

pytestmark = pytest.mark.django_db
TOKYO = "Asia/Tokyo"
# 00:05 of the first of March in New York; it is 14:05 in Tokyo.
FIRST = instant("2026-03-01 00:05")


def walked(at: object = FIRST, **scope: object) -> list[tuple[str, str, list[str]]]:
    numbers = dict(Account.objects.values_list("pk", "number"))
    chunks = due.Due(at, **scope).chunks()  # type: ignore[arg-type]
    return [(str(bill_on), zone, [numbers[key] for key in ids]) for (bill_on, zone), ids in chunks]


def test_a_date_that_has_come_in_some_zones_is_walked_for_those_alone() -> None:
    for number, zone, day in (
        ("a", NEW_YORK, "2026-02-01"), ("b", TOKYO, "2026-03-01"), ("c", NEW_YORK, "2026-03-01"),
        ("d", TOKYO, "2026-03-02"), ("e", NEW_YORK, "2026-03-02"),
    ):  # fmt: skip
        bill_by(make_account(number=number, timezone=zone), day)
    first = [("2026-02-01", NEW_YORK, ["a"]), ("2026-03-01", NEW_YORK, ["c"]), ("2026-03-01", TOKYO, ["b"])]
    assert walked() == first
    # A minute earlier the day has not begun in New York; ten hours later the next one has in Tokyo.
    assert walked(instant("2026-03-01 00:04")) == [first[0], first[2]]
    assert walked(instant("2026-03-01 10:05")) == [*first, ("2026-03-02", TOKYO, ["d"])]
    assert walked(instant("2026-03-01 10:04")) == first
    assert walked(zones=[TOKYO]) == first[2:]
    assert walked(account_number="a") == first[:1]
    assert due.Due(FIRST).count() == 3


def test_whoever_is_parked_closed_without_billing_or_billed_by_hand_is_not_walked() -> None:
    accounts = [make_account() for _ in range(4)]
    for account in accounts[:3]:
        bill_by(account, "2026-03-01")
    bill_by(accounts[3], "2026-03-01", daily_billing=False)
    Account.objects.filter(pk=accounts[0].pk).update(parked_at=FIRST, parked_why="odd")
    Account.objects.filter(pk=accounts[1].pk).update(closed_on=date(2026, 2, 1))
    assert walked() == [("2026-03-01", NEW_YORK, [accounts[2].number])]
    assert list(due.Due(FIRST).waiting()) == [(accounts[3].pk, accounts[3].number, date(2026, 3, 1))]


def test_pages_and_chunks_leave_nobody_out_and_name_nobody_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "PAGE", 4)
    monkeypatch.setattr(due, "CHUNK", 3)
    for place in range(10):
        bill_by(make_account(number=f"{place:02d}", timezone=TOKYO if place % 3 else NEW_YORK), "2026-03-01")
    found = walked()
    assert [len(numbers) for _, _, numbers in found] == [3, 3, 3, 1]
    assert sorted(number for _, _, numbers in found for number in numbers) == [f"{place:02d}" for place in range(10)]


def many_terms(count: int) -> None:
    """Multiply the one account with terms; all but a fiftieth are billed later."""
    many_accounts(count)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO invoicing_billingparameters (account_id, billing_default_id, bill_day, next_bill_on, due_days,
                daily_billing, prorate_account_status_change, prorate_account_delinquency_status_change,
                autopay_entire_amount_due, autopay)
            SELECT a.id, p.billing_default_id, 1, CASE WHEN a.id % 50 = 0 THEN p.next_bill_on ELSE '2026-04-01' END,
                p.due_days, true, false, false, false, false
            FROM accounts_account a, invoicing_billingparameters p WHERE a.number LIKE 'many-%'
            """
        )
        cursor.execute("ANALYZE accounts_account")
        cursor.execute("ANALYZE invoicing_billingparameters")


def test_what_is_due_is_found_by_index_and_where_nothing_is_due_a_tick_asks_a_handful_of_questions() -> None:
    bill_by(make_account(), "2026-03-01")
    many_terms(20_000)
    with CaptureQueriesContext(connection) as captured:
        assert due.Due(FIRST).count() == 401
        list(due.Due(FIRST).chunks())
    for query in captured.captured_queries:
        if "invoicing_billingparameters" not in query["sql"]:
            continue
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + query["sql"])
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "Seq Scan on invoicing_billingparameters" not in plan, plan
    BillingParameters.objects.filter(next_bill_on=date(2026, 3, 1)).update(next_bill_on=date(2026, 4, 1))
    with CaptureQueriesContext(connection) as captured, clock.at(FIRST):
        assert bill(FIRST).bills_done == 0
    assert len(captured) <= 16


@pytest.mark.django_db(transaction=True)
def test_an_account_that_somebody_holds_is_passed_over_at_first_and_billed_when_it_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accounts = [make_account() for _ in range(3)]
    for account in accounts:
        bill_by(account, "2026-03-01")
    walks: list[set[int]] = []
    told: list[list[int]] = []
    monkeypatch.setattr(sweep, "lock_free", lambda rows, pks: told.append(lock_free(rows, pks)) or told[-1])

    def stop_after_the_first_chunk(_: object) -> bool:
        walks.append(set(Invoice.objects.values_list("account_id", flat=True)))
        return False

    with transaction.atomic():
        Account.objects.select_for_update().get(pk=accounts[1].pk)
        (result,) = at_once(lambda: bill(FIRST, goes_on=stop_after_the_first_chunk))
        assert result.is_stopped
    # Now that it is free the tick is done again.
    assert bill(FIRST).invoices_issued == 1
    assert walks == [{accounts[0].pk, accounts[2].pk}]
    assert told[0] == [accounts[0].pk, accounts[2].pk]
    assert Invoice.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_a_large_tick_calls_for_other_workers_and_each_adds_what_it_did_to_its_row(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.SWEEP_WORKERS = 3
    monkeypatch.setattr(sweep, "SHARED_FROM", 4)
    monkeypatch.setattr(due, "CHUNK", 2)
    for _ in range(3):
        bill_by(make_account(), "2026-03-01")
    with recorded() as nudges:
        assert bill(FIRST).invoices_issued == 3
    assert [name for name, _ in nudges if name == "invoicing.share_tick"] == []
    for _ in range(6):
        bill_by(make_account(), "2026-04-01", price="10.00")
    at = instant("2026-04-01 00:05")
    with recorded() as nudges:
        first = bill(at, goes_on=lambda _: False)  # a worker that ends after one chunk
    calls = [arguments for name, arguments in nudges if name == "invoicing.share_tick"]
    assert calls == [(at.isoformat(), at.isoformat())] * 2
    shares = at_once(*(lambda: share_tick(*calls[0]) for _ in calls))
    assert first.bills_done + sum(shares) == 9
    run = BillingRun.objects.get(tick_at=at)
    assert (run.invoices_issued, run.amount_issued) == (9, 3 * Decimal("86.80") + 6 * Decimal("10.00"))
    assert sorted(Invoice.objects.values_list("number", flat=True)) == [f"VF-{n:06d}" for n in range(1, 13)]
