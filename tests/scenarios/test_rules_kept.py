"""Decisions that no golden timeline shows, on the real sweeps."""

import pytest

from delinquency.models import Exclusion, InvoiceStanding, Policy
from invoicing.models import Charge
from invoicing.operations.charges import waive_charge
from tests.timelines import A, only, play
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("added", "entry"), [("08:30", "2026-01-22"), ("10:00", "2026-01-21")])
def test_a11_an_exclusion_counts_from_the_next_check_and_undoes_no_entry(added: str, entry: str) -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    last_before = "2026-01-20" if added < "09:00" else "2026-01-21"
    story.days("2026-01-01", last_before)
    with story.now(f"2026-01-21 {added}"):
        Exclusion.objects.create(policy=Policy.objects.get(name="S"), name="Storm", month=1, day=21, year=2026)
    story.days("2026-01-21", "2026-01-25")
    assert story.story("account_delinquent", "account_cured") == [(entry, "account_delinquent")]


def test_a27_an_invoice_whose_late_fee_was_waived_counts_no_more() -> None:
    fee = {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 3, "flat": "10.00"}
    story = Story(sonar(steps=[fee], seriously_late_limit=0), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-20")
    with story.now("2026-01-20 12:00"):
        waive_charge(Charge.objects.get(kind="late_fee"), "our provider was down")
    assert "our provider was down" in InvoiceStanding.objects.get().not_counted_why
    story.days("2026-01-20", "2026-02-10")
    assert story.story("late_fee", "flagged") == [("2026-01-19", "late_fee")]


@pytest.mark.parametrize(("minimum", "fees"), [("100.00", ["2026-01-19"]), ("100.01", [])])
def test_x6_a_late_fee_has_a_least_amount_of_its_own(minimum: str, fees: list[str]) -> None:
    fee = {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 3, "flat": "10.00"}
    policy = sonar(steps=[fee | {"minimum_amount": minimum}])
    assert [on for on, _ in only(play(policy, A, until="2026-02-01"), "late_fee")] == fees


def test_s19_a_policy_that_only_slows_never_touches_the_status() -> None:
    story = Story(sonar(status_switch_days=None), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-03-02")
    assert (story.status, len(story.invoices())) == ("Active", 3)
    assert story.story("status_switch") == []


def test_a32_a_part_payment_keeps_the_ticket_open() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-22")
    story.pays("2026-01-23 12:00", "99.99")
    story.days("2026-01-23", "2026-01-25")
    assert story.story("ticket_closed", "account_cured") == []
    story.pays("2026-01-26 12:00", "0.01")
    story.days("2026-01-26")
    assert story.story("ticket_closed") == [("2026-01-26", "ticket_closed")]


def test_a26_the_ticket_names_the_customers_contact() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01", sends=True)
    story.days("2026-01-01", "2026-01-21")
    ticket = story.account.tickets.get()
    assert (ticket.customer_contact, ticket.queue.name) == (story.account.contacts.get(), "Billing")


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Honolulu"])
def test_a33_money_of_the_hour_that_a_clock_change_repeats_is_not_lost(zone: str) -> None:
    # New York has 01:45 twice on 2026-11-01; the tick after the first of them comes when it is 01:05 again.
    story = Story(sonar(), first_bill_on="2026-10-01", zone=zone)
    story.days("2026-10-01", "2026-10-31")
    story.pays("2026-11-01 01:45", "100.00")
    story.days("2026-11-01", "2026-11-02")
    assert story.story("payment", "released", "account_cured", "status_restored") == [
        ("2026-11-01", "payment"),
        ("2026-11-01", "released"),
        ("2026-11-01", "account_cured"),
        ("2026-11-01", "status_restored"),
    ]
    assert (story.status, story.next_bill_on) == ("Active", "2026-12-01")
