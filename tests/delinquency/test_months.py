"""The figures of months: equal to the ledger to the cent, the same when counted again, and told line by line."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import CallRecord
from billing_project.kernel import clock
from delinquency.models import ActMinutes, MonthFigures
from delinquency.operations.work_minutes import SHIPPED, ensure_minutes
from delinquency.reports.funnel import STAGES
from delinquency.reports.hours import Baselines, arithmetic, hours_of
from delinquency.reports.months import count_months
from delinquency.reports.panels import Month
from delinquency.sweep import sweep
from invoicing.models import Invoice
from invoicing.operations.adjust import void_invoice, write_off
from tests.backoffice import queries_for, staff_client
from tests.factories import instant, make_account, make_company, make_staff
from tests.towns import town
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db

FEE = {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 5, "flat": "10.00"}
NOW = "2026-03-10 12:00"


def january() -> list[Any]:
    """Make a January of seven invoices: paid in time, paid late, returned, written off, voided, and two still owed."""
    policy = sonar(status_switch_days=None)
    policy = policy | {"steps": [FEE, *policy["steps"]]}
    accounts = town(policy, 7)
    stories = [_story(policy, account) for account in accounts]
    stories[0].pays("2026-01-10 12:00", "100.00")
    sweep(instant("2026-01-21 09:05"))
    stories[1].pays("2026-02-03 12:00", "60.00")
    stories[1].pays("2026-03-01 12:00", "40.00")
    back = stories[2].pays("2026-02-04 12:00", "100.00")
    stories[2].bounces("2026-02-09 12:00", back)
    with clock.at(instant("2026-03-01 12:00")):
        write_off(invoice=Invoice.objects.get(account=accounts[3]), why="Gone", by=None)
        void_invoice(invoice=Invoice.objects.get(account=accounts[4]), why="Wrong", by=None)
    return accounts


def _story(policy: dict[str, Any], account: Any) -> Story:
    story = Story.__new__(Story)
    story.policy, story.account, story.zone, story.sends = policy, account, "America/New_York", False
    return story


def counted() -> dict[date, Month]:
    with clock.at(instant(NOW)):
        count_months()
    return {row.month: Month(row) for row in MonthFigures.objects.select_related("company")}


def asked(question: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(question)
        return list(cursor.fetchall())


def test_the_funnel_tells_how_far_the_invoices_of_a_month_went() -> None:
    january()
    month = counted()[date(2026, 1, 1)]
    assert {name: month.stage(name) for name, _words in STAGES} == {
        "billed": (6, Decimal("600.00")), "reminded": (5, Decimal("500.00")), "fee": (5, Decimal("500.00")),
        "delinquent": (5, Decimal("500.00")), "cut": (5, Decimal("500.00")),
        "recovered": (1, Decimal("100.00")), "lost": (1, Decimal("100.00")),
    }  # fmt: skip


def test_the_sums_equal_the_ledger_to_the_cent() -> None:
    january()
    months = counted()
    ((billed,),) = asked(
        "SELECT sum(entry.amount) FROM invoicing_ledgerentry entry JOIN invoicing_invoice i ON i.id = entry.invoice_id"
        " WHERE entry.kind IN ('invoice', 'void') AND i.issued_on BETWEEN '2026-01-01' AND '2026-01-31'"
    )
    assert months[date(2026, 1, 1)].stage("billed")[1] == billed
    came = asked(
        "SELECT extract(month FROM e.effective_at AT TIME ZONE 'America/New_York')::int, -sum(e.amount)"
        " FROM invoicing_ledgerentry e WHERE e.kind IN ('payment', 'reversal') AND e.effective_at >= '2026-01-21'"
        " AND e.invoice_id IS NOT NULL GROUP BY 1 ORDER BY 1"
    )
    shown = [(month.on.month, Decimal(month.row.figures["came"]["amount"])) for month in months.values()
             if "came" in month.row.figures]  # fmt: skip
    assert sorted(shown) == came == [(2, Decimal("60.00")), (3, Decimal("40.00"))]


def test_days_to_pay_count_to_the_day_on_which_the_last_of_it_was_paid() -> None:
    january()
    months = counted()
    assert months[date(2026, 1, 1)].row.figures["days"] == {
        "count": 1, "median": 9.0, "ninetieth": 9.0, "spread": [0, 1, 0, 0, 0, 0],
    }  # fmt: skip
    assert months[date(2026, 3, 1)].row.figures["days"] == {
        "count": 1, "median": 59.0, "ninetieth": 59.0, "spread": [0, 0, 0, 1, 0, 0],
    }  # fmt: skip


def test_counting_again_gives_the_same_rows() -> None:
    january()
    first = {key: month.row.figures for key, month in counted().items()}
    assert {key: month.row.figures for key, month in counted().items()} == first
    assert len(first) == MonthFigures.objects.count() == 13


def test_hours_saved_are_the_baseline_less_what_staff_did_and_the_sum_is_shown() -> None:
    accounts, boss = january(), make_staff("boss")
    with clock.at(instant("2026-01-22 12:00")):
        for _ in range(10):
            CallRecord.objects.create(account=accounts[0], number="+15550100123", outcome="busy", by=boss)
    month, company = counted()[date(2026, 1, 1)], accounts[0].company
    minutes = list(ActMinutes.objects.all())
    one = hours_of(month, minutes, Baselines([company]).of(month))
    assert (one.baseline, one.by_hand, one.saved) == (Decimal("62.0"), Decimal(1), Decimal("61.0"))
    lines = arithmetic(month, minutes, one.baseline)
    assert ("A call made by staff: 10 × 6.0 min (assumed)", "− 60 min", False) in lines
    assert ("Saved", "61.0 h", True) in lines
    # Six reminders of 4 minutes, fees of 3, tickets of 2 and cuts of 6; and a payment of 3.
    assert one.by_itself == Decimal(6 * (4 + 3 + 2 + 6) + 3) / 60


def test_a_month_is_compared_with_the_baseline_that_the_company_gave_then() -> None:
    company = make_company()
    with clock.at(instant("2026-01-05 12:00")):
        company.staff_hours_baseline = Decimal(62)
        company._history_date = clock.now()
        company.save()
    company.staff_hours_baseline = Decimal(80)
    company._history_date = instant("2026-02-15 12:00")
    company.save()
    baselines = Baselines([company])
    told = [
        baselines.of(Month(MonthFigures(company=company, month=date(2026, month, 1)))) for month in (1, 2, 3)
    ]  # fmt: skip
    assert told == [62, 80, 80]


def test_minutes_that_an_operator_has_set_stay_when_the_shipped_ones_are_written() -> None:
    ActMinutes.objects.filter(key="call").update(minutes=9)
    ActMinutes.objects.filter(key="grace").delete()
    ensure_minutes()
    assert ActMinutes.objects.count() == len(SHIPPED)
    assert ActMinutes.objects.get(key="call").minutes == 9


def test_the_page_of_figures_has_a_chart_and_a_table_for_each_and_no_more_queries_for_more() -> None:
    january()
    client = staff_client()
    url = reverse("admin:delinquency_monthfigures_charts")
    assert "Nothing was counted yet" in client.get(url).content.decode()
    counted()
    with clock.at(instant(NOW)):
        page = client.get(url).content.decode()
        assert page.count('<svg class="desk-bars"') == 4
        for words in ("January 2026", "5 · 500.00 USD", "March 2026 (so far)", "2 × 3.0 min (assumed)"):
            assert words in page, words
        few = queries_for(client, url)
        other = make_company(name="Other brand", currency="EUR")
        make_account(company=other)
        count_months()
        assert client.get(url).content.decode().count('<svg class="desk-bars"') == 8
        assert queries_for(client, url) == few


def test_an_auditor_reads_the_figures_and_cannot_change_the_minutes() -> None:
    from django.contrib.auth.models import Group

    user = make_staff("reader")
    user.groups.add(Group.objects.get(name="Auditors"))
    client = Client()
    client.force_login(user)
    assert client.get(reverse("admin:delinquency_monthfigures_charts")).status_code == 200
    row = ActMinutes.objects.get(key="call")
    url = reverse("admin:delinquency_actminutes_change", args=[row.pk])
    assert client.get(url).status_code == 200
    assert client.post(url, {"minutes": "1"}).status_code == 403
