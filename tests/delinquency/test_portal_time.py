"""Days that customers take themselves: what is offered, what it does, and when there is none (P09, A9)."""

import html
import random
import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from accounts.models import ServiceLine
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from delinquency.customer_time import Choice, choice_of
from delinquency.models import Event, GraceGrant, Promise
from delinquency.operations import withdraw_promise
from delinquency.operations.portal_time import promise_in_portal
from invoicing.models import Invoice
from invoicing.operations.adjust import freeze_invoice
from netenforce.models import LineState
from tests.portal import come_in
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db

FEE = {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 3, "flat": "10.00"}
TOLD = ("account_delinquent", "late_fee", "restricted", "status_switch", "issued")
MONDAY = "2026-01-19 08:00"
DAY = date(2026, 1, 27)


def late(fee: bool = True, until: str = "2026-01-18", **changes: Any) -> Story:
    """Return a customer who owes 100.00, due 2026-01-16, who would become delinquent on 2026-01-21."""
    changes.setdefault("steps", sonar()["steps"] + ([FEE] if fee else []))
    story = Story(sonar(**changes), first_bill_on="2026-01-01")
    story.days("2026-01-01", until)
    story.account.refresh_from_db()
    return story


def take(story: Story, on: date, choice: Choice | None = None) -> Promise:
    """Press the button of a day."""
    choice = choice or choice_of(story.account)
    offer = choice.offer(on)
    assert offer is not None
    return promise_in_portal(story.account, on, seen=choice.seen, shown=offer.mark)


def refusal(story: Story) -> str:
    """Return why there are no days, or an empty text."""
    not_now = choice_of(story.account).not_now
    return not_now.code if not_now else ""


def customer(story: Story) -> Client:
    """Return a browser that came in by the account's link."""
    client = Client()
    come_in(client, story.account)
    return client


def text(response: Any) -> str:
    """Return a page's words."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())).split())


def form(page: Any, on: date) -> dict[str, str]:
    """Return what pressing a day's button sends."""
    found = dict(re.findall(r'name="([\w-]+)" value="([^"]*)"', page.content.decode()))
    return {"pay_by": str(on), "seen": found["seen"], f"shown-{on}": found[f"shown-{on}"]}


@pytest.fixture
def story() -> Iterator[Story]:
    """Let it be Monday, three days after the due date, one hour before the late fee."""
    found = late()
    with found.now(MONDAY):
        yield found


def test_days_are_counted_from_when_the_account_would_become_delinquent_up_to_the_companys_most(story: Story) -> None:
    offers = choice_of(story.account).offers
    assert [(row.days_later, str(row.pay_by_on), str(row.effect.may_on)) for row in offers] == [
        (3, "2026-01-23", "2026-01-24"), (5, "2026-01-25", "2026-01-26"), (7, "2026-01-27", "2026-01-28"),
    ]  # fmt: skip
    story.account.company.customer_extension_days_max = 4
    assert [row.days_later for row in choice_of(story.account).offers] == [3, 4]


def test_every_day_says_what_it_does_and_what_it_costs_before_it_is_pressed(story: Story) -> None:
    offer = choice_of(story.account).offer(date(2026, 1, 27))
    assert offer is not None
    assert offer.title == "I will pay 100.00 USD by Tuesday 27 January"
    assert offer.lines == (
        "Your account is not delinquent before Wednesday 28 January.",
        f"The late fee of 10.00 USD on invoice {Invoice.objects.get().number} is put off to Wednesday 28 January too.",
        "Your line is not slowed before Wednesday 28 January.",
        "Your service does not end before Wednesday 4 February.",
    )
    assert offer.costs == ("These days bring one more bill: 110.00 USD on Sunday 1 February.",)


def test_a_fee_that_the_policy_does_not_put_off_is_said_to_come_all_the_same() -> None:
    story = late(grace_until_defers_fees=False)
    with story.now(MONDAY):
        offer = choice_of(story.account).offer(date(2026, 1, 23))
        assert offer is not None
        number = Invoice.objects.get().number
        assert offer.costs[0] == (
            f"The late fee of 10.00 USD on invoice {number} still comes on Monday 19 January, unless you pay before."
        )


def test_one_press_is_a_promise_in_the_portal_that_the_looks_follow(story: Story) -> None:
    row = take(story, date(2026, 1, 25))
    assert (row.channel, row.owed, row.made_by, row.grant.until_on) == ("portal", Decimal(100), None, date(2026, 1, 26))
    assert ("2026-01-26", "account_delinquent") in story.days("2026-01-19", "2026-01-26")
    row.refresh_from_db()
    assert row.state == "broken"


