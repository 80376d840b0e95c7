"""G10 to G13 on the money side: an account that was switched off comes back to billing."""

from datetime import date
from decimal import Decimal

import pytest

from accounts.models import Account, Attention
from accounts.operations import change_status
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from invoicing.models import BillingParameters, Charge, Invoice
from invoicing.operations import terms
from invoicing.operations.charges import add_charge
from tests.factories import NEW_YORK, bill_by, instant, make_account, make_status

from .helpers import assert_books_balance, invoices_of, next_bill_on, tick

pytestmark = pytest.mark.django_db


def switch_off(account: Account, local: str, zone: str = NEW_YORK, *, by_delinquency: bool = True) -> None:
    at = instant(local, zone)
    with clock.at(at):
        off = make_status("Delinquent", activates=False)
        change_status(account, off, reason="switch", at=at, by_delinquency=by_delinquency)


def switch_on(account: Account, local: str, zone: str = NEW_YORK, *, by_delinquency: bool = True) -> None:
    at = instant(local, zone)
    with clock.at(at):
        change_status(account, make_status(), reason="paid", at=at, by_delinquency=by_delinquency)


def after_g1(*, zone: str = NEW_YORK, **terms: object) -> Account:
    """Return an account billed on 2026-01-01 and switched off on 01-28, so that 02-01 was not billed."""
    account = make_account(timezone=zone)
    bill_by(account, "2026-01-01", **terms)  # type: ignore[arg-type]
    tick("2026-01-01 00:05", zone)
    switch_off(account, "2026-01-28 09:00", zone)
    assert tick("2026-02-01 00:05", zone).issued == []
    return account


def test_g10_paid_on_the_bill_day_is_billed_at_the_next_tick() -> None:
    account = after_g1()
    switch_on(account, "2026-02-01 10:15")
    assert next_bill_on(account) == date(2026, 2, 1)
    assert len(invoices_of(account)) == 1  # not at once
    tick("2026-02-01 11:05")
    assert invoices_of(account)[1] == ("2026-02-01", "2026-02-16", "86.80")
    assert next_bill_on(account) == date(2026, 3, 1)


def test_g10_with_daily_billing_off_the_date_stays_and_a_clerk_is_told() -> None:
    account = after_g1()
    BillingParameters.objects.filter(account=account).update(daily_billing=False)
    switch_on(account, "2026-02-03 10:15")
    assert next_bill_on(account) == date(2026, 2, 1)
    assert tick("2026-02-03 11:05").waiting == [account.number]
    assert len(invoices_of(account)) == 1
    assert tick("2026-02-20 11:05").waiting == [account.number]


def test_a_clerk_bills_or_moves_a_date_that_waits_and_the_exception_closes() -> None:
    account = make_account()
    bill_by(account, "2026-01-01", daily_billing=False)
    tick("2026-01-01 00:05")
    with clock.at(instant("2026-01-03 10:00")):
        assert [str(row.issued_on) for row in terms.bill_by_hand(account).issued] == ["2026-01-01"]
        with pytest.raises(Refused, match="no bill date that waits"):
            terms.bill_by_hand(account)
    assert not Attention.objects.filter(code="bill-date-waits", resolved_at=None).exists()
    tick("2026-02-01 00:05")
    with clock.at(instant("2026-02-03 10:00")):
        with pytest.raises(Refused, match="Say why"):
            terms.move_next_bill_date(account, date(2026, 3, 1), reason="")
        terms.move_next_bill_date(account, date(2026, 3, 1), reason="on holiday")
    assert not Attention.objects.filter(code="bill-date-waits", resolved_at=None).exists()
    assert next_bill_on(account) == date(2026, 3, 1)
    assert len(invoices_of(account)) == 1


def test_an_inactive_account_is_not_billed_by_hand_either() -> None:
    account = make_account(status=make_status("Vacation", activates=False))
    bill_by(account, "2026-01-01", daily_billing=False)
    with clock.at(instant("2026-01-03 10:00")), pytest.raises(Refused, match="is not billed now"):
        terms.bill_by_hand(account)


