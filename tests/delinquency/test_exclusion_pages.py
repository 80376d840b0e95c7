"""The pages that copy public holidays, and the form of one exclusion."""

import re
from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from billing_project.kernel import clock
from delinquency.landing import Move
from delinquency.models import Exclusion, HolidayCopy, PolicyVersion, Standing
from tests.backoffice import NOON, make_customer, make_version, staff_client
from tests.worlds import WORKDAYS, Story, sonar

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_exclusions(db: None) -> None:
    """Begin without those that a shipped policy brings."""
    Exclusion.objects.all().delete()


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


# --- Copying ---


def test_a_clerk_chooses_looks_and_copies() -> None:
    version = make_version()
    customer = make_customer("13001", version)
    exclude("2026-12-25", "Xmas", every_year=True)
    client = staff("add_exclusion", "change_exclusion", "copy_holidays", "view_exclusion")
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
        ({"day": "1", "month": "13"}, "is not in the list; choose one of it"),
        ({"day": "25", "month": "12"}, "This date is there already, as “Xmas”"),
        ({"day": "1", "month": "1", "year": "99999"}, "The most is 2200"),
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
