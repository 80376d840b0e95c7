"""The forecast of the coming days: what is due, told before the day begins, and kept as it was told."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from delinquency.models import Event, Forecast
from delinquency.operations.studies import store_forecast
from delinquency.studies.forecast import due_by
from tests.factories import bill_by, instant, make_account
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db

FEE = {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 3, "flat": "15.00"}


def stored() -> dict[str, tuple[int, int, str, int, int, str]]:
    """Return what is foretold, by day."""
    return {
        str(row.for_on): (row.cuts, row.fees, str(row.fee_total), row.notices, row.invoices, str(row.invoice_total))
        for row in Forecast.objects.all()
    }


def late() -> Story:
    """Return a customer who was billed on 2026-01-01 and does not pay."""
    story = Story(sonar(steps=[*sonar()["steps"], FEE]), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-18")
    return story


def test_each_evening_the_next_two_days_are_foretold_as_the_sweeps_then_make_them() -> None:
    story = late()
    for evening in ("2026-01-18", "2026-01-20", "2026-01-27"):
        with story.now(f"{evening} 15:00"):
            store_forecast()
        story.days(evening, str(date.fromisoformat(evening) + timedelta(days=2)))
    assert stored() == {
        "2026-01-19": (0, 1, "15.00", 0, 0, "0.00"),
        "2026-01-20": (0, 0, "0.00", 0, 0, "0.00"),
        "2026-01-21": (1, 0, "0.00", 1, 0, "0.00"),
        "2026-01-22": (0, 0, "0.00", 0, 0, "0.00"),
        "2026-01-28": (1, 0, "0.00", 0, 0, "0.00"),
        "2026-01-29": (0, 0, "0.00", 0, 0, "0.00"),
    }
    for day, told in stored().items():
        events = Event.objects.filter(on=day)
        cuts = events.filter(kind__in=["restricted", "status_switch"]).count()
        assert told[:2] == (cuts, events.filter(kind="late_fee").count()), day


def test_bills_are_foretold_for_accounts_under_a_policy_and_under_none() -> None:
    story = Story(sonar(), first_bill_on="2026-02-01")
    bill_by(make_account(number="2001"), "2026-02-01", price="50.00")
    with story.now("2026-01-31 15:00"):
        store_forecast()
    assert stored()["2026-02-01"][4:] == (2, "150.00")
    assert stored()["2026-02-02"][4:] == (0, "0.00")


def test_doing_it_again_renews_the_rows_until_the_day_begins_and_then_leaves_them() -> None:
    story = late()
    with story.now("2026-01-20 15:00"):
        store_forecast()
    made = Forecast.objects.get(for_on="2026-01-21").made_at
    story.pays("2026-01-20 16:00", "100.00")
    with story.now("2026-01-20 23:00"):
        store_forecast()
    renewed = Forecast.objects.get(for_on="2026-01-21")
    assert (renewed.cuts, renewed.made_at > made, Forecast.objects.count()) == (0, True, 2)
    with story.now("2026-01-21 08:00"):
        store_forecast()
    assert Forecast.objects.get(for_on="2026-01-21").made_at == renewed.made_at


def test_a_day_that_has_begun_for_somebody_is_not_foretold_any_more() -> None:
    story = late()
    Story(sonar(name="NZ"), zone="Pacific/Auckland", number="2001")
    with story.now("2026-01-18 15:00"):  # the 19th in Auckland
        store_forecast()
    assert sorted(stored()) == ["2026-01-20", "2026-01-21"]
    assert stored()["2026-01-21"][0] == 1


def test_only_accounts_at_which_something_is_due_are_played() -> None:
    story = late()
    for number in range(2001, 2006):
        bill_by(make_account(number=str(number)), "2026-06-01")
    closed, parked = make_account(number="3001", closed_on=date(2026, 1, 1)), make_account(number="3002")
    for account in (closed, parked):
        bill_by(account, "2026-01-20")
    parked.parked_at = instant("2026-01-01 12:00")
    parked.save()
    with story.now("2026-01-18 15:00"):
        assert due_by(date(2026, 1, 20)) == [story.account.pk]
        assert {row.accounts_played for row in store_forecast()} == {1}


def test_the_number_of_queries_does_not_grow_with_the_accounts() -> None:
    story = late()

    def asked() -> int:
        with story.now("2026-01-20 15:00"), CaptureQueriesContext(connection) as queries:
            store_forecast()
        return len(queries)

    bill_by(make_account(number="2001"), "2026-01-21")
    few = asked()
    for number in range(2002, 2011):
        bill_by(make_account(number=str(number)), "2026-01-21")
    assert asked() == few
    assert stored()["2026-01-21"][4:] == (10, str(Decimal("868.00")))
