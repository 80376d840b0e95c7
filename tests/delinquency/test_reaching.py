"""Reaching a customer from the account page: a link to pay by text, and calls noted by hand (H3, H8)."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account, CallRecord, Contact, Notice, Suppression
from billing_project.kernel import clock
from delinquency.models import Ticket
from delinquency.operations.desk import open_ticket
from tests.factories import instant, make_account, make_contact, make_staff

pytestmark = pytest.mark.django_db

RIGHTS = ("view_account", "view_ticket", "grant_grace", "log_call")


@pytest.fixture
def account() -> Account:
    account = make_account(number="1001")
    make_contact(account)
    return account


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(make_staff("sandy", *RIGHTS, first_name="Sandy"))
    return client


def page(name: str, account: Account) -> str:
    return reverse(f"admin:accounts_account_{name}", args=[account.pk])


def test_a_link_goes_by_text_to_the_number_on_file_in_two_presses(client: Client, account: Account) -> None:
    shown = client.get(page("pay_link", account)).content.decode()
    assert "SMS to +15550100123" in shown
    ways = re.findall(r'<input[^>]*name="channel"[^>]*>', shown)
    assert [way for way in ways if " checked" in way] == [way for way in ways if 'value="sms"' in way], "it is chosen"
    assert client.post(page("pay_link", account), {"channel": "sms"}).status_code == 303
    notice = Notice.objects.get()
    assert (notice.channel, notice.to_address, notice.template) == ("sms", "+15550100123", "portal_link")


def test_a_number_that_is_left_alone_is_not_offered(client: Client, account: Account) -> None:
    Suppression.objects.create(channel="sms", address="+15550100123", reason="opted_out")
    shown = client.get(page("pay_link", account)).content.decode()
    assert 'value="sms"' not in shown
    assert "SMS: +15550100123 is left alone: asked to be left alone." in shown


def test_a_fourth_link_in_an_hour_is_refused(client: Client, account: Account) -> None:
    for _ in range(3):
        client.post(page("pay_link", account), {"channel": "sms"})
    refused = client.post(page("pay_link", account), {"channel": "sms"})
    assert "Three links went out" in refused.content.decode()
    assert Notice.objects.count() == 3


def test_without_an_address_the_page_says_what_to_mend(client: Client) -> None:
    account = make_account()
    assert "has no billing contact; add one" in client.get(page("pay_link", account)).content.decode()


def test_a_call_is_noted_from_the_ticket_and_leads_back_to_it(client: Client, account: Account) -> None:
    with clock.at(instant("2026-01-21 10:00")):
        first = open_ticket(account=account, subject="Other", priority=4)
        ticket = open_ticket(account=account, subject="About this")
        response = client.post(
            f"{page('log_call', account)}?ticket={ticket.pk}",
            {"contact": Contact.objects.get().pk, "outcome": "reached", "note": "pays Friday"}, follow=True,
        )  # fmt: skip
    assert response.redirect_chain == [(reverse("admin:delinquency_ticket_change", args=[ticket.pk]), 303)]
    words = response.content.decode()
    assert "Sandy called Ann Example at +15550100123: reached. pays Friday" in words
    assert f"{page('promise', account)}?ticket={ticket.pk}" in words, "a talk offers to note a promise"
    assert not Ticket.objects.get(pk=first.pk).comments.filter(text__contains="called").exists()
    assert CallRecord.objects.get().note == "pays Friday"


def test_the_page_says_who_must_not_be_called_and_from_when(client: Client, account: Account) -> None:
    with clock.at(instant("2026-01-21 22:00")):
        shown = client.get(page("log_call", account)).content.decode()
        assert "must not be called now" in shown
        assert "from Thu 22 Jan 2026, 08:00" in shown
        sent = {"contact": Contact.objects.get().pk, "outcome": "voicemail"}
        assert client.post(page("log_call", account), sent).status_code == 200
        assert not CallRecord.objects.exists()
        assert client.post(page("log_call", account), {**sent, "inbound": "on"}).status_code == 303
    assert CallRecord.objects.get().inbound


def test_another_accounts_contact_is_no_choice(client: Client, account: Account) -> None:
    foreign = make_contact(make_account())
    sent = {"contact": foreign.pk, "outcome": "reached"}
    assert client.post(page("log_call", account), sent).status_code == 200
    assert not CallRecord.objects.exists()
