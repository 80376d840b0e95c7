"""The golden timelines of the way back: bill day, bill date in the past, proration, returned payments."""

import pytest

from accounts.models import AccountStatus, Attention
from accounts.operations import change_status
from billing_project.kernel import clock
from invoicing.models import Charge
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db


def switched(**terms: object) -> Story:
    """Return G1's customer in status Delinquent since 2026-01-28."""
    story = Story(sonar(), first_bill_on="2026-01-01", price="86.80", terms=dict(terms))
    story.days("2026-01-01", "2026-01-31")
    assert story.status == "Delinquent"
    return story


def test_g10_paid_on_the_bill_day_is_billed_at_the_next_hourly_tick() -> None:
    story = switched()
    story.days("2026-02-01")
    story.pays("2026-02-01 10:15", "86.80")
    story.days("2026-02-01")
    assert story.story("account_cured", "status_restored") == [
        ("2026-02-01", "account_cured"),
        ("2026-02-01", "status_restored"),
    ]
    assert (story.status, story.next_bill_on) == ("Active", "2026-03-01")
    assert story.invoices() == [("2026-01-01", "86.80"), ("2026-02-01", "86.80")]


def test_g10_with_daily_billing_off_nothing_is_billed_and_a_clerk_is_told() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01", price="86.80")
    story.days("2026-01-01", "2026-01-31")
    parameters = story.account.billing_parameters
    parameters.refresh_from_db()
    parameters.daily_billing = False
    parameters.save()
    story.pays("2026-02-01 10:15", "86.80")
    story.days("2026-02-01", "2026-02-03")
    assert (story.status, story.next_bill_on) == ("Active", "2026-02-01")
    assert [on for on, _ in story.invoices()] == ["2026-01-01"]
    assert Attention.objects.filter(code="bill-date-waits", account=story.account).count() == 1


@pytest.mark.parametrize(
    ("paid", "bills", "next_bill_on"),
    [
        ("2026-02-01 22:59:59", ["2026-01-01", "2026-02-01"], "2026-03-01"),
        ("2026-02-01 23:00:00", ["2026-01-01", "2026-02-01"], "2026-03-01"),
        ("2026-02-01 23:00:01", ["2026-01-01"], "2026-03-01"),
        ("2026-02-01 23:30:00", ["2026-01-01"], "2026-03-01"),
    ],
)
@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Honolulu", "Australia/Lord_Howe"])
def test_g11_with_less_than_an_hour_left_the_bill_date_moves_on(
    zone: str, paid: str, bills: list[str], next_bill_on: str
) -> None:
    story = Story(sonar(), first_bill_on="2026-01-01", zone=zone)
    story.days("2026-01-01", "2026-01-31")
    story.pays(paid, "100.00")
    story.days("2026-02-01", "2026-02-02")
    assert ([on for on, _ in story.invoices()], story.next_bill_on) == (bills, next_bill_on)


@pytest.mark.parametrize(
    ("paid_on", "next_bill_on"),
    [
        ("2026-02-03", "2026-03-01"),
        ("2026-02-28", "2026-03-01"),
        ("2026-03-01", "2026-04-01"),
        ("2026-03-02", "2026-04-01"),
    ],
)
def test_g12_a_bill_date_in_the_past_moves_to_the_next_one_and_is_never_made_up_for(
    paid_on: str, next_bill_on: str
) -> None:
    story = switched()
    story.days("2026-02-01", paid_on)
    story.pays(f"{paid_on} 12:00", "86.80")
    story.days(paid_on)
    assert (story.status, story.next_bill_on) == ("Active", next_bill_on)
    assert [on for on, _ in story.invoices()] == ["2026-01-01"]


def test_g12b_status_proration_credits_the_days_cut_off_and_debits_the_days_back() -> None:
    story = switched(prorate_account_status_change=True)
    story.days("2026-02-01", "2026-02-03")
    story.pays("2026-02-03 12:00", "86.80")
    story.days("2026-02-03", "2026-03-01")
    assert [str(charge.amount) for charge in Charge.objects.order_by("pk")] == ["-11.20", "80.60"]
    assert story.invoices() == [("2026-01-01", "86.80"), ("2026-03-01", "156.20")]


def test_g12b_a_policy_that_only_throttles_prorates_nothing() -> None:
    story = Story(
        sonar(status_switch_days=None), first_bill_on="2026-01-01", price="86.80",
        terms={"prorate_account_delinquency_status_change": True},
    )  # fmt: skip
    story.days("2026-01-01", "2026-01-31")
    story.pays("2026-01-31 12:00", "86.80")
    story.days("2026-01-31")
    assert not Charge.objects.exists()


