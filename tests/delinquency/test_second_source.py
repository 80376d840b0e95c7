"""A second way to pay is asked for with a link and a day, reminded of once, and noted when it comes (E7, A29, A31)."""

from datetime import date

import pytest
from django.template import Context, Template
from django.test import Client
from django.urls import reverse

from accounts.models import FundingSource, Notice
from accounts.operations import bar_funding_source, replace_funding_source
from accounts.outreach.dispatch import dispatch_notices
from delinquency.models import Standing, Ticket
from delinquency.operations.second_source import remind_second_sources
from delinquency.second_source import SecondSource, second_source_of
from delinquency.sweep import sweep
from tests.factories import make_source, make_staff
from tests.worlds import Story, exchange

pytestmark = pytest.mark.django_db


def flagged() -> Story:
    """Return a customer who is flagged since 2026-06-06 and owes the invoice of July."""
    story = Story(exchange(due_days=None), first_bill_on=None)
    story.owes("M-2026-07", "2026-07-01")
    Standing.objects.update(flagged_on=date(2026, 6, 6))
    return story


def asked() -> Story:
    """Return a customer who was asked on 2026-07-06; the next invoice is due on 2026-08-01."""
    story = flagged()
    make_source(story.account, 1, "tok_declined")
    story.sends = True
    with story.now("2026-07-06 09:05"):
        story.days("2026-07-01", "2026-07-06")
    return story


def next_invoice(story: Story) -> None:
    story.owes("M-2026-08", "2026-08-01")


def state(story: Story) -> SecondSource:
    found = second_source_of(story.account.pk)
    assert found is not None
    return found


def request_letter() -> Notice:
    return Notice.objects.get(step_key="second-source")


def remind(story: Story, local: str) -> int:
    with story.now(local) as at:
        return remind_second_sources(at)


def test_the_letter_says_until_when_and_leads_to_the_cards() -> None:
    story = flagged()
    make_source(story.account, 1, "tok_declined")
    next_invoice(story)
    story.sends = True
    with story.now("2026-07-06 09:05"):
        story.days("2026-07-01", "2026-07-06")
    letter = request_letter()
    assert letter.state == "queued"
    assert letter.context["deadline_on"] == "2026-08-01"
    assert "Visa ending in 4242" in letter.body
    assert "when your next payment is due" in letter.body
    assert "to=%2Fportal%2Fcards%2F" in letter.body


def test_who_has_a_second_source_already_is_not_asked_by_letter() -> None:
    story = flagged()
    make_source(story.account, 1, "tok_declined")
    make_source(story.account, 2, "tok_second")
    story.sends = True
    with story.now("2026-07-06 09:05"):
        story.days("2026-07-01", "2026-07-06")
    letter = request_letter()
    assert (letter.state, letter.why) == ("not_sent", "A second source is on file already.")


def test_a_barred_second_source_is_none() -> None:
    story = flagged()
    bar_funding_source(make_source(story.account, 2, "tok_second"), "returned")
    story.sends = True
    with story.now("2026-07-06 09:05"):
        story.days("2026-07-01", "2026-07-06")
    assert request_letter().state == "queued"
    assert not state(story).fulfilled


def test_a_letter_that_waited_is_kept_back_when_the_source_came_meanwhile() -> None:
    story = asked()
    with story.now("2026-07-06 09:06"):
        replace_funding_source(story.account, 2, source_token="tok_second", brand="Visa", last4="1881")
        dispatch_notices()
    assert request_letter().state == "cancelled"


def test_it_is_reminded_of_once_three_days_before_the_day() -> None:
    story = asked()
    next_invoice(story)
    assert str(state(story).deadline_on) == "2026-08-01"
    assert remind(story, "2026-07-28 12:00") == 0
    assert remind(story, "2026-07-29 08:59") == 0, "not before nine where the customer is"
    assert remind(story, "2026-07-29 09:05") == 1
    assert remind(story, "2026-07-29 09:10") == 0
    assert remind(story, "2026-07-31 09:05") == 0
    letter = Notice.objects.get(step_key="second_source_reminder")
    assert (letter.template, letter.context["asked_on"]) == ("second_source_asked", "2026-07-06")
    assert "we asked you to add a second way to pay" in letter.body


def test_the_day_itself_is_too_late_for_a_reminder() -> None:
    story = asked()
    next_invoice(story)
    assert remind(story, "2026-08-01 09:05") == 0


@pytest.mark.parametrize("why", ["given", "unflagged", "no day"])
def test_nobody_is_reminded_in_vain(why: str) -> None:
    story = asked()
    if why != "no day":
        next_invoice(story)
    if why == "given":
        make_source(story.account, 2, "tok_second")
    if why == "unflagged":
        Standing.objects.update(flagged_on=None, second_source_asked_on=None)
    assert remind(story, "2026-07-30 09:05") == 0


def test_the_tick_reminds() -> None:
    story = asked()
    next_invoice(story)
    with story.now("2026-07-30 09:05") as at:
        sweep(at)
    assert Notice.objects.filter(step_key="second_source_reminder").count() == 1


def test_when_it_comes_that_is_noted_once_and_what_the_policy_does_stays_the_same() -> None:
    story = asked()
    with story.now("2026-07-08 10:00"):
        replace_funding_source(story.account, 2, source_token="tok_second", brand="Visa", last4="1881")
        FundingSource.objects.get(rank=2).save()
    words = "The second source that was asked for came: Visa •••• 1881."
    standing = Standing.objects.get()
    assert standing.history.filter(history_change_reason=words).count() == 1
    assert str(standing.second_source_asked_on) == "2026-07-06"
    assert Ticket.objects.get(kind="delinquency").comments.filter(text=words).count() == 1
    found = state(story)
    assert (str(found.asked_on), found.fulfilled, str(found.given_on)) == ("2026-07-06", True, "2026-07-08")
    assert found.words == "Asked for on Mon 06 Jul 2026; Visa •••• 1881 is on file since Wed 08 Jul 2026."


def test_a_source_that_nobody_asked_for_is_noted_nowhere() -> None:
    story = flagged()
    make_source(story.account, 2, "tok_second")
    assert second_source_of(story.account.pk) is None
    assert Standing.objects.get().history.filter(history_change_reason__contains="second source").count() == 0


def test_the_portals_tag_tells_the_cards_page() -> None:
    story = asked()
    next_invoice(story)
    page = Template(
        "{% load case_panel %}{% second_source account as asked %}"
        "{{ asked.asked_on|date:'Y-m-d' }} {{ asked.deadline_on|date:'Y-m-d' }} {{ asked.fulfilled }}"
    )
    assert page.render(Context({"account": story.account})) == "2026-07-06 2026-08-01 False"


def test_staff_find_who_was_asked_and_whether_it_came() -> None:
    story = asked()
    client = Client()
    client.force_login(make_staff("boss", is_superuser=True))
    page = reverse("admin:delinquency_standing_changelist")
    assert "asked 2026-07-06, not come" in client.get(page, {"standing": "asked"}).content.decode()
    assert story.account.number not in client.get(page, {"standing": "given"}).content.decode()
    make_source(story.account, 2, "tok_second")
    assert "asked 2026-07-06, on file" in client.get(page, {"standing": "given"}).content.decode()
    assert "asked 2026-07-06" not in client.get(page, {"standing": "asked"}).content.decode()
