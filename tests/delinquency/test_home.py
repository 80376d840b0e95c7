"""The home page for each role: what stands first, what may be pressed, and what a new installation is told."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Account, User
from billing_project.kernel import clock
from delinquency.models import GraceGrant, Promise, TaskRun
from invoicing.lateness import past_due
from invoicing.models import Invoice
from netenforce.models import Hold, LineState
from tests.backoffice import make_customer, make_everything, make_invoice, make_version, queries_for, staff_client
from tests.factories import instant

pytestmark = pytest.mark.django_db

ROLES = ("Administrators", "Support", "Auditors")
NUMBER = r'href="([^"]+)"><span class="desk-count">(\d+)</span> <span>([^<]+)</span>'


def in_role(role: str) -> Client:
    """Return a browser in which somebody of a role is logged in."""
    user = User.objects.create_user(role.lower().replace(" ", "-"), is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def home(client: Client) -> str:
    page = client.get(reverse("admin:index")).content.decode()
    return page[page.index('<p class="desk-hidden">') :]


def headings(page: str) -> list[str]:
    return [words for words in re.findall(r"<h2[^>]*>([^<]+)</h2>", page) if words != "First steps"]


def make_rich() -> None:
    """Make something for every number to count, and beside each something that it must not."""
    make_everything()
    version, today = make_version("Rich"), clock.today("America/New_York")
    for number, (due, state, decided) in enumerate(
        (
            (today, "open", None), (today + timedelta(days=1), "open", None),
            (today - timedelta(days=1), "broken", today),
            (today - timedelta(days=60), "broken", today - timedelta(days=59)),
        )
    ):  # fmt: skip
        account = make_customer(str(12001 + number), version, delinquent=number == 0)
        grant = GraceGrant.objects.create(account=account, until_on=due, reason="asked")
        Promise.objects.create(
            account=account, pay_by_on=due, owed=Decimal(1), made_on=min(due, today), grant=grant, state=state,
            decided_on=decided,
        )  # fmt: skip
        Hold.objects.create(
            account=account, cause="request", cause_key="by hand", level="suspend", why="asked",
            until_at=clock.now() + timedelta(days=5 * (number + 1)),
        )  # fmt: skip
    LineState.objects.filter(line__account__number__in=["12002", "12003"]).update(observed_level="suspend")
    for task in ("delinquency.tick", "invoicing.tick"):
        now = clock.now()
        TaskRun.objects.create(task=task, state="failed", first_at=now, last_at=now, error="Error: no")


@pytest.mark.parametrize("role", ROLES)
def test_every_number_is_the_length_of_the_list_that_one_click_leads_to(role: str) -> None:
    make_rich()
    client = in_role(role)
    found = re.findall(NUMBER, home(client))
    assert len(found) >= 20
    for href, count, words in found:
        listed = client.get(href.replace("&amp;", "&"))
        assert listed.status_code == 200, words
        length = listed.context["cl"].result_count if "cl" in listed.context else listed.context["found_count"]
        assert length == int(count), words
    shown = {words: int(count) for _href, count, words in found}
    assert shown["promises due today"] == shown["promises broken in 7 days"] == shown["holds end within 7 days"] == 1
    assert shown["free to go, still blocked"] == shown["runs missed or failed"] == 2
    assert shown["accounts delinquent"] == 2


@pytest.mark.parametrize(
    ("role", "first"),
    [
        ("Billing managers", ["Brakes", "Needs a person", "Money"]),
        ("Billing clerks", ["Record a payment", "Money", "Late payers"]),
        ("Support", ["Next ticket", "Who is calling?", "Tickets and calls"]),
        ("Auditors", ["Money", "Late payers", "Needs a person"]),
    ],
)
def test_what_stands_first_depends_on_what_somebody_does(role: str, first: list[str]) -> None:
    assert headings(home(in_role(role)))[:3] == first


def test_an_auditor_is_shown_numbers_and_reports_and_no_button() -> None:
    main = home(in_role("Auditors"))
    assert "<form" not in main
    assert "Pause everything" not in main
    assert reverse("admin:delinquency_event_report_sent") in main


def test_a_new_installation_is_told_what_to_do_first_with_what_is_done_ticked() -> None:
    page = home(staff_client())
    assert page.count("to do") == 4
    make_customer("10001", make_version())
    page = home(browser_of("boss"))
    assert page.count("✓ done") == 6  # all but the test letter
    assert page.count("to do") == 1
    assert "First steps" not in home(in_role("Support"))


def browser_of(username: str) -> Client:
    """Return another browser of somebody."""
    client = Client()
    client.force_login(User.objects.get(username=username))
    return client


def test_the_home_page_needs_few_queries_and_no_more_for_more_rows() -> None:
    make_rich()
    client = staff_client()
    few = queries_for(client, reverse("admin:index"))
    assert few <= 20
    version = make_version("More")
    for number in range(12):
        make_customer(str(13000 + number), version, delinquent=True)
    assert queries_for(client, reverse("admin:index")) == few


def test_all_numbers_are_counted_in_one_query() -> None:
    client = staff_client()
    client.get(reverse("admin:index"))
    with CaptureQueriesContext(connection) as asked:
        client.get(reverse("admin:index"))
    counting = [row["sql"] for row in asked if row["sql"].count("count(*)") > 20]
    assert len(counting) == 1


def test_lateness_is_counted_in_each_zone_of_the_world_as_the_lists_count_it() -> None:
    client, version = staff_client(), make_version()
    with clock.at(instant("2026-03-10 23:30")):
        for place, zone in enumerate(("Pacific/Kiritimati", "America/New_York", "Pacific/Pago_Pago")):
            account = make_customer(str(14000 + place), version)
            Account.objects.filter(pk=account.pk).update(timezone=zone)
            for days in (-31, -30, -3, -2, -1, 0, 1, 2):
                make_invoice(account, f"L-{place}-{days}", due_on=clock.today() + timedelta(days=days))
        late = [
            invoice.due_on < clock.today(invoice.account.timezone)
            for invoice in Invoice.objects.select_related("account")
        ]
        assert past_due(Invoice.objects.all()).count() == sum(late)
        found = re.findall(r'href="([^"]+late=[^"]+)">[^<]+</a></th>\s*<td class="desk-right">(\d+)</td>', home(client))
        assert len(found) == 5
        for href, count in found:
            assert client.get(href.replace("&amp;", "&")).context["cl"].result_count == int(count), href
