"""The year calendar, the pages that copy holidays, and the form of one exclusion."""

import re
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Account, User
from billing_project.kernel import clock
from delinquency.admin.calendar import summary
from delinquency.landing import Move, account_ids_landing, landings
from delinquency.models import Exclusion, HolidayCopy, InvoiceStanding, PolicyVersion, Standing
from delinquency.operations import grant_grace
from delinquency.policy_file import policy_of
from delinquency.year import closed_days, longest_run
from invoicing.models import Invoice
from tests.backoffice import NOON, make_customer, make_version, staff_client
from tests.worlds import WORKDAYS, Story, sonar

pytestmark = pytest.mark.django_db

CALENDAR = "/admin/delinquency/exclusion/calendar/"
COPY = "/admin/delinquency/exclusion/copy_holidays/"
LIST = "/admin/delinquency/exclusion/"


def exclude(on: str, name: str = "Holiday", every_year: bool = False) -> Exclusion:
    """Exclude a date."""
    day = date.fromisoformat(on)
    return Exclusion.objects.create(name=name, month=day.month, day=day.day, year=None if every_year else day.year)


def staff(*codenames: str) -> Client:
    """Return a browser of somebody who may view everything in the room, and do what is named."""
    user = User.objects.create_user("sandy", password="a long enough password", is_staff=True)
    views = Permission.objects.filter(codename__startswith="view_")
    user.user_permissions.set(views.union(Permission.objects.filter(codename__in=codenames)))
    client = Client()
    client.force_login(user)
    return client