def test_pressing_twice_and_in_two_tabs_gives_days_once(story: Story) -> None:
    shown = choice_of(story.account)
    first = take(story, date(2026, 1, 25), shown)
    assert take(story, date(2026, 1, 25), shown) == first
    with pytest.raises(Refused) as refused:
        take(story, date(2026, 1, 27), shown)
    assert refused.value.code == "promise_open"
    assert GraceGrant.objects.count() == 1


def test_an_old_page_gives_nothing_when_staff_gave_days_meanwhile(story: Story) -> None:
    shown = choice_of(story.account)
    story.gets_grace("2026-01-19 08:10", "2026-01-23")
    with pytest.raises(StaleState), story.now("2026-01-19 08:20"):
        take(story, date(2026, 1, 25), shown)
    assert GraceGrant.objects.count() == 1


def test_an_old_page_gives_nothing_when_what_it_said_is_not_so_any_more(story: Story) -> None:
    shown = choice_of(story.account)
    story.pays("2026-01-19 08:05", "60.00")
    with pytest.raises(StaleState), story.now("2026-01-19 08:20"):
        take(story, date(2026, 1, 25), shown)
    assert not Promise.objects.exists()


def test_whoever_becomes_delinquent_between_page_and_press_gets_nothing() -> None:
    story = late(until="2026-01-20")
    with story.now("2026-01-21 08:59"):
        shown = choice_of(story.account)
    with story.now("2026-01-21 09:01"), pytest.raises(Refused) as refused:
        take(story, shown.offers[0].pay_by_on, shown)
    assert refused.value.code in ("restricted", "delinquent")


def test_a_day_that_is_not_offered_is_refused(story: Story) -> None:
    with pytest.raises(Refused) as refused:
        promise_in_portal(story.account, date(2027, 1, 1), seen=0, shown="x")
    assert refused.value.code == "not_offered"


def test_who_is_delinquent_is_told_what_ends_it_and_whom_to_ask() -> None:
    story = late(until="2026-01-22", steps=[], status_switch_days=None, fee=False)
    with story.now("2026-01-22 10:00"):
        not_now = choice_of(story.account).not_now
        assert not_now is not None
        assert (not_now.code, not_now.instead) == (
            "delinquent", "Paying 100.00 USD ends this. If you cannot pay that now, ask us.",
        )  # fmt: skip


def test_a_slowed_line_gets_no_days_and_the_page_says_what_brings_it_back() -> None:
    story = late(until="2026-01-22")
    line = ServiceLine.objects.create(account=story.account, ipv4="100.64.0.7")
    LineState.objects.create(line=line, desired_level="throttle", desired_since_at=clock.now())
    with story.now("2026-01-22 10:00"):
        shown = text(customer(story).get(reverse("portal-time")))
    assert "Your line is slowed already, and more days would not bring it back. Paying 100.00 USD ends this." in shown
    assert "I will pay" not in shown
    assert "Ask us for more time" in shown


def test_the_limit_counts_what_staff_gave_and_says_when_again(story: Story) -> None:
    story.gets_grace("2025-06-01 10:00", "2025-06-10")
    story.gets_grace("2025-09-01 10:00", "2025-09-10")
    not_now = choice_of(story.account).not_now
    assert not_now is not None
    assert (not_now.code, not_now.again_on) == ("limit", date(2026, 6, 1))
    assert "2 times in 12 months, and you had them on Sunday 1 June 2025; Monday 1 September 2025" in not_now.words
    shown = text(customer(story).get(reverse("portal-time")))
    assert "From Monday 1 June you can take days here again." in shown


def test_a_broken_promise_keeps_days_away_for_as_long_as_the_company_says() -> None:
    story = late()
    with story.now(MONDAY):
        take(story, date(2026, 1, 23))
    story.days("2026-01-19", "2026-01-24")
    story.pays("2026-01-24 12:00", "110.00")
    story.days("2026-01-24", "2026-02-17")
    with story.now("2026-02-18 08:00"):
        not_now = choice_of(story.account).not_now
        assert not_now is not None
        assert (not_now.code, not_now.again_on) == ("promise_broken", date(2026, 4, 24))
        story.account.company.customer_extension_pause_days = 25
        assert refusal(story) == ""


def test_nothing_owed_disputed_no_need_and_the_switch_each_say_their_rule(story: Story) -> None:
    company = story.account.company
    company.customer_extensions = False
    assert refusal(story) == "switched_off"
    company.customer_extensions = True
    freeze_invoice(invoice=Invoice.objects.get(), frozen=True)
    assert refusal(story) == "disputed"
    freeze_invoice(invoice=Invoice.objects.get(), frozen=False)
    company.customer_extensions_per_year = 0
    assert refusal(story) == "limit"
    story.pays("2026-01-19 08:01", "100.00")
    assert refusal(story) == "nothing_owed"


def test_an_account_under_no_policy_is_asked_to_write(story: Story) -> None:
    story.account.standing.delete()
    assert refusal(story) == "no_policy"