@pytest.mark.parametrize(
    ("paid", "billed"), [("22:59:59", True), ("23:00:00", True), ("23:00:01", False), ("23:30:00", False)]
)
@pytest.mark.parametrize("zone", [NEW_YORK, "Pacific/Honolulu"])
def test_g11_with_less_than_an_hour_left_the_bill_moves_to_next_month(paid: str, billed: bool, zone: str) -> None:
    account = after_g1(zone=zone)
    switch_on(account, f"2026-02-01 {paid}", zone)
    tick("2026-02-01 23:05", zone)
    tick("2026-02-02 00:05", zone)
    assert len(invoices_of(account)) == (2 if billed else 1)
    assert next_bill_on(account) == date(2026, 3, 1)


def test_g11_on_the_night_of_a_clock_change_the_real_time_left_counts() -> None:
    # In Beirut the clocks went forward at midnight: at 23:30 only half an hour was left, 00:00 was 01:00.
    account = make_account(timezone="Asia/Beirut")
    bill_by(account, "2025-03-29", bill_day=29)
    switch_off(account, "2025-03-28 12:00", "Asia/Beirut")
    switch_on(account, "2025-03-29 23:00:01", "Asia/Beirut")
    assert next_bill_on(account) == date(2025, 4, 29)


@pytest.mark.parametrize(
    ("paid_on", "expected"),
    [
        ("2023-10-20", "2023-11-17"),
        ("2023-11-16", "2023-11-17"),
        ("2023-11-17", "2023-12-17"),
        ("2023-11-18", "2023-12-17"),
    ],
)
def test_g12_a_bill_date_in_the_past_becomes_the_next_one_and_nothing_is_billed_that_day(
    paid_on: str, expected: str
) -> None:
    account = make_account()
    bill_by(account, "2023-10-17", bill_day=17)
    switch_off(account, "2023-10-10 09:00")
    switch_on(account, f"{paid_on} 10:00")
    assert next_bill_on(account) == date.fromisoformat(expected)
    tick(f"{paid_on} 11:05")
    assert invoices_of(account) == []


def test_g12_paid_in_february_after_the_bill_date_there_is_no_february_invoice() -> None:
    account = after_g1()
    switch_on(account, "2026-02-03 10:00")
    assert next_bill_on(account) == date(2026, 3, 1)
    tick("2026-02-28 23:05")
    assert len(invoices_of(account)) == 1
    tick("2026-03-01 00:05")
    assert invoices_of(account)[1] == ("2026-03-01", "2026-03-16", "86.80")


def charges_of(account: Account) -> list[tuple[str, str]]:
    return [(str(row.charged_on), str(row.amount)) for row in Charge.objects.filter(account=account)]


def test_g12b_status_proration_credits_at_the_switch_and_debits_at_the_return() -> None:
    account = after_g1(prorate_account_status_change=True)
    assert charges_of(account) == [("2026-01-28", "-11.20")]
    switch_on(account, "2026-02-03 10:00")
    assert charges_of(account) == [("2026-01-28", "-11.20"), ("2026-02-03", "80.60")]
    assert Invoice.objects.count() == 1  # not invoiced at this time (S27)
    tick("2026-03-01 00:05")
    assert invoices_of(account)[1][2] == "156.20"
    assert_books_balance()


def test_g12b_without_the_switch_setting_there_are_no_lines() -> None:
    account = after_g1(prorate_account_delinquency_status_change=True)
    switch_on(account, "2026-02-03 10:00")
    assert charges_of(account) == []


def test_a_status_set_by_hand_prorates_nothing() -> None:
    account = make_account()
    bill_by(account, "2026-01-01", prorate_account_status_change=True)
    tick("2026-01-01 00:05")
    switch_off(account, "2026-01-20 09:00", by_delinquency=False)
    switch_on(account, "2026-02-10 09:00", by_delinquency=False)
    assert charges_of(account) == []


