"""Reaching customers in a browser, within clicks and seconds: a pay link, a call, a question in the portal."""

from datetime import timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.access import make_link_token
from accounts.models import Account, CallRecord, Contact, Notice, OutreachRules, Suppression
from billing_project.kernel import clock
from delinquency.models import CallTask, Ticket
from delinquency.operations.desk_replies import reply
from tests.backoffice import make_everything
from tests.browser.stories import Story, find
from tests.browser.test_backoffice import PASSWORD, log_in, serious
from tests.factories import make_staff

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# Where it is a decent hour at this moment, whenever that is.
ZONES = ("America/New_York", "Pacific/Honolulu", "Asia/Tokyo", "Europe/Berlin", "Asia/Kolkata")


@pytest.fixture
def account() -> Account:
    """Make the one account with a row of everything, at an hour at which it may be called."""
    from accounts.models import User

    User.objects.create_user("boss", password=PASSWORD, is_staff=True, is_superuser=True)
    account = make_everything()
    zone = next(name for name in ZONES if 9 <= clock.local(clock.now(), name).hour < 20)
    Account.objects.filter(pk=account.pk).update(timezone=zone)
    CallRecord.objects.all().delete()
    Contact.objects.filter(account=account).update(phone="+12025550123", sms_allowed=True, voice_allowed=True)
    return account