def test_days_are_left_out_that_would_change_nothing() -> None:
    story = late(minimum_amount_due="500.00", fee=False)
    with story.now(MONDAY):
        assert refusal(story) == "no_need"


def test_the_page_is_pressed_once_and_then_says_what_was_agreed(story: Story) -> None:
    client = customer(story)
    shown = client.get(reverse("portal-time"))
    assert "You can do this 2 times within 12 months." in text(shown)
    sent = form(shown, DAY)
    for _ in range(2):
        done = client.post(reverse("portal-time"), sent)
        assert (done.status_code, done["Location"]) == (303, reverse("portal-time"))
    agreed = text(client.get(reverse("portal-time")))
    assert "You have already told us that you will pay 100.00 USD by Tuesday 27 January." in agreed
    assert "Your account is not delinquent before Wednesday 28 January." in agreed
    assert len(shown.content) < 14 * 1024


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"pay_by": "soon", "seen": "0"},
        {"pay_by": "2026-01-27", "seen": "x"},
        {"pay_by": "2026-01-27\0", "seen": "0"},
    ],
)
def test_a_broken_form_is_answered_kindly(story: Story, sent: dict[str, str]) -> None:
    answer = customer(story).post(reverse("portal-time"), sent)
    assert answer.status_code in (400, 409)
    assert 'role="alert"' in answer.content.decode()
    assert not Promise.objects.exists()


def test_nobody_takes_days_for_another_account(story: Story) -> None:
    other = Story(sonar(), number="1002")
    shown = customer(story).get(reverse("portal-time"))
    answer = customer(other).post(reverse("portal-time"), form(shown, DAY))
    assert answer.status_code == 409
    assert not Promise.objects.exists()
    assert Client().get(reverse("portal-time")).status_code == 303


def test_a_withdrawn_promise_leaves_its_days_and_counts(story: Story) -> None:
    withdraw_promise(take(story, date(2026, 1, 23)), "a mistake")
    choice = choice_of(story.account)
    assert choice.left == 1
    assert [str(row.pay_by_on) for row in choice.offers] == ["2026-01-26", "2026-01-28", "2026-01-30"]


def test_the_page_speaks_spanish(story: Story) -> None:
    with translation.override("es"):
        offer = choice_of(story.account).offer(DAY)
        assert offer is not None
        assert offer.title == "Pagaré 100,00 USD a más tardar el martes 27 de enero"
        assert offer.lines[0] == "Su cuenta no pasa a mora antes del miércoles 28 de enero."


@pytest.mark.parametrize("seed", range(12))
def test_what_the_page_says_is_what_the_looks_then_do(seed: int) -> None:
    """Random policies, days and sums: entry, fees, restriction, switch and bills come as they were told."""
    pick = random.Random(seed)
    weekdays = pick.choice([["mon", "tue", "wed", "thu", "fri"], sonar().get("check_weekdays") or None])
    changes: dict[str, Any] = {
        "due_days": pick.randint(1, 20), "grace_days": pick.randint(1, 9),
        "status_switch_days": pick.choice([3, 7, 12]),
        "grace_until_defers_fees": pick.random() < 0.5, "minimum_amount_due": pick.choice(["0.01", "20.00"]),
    }  # fmt: skip
    if weekdays:
        changes["check_weekdays"] = weekdays
    steps = [*sonar()["steps"], FEE | {"offset_days": pick.randint(0, 6), "percent": "5"}]
    story = Story(sonar(steps=steps, **changes), first_bill_on="2026-01-01", price=pick.choice(["30.00", "84.50"]))
    asked = pick.randint(1, changes["due_days"] + changes["grace_days"])
    before = date(2026, 1, 1) + timedelta(days=asked - 1)
    story.days("2026-01-01", str(before))
    open_number = Invoice.objects.get().number
    with story.now(f"{before + timedelta(days=1)} 07:30"):
        choice = choice_of(story.account)
        if not choice.offers:
            assert choice.not_now is not None
            return
        offer = pick.choice(choice.offers)
        take(story, offer.pay_by_on, choice)
    end = min(offer.effect.may_on + timedelta(days=20), date(2026, 4, 15))
    so_far = Event.objects.filter(account=story.account).count()
    story.days(str(before + timedelta(days=1)), str(end))
    told = {
        (str(row.kind), row.then.date(), row.then_amount)
        for row in offer.effect.rows
        if row.then and row.then.date() <= end
    }
    rows = Event.objects.filter(account=story.account).order_by("sequence")[so_far:]
    fees = {row.pk for row in rows if row.kind == "late_fee" and row.invoice and row.invoice.number != open_number}
    came = {
        (row.kind, row.on, row.amount if row.kind in ("late_fee", "issued") else None)
        for row in rows
        if row.kind in TOLD and row.pk not in fees
    }
    assert told == came
    assert ("account_delinquent", offer.effect.may_on, None) in came
