"""The billing tick: who is billed, when, for what, and what happens when one account cannot be."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, Attention
from accounts.operations import change_status, close_account
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from invoicing.models import BillingRun, Charge, Discount, Invoice, LedgerEntry, Tax
from invoicing.operations import issue
from invoicing.operations.charges import add_charge
from invoicing.operations.payments import record_payment
from invoicing.signals import about_to_bill
from invoicing.sweep import bill
from tests.factories import bill_by, instant, make_account, make_company, make_status, make_subscription

from .helpers import assert_books_balance, invoices_of, next_bill_on, tick

pytestmark = pytest.mark.django_db


def test_an_account_is_billed_at_00_05_of_its_bill_date_and_not_before() -> None:
    account = make_account()
    bill_by(account, "2026-01-01")
    assert tick("2026-01-01 00:04").issued == []
    issued = tick("2026-01-01 00:05").issued
    assert [(row.account, row.number, str(row.amount)) for row in issued] == [(account.number, "VF-000001", "86.80")]
    invoice = Invoice.objects.get()
    assert (invoice.issued_on, invoice.due_on) == (date(2026, 1, 1), date(2026, 1, 16))
    assert (invoice.period_start_on, invoice.period_end_on) == (date(2026, 1, 1), date(2026, 1, 31))
    assert invoice.effective_at == instant("2026-01-01 00:05")
    assert next_bill_on(account) == date(2026, 2, 1)
    assert_books_balance()


def test_a_second_tick_of_the_same_minute_is_harmless_and_says_so() -> None:
    bill_by(make_account(), "2026-01-01")
    first, second = tick("2026-01-01 00:05"), tick("2026-01-01 00:05")
    assert (first.already_run, len(first.issued)) == (False, 1)
    assert (second.already_run, len(second.issued)) == (True, 0)
    run = BillingRun.objects.get()
    assert (run.invoices_issued, str(run.amount_issued)) == (1, "86.80")
    assert run.finished_at is not None


def test_each_zone_is_billed_when_its_own_day_begins() -> None:
    home, island = make_account(), make_account(timezone="Pacific/Honolulu")
    bill_by(home, "2026-01-01")
    bill_by(island, "2026-01-01")
    assert [row.account for row in tick("2026-01-01 00:05").issued] == [home.number]
    assert [row.account for row in tick("2026-01-01 00:05", "Pacific/Honolulu").issued] == [island.number]
    assert invoices_of(home) == invoices_of(island)


def test_a_bill_date_that_an_outage_missed_is_caught_up_with_its_own_date_in_order() -> None:
    account = make_account()
    bill_by(account, "2026-01-01")
    issued = tick("2026-03-05 14:05").issued
    assert [str(row.issued_on) for row in issued] == ["2026-01-01", "2026-02-01", "2026-03-01"]
    assert [row.number for row in issued] == ["VF-000001", "VF-000002", "VF-000003"]
    assert [str(row.due_on) for row in issued] == ["2026-01-16", "2026-02-16", "2026-03-16"]
    assert next_bill_on(account) == date(2026, 4, 1)


def test_an_anchor_of_31_bills_month_ends_without_drifting() -> None:
    account = make_account()
    bill_by(account, "2026-01-31", bill_day=31)
    tick("2026-05-31 00:05")
    assert [row[0] for row in invoices_of(account)] == [
        "2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31",
    ]  # fmt: skip
    leap = make_account()
    bill_by(leap, "2028-01-31", bill_day=31)
    tick("2028-03-31 00:05")
    assert [row[0] for row in invoices_of(leap)] == ["2028-01-31", "2028-02-29", "2028-03-31"]


def test_the_switches_that_are_due_come_before_the_bill() -> None:
    account, inactive = make_account(), make_status("Delinquent", activates=False)
    bill_by(account, "2026-03-01")
    told: list[tuple[list[int], date, Any]] = []

    def switch(account_ids: list[int], bill_on: date, at: Any, **_: Any) -> None:
        told.append((account_ids, bill_on, at))
        change_status(account, inactive, reason="switch", by_delinquency=True, at=at)

    about_to_bill.connect(switch)
    try:
        assert tick("2026-03-01 00:05").issued == []
    finally:
        about_to_bill.disconnect(switch)
    assert told == [([account.pk], date(2026, 3, 1), instant("2026-03-01 00:05"))]
    assert next_bill_on(account) == date(2026, 3, 1)


def test_an_account_that_is_held_gets_no_invoice_for_that_date_ever() -> None:
    held, other = make_account(), make_account()
    bill_by(held, "2026-01-01")
    bill_by(other, "2026-01-01")

    def hold(**_: Any) -> dict[str, set[int]]:
        return {"hold": {held.pk}}

    about_to_bill.connect(hold)
    try:
        result = tick("2026-01-01 00:05")
    finally:
        about_to_bill.disconnect(hold)
    assert ([row.account for row in result.issued], result.held, result.dates_moved) == ([other.number], 1, 1)
    assert tick("2026-01-02 00:05").issued == []
    assert next_bill_on(held) == date(2026, 2, 1)


@pytest.mark.parametrize(
    "fields",
    [{"parked_at": instant("2025-12-31 12:00")}, {"closed_on": date(2025, 12, 31)}, {"status": "off"}],
)
def test_a_parked_closed_or_inactive_account_is_not_billed(fields: dict[str, Any]) -> None:
    if fields.get("status"):
        fields = {"status": make_status("Vacation", activates=False)}
    account = make_account(**fields)
    bill_by(account, "2026-01-01")
    assert tick("2026-01-01 00:05").issued == []
    assert next_bill_on(account) == date(2026, 1, 1)


def test_with_daily_billing_off_the_date_waits_for_a_clerk_and_is_shown_once() -> None:
    account = make_account()
    bill_by(account, "2026-01-01", daily_billing=False)
    assert tick("2026-01-01 00:05").waiting == [account.number]
    tick("2026-01-01 01:05")
    shown = Attention.objects.get(code="bill-date-waits")
    assert account.number in shown.words
    assert next_bill_on(account) == date(2026, 1, 1)
    assert not Invoice.objects.exists()


def test_with_nothing_to_bill_the_date_moves_on_without_an_invoice() -> None:
    account = make_account()
    bill_by(account, "2026-01-01", price=None)
    result = tick("2026-01-01 00:05")
    assert (result.issued, result.dates_moved) == ([], 1)
    assert next_bill_on(account) == date(2026, 2, 1)


def test_quantity_discount_and_tax_are_on_the_line() -> None:
    account = make_account()
    bill_by(account, "2026-01-01", price=None)
    offer = Discount.objects.create(name="Friends", percent=Decimal(10))
    subscription = make_subscription(account, "50.00", quantity=2, discount=offer)
    subscription.item.taxes.add(Tax.objects.create(name="City", percent=Decimal("8.875")))
    make_subscription(account, "99.00", price=Decimal("5.00"))
    tick("2026-01-01 00:05")
    lines = Invoice.objects.get().lines.values_list("position", "quantity", "discount", "tax", "amount")
    assert list(lines) == [
        (1, 2, Decimal("10.00"), Decimal("7.99"), Decimal("97.99")),
        (2, 1, Decimal("0.00"), Decimal("0.00"), Decimal("5.00")),
    ]
    assert_books_balance()


def fee(account: Account, amount: str, key: str = "fee:1", kind: str = "late_fee") -> Charge:
    charge = add_charge(
        account=account, kind=kind, key=key, amount=Decimal(amount), description="Late fee",
        charged_on=date(2026, 1, 20), effective_at=instant("2026-01-20 09:00"),
    )  # fmt: skip
    assert charge is not None
    return charge


def test_waiting_charges_go_on_the_next_invoice_and_the_balance_does_not_count_them_twice() -> None:
    account = make_account()
    bill_by(account, "2026-02-01")
    charge = fee(account, "10.00")
    tick("2026-02-01 00:05")
    invoice = Invoice.objects.get()
    charge.refresh_from_db()
    assert (invoice.amount, charge.invoice) == (Decimal("96.80"), invoice)
    latest = charge.history.order_by("history_id").last()
    assert latest is not None
    assert latest.invoice_id == invoice.pk
    balance = sum(LedgerEntry.objects.filter(account=account).values_list("amount", flat=True))
    assert balance == Decimal("96.80")
    assert_books_balance()


def test_a_credit_larger_than_the_bill_waits_and_nothing_of_either_is_lost() -> None:
    account = make_account()
    bill_by(account, "2026-02-01")
    fee(account, "-100.00", kind="one_off")
    assert tick("2026-02-01 00:05").issued == []
    tick("2026-03-01 00:05")
    # Two months of 86.80 less the credit of 100.00.
    assert [row[2] for row in invoices_of(account)] == ["73.60"]
    assert_books_balance()


def test_credit_is_used_when_the_next_invoice_issues() -> None:
    account = make_account()
    bill_by(account, "2026-02-01")
    record_payment(account=account, reference="P-1", amount=Decimal("50.00"), received_at=instant("2026-01-10 10:00"))
    record_payment(account=account, reference="P-2", amount=Decimal("50.00"), received_at=instant("2026-01-11 10:00"))
    tick("2026-02-01 00:05")
    invoice = Invoice.objects.get()
    assert (invoice.amount, invoice.remaining, invoice.state) == (Decimal("86.80"), Decimal("0.00"), "paid")
    used = LedgerEntry.objects.filter(kind="credit_used", invoice=invoice).order_by("pk")
    assert [(row.payment.reference, str(row.amount)) for row in used if row.payment] == [
        ("P-1", "-50.00"),
        ("P-2", "-36.80"),
    ]
    assert {row.effective_at for row in used} == {instant("2026-02-01 00:05")}
    assert_books_balance()


def test_an_account_that_cannot_be_billed_is_parked_and_stops_nobody_else() -> None:
    accounts = [make_account() for _ in range(3)]
    for account in accounts:
        bill_by(account, "2026-01-01")
    poisoned = accounts[1]

    def fail(account_ids: list[int], **_: Any) -> None:
        if poisoned.pk in account_ids:
            raise ValueError("its story makes no sense")

    about_to_bill.connect(fail)
    try:
        result = tick("2026-01-01 00:05")
    finally:
        about_to_bill.disconnect(fail)
    assert result.parked == [poisoned.number]
    assert [(row.account, row.number) for row in result.issued] == [
        (accounts[0].number, "VF-000001"),
        (accounts[2].number, "VF-000002"),
    ]
    assert next_bill_on(poisoned) == date(2026, 1, 1)
    accounts[1].refresh_from_db()
    assert "could not be billed" in accounts[1].parked_why
    assert Attention.objects.filter(code="account-parked", account=accounts[1]).exists()


def test_when_every_account_fails_the_tick_ends_and_none_is_parked() -> None:
    for _ in range(12):
        bill_by(make_account(), "2026-01-01")

    def broken(**_: Any) -> None:
        raise NameError("a mistake in the program")

    about_to_bill.connect(broken)
    try:
        with pytest.raises(NameError):
            tick("2026-01-01 00:05")
    finally:
        about_to_bill.disconnect(broken)
    assert not Account.objects.filter(parked_at__isnull=False).exists()
    assert BillingRun.objects.get().finished_at is None
    resumed = tick("2026-01-01 00:05")
    assert (resumed.already_run, len(resumed.issued)) == (False, 12)


def test_numbers_of_two_companies_run_by_themselves_and_pass_over_imported_ones() -> None:
    other = make_company(name="Hill Cable", invoice_prefix="HC-")
    first, second, third = make_account(), make_account(company=other), make_account()
    Invoice.objects.create(
        account=first, number="VF-000002", source="imported", issued_on=date(2025, 1, 1),
        due_on=date(2025, 1, 2), amount=1, remaining=1, effective_at=instant("2025-01-01 00:05"),
    )  # fmt: skip
    for account in (first, second, third):
        bill_by(account, "2026-01-01")
    numbers = {row.account: row.number for row in tick("2026-01-01 00:05").issued}
    assert numbers == {first.number: "VF-000001", second.number: "HC-000001", third.number: "VF-000003"}


def test_a_tick_asks_as_many_questions_for_fifty_accounts_as_for_twenty_five() -> None:
    counts = []
    bill_by(make_account(), "2025-12-31", bill_day=31)
    tick("2025-12-31 00:05")  # the first invoice of a company begins its numbers
    # Both are so many that the airbag looks at them before they are billed; of 20 or fewer it asks nothing.
    for number, day in ((25, "2026-01-01"), (50, "2026-01-02")):
        for _ in range(number):
            account = make_account()
            bill_by(account, day, bill_day=int(day[-2:]))
            fee(account, "1.00")
        with CaptureQueriesContext(connection) as captured:
            assert len(tick(f"{day} 00:05").issued) == number
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_a_dry_run_lists_what_would_be_issued_and_writes_nothing() -> None:
    account = make_account()
    bill_by(account, "2026-01-01")
    result = bill(instant("2026-02-01 00:05"), dry_run=True)
    assert [str(row.issued_on) for row in result.issued] == ["2026-01-01", "2026-02-01"]
    assert not Invoice.objects.exists()
    assert not BillingRun.objects.exists()
    assert next_bill_on(account) == date(2026, 1, 1)


def test_one_account_alone_can_be_billed_and_a_wrong_number_is_refused() -> None:
    wanted, other = make_account(), make_account()
    bill_by(wanted, "2026-01-01")
    bill_by(other, "2026-01-01")
    at = instant("2026-01-01 00:05")
    assert [row.account for row in bill(at, account_number=wanted.number).issued] == [wanted.number]
    assert not BillingRun.objects.exists()
    with pytest.raises(Refused, match="no account 'nobody'"):
        bill(at, account_number="nobody")


def test_the_command_prints_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    account = make_account()
    bill_by(account, "2026-01-01")
    call_command("run_billing", "--at", "2026-01-01T00:05-05:00", "--json")
    answer = json.loads(capsys.readouterr().out)
    assert answer["invoices_issued"] == 1
    assert answer["issued"] == [
        {
            "account": account.number,
            "number": "VF-000001",
            "issued_on": "2026-01-01",
            "due_on": "2026-01-16",
            "amount": "86.80",
        }
    ]
    call_command("run_billing", "--at", "2026-01-01T00:05-05:00")
    assert "was run before" in capsys.readouterr().out


def test_closing_an_account_invoices_what_waits() -> None:
    account = make_account()
    bill_by(account, "2026-03-01")
    fee(account, "10.00")
    with clock.at(instant("2026-02-10 12:00")):
        close_account(account, status=make_status("Inactive", activates=False), reason="moved away")
    assert invoices_of(account) == [("2026-02-10", "2026-02-25", "10.00")]
    assert tick("2026-03-01 00:05").issued == []
    assert_books_balance()


def test_invoicing_waiting_charges_with_nothing_to_invoice_gives_none() -> None:
    account = make_account()
    assert issue.invoice_waiting_charges(account.pk, on=date(2026, 1, 1)) is None
