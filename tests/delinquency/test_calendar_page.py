"""The year calendar: where open invoices land, which days are closed, and what the page says."""

import re
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Account
from billing_project.kernel import clock
from delinquency.admin.calendar import summary
from delinquency.landing import account_ids_landing, landings
from delinquency.models import Exclusion, InvoiceStanding, PolicyVersion
from delinquency.operations import grant_grace
from delinquency.policy_file import policy_of
from delinquency.year import closed_days, longest_run
from invoicing.models import Invoice
from tests.backoffice import NOON, make_customer, make_version, staff_client
from tests.worlds import WORKDAYS, Story, sonar

pytestmark = pytest.mark.django_db

CALENDAR = "/admin/delinquency/exclusion/calendar/"
LIST = "/admin/delinquency/exclusion/"


def exclude(on: str, name: str = "Holiday", every_year: bool = False) -> Exclusion:
    """Exclude a date."""
    day = date.fromisoformat(on)
    return Exclusion.objects.create(name=name, month=day.month, day=day.day, year=None if every_year else day.year)


def words(answer: Any) -> str:
    """Return the text of a page, in one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


# --- Where invoices land ---


def test_invoices_land_where_the_sweeps_put_them() -> None:
    story = Story(sonar(check_weekdays=WORKDAYS), first_bill_on="2026-02-01")
    graced = Story(sonar(check_weekdays=WORKDAYS), first_bill_on="2026-02-01", number="1002")
    own_due = Story(sonar(check_weekdays=WORKDAYS), number="1003")
    own_due.owes("OWN-1", "2026-02-09", due_on="2026-02-10")  # the policy's due days count: 24 February
    exclude("2026-02-23", "Founders")
    for one in (story, graced, own_due):
        one.days("2026-02-01", "2026-02-10")
    with graced.now("2026-02-10 12:00"):
        grant_grace(account=graced.account, until_on=date(2026, 3, 7), reason="asked")
    version = PolicyVersion.objects.get(policy__name="S")
    with story.now("2026-02-10 12:00"):
        found = landings(version.pk)
        lists = {on: account_ids_landing(version.pk, on) for on in found}
    entries = {on: [landing.accounts, landing.switches] for on, landing in found.items()}
    played: dict[date, list[int]] = {}
    story.days("2026-02-11", "2026-03-20")
    for one in (story, graced, own_due):
        for on, kind in one.story("account_delinquent", "status_switch"):
            played.setdefault(date.fromisoformat(on), [0, 0])[kind == "status_switch"] += 1
    assert entries == played
    assert entries[date(2026, 2, 24)] == [1, 0], "Saturday 21 to Monday 23 are closed"
    assert found[date(2026, 2, 24)].put_off == {date(2026, 2, 21): 1}
    assert found[date(2026, 3, 9)].graced == 1
    assert lists[date(2026, 2, 24)] == [story.account.pk]
    assert found[date(2026, 2, 24)].amounts == {"USD": Decimal("100.00")}


def test_a_delinquent_account_is_counted_on_the_day_of_its_switch_until_it_is_switched() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-22")
    version = PolicyVersion.objects.get(policy__name="S")
    with story.now("2026-01-22 12:00"):
        assert {on: found.switches for on, found in landings(version.pk).items()} == {date(2026, 1, 28): 1}
    story.days("2026-01-23", "2026-01-28")
    with story.now("2026-01-28 12:00"):
        assert landings(version.pk) == {}


def test_what_is_paid_disputed_small_or_parked_lands_nowhere() -> None:
    draft = make_version(published=False)
    PolicyVersion.objects.filter(pk=draft.pk).update(
        minimum_amount_due=Decimal("50.00"), state="published", published_at=NOON
    )
    for number in ("13001", "13002", "13003", "13004", "13005", "13006"):
        make_customer(number, draft)
    Invoice.objects.filter(account__number="13001").update(remaining=0, state="paid")
    Invoice.objects.filter(account__number="13002").update(frozen=True)
    Invoice.objects.filter(account__number="13003").update(remaining=Decimal("49.99"))
    Account.objects.filter(number="13004").update(parked_at=NOON, parked_why="x")
    InvoiceStanding.objects.filter(account__number="13005").update(may_enter=False)
    with clock.at(NOON):
        (landing,) = landings(draft.pk).values()
    assert (landing.on, landing.accounts, landing.amounts) == (date(2026, 1, 21), 1, {"USD": Decimal("100.00")})


def test_the_calendar_needs_as_many_queries_for_twenty_accounts_as_for_one() -> None:
    client, version = staff_client(), make_version()
    make_customer("11000", version)
    counts = []
    for many in (range(11001, 11002), range(11002, 11022)):
        for number in many:
            make_customer(str(number), version)
        client.get(CALENDAR)
        with CaptureQueriesContext(connection) as asked:
            assert client.get(CALENDAR).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 25


# --- The year ---


def test_the_summary_counts_closed_days_and_names_the_longest_run() -> None:
    version = make_version()
    for on in ("2026-12-24", "2026-12-28"):
        exclude(on, "Closed")
    exclude("2026-12-25", "Christmas Day", every_year=True)
    assert summary(policy_of(version), 2026, closed_days(policy_of(version), 2026)) == (
        "3 days of 2026 are closed: 3 excluded, 0 on unchecked weekdays. The longest closed run is 24–25 Dec 2026"
        " (2 days)."
    )
    draft = make_version("Workdays", published=False)
    PolicyVersion.objects.filter(pk=draft.pk).update(check_weekdays=WORKDAYS)
    policy = policy_of(PolicyVersion.objects.get(pk=draft.pk))
    assert summary(policy, 2026, closed_days(policy, 2026)) == (
        "107 days of 2026 are closed: 3 excluded, 104 on unchecked weekdays. The longest closed run is 24–28 Dec 2026"
        " (5 days)."
    )
    assert "1 of them on an unchecked weekday" in summary(policy, 2027, closed_days(policy, 2027))


def test_a_closed_run_over_new_year_is_counted_whole_in_both_years() -> None:
    for on in ("2026-12-30", "2026-12-31", "2027-01-01", "2027-01-02"):
        exclude(on)
    calendar = policy_of(make_version()).calendar
    for year in (2026, 2027):
        run = longest_run(calendar, year, year)
        assert run is not None
        assert (run.words, run.days) == ("30 Dec 2026 – 2 Jan 2027", 4)
    assert longest_run(calendar, 2028, 2028) is None


def test_the_page_marks_each_kind_of_day_in_words() -> None:
    version = make_version(published=False)
    PolicyVersion.objects.filter(pk=version.pk).update(check_weekdays=WORKDAYS, bill_day=1)
    exclude("2026-12-25", "Christmas Day", every_year=True)
    with clock.at(NOON):
        page = staff_client().get(CALENDAR, {"version": version.pk, "year": 2026})
    html = page.content.decode()
    assert html.count("<table>") == 12
    assert 'title="closed: Christmas Day"' in html
    assert html.count('title="this weekday is not checked') == 104 - 1 - 3 + 4
    assert html.count("bill day") >= 12
    assert len(re.findall(r'class="desk-day[^"]*desk-day-today"', html)) == 1
    assert 'title="today' in html


def test_each_day_links_to_its_accounts() -> None:
    client, version = staff_client(), make_version()
    for number in ("13001", "13002"):
        make_customer(number, version)
    make_customer("13003", version, delinquent=True)
    with clock.at(NOON):
        page = client.get(CALENDAR).content.decode()
        (href,) = re.findall(r'href="([^"]+lands=[^"]+)"', page)
        assert href == f"/admin/accounts/account/?lands={version.pk}:2026-01-21"
        listed = client.get(href)
    assert sorted(listed.context["cl"].queryset.values_list("number", flat=True)) == ["13001", "13002"]


@pytest.mark.parametrize("value", ["", "x", "1:2026-02-31", "999999:2026-01-21", "%00:2026-01-21"])
def test_a_list_asked_for_a_day_that_is_none_shows_all_or_says_so(value: str) -> None:
    make_customer("13001", make_version())
    answer = staff_client().get("/admin/accounts/account/", {"lands": value}, follow=True)
    assert answer.status_code == 200
    assert answer.context["cl"].result_count == 1


@pytest.mark.parametrize(
    ("asked", "said_words"),
    [
        ({"year": "1"}, "The least is 1990"),
        ({"year": "99999999999999999999"}, "The most is 2200"),
        ({"year": "next"}, "This is no whole number"),
        ({"version": "0"}, "There is no such policy version"),
        ({"version": "' OR 1=1"}, "There is no such policy version"),
    ],
)
def test_a_calendar_that_is_not_there_is_said_and_the_usual_one_shown(asked: dict[str, str], said_words: str) -> None:
    make_customer("13001", make_version())
    with clock.at(NOON):
        answer = staff_client().get(CALENDAR, asked)
    assert answer.status_code == 200
    assert said_words in words(answer)
    assert answer.context["year"] == 2026
    assert str(answer.context["version"]) == "House rules v1"


@pytest.mark.parametrize("year", [1990, 2200])
def test_the_first_and_last_year_open(year: int) -> None:
    make_version()
    answer = staff_client().get(CALENDAR, {"year": year})
    assert answer.context["year"] == year
    assert (answer.context["before"] is None) == (year == 1990)
    assert (answer.context["after"] is None) == (year == 2200)


def test_without_a_policy_the_page_says_what_to_do() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE delinquency_policy CASCADE")
    assert "Add a policy first" in words(staff_client().get(CALENDAR))


def test_the_policy_page_and_the_sidebar_lead_to_the_calendar() -> None:
    client, version = staff_client(), make_version()
    answer = client.get(reverse("admin:delinquency_policy_year_calendar", args=[version.policy_id]))
    assert answer["Location"] == f"{CALENDAR}?version={version.pk}"
    assert f'href="{CALENDAR}"' in client.get(LIST).content.decode()
