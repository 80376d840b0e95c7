"""The airbag and billing: bills unlike the last ones wait, are released with their own dates, or stay undone."""

import json
from datetime import date
from decimal import Decimal

import pytest
from django.core.management import call_command

from accounts.models import Account
from billing_project.kernel import clock
from delinquency.models import AirbagStep, AirbagTrip, Event, Standing
from delinquency.operations.airbag_decisions import ask_release, dismiss, release
from invoicing.models import BillingParameters, CatalogItem, Invoice
from invoicing.sweep import BillingResult, bill
from tests.factories import bill_by, instant, make_account
from tests.towns import check, clerk, town
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db


@pytest.fixture
def billed() -> list[Account]:
    """Return twenty accounts that were billed 86.80 on the first of January."""
    accounts = [make_account() for _ in range(20)]
    for account in accounts:
        bill_by(account, date(2026, 1, 1))
    assert len(tick("2026-01-01 00:05").issued) == 20
    return accounts


def tick(local: str, **options: bool) -> BillingResult:
    return bill(instant(local), **options)


def raise_prices(factor: int) -> None:
    for item in CatalogItem.objects.all():
        item.price *= factor
        item.save()


def decide(local: str) -> None:
    trip = AirbagTrip.objects.get(state="held")
    with clock.at(instant(local)):
        ask_release(trip, by=clerk("ann"), reason="The new prices were announced.")
        release(trip, by=clerk("bob"), reason="They were.")


def test_bills_like_the_last_ones_go(billed: list[Account]) -> None:
    result = tick("2026-02-01 00:05")
    assert (len(result.issued), result.airbag, result.document()["held"]) == (20, None, [])


def test_prices_ten_times_as_high_are_held_and_nothing_is_written(billed: list[Account]) -> None:
    raise_prices(10)
    result = tick("2026-02-01 00:05")
    assert (result.issued, len(result.held_bills)) == ([], 20)
    assert result.held_bills[0]["amount"] == "868.00"
    trip = AirbagTrip.objects.get()
    assert (trip.kind, str(trip.planned), str(trip.limit)) == ("invoices", "17360.00", "2170.00")
    assert Invoice.objects.count() == 20
    assert set(BillingParameters.objects.values_list("next_bill_on", flat=True)) == {date(2026, 2, 1)}


def test_an_empty_plan_is_held(billed: list[Account]) -> None:
    for account in billed:
        account.subscriptions.all().delete()
    assert len(tick("2026-02-01 00:05").held_bills) == 20


def test_the_next_tick_waits_with_the_bills_that_come_due_meanwhile(billed: list[Account]) -> None:
    raise_prices(10)
    tick("2026-02-01 00:05")
    late = make_account()
    bill_by(late, date(2026, 2, 1))
    result = tick("2026-02-01 01:05")
    assert (result.issued, len(result.held_bills)) == ([], 21)
    assert (AirbagTrip.objects.count(), AirbagStep.objects.count()) == (1, 21)


def test_a_release_issues_the_bills_with_their_own_date(billed: list[Account]) -> None:
    raise_prices(10)
    tick("2026-02-01 00:05")
    decide("2026-02-03 10:00")
    new = Invoice.objects.filter(issued_on="2026-02-01")
    assert (new.count(), set(new.values_list("amount", "due_on"))) == (20, {(Decimal("868.00"), date(2026, 2, 16))})
    again = tick("2026-02-03 10:05")
    assert (again.issued, again.airbag) == ([], None)


def test_dismissed_bills_wait_for_the_next_day_and_go_if_the_price_is_mended(billed: list[Account]) -> None:
    raise_prices(10)
    tick("2026-02-01 00:05")
    with clock.at(instant("2026-02-01 09:00")):
        dismiss(AirbagTrip.objects.get(), by=clerk("ann"), reason="The price has a digit too many.")
    for item in CatalogItem.objects.all():
        item.price /= 10
        item.save()
    assert tick("2026-02-01 10:05").issued == []
    assert {row.issued_on for row in tick("2026-02-02 00:05").issued} == {date(2026, 2, 1)}


def test_accounts_billed_again_too_soon_are_held(billed: list[Account]) -> None:
    BillingParameters.objects.update(next_bill_on=date(2026, 1, 20))
    result = tick("2026-01-20 00:05")
    assert result.issued == []
    assert "billed again less than 25 days" in AirbagTrip.objects.get().words


def test_a_dry_run_and_history_leave_no_trip(billed: list[Account]) -> None:
    raise_prices(10)
    assert len(tick("2026-02-01 00:05", dry_run=True).held_bills) == 20
    assert len(tick("2026-02-01 00:05", guarded=False).issued) == 20
    assert not AirbagTrip.objects.exists()


def test_the_command_lists_the_bills_it_holds(billed: list[Account], capsys: pytest.CaptureFixture[str]) -> None:
    raise_prices(10)
    call_command("run_billing", at=instant("2026-02-01 00:05"), json=True)
    answer = json.loads(capsys.readouterr().out)
    assert answer["airbag"]["trips"][0]["kind"] == "invoices"
    assert {row["kind"] for row in answer["held"]} == {"invoice"}
    assert answer["invoices_issued"] == 0


def test_a_held_status_switch_keeps_its_account_from_being_billed_until_it_is_decided() -> None:
    policy = sonar(status_switch_days=11)  # entered on 21 January, switched on 1 February: its bill date
    story = Story(policy, number="9000", first_bill_on="2026-01-01")
    with clock.at(instant("2026-01-01 00:05")):
        bill(clock.now())
    check("2026-01-21 09:05")
    town(policy, 21)
    check("2026-01-31 09:05")
    assert AirbagTrip.objects.get().kind == "cuts"
    assert [row.account for row in tick("2026-02-01 00:05").issued] == []
    assert AirbagStep.objects.filter(account=story.account, kind="status_switch").exists()
    assert [row.account for row in tick("2026-02-01 01:05").issued] == []
    decide("2026-02-01 10:00")
    assert Event.objects.filter(account=story.account, kind="status_switch", on="2026-02-01").exists()
    assert [row.account for row in tick("2026-02-01 10:05").issued] == []
    assert Standing.objects.get(account=story.account).switched_on == date(2026, 2, 1)