def test_off_and_on_within_one_period_credits_and_debits_only_the_days_between() -> None:
    account = make_account()
    bill_by(account, "2026-01-01", price="31.00", prorate_account_status_change=True)
    tick("2026-01-01 00:05")
    switch_off(account, "2026-01-10 09:00")
    switch_on(account, "2026-01-15 09:00")
    switch_off(account, "2026-01-20 09:00")
    assert [amount for _, amount in charges_of(account)] == ["-22.00", "17.00", "-12.00"]
    assert next_bill_on(account) == date(2026, 2, 1)


def test_a_clerk_who_switches_on_what_delinquency_switched_off_takes_the_credit_back() -> None:
    account = make_account()
    bill_by(account, "2026-01-01", price="31.00", prorate_account_status_change=True)
    tick("2026-01-01 00:05")
    switch_off(account, "2026-01-10 09:00")
    switch_on(account, "2026-01-10 15:00", by_delinquency=False)
    assert sum(Decimal(amount) for _, amount in charges_of(account)) == 0


def test_days_that_are_billed_already_are_not_debited_again() -> None:
    # The setting was off at the switch: nothing was credited, so nothing of January is owed a second time.
    account = make_account()
    bill_by(account, "2026-01-01", price="31.00")
    tick("2026-01-01 00:05")
    switch_off(account, "2026-01-10 09:00")
    BillingParameters.objects.filter(account=account).update(prorate_account_status_change=True)
    switch_on(account, "2026-01-15 09:00")
    assert charges_of(account) == []


def test_fees_on_the_billed_invoice_are_no_part_of_the_credit() -> None:
    account = make_account()
    bill_by(account, "2026-01-01", price="31.00", prorate_account_status_change=True)
    add_charge(
        account=account, kind="late_fee", key="fee", amount=Decimal("10.00"), description="Late fee",
        charged_on=date(2025, 12, 20), effective_at=instant("2025-12-20 09:00"),
    )  # fmt: skip
    tick("2026-01-01 00:05")
    switch_off(account, "2026-01-31 09:00")
    assert charges_of(account)[-1] == ("2026-01-31", "-1.00")


def test_g13_an_anchor_of_31_that_was_switched_off_on_the_27th_is_not_billed_on_february_28() -> None:
    account = make_account()
    bill_by(account, "2026-01-31", bill_day=31)
    tick("2026-01-31 00:05")
    assert invoices_of(account) == [("2026-01-31", "2026-02-15", "86.80")]
    switch_off(account, "2026-02-27 09:00")
    tick("2026-02-28 00:05")
    switch_on(account, "2026-03-10 10:00")
    assert next_bill_on(account) == date(2026, 3, 31)
    assert len(invoices_of(account)) == 1


def credit_days(account: Account, first: str, last: str, key: str = "case:1") -> Charge | None:
    return terms.credit_restricted_days(
        account.pk,
        first_on=date.fromisoformat(first),
        last_on=date.fromisoformat(last),
        key=key,
        at=instant("2026-02-10 12:00"),
    )


def test_the_days_of_a_restriction_are_credited_once_over_every_period_they_touch() -> None:
    account = make_account()
    bill_by(account, "2026-01-01", price="31.00", prorate_account_delinquency_status_change=True)
    tick("2026-02-01 00:05")
    credit = credit_days(account, "2026-01-30", "2026-02-03")
    assert credit is not None
    # Two days of 31, and three of 28: 2.00 and 3.32.
    assert credit.amount == Decimal("-5.32")
    assert credit_days(account, "2026-01-30", "2026-02-03") is None
    assert credit_days(account, "2025-12-01", "2025-12-31", "case:0") is None


def test_the_days_of_a_restriction_are_not_credited_unless_so_set() -> None:
    account = after_g1(prorate_account_status_change=True)
    assert credit_days(account, "2026-01-21", "2026-01-25") is None