def test_x7_the_days_of_a_suspension_without_a_switch_are_credited_under_its_own_setting() -> None:
    suspend = {"key": "cut", "action": "restrict", "anchor": "delinquent", "offset_days": 4, "level": "suspend"}
    story = Story(
        sonar(status_switch_days=None, steps=[suspend]), first_bill_on="2026-01-01", price="86.80",
        terms={"prorate_account_delinquency_status_change": True},
    )  # fmt: skip
    story.days("2026-01-01", "2026-01-28")
    story.pays("2026-01-28 12:00", "86.80")
    story.days("2026-01-28")
    assert [str(charge.amount) for charge in Charge.objects.all()] == ["-8.40"]  # 01-25 to 01-27: 3 of 31 days


@pytest.mark.parametrize(
    ("mode", "entry", "switch"), [("restart", "2026-01-29", "2026-02-05"), ("resume", "2026-01-29", "2026-01-29")]
)
def test_g15_a_returned_payment_reopens_the_invoice_with_its_own_due_date(mode: str, entry: str, switch: str) -> None:
    story = Story(sonar(on_reversal=mode), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-22")
    payment = story.pays("2026-01-23 12:00", "100.00")
    story.days("2026-01-23", "2026-01-28")
    story.bounces("2026-01-29 08:30", payment)
    story.days("2026-01-29", "2026-02-06")
    assert story.story("account_delinquent", "status_switch") == [
        ("2026-01-21", "account_delinquent"),
        (entry, "account_delinquent"),
        (switch, "status_switch"),
    ]
    billed_in_february = mode == "restart"
    assert ("2026-02-01" in [on for on, _ in story.invoices()]) is billed_in_february


def test_g15_a_return_recorded_after_the_check_counts_the_next_morning() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-22")
    payment = story.pays("2026-01-23 12:00", "100.00")
    story.bounces("2026-01-29 10:00", payment)
    story.days("2026-01-23", "2026-01-31")
    assert story.story("account_delinquent")[-1] == ("2026-01-30", "account_delinquent")


def test_g22_a_status_set_by_hand_during_delinquency_stays_after_payment() -> None:
    story = switched()
    vacation = AccountStatus.objects.get(name="Vacation")
    with story.now("2026-01-30 12:00"):
        change_status(story.account, vacation, reason="away for the winter")
    story.pays("2026-02-03 12:00", "86.80")
    story.days("2026-02-03", "2026-02-04")
    assert story.story("released", "account_cured", "status_restored") == [
        ("2026-02-03", "released"),
        ("2026-02-03", "account_cured"),
    ]
    assert (story.status, story.next_bill_on) == ("Vacation", "2026-02-01")


def test_a15_invoices_held_while_delinquent_are_never_made_up_for() -> None:
    policy = sonar(status_switch_days=None, hold_invoices_while_delinquent=True)
    story = Story(policy, first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-02-02")
    assert (story.status, story.next_bill_on) == ("Active", "2026-03-01")
    story.pays("2026-02-10 12:00", "100.00")
    story.days("2026-02-10", "2026-03-01")
    assert [on for on, _ in story.invoices()] == ["2026-01-01", "2026-03-01"]


def test_a23_a_returned_payment_costs_its_fee_once_and_waits_for_the_next_invoice() -> None:
    story = Story(sonar(nsf_fee="30.00", status_switch_days=None), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-10")
    payment = story.pays("2026-01-10 12:00", "100.00")
    story.bounces("2026-01-14 12:00", payment)
    story.days("2026-01-14", "2026-01-20")
    assert [(charge.kind, str(charge.amount), charge.invoice) for charge in Charge.objects.all()] == [
        ("nsf_fee", "30.00", None)
    ]
    story.pays("2026-01-20 12:00", "130.00")
    story.days("2026-01-20", "2026-02-01")
    assert story.story("account_delinquent") == []
    assert story.invoices() == [("2026-01-01", "100.00"), ("2026-02-01", "130.00")]


def test_a35_the_reconnection_fee_is_charged_once_and_is_no_part_of_what_restores_service() -> None:
    story = Story(sonar(reconnection_fee="25.00"), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-02-03")
    story.pays("2026-02-03 12:00", "100.00")
    story.days("2026-02-03", "2026-02-10")
    assert story.status == "Active"
    assert [(charge.kind, str(charge.amount)) for charge in Charge.objects.all()] == [("reconnection_fee", "25.00")]


def test_g10_the_payment_of_a_bill_day_is_told_once_and_the_bill_comes_at_the_next_tick() -> None:
    story = switched()
    story.days("2026-02-01")
    story.pays("2026-02-01 10:15", "86.80")
    story.days("2026-02-01", "2026-02-05")
    assert story.story("payment") == [("2026-02-01", "payment")]
    issued_at = story.account.invoices.get(issued_on="2026-02-01").issued_at
    assert clock.local(issued_at, "America/New_York").isoformat(timespec="minutes") == "2026-02-01T11:05"
