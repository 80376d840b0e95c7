"""The desk in a browser: the next ticket, a promise by macro and a handover, each within its clicks."""

from datetime import date

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, Notice
from delinquency.models import Promise, Ticket
from delinquency.operations import desk
from delinquency.operations.desk_replies import customer_wrote
from tests.backoffice import make_everything
from tests.browser.stories import Story
from tests.browser.test_backoffice import PASSWORD, log_in, serious

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def account() -> Account:
    """Make the one account with a row of everything, and somebody to look at it."""
    from accounts.models import User

    User.objects.create_user("boss", password=PASSWORD, is_staff=True, is_superuser=True)
    account = make_everything()
    Promise.objects.all().delete()
    return account


def test_h6_the_next_ticket_is_one_click_from_home_with_the_account_beside(
    page: Page, live_server: LiveServer, account: Account
) -> None:
    ticket = desk.open_ticket(account=account, subject="Is it down?", priority=Ticket.Priority.URGENT)
    Ticket.objects.exclude(pk=ticket.pk).update(owner=None, answer_due_at=None)
    log_in(page, live_server)
    with Story("H6", page):
        page.get_by_role("button", name="Take the next ticket").click()
        expect(page.get_by_role("heading", name=f"{ticket.number} Is it down?", exact=True)).to_be_visible()
    expect(page.get_by_text("Balance", exact=True)).to_be_visible()
    expect(page.get_by_label("Text")).to_be_visible()


def test_h7_a_promise_to_pay_friday_takes_three_clicks(page: Page, live_server: LiveServer, account: Account) -> None:
    ticket = account.tickets.get()
    customer_wrote(ticket, "I will pay on Friday.", contact=account.contacts.get(), channel="email")
    Ticket.objects.update(owner=None)
    log_in(page, live_server)
    with Story("H7", page):
        page.get_by_role("button", name="Take the next ticket").click()
        page.get_by_role("link", name="Promises to pay Friday").click()
        expect(page.get_by_text("Will note a promise to pay")).to_be_visible()
        page.get_by_role("button", name="Do all of it").click()
        expect(page.get_by_text("Done: note a promise to pay")).to_be_visible()
    promise = Promise.objects.get()
    assert (promise.pay_by_on.weekday(), promise.pay_by_on > date(2026, 1, 1)) == (4, True)
    assert Notice.objects.filter(anchor_key=f"ticket:{ticket.pk}").count() == 1
    ticket.refresh_from_db()
    assert ticket.state == "waiting"


def test_h12_a_case_is_handed_to_billing_with_its_context_in_two_clicks(
    page: Page, live_server: LiveServer, account: Account
) -> None:
    ticket = desk.open_ticket(account=account, subject="Charged twice", priority=Ticket.Priority.URGENT)
    Ticket.objects.exclude(pk=ticket.pk).update(answer_due_at=None)
    log_in(page, live_server)
    with Story("H12", page):
        page.get_by_role("button", name="Take the next ticket").click()
        macro = page.get_by_role("link", name="Hand over to billing")
        expect(macro).to_be_visible()
        page.keyboard.press(macro.get_attribute("data-key") or "")
        page.get_by_role("button", name="Do all of it").click()
        expect(page.get_by_text("from Support to Billing: needs billing")).to_be_visible()
    expect(page.get_by_text("Owes 70.00 USD", exact=False)).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_the_desk(
    page: Page, live_server: LiveServer, account: Account, scheme: str
) -> None:
    ticket = account.tickets.get()
    customer_wrote(ticket, "Hello?", contact=account.contacts.get(), channel="email")
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    log_in(page, live_server)
    for path in (f"{ticket.pk}/change/", "", "add/", "next/"):
        page.goto(f"{live_server.url}/admin/delinquency/ticket/{path}")
        assert serious(page) == [], path


def test_without_scripts_a_reply_is_sent_all_the_same(
    page: Page, live_server: LiveServer, account: Account, browser: object
) -> None:
    ticket = account.tickets.get()
    log_in(page, live_server)
    plain = browser.new_context(java_script_enabled=False, storage_state=page.context.storage_state())  # type: ignore[attr-defined]
    bare = plain.new_page()
    bare.goto(f"{live_server.url}/admin/delinquency/ticket/{ticket.pk}/change/")
    bare.get_by_label("Text").fill("We are looking into it.")
    bare.get_by_role("button", name="Send", exact=True).click()
    expect(bare.get_by_text("Your answer to")).to_be_visible()
    plain.close()