def words(answer: Any) -> str:
    """Return the text of a page, in one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def said(answer: Any) -> list[str]:
    """Return the messages of a page that was redirected to."""
    return [str(message) for message in answer.context["messages"]]


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
        ({"year": "1"}, "greater than or equal to 1990"),
        ({"year": "99999999999999999999"}, "less than or equal to 2200"),
        ({"year": "next"}, "Enter a whole number"),
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


# --- Copying ---


def test_a_clerk_chooses_looks_and_copies() -> None:
    version = make_version()
    customer = make_customer("13001", version)
    exclude("2026-12-25", "Xmas", every_year=True)
    client = staff("add_exclusion", "change_exclusion", "view_exclusion")
    with clock.at(clock.instant(NOON.replace(tzinfo=None, hour=8), "America/New_York")):
        assert "Choose a country" in words(client.get(COPY))
        page = client.get(COPY, {"country": "US"})
        preview = page.context["preview"]
        assert (preview.there, page.context["form"].is_valid()) == (1, True)
        assert "There already, as “Xmas”; it is left as it is." in words(page)
        keys = re.findall(r'name="dates" value="([^"]+)"[^>]* checked', page.content.decode())
        assert len(keys) == preview.new > 15
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.content.decode())
        sent = {name: value for name, value in hidden if name != "csrfmiddlewaretoken"}
        done = client.post(COPY, sent | {"dates": keys[:-1]}, follow=True)
    assert f"{len(keys) - 1} dates of United States, 2026–2027 added for all policies." in said(done)[0]
    assert HolidayCopy.objects.get().made_by == User.objects.get(username="sandy")
    assert Exclusion.objects.filter(copied_in__isnull=False).count() == len(keys) - 1
    assert Standing.objects.get(account=customer).policy_version == version
    again = client.post(COPY, sent | {"dates": keys[:-1]}, follow=True)
    assert said(again) == ["Nothing was added: all of these dates are excluded already."]


def test_the_preview_shows_whose_day_moves_and_what_is_unchecked_anyway() -> None:
    draft = make_version(published=False)
    PolicyVersion.objects.filter(pk=draft.pk).update(check_weekdays=WORKDAYS, state="published", published_at=NOON)
    make_customer("13001", draft)
    graced = make_customer("13002", draft)
    Standing.objects.filter(account=graced).update(grace_until=date(2026, 6, 19))
    exclude("2026-06-22", "Fair")
    with clock.at(NOON):
        page = staff_client().get(COPY, {"country": "US"})
    assert page.context["preview"].moves == (Move(date(2026, 6, 19), date(2026, 6, 23), 1),)
    assert "1 account becomes delinquent later if nothing is paid: 1: Fri 19 Jun 2026 → Tue 23 Jun 2026" in words(page)
    assert "Saturdays are not checked anyway (2027)." in words(page)
    assert not Exclusion.objects.exclude(name="Fair").exists(), "looking writes nothing"


def test_support_sees_the_calendar_and_cannot_copy_or_undo() -> None:
    make_version()
    client = staff()
    copy = HolidayCopy.objects.create(
        country="US", place="United States", first_year=2026, last_year=2026, dates_added=1
    )
    assert client.get(CALENDAR).status_code == 200
    assert "Copy public holidays" not in words(client.get(CALENDAR))
    assert client.get(COPY).status_code == 403
    assert client.post(COPY, {"country": "US"}).status_code == 403
    undo = reverse("admin:delinquency_holidaycopy_undo", args=[copy.pk])
    assert client.post(undo).status_code == 403
    copy.refresh_from_db()
    assert copy.undone_at is None


def test_somebody_without_the_room_sees_nothing() -> None:
    user = User.objects.create_user("new", password="a long enough password", is_staff=True)
    client = Client()
    client.force_login(user)
    assert client.get(CALENDAR).status_code == 403


@pytest.mark.parametrize(
    ("sent", "said_words"),
    [
        ({"country": "ZZ"}, "no holidays for the country 'ZZ'"),
        ({"country": "<script>"}, "no holidays for the country '&lt;script&gt;'"),
        ({"country": "US", "first_year": "1800", "last_year": "2026", "categories": "public"}, "1800 is not one"),
        ({"country": "US", "first_year": "2027", "last_year": "2026", "categories": "public"}, "2026 is before 2027"),
        ({"country": "US", "region": "BY", "first_year": "2026", "last_year": "2026", "categories": "public"},
         "has no region BY"),
        ({"country": "US", "first_year": "2026", "last_year": "2026", "categories": "bank"}, "There is no such kind"),
        ({"country": "US", "first_year": "2026", "last_year": "2026"}, "Tick at least one kind"),
        ({"country": "US", "first_year": "2026", "last_year": "2026", "categories": "public"},
         "Tick at least one date"),
        ({"country": "US", "first_year": "2026", "last_year": "2026", "categories": "public", "dates": "2026-02-31"},
         "2026-02-31 is not among"),
    ],
)  # fmt: skip
def test_hostile_input_is_answered_with_words(sent: dict[str, str], said_words: str) -> None:
    with clock.at(NOON):
        answer = staff_client().post(COPY, sent)
    assert answer.status_code == 200
    assert said_words in " ".join(answer.content.decode().replace("&#x27;", "'").split())
    assert not Exclusion.objects.exists()


def test_the_last_copy_is_undone_from_the_list() -> None:
    client = staff_client()
    copy = HolidayCopy.objects.create(
        country="US", place="United States", first_year=2026, last_year=2026, dates_added=1
    )
    Exclusion.objects.create(name="Christmas Day", month=12, day=25, copied_in=copy)
    page = client.get("/admin/delinquency/exclusion/undo_last_copy/", follow=True)
    assert "Removes 1 of the 1 dates it added: Christmas Day 12-25." in words(page)
    done = client.post(page.redirect_chain[-1][0], follow=True)
    assert said(done) == ["1 date of United States, 2026 removed."]
    none = client.get("/admin/delinquency/exclusion/undo_last_copy/", follow=True)
    assert said(none) == ["There is no copy of public holidays to undo."]


# --- One exclusion ---


def add(client: Client, **fields: object) -> Any:
    """Send the form of a new exclusion."""
    return client.post(f"{LIST}add/", {"name": "Leap day", "year": "", "policy": ""} | fields, follow=True)


def test_29_february_may_bring_28_february_along() -> None:
    client = staff_client()
    add(client, day="29", month="2", also_28="on")
    assert sorted(Exclusion.objects.values_list("month", "day", "year")) == [(2, 28, None), (2, 29, None)]


def test_29_february_alone_says_that_it_counts_in_leap_years_only() -> None:
    assert "29 February counts in leap years only" in " ".join(said(add(staff_client(), day="29", month="2")))


@pytest.mark.parametrize(
    ("fields", "said_words"),
    [
        ({"day": "31", "month": "4"}, "Month 4 has no day 31."),
        ({"day": "29", "month": "2", "year": "2027"}, "2027 is not a leap year"),
        ({"day": "30", "month": "2", "also_28": "on"}, "Month 2 has no day 30."),
        ({"day": "24", "month": "12", "also_28": "on"}, "untick it for other dates"),
        ({"day": "1", "month": "13"}, "Select a valid choice"),
        ({"day": "25", "month": "12"}, "This date is there already, as “Xmas”"),
        ({"day": "1", "month": "1", "year": "99999"}, "less than or equal to 2200"),
    ],
)
def test_the_form_refuses_impossible_and_double_dates(fields: dict[str, str], said_words: str) -> None:
    exclude("2026-12-25", "Xmas", every_year=True)
    assert said_words in words(add(staff_client(), **fields))
    assert Exclusion.objects.count() == 1


def test_a_long_closed_run_is_pointed_out() -> None:
    version = make_version()
    make_customer("13001", version)
    for day in range(24, 29):
        exclude(f"2026-12-{day}")
    client = staff_client()
    with clock.at(NOON):
        fine = said(add(client, name="New Year", day="1", month="1"))
        long = said(add(client, name="Innocents", day="29", month="12", year="2026"))
    assert not [text for text in fine if "nothing is open" in text]
    assert (
        "Under House rules v1 nothing is open 24–29 Dec 2026, 6 days: nobody becomes delinquent in that time." in long
    )


def test_deleting_in_the_list_and_on_the_policy_page_goes_through_the_operation() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    row = exclude("2026-01-21")
    own = Exclusion.objects.create(
        name="Own", month=1, day=22, year=2026, policy=story.account.standing.policy_version.policy
    )
    story.days("2026-01-01", "2026-01-19")
    client = staff_client()
    policy = own.policy
    assert policy is not None
    page = {
        "name": policy.name, "billing_default": str(policy.billing_default_id),
        "exclusions-TOTAL_FORMS": "1", "exclusions-INITIAL_FORMS": "1", "exclusions-0-id": str(own.pk),
        "exclusions-0-policy": str(policy.pk), "exclusions-0-name": "Own", "exclusions-0-month": "1",
        "exclusions-0-day": "22", "exclusions-0-year": "2026", "exclusions-0-DELETE": "on",
        "versions-TOTAL_FORMS": "0", "versions-INITIAL_FORMS": "0",
    }  # fmt: skip
    with story.now("2026-01-20 12:00"):
        changed = client.post(f"/admin/delinquency/policy/{policy.pk}/change/", page, follow=True)
        assert "1 account that waited for a later day is looked at again" in " ".join(said(changed))
        chosen = {"action": "delete_selected", "_selected_action": str(row.pk), "post": "yes"}
        deleted = client.post(LIST, chosen, follow=True)
        assert "looked at again" in " ".join(said(deleted))
    assert not Exclusion.objects.exists()
    story.days("2026-01-20", "2026-01-21")
    assert story.story("account_delinquent") == [("2026-01-21", "account_delinquent")]
