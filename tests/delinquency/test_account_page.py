"""One account at a glance: few queries whatever it holds, every effect in its story, what is to come (U07 to U10)."""

import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Account, Notice, User
from billing_project.kernel import clock
from billing_project.kernel.together import at_once
from delinquency.ahead import prospect
from delinquency.glance import AHEAD_DAYS
from delinquency.models import Event, GraceGrant, Standing, Ticket, TicketQueue
from delinquency.story import GROUPS, SOURCES, story_reading
from invoicing.models import PaymentAttempt
from netenforce.models import Device, EnforcementTask, Hold, LineState
from tests.backoffice import NOON, make_everything, make_invoice, staff_client
from tests.factories import make_account, make_contact, make_line, make_source

pytestmark = pytest.mark.django_db


def address(account: Account, name: str = "change") -> str:
    """Return the address of an account's page, or of one of its buttons."""
    return reverse(f"admin:accounts_account_{name}", args=[account.pk])


def member_of(role: str) -> Client:
    """Return a browser in which somebody of a shipped role is logged in."""
    user = User.objects.create_user(role.lower().replace(" ", "-"), is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def make_richer(account: Account, number: int) -> None:
    """Give an account one more of everything that its page shows."""
    line = make_line(account, f"100.64.50.{number}")
    LineState.objects.create(line=line, device=Device.objects.get(name="Edge 1"), desired_level="throttle")
    make_source(account, rank=number + 2, token=f"tok_{number}")
    make_invoice(account, f"A-77{number}", due_on=date(2026, 1, 16), amount="20.00")
    Hold.objects.create(account=account, cause="status", cause_key=f"k{number}", level="suspend", why="switched")
    Ticket.objects.create(
        account=account, number=f"T-9{number}", subject="Router", kind="question", opened_on=date(2026, 1, 20),
        queue=TicketQueue.objects.get(name="Billing"),
    )  # fmt: skip
    contact = make_contact(account, name=f"Person {number}", phone=f"+1555010{number:04}", is_billing_contact=False)
    Notice.objects.create(
        account=account, contact=contact, anchor_key=f"case:{number}", step_key="n", channel="email",
        template="past_due",
        to_address="x@customer.example", body="Pay",
    )  # fmt: skip
    GraceGrant.objects.create(account=account, until_on=date(2026, 3, 1), reason="asked", granted_at=NOON)


@pytest.mark.parametrize("role", ["Billing clerks", "Support", "Auditors"])
def test_the_page_needs_at_most_fifteen_queries_and_as_many_for_twelve_of_everything_as_for_three(role: str) -> None:
    account, client = make_everything(), member_of(role)
    counts = []
    for numbers in (range(1, 4), range(4, 13)):
        for number in numbers:
            make_richer(account, number)
        with clock.at(NOON), CaptureQueriesContext(connection) as seen:
            page = client.get(address(account))
        assert page.status_code == 200
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 15


def test_the_story_tells_every_effect_once_page_by_page() -> None:
    account = make_everything()
    whole, before = [], ""
    while True:
        page = at_once(story_reading(account, before=before, rows=3))
        whole += [row.key for row in page.rows]
        if not (before := page.older):
            break
    assert len(whole) == len(set(whole)) == page.total
    assert whole == sorted(whole, key=lambda key: key.split("~")[0], reverse=True)
    for group in GROUPS:
        told = at_once(story_reading(account, group=group, rows=100)).rows
        assert len(told) == page.counts.get(group, 0)
        assert {row.group for row in told} <= {group}


def test_the_story_has_a_row_for_each_row_that_an_effect_left() -> None:
    account = make_everything()
    with CaptureQueriesContext(connection) as seen:
        told = at_once(story_reading(account, rows=200)).rows
    assert len(seen) == 1
    found = {(row.source, row.row.pk) for row in told}
    for name, rows in (
        ("event", Event.objects.all()), ("notice", Notice.objects.all()), ("attempt", PaymentAttempt.objects.all()),
        ("order", EnforcementTask.objects.all()), ("hold", Hold.objects.all()),
    ):  # fmt: skip
        own = set(rows.filter(**{"line__account" if name == "order" else "account": account}).values_list("pk"))
        assert own, name
        assert {(name, pk) for (pk,) in own} <= found, name
    assert len({source.name for source in SOURCES}) == len(SOURCES)
    page = staff_client().get(address(account)).content.decode()
    assert "Read back: throttle." in page
    assert page.count("<tr>") > 15


def test_a_place_in_the_story_that_nobody_gave_out_shows_its_beginning() -> None:
    account, client = make_everything(), staff_client()
    for before in ("x", "2026-01-01~1~2", "2026-01-01T00:00:00+00:00~1~99999999999999999999999", "~~"):
        page = client.get(address(account), {"before": before, "kind": "nonsense"})
        assert page.status_code == 200
        assert page.context["panel"].story


def test_the_next_six_steps_are_what_the_simulator_plays() -> None:
    """Thirty accounts with bills of many ages and sizes, one after the other."""
    make_everything()
    version = Standing.objects.get().policy_version
    client = staff_client()
    shown = 0
    with clock.at(NOON):
        for number in range(30):
            account = make_account(
                number=f"30{number:03}", timezone=("America/New_York", "Pacific/Honolulu")[number % 2]
            )
            make_contact(account)
            Standing.objects.create(account=account, policy_version=version, next_look_at=NOON)
            for bill in range(number % 3):
                due_on = date(2026, 1, 16) + timedelta(days=31 * bill - number % 5)
                make_invoice(account, f"S-{number}-{bill}", due_on=due_on, amount=f"{10 + number}.{bill}0")
            panel = client.get(address(account)).context["panel"]
            played = prospect(account, clock.today(account.timezone) + timedelta(days=AHEAD_DAYS))
            assert played is not None
            wanted = [(event.at, str(event.kind), event.number, event.amount) for event in played.events[:6]]
            assert [(one.step.at, one.step.kind, one.step.number, one.step.amount) for one in panel.coming] == wanted
            shown += len(wanted)
    assert shown > 60


def test_a_step_says_what_stops_it_with_its_local_time() -> None:
    make_everything()
    account = make_account()
    version = Standing.objects.get().policy_version
    Standing.objects.create(account=account, policy_version=version, next_look_at=NOON)
    with clock.at(NOON):
        make_invoice(account, "L-1", due_on=date(2026, 1, 16), amount="42.10")
        page = " ".join(re.sub("<[^>]+>", " ", staff_client().get(address(account)).content.decode()).split())
    assert "Wed 21 Jan 2026 09:00 Slow the line unless 42.10 USD is paid" in page
    assert "Wed 21 Jan 2026 09:00 Write to the customer, unless 42.10 USD is paid" in page


def test_only_buttons_that_the_person_may_press_are_offered_and_the_others_say_why_not() -> None:
    account = make_everything()
    for role, some, none in (
        ("Billing clerks", {"record_payment", "charge_card", "change_status", "grace"}, set()),
        ("Support", {"grace", "promise", "pay_link", "waive_fee"}, {"record_payment", "charge_card", "change_status"}),
        ("Auditors", {"what_if"}, {"grace", "record_payment", "waive_fee", "new_ticket", "log_call", "close"}),
    ):
        client = member_of(role)
        page = client.get(address(account)).content.decode()
        for name in some:
            assert f'href="{address(account, name)}"' in page, (role, name)
        for name in none:
            assert f'href="{address(account, name)}"' not in page, (role, name)
            assert client.post(address(account, name)).status_code == 403, (role, name)
    bare = staff_client().get(address(make_account())).content.decode()
    assert "Charge the card now (no card or bank account is on file)" in bare
    assert "Take a promise (it is under no policy)" in bare
    assert "Restore for a day (it has no line)" in bare


def test_a_card_is_charged_once_at_a_clerks_word() -> None:
    account, client = make_everything(), staff_client()
    url = address(account, "charge_card")
    form = client.get(url).context["form"]
    sent = {
        "source": account.funding_sources.get().pk, "invoice": account.invoices.get().pk, "reason": "Asked by phone.",
        "once": form["once"].value(),
    }  # fmt: skip
    assert client.post(url, sent).status_code == 303
    made = PaymentAttempt.objects.get(key=f"staff:{sent['once']}")
    assert (made.state, made.amount, made.why) == ("queued", Decimal("60.00"), "Asked by phone. (boss)")
    again = client.post(url, sent | {"once": "another"})
    assert "A charge of this account is under way" in again.content.decode()
    assert client.post(url, sent).status_code in (200, 303)
    assert PaymentAttempt.objects.filter(key__startswith="staff:").count() == 1
    page = client.get(address(account)).content.decode()
    assert "Charge the card now (a charge is under way)" in page


def test_the_form_is_behind_details_and_saving_it_leads_back() -> None:
    account, client = make_account(name="Ada Byron"), staff_client()
    page = client.get(address(account)).content.decode()
    assert 'name="address"' not in page
    assert f"{address(account)}?edit=1" in page
    form = client.get(address(account) + "?edit=1").content.decode()
    assert 'name="address"' in form
    assert client.get(reverse("admin:accounts_account_change", args=[0]), follow=True).status_code == 200


def test_what_if_is_one_click_away_with_its_amount_filled_in() -> None:
    account, client = make_everything(), staff_client()
    page = client.get(address(account)).content.decode()
    links = [href.replace("&amp;", "&") for href in re.findall(r'href="([^"]+/what_if[^"]*)"', page)]
    assert f"{address(account, 'what_if')}?amount=60.00" in links
    tried = [href for href in dict.fromkeys(links) if "?" in href]
    assert len(tried) == 2
    for href in tried:
        assert "Supposed" in client.get(href).content.decode(), href