@pytest.fixture
def decent(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let numbers lie where their account does: the zone of an area code would depend on the hour of this test."""
    from accounts.outreach import gathering

    monkeypatch.setattr(gathering, "zones_of", lambda account, _contact, _address="": (account.timezone,))


def enter(page: Page, live_server: LiveServer, account: Account) -> None:
    """Come in by the link of a message."""
    page.goto(f"{live_server.url}/portal/enter/{make_link_token(account)}/")
    page.get_by_role("button", name="Open account").click()


def test_h3_a_pay_link_goes_by_text_in_two_clicks(page: Page, live_server: LiveServer, account: Account) -> None:
    log_in(page, live_server)
    with Story("H3", page):
        find(page, account.number)
        expect(page.get_by_role("link", name="Send pay link")).to_be_visible()
        page.keyboard.press("l")
        page.get_by_role("button", name="Send it").click()
        expect(page.get_by_text("A link is on its way by SMS to +12025550123.")).to_be_visible()
    assert Notice.objects.filter(template="portal_link", channel="sms").count() == 1


def test_h9_stop_texting_takes_two_clicks_and_leads_back(page: Page, live_server: LiveServer, account: Account) -> None:
    Suppression.objects.all().delete()
    log_in(page, live_server)
    with Story("H9", page):
        find(page, account.number)
        expect(page.get_by_role("link", name="Stop texting")).to_be_visible()
        page.keyboard.press("s")
        page.get_by_role("button", name="Stop texting").click()
        expect(page.get_by_text("+12025550123 is left alone: no more texts.")).to_be_visible()
    assert page.url == f"{live_server.url}/admin/accounts/account/{account.pk}/change/"
    stop = Suppression.objects.get()
    assert (stop.channel, stop.address, stop.lifted_at) == ("sms", "+12025550123", None)
    stop.delete()
    ticket = f"{live_server.url}/admin/delinquency/ticket/{account.tickets.get().pk}/change/"
    page.goto(ticket)
    page.get_by_role("link", name="Stop texting").click()
    page.get_by_role("button", name="Stop texting").click()
    expect(page).to_have_url(ticket)


@pytest.mark.usefixtures("decent")
def test_h8_a_call_is_logged_in_three_clicks_the_counter_moves_and_an_eighth_is_blocked(
    page: Page, live_server: LiveServer, account: Account
) -> None:
    OutreachRules.objects.update(countries=["US"])
    log_in(page, live_server)
    with Story("H8", page):
        page.get_by_role("link", name="Calls to make").first.click()
        expect(page.get_by_text("0 of 7 in 7 days").first).to_be_visible()
        page.get_by_role("button", name="Next call").click()
        page.get_by_role("button", name="Voicemail").click()
        expect(page.get_by_text("Noted: Ann Example, voicemail.")).to_be_visible()
    expect(page.get_by_text("1 of 7 in 7 days")).to_be_visible()
    record = CallRecord.objects.get()
    for hour in range(1, 7):
        CallRecord.objects.create(
            account=account, contact=record.contact, number=record.number, outcome="voicemail", by=record.by,
            at=record.at - timedelta(hours=hour),
        )  # fmt: skip
    CallTask.objects.update(outcome="waiting", outcome_at=None)
    page.goto(f"{live_server.url}/admin/delinquency/calltask/to-make/")
    expect(page.get_by_text("7 of 7 in 7 days")).to_be_visible()
    expect(page.get_by_text("There were 7 attempts to call within 7 days; 7 may be.")).to_be_visible()
    expect(page.get_by_role("button", name="Next call")).not_to_be_visible()


@pytest.mark.usefixtures("decent")
def test_the_next_call_is_made_with_the_keyboard_alone_and_without_scripts(
    page: Page, live_server: LiveServer, account: Account, browser: Browser
) -> None:
    log_in(page, live_server)
    context = browser.new_context(java_script_enabled=False, storage_state=page.context.storage_state())
    bare = context.new_page()
    bare.goto(f"{live_server.url}/admin/delinquency/calltask/to-make/")
    bare.get_by_role("button", name="Next call").focus()
    bare.keyboard.press("Enter")
    bare.get_by_label("Note").focus()
    bare.keyboard.type("Pays on Friday")
    for _ in range(3):
        bare.keyboard.press("Tab")
    bare.keyboard.press("Enter")
    expect(bare.get_by_text("no answer", exact=False).first).to_be_visible()
    context.close()
    record = CallRecord.objects.get()
    assert (record.outcome, record.note) == ("no_answer", "Pays on Friday")


def test_a_customer_asks_and_reads_the_answer_within_the_bars(
    page: Page, live_server: LiveServer, account: Account
) -> None:
    page.set_viewport_size({"width": 360, "height": 640})
    enter(page, live_server, account)
    with Story("customer-asks", page) as story:
        page.get_by_role("link", name="Questions? Ask us").click()
        page.get_by_role("link", name="Ask us something").click()
        page.get_by_label("What is it about?").press_sequentially("Visit")
        page.get_by_label("Your question").press_sequentially("When do you come?")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_text("We have your message")).to_be_visible()
    assert len(story.fields) == 2
    ticket = Ticket.objects.get(subject="Visit")
    reply(ticket, "On Tuesday at nine.", make_staff("sandy", first_name="Sandy"))
    page.goto(f"{live_server.url}/portal/")
    with Story("customer-answers", page):
        page.get_by_role("link", name="Visit").click()
        expect(page.get_by_text("On Tuesday at nine.")).to_be_visible()
        page.get_by_label("Your answer").press_sequentially("Thank you.")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_text("Thank you.")).to_be_visible()


def test_a_customer_asks_on_a_phone_without_scripts(
    phone: BrowserContext, live_server: LiveServer, account: Account
) -> None:
    page = phone.new_page()
    enter(page, live_server, account)
    page.goto(f"{live_server.url}/portal/tickets/new/")
    page.get_by_label("What is it about?").fill("Visit")
    page.get_by_label("Your question").fill("When do you come?")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Visit")).to_be_visible()
    page.get_by_role("button", name="This is solved").click()
    expect(page.get_by_text("Closed on")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_and_nothing_scrolls_sideways(
    page: Page, live_server: LiveServer, account: Account, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    log_in(page, live_server)
    task = CallTask.objects.get()
    for path in (
        "delinquency/calltask/to-make/", f"delinquency/calltask/{task.pk}/call/", "delinquency/event/reports/sent/",
        "delinquency/event/reports/unreachable/", "delinquency/event/reports/cuts/",
        f"accounts/account/{account.pk}/log_call/", f"accounts/account/{account.pk}/pay_link/",
    ):  # fmt: skip
        page.set_viewport_size({"width": 1366, "height": 768})
        page.goto(f"{live_server.url}/admin/{path}")
        assert serious(page) == [], path
        assert path.startswith("accounts/") or page.locator("h1:visible").count() == 1, path
        page.set_viewport_size({"width": 360, "height": 740})
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_at_all_in_the_customers_tickets(
    page: Page, live_server: LiveServer, account: Account, scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": 360, "height": 640})
    enter(page, live_server, account)
    ticket = account.tickets.get()
    for path in ("tickets/", "tickets/new/", f"tickets/{ticket.number}/"):
        page.goto(f"{live_server.url}/portal/{path}")
        found = Axe().run(page).response["violations"]
        assert [row["id"] for row in found] == [], path
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, path
