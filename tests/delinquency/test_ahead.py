"""What is to come, foretold from the rows, is what the sweeps then do; and what is supposed changes it."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest

from delinquency.ahead import Prospect, prospect, supposed_return
from delinquency.models import Event
from delinquency.policy_file import policy_of
from delinquency.rules.ahead import Supposed
from delinquency.rules.facts import Grant
from invoicing.models import Charge, Invoice
from invoicing.rules.allocation import Received
from tests.worlds import Story, exchange, sonar

pytestmark = pytest.mark.django_db


def january() -> Story:
    """Return a customer billed on 2026-01-01, on the day after."""
    story = Story(sonar(reconnection_fee="25.00"), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-02")
    return story


def ahead(story: Story, now: str, until: str, supposed: Supposed | None = None) -> list[tuple[str, str]]:
    """Return what is foretold at a local time."""
    with story.now(now):
        found = prospect(story.account, date.fromisoformat(until), supposed=supposed)
    assert isinstance(found, Prospect)
    return [(str(event.on), str(event.kind)) for event in found.events]


def pay(received: str, amount: str) -> Supposed:
    """Suppose a payment."""
    return Supposed(payments=(Received("supposed", datetime.fromisoformat(received), Decimal(amount)),))


def test_what_is_foretold_is_what_the_sweeps_do_bills_and_their_absence_included() -> None:
    story = january()
    told = ahead(story, "2026-01-02 23:59:59", "2026-04-30")
    assert ("2026-01-28", "status_switch") in told
    assert not [event for event in told if event[1] == "issued"]
    assert story.days("2026-01-03", "2026-04-30") == told


def test_a_customer_whose_policy_never_switches_is_foretold_every_further_bill_with_its_fees() -> None:
    fee = {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 3, "flat": "10.00"}
    story = Story(sonar(status_switch_days=None, steps=[*sonar()["steps"], fee]), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-02")
    with story.now("2026-01-02 23:59:59"):
        found = prospect(story.account, date(2026, 4, 30))
    assert found is not None
    bills = [(str(event.on), str(event.amount)) for event in found.events if event.kind == "issued"]
    assert bills == [("2026-02-01", "110.00"), ("2026-03-01", "110.00"), ("2026-04-01", "110.00")]
    told = [(str(event.on), str(event.kind), str(event.amount)) for event in found.events]
    before = Event.objects.count()
    story.days("2026-01-03", "2026-04-30")
    lived = Event.objects.order_by("sequence")[before:]
    assert [(str(row.on), row.kind, str(row.amount)) for row in lived] == told


def test_g10_a_supposed_payment_on_the_bill_date_restores_and_bills_within_the_hour() -> None:
    story = january()
    supposed = pay("2026-02-01T10:15", "100.00")
    told = ahead(story, "2026-01-02 23:59:59", "2026-02-20", supposed)
    assert ("2026-02-01", "status_restored") in told
    assert told.index(("2026-02-01", "reconnection_fee")) < told.index(("2026-02-01", "issued"))
    with story.now("2026-01-02 23:59:59"):
        found = prospect(story.account, date(2026, 2, 20), supposed=supposed)
    assert found is not None
    bill = next(event for event in found.events if event.kind == "issued")
    assert (str(bill.at), bill.amount) == ("2026-02-01 11:05:00", Decimal("125.00"))


def test_g12_a_supposed_payment_after_the_bill_date_rolls_it_and_bills_nothing_for_february() -> None:
    told = ahead(january(), "2026-01-02 23:59:59", "2026-03-02", pay("2026-02-03T12:00", "100.00"))
    assert [event for event in told if event[1] == "issued"] == [("2026-03-01", "issued")]


def test_g6_a_supposed_grant_moves_entry_and_switch_and_brings_another_bill() -> None:
    story = january()
    supposed = Supposed(grants=(Grant(datetime(2026, 1, 20, 12), date(2026, 1, 26)),))
    told = ahead(story, "2026-01-20 11:00", "2026-02-05", supposed)
    assert ("2026-01-26", "account_delinquent") in told
    assert ("2026-02-01", "issued") in told
    assert ("2026-02-02", "status_switch") in told


def test_too_small_a_supposed_payment_changes_amounts_but_stops_nothing() -> None:
    story = january()
    told = ahead(story, "2026-01-02 23:59:59", "2026-01-31", pay("2026-01-05T12:00", "60.00"))
    without = ahead(story, "2026-01-02 23:59:59", "2026-01-31")
    assert [event for event in told if event[1] != "payment"] == without


def test_a_supposed_return_reopens_a_paid_invoice_without_a_second_fee() -> None:
    story = Story(exchange(nsf_fee="30.00"), first_bill_on="2026-05-01")
    story.days("2026-05-01", "2026-05-07")
    payment = story.pays("2026-05-08 12:00", "110.00")
    story.days("2026-05-08", "2026-05-09")
    assert Invoice.objects.get().remaining == 0
    with story.now("2026-05-10 08:00"):
        back = supposed_return(payment, datetime(2026, 5, 10, 8, 30))
        found = prospect(story.account, date(2026, 6, 2), supposed=Supposed(returns=(back,)))
    assert found is not None
    kinds = [(str(event.on), str(event.kind)) for event in found.events]
    assert ("2026-05-10", "account_delinquent") in kinds
    assert "late_fee" not in [kind for _, kind in kinds]
    assert ("2026-05-16", "restricted") in kinds


def test_under_another_policy_the_same_account_has_another_future() -> None:
    story = january()
    longer = replace(policy_of(story.account.standing.policy_version), grace_days=10)
    with story.now("2026-01-19 12:00"):
        found = prospect(story.account, date(2026, 1, 31), instead=longer)
    assert found is not None
    assert ("2026-01-26", "account_delinquent") in [(str(event.on), str(event.kind)) for event in found.events]


def test_nothing_is_written_by_looking_ahead() -> None:
    story = january()
    ahead(story, "2026-01-02 23:59:59", "2026-04-30", pay("2026-02-01T10:15", "100.00"))
    story.account.standing.refresh_from_db()
    assert story.account.standing.delinquent_since is None
    assert (Invoice.objects.count(), Charge.objects.count()) == (1, 0)


def test_a_closed_account_has_no_future() -> None:
    story = january()
    story.account.closed_on = date(2026, 1, 3)
    story.account.save()
    with story.now("2026-01-04 12:00"):
        assert prospect(story.account, date(2026, 1, 31)) is None
