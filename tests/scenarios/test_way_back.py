"""The way back, beyond the golden timelines: proration, fees, held invoices, a bill on the day of payment."""

import pytest

from billing_project.kernel import clock
from delinquency.models import Case, Ticket
from delinquency.operations import reassess
from invoicing.models import Charge
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db


def switched(**terms: object) -> Story:
    """Return G1's customer in status Delinquent since 2026-01-28."""
    story = Story(sonar(), first_bill_on="2026-01-01", price="86.80", terms=dict(terms))
    story.days("2026-01-01", "2026-01-31")
    assert story.status == "Delinquent"
    return story


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


def test_a_look_that_makes_up_for_two_months_ends_one_case_and_begins_the_next() -> None:
    story = Story(sonar(status_switch_days=None), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-02-05")
    story.pays("2026-02-10 12:00", "100.00")
    with story.now("2026-03-25 12:00"):
        reassess(story.account.pk)
    assert story.story("account_delinquent", "account_cured") == [
        ("2026-01-21", "account_delinquent"),
        ("2026-02-10", "account_cured"),
        ("2026-02-21", "account_delinquent"),
    ]
    assert list(Case.objects.order_by("number").values_list("stage", flat=True)) == ["closed", "restricted"]
    assert sorted(Ticket.objects.values_list("state", flat=True)) == ["closed", "open"]
    assert story.account.parked_at is None
