"""The pages that give more time, note promises, and tell about the flag: three clicks, nothing unseen."""

import re
from datetime import date
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from delinquency.models import GraceGrant, GraceRequest, InvoiceStanding, Promise, Standing, Ticket
from delinquency.operations import grant_grace
from tests.factories import make_clerk, make_support
from tests.worlds import Story, exchange, sonar

pytestmark = pytest.mark.django_db


def january(until: str = "2026-01-19") -> Story:
    """Return a customer who owes 100.00 since 2026-01-01."""
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", until)
    return story


def browser(user: User) -> Client:
    """Return a browser in which somebody is logged in."""
    client = Client()
    client.force_login(user)
    return client


def page_of(story: Story, name: str = "grace") -> str:
    """Return the address of a page of the account."""
    return reverse(f"admin:accounts_account_{name}", args=[story.account.pk])


def details_of(story: Story) -> str:
    """Return the address of the account's form, with what counts beneath it."""
    return f"{page_of(story, 'change')}?edit=1"


def words(response: Any) -> str:
    """Return what a page says, without its marks."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode())))


def hidden(response: Any) -> dict[str, str]:
    """Return what the confirm button of a page sends."""
    form = response.content.decode().split('aria-labelledby="effect"')[1].split("</form>")[0]
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form))
    return {name: unescape(value) for name, value in fields.items() if name != "csrfmiddlewaretoken"} | {
        "confirmed": "1"
    }


def test_k5_three_clicks_the_button_a_pick_and_the_confirmation() -> None:
    story, client = january(), browser(make_support())
    with story.now("2026-01-20 12:00"):
        assert "+7 days: until Tue 27 Jan" in words(client.get(page_of(story)))
        preview = client.post(page_of(story), {"days": "7", "preset": "Customer asked for more time."})
        assert GraceGrant.objects.count() == 0
        assert "Protected through Mon 26 Jan 2026; may become delinquent on Tue 27 Jan 2026." in words(preview)
        done = client.post(page_of(story), hidden(preview), follow=True)
    assert "Protected through Mon 26 Jan 2026" in words(done)
    grant = GraceGrant.objects.get()
    assert (str(grant.until_on), grant.reason, grant.granted_by.username) == (
        "2026-01-27", "Customer asked for more time.", "sandy",
    )  # fmt: skip


def test_g6_the_preview_shows_the_dates_now_and_then_the_extra_bill_and_what_is_left() -> None:
    story, client = january(), browser(make_support())
    with story.now("2026-01-20 12:00"):
        said = words(client.post(page_of(story), {"until_on": "2026-01-26", "reason": "payday"}))
    for part in (
        "This brings another bill on Sun 01 Feb 2026 (100.00 USD).",
        "Account delinquent Wed 21 Jan 2026 09:00 Mon 26 Jan 2026 09:00",
        "Billing and service stop Wed 28 Jan 2026 09:00 Mon 02 Feb 2026 09:00",
        "Bill no bill Sun 01 Feb 2026 00:05, 100.00 USD",
        "sandy may give 2, up to 366 days at once: 2 left. Above that a second person is asked.",
    ):
        assert part in said


def test_g7_and_g7b_the_preview_says_that_nothing_changes() -> None:
    story, client = january(), browser(make_support())
    with story.now("2026-01-19 12:00"):
        said = words(client.post(page_of(story), {"until_on": "2026-01-20", "reason": "x"}))
    assert "No effect: the account cannot become delinquent before Wed 21 Jan 2026 anyway." in said
    story.days("2026-01-20", "2026-01-23")
    with story.now("2026-01-23 12:00"):
        page = client.post(page_of(story), {"until_on": "2026-01-30", "reason": "x"})
        assert "Nothing changes: it is delinquent already, since Wed 21 Jan 2026. Tick “Lift now”" in words(page)
        lifted = client.post(page_of(story), {"until_on": "2026-01-30", "reason": "x", "lift_now": "on"})
        assert "Lift now ends the case that runs since Wed 21 Jan 2026" in words(lifted)
        client.post(page_of(story), hidden(lifted))
    assert Standing.objects.get().delinquent_since is None


def test_u20_what_was_not_shown_is_not_confirmed() -> None:
    story, client = january(), browser(make_support())
    with story.now("2026-01-20 12:00"):
        preview = hidden(client.post(page_of(story), {"until_on": "2026-01-26", "reason": "x"}))
    story.pays("2026-01-20 12:01", "100.00")
    with story.now("2026-01-20 12:02"):
        again = client.post(page_of(story), preview)
        assert "Something has changed since these dates were shown" in words(again)
        grant_grace(account=story.account, until_on=date(2026, 1, 28), reason="y", by=make_clerk())
    with story.now("2026-01-20 12:02:30"):
        assert "casey gave this account more time 30 s ago" in words(client.post(page_of(story), hidden(again)))
    assert GraceGrant.objects.count() == 1


def test_a_confirmation_sent_twice_gives_once() -> None:
    story, client = january(), browser(make_support())
    with story.now("2026-01-20 12:00"):
        preview = hidden(client.post(page_of(story), {"until_on": "2026-01-26", "reason": "x"}))
        client.post(page_of(story), preview)
        client.post(page_of(story), preview)
    assert GraceGrant.objects.count() == 1


def test_a9_at_the_limit_the_button_asks_a_second_person_and_nothing_changes_before() -> None:
    story, sandy = january(), make_support()
    client = browser(sandy)
    with story.now("2026-01-19 12:00"):
        preview = hidden(client.post(page_of(story), {"until_on": "2026-01-26", "reason": "x"}))
        for until in (26, 27):
            grant_grace(account=story.account, until_on=date(2026, 1, until), reason="x", by=sandy)
        page = client.post(page_of(story), {"until_on": "2026-01-28", "reason": "x"})
        assert "sandy may give 2 in 12 months." in words(page)
        assert "Ask a second person" in words(page)
        preview = hidden(page)
        assert "A second person is asked" in words(client.post(page_of(story), preview, follow=True))
        assert "sandy has asked for this account: grace until 2026-01-28" in words(client.get(page_of(story)))
        assert "has asked for this already" in words(client.post(page_of(story), preview, follow=True))
    assert GraceGrant.objects.count() == 2
    assert GraceRequest.objects.get().asked_by == sandy


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"until_on": "2026-01-20", "reason": "x"}, "is not after today"),
        ({"until_on": "2026-01-26", "preset": "other"}, "Say why the account gets more time"),
        ({"until_on": "", "reason": "x"}, "Fill this in"),
    ],
)
def test_bad_input_is_refused_in_words(sent: dict[str, str], said: str) -> None:
    story, client = january(), browser(make_support())
    with story.now("2026-01-20 12:00"):
        assert said in words(client.post(page_of(story), sent))


def test_the_undo_button_is_there_for_ten_minutes_for_who_gave_it() -> None:
    story, sandy = january(), make_support()
    client, change = browser(sandy), page_of(story, "change")
    with story.now("2026-01-20 12:00"):
        grant_grace(account=story.account, until_on=date(2026, 1, 26), reason="x", by=sandy)
        assert "Undo the last grace" in words(client.get(change))
        assert "Undo the last grace" not in words(browser(make_clerk()).get(change))
    with story.now("2026-01-20 12:11"):
        assert "Undo the last grace" not in words(client.get(change))
    with story.now("2026-01-20 12:09"):
        client.post(page_of(story, "undo_grace"))
    assert Standing.objects.get().grace_until < date(2026, 1, 20)


def test_d7_a_promise_is_noted_from_the_ticket_and_shows_on_the_account() -> None:
    story, client = january("2026-01-21"), browser(User.objects.create_superuser("boss", password="x"))
    ticket = Ticket.objects.get()
    with story.now("2026-01-21 12:00"):
        went = client.get(reverse("admin:delinquency_ticket_promise", args=[ticket.pk]))
        address = f"{page_of(story, 'promise')}?ticket={ticket.pk}"
        assert went.url == address
        sent = {"pay_by_on": "2026-01-25", "channel": "phone", "note": "Ann", "lift_now": "on"}
        preview = client.post(address, sent)
        assert "may become delinquent on Mon 26 Jan 2026" in words(preview)
        done = client.post(address, hidden(preview))
        assert done.url == reverse("admin:delinquency_ticket_change", args=[ticket.pk])
        assert "100.00 USD promised by Sun 25 Jan 2026" in words(client.get(page_of(story, "change")))
        assert "already; withdraw that promise first" in words(client.post(address, hidden(client.post(address, sent))))
    promise = Promise.objects.get()
    assert (str(promise.pay_by_on), promise.channel, promise.made_by.username) == ("2026-01-25", "phone", "boss")
    story.days("2026-01-22", "2026-01-26")
    listed = words(client.get(reverse("admin:delinquency_promise_changelist")))
    assert "January 2026 0 1 0 0 100.00 0.00 –" in listed


def test_the_account_page_shows_the_invoices_that_count_and_leaves_one_out() -> None:
    story = Story(exchange(due_days=None), first_bill_on=None)
    for month in ("01", "03", "06"):
        story.owes(f"M-{month}", f"2026-{month}-01")
    story.days("2026-01-01", "2026-06-06")
    client = browser(User.objects.create_superuser("boss", password="x"))
    row = InvoiceStanding.objects.get(invoice__number="M-03")
    leave_out = reverse("admin:delinquency_invoicestanding_leave_out", args=[row.pk])
    with story.now("2026-06-08 12:00"):
        page = client.get(details_of(story))
        assert leave_out in page.content.decode()
        assert "The flag drops by itself on Sat 5 Jun 2027" in words(page)
        assert "Say why the invoice does not count" in words(client.post(leave_out, {"preset": ""}))
        done = client.post(leave_out, {"preset": "Our own error.", "reason": "The bill came late."}, follow=True)
        assert "its flag is off" in words(done)
        assert "Left out: Our own error. The bill came late. (boss)" in words(client.get(details_of(story)))
        again = reverse("admin:delinquency_invoicestanding_count_again", args=[row.pk])
        assert "flagged again" in words(client.post(again, {"reason": "it was on time"}, follow=True))


def test_support_sees_what_counts_but_does_not_change_it() -> None:
    story = Story(exchange(due_days=None), first_bill_on=None)
    story.owes("M-01", "2026-01-01")
    story.days("2026-01-01", "2026-01-06")
    client, row = browser(make_support()), InvoiceStanding.objects.get()
    with story.now("2026-01-08 12:00"):
        page = client.get(details_of(story))
        assert "1 invoice counts in 2026; 2 more would raise the flag." in words(page)
        leave_out = reverse("admin:delinquency_invoicestanding_leave_out", args=[row.pk])
        assert leave_out not in page.content.decode()
        assert client.post(leave_out, {"preset": "Our own error."}).status_code == 403
    row.refresh_from_db()
    assert row.not_counted_why == ""
