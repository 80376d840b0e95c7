"""More days and disputes on a phone with JavaScript off, and a dispute opened at the desk, each within its clicks."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.access import make_link_token
from accounts.models import ServiceLine, User
from billing_project.kernel import clock
from delinquency.models import Dispute, Promise
from delinquency.operations import ensure_standings
from invoicing.models import Invoice
from tests.browser import stories
from tests.browser.test_backoffice import PASSWORD, log_in
from tests.worlds import Story, sonar

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FEE = {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 4, "flat": "10.00"}
TEXT = "I sent the router back in May."


def late(days: int) -> Story:
    """Return a customer whose invoice of 84.50 was due so many days ago; after 5 the line is slowed."""
    story = Story(sonar(steps=[*sonar()["steps"], FEE], status_switch_days=None))
    ensure_standings([story.account.pk])
    ServiceLine.objects.create(account=story.account, ipv4="100.64.0.7")
    today = clock.today(story.zone)
    issued = today - timedelta(days=15 + days)
    story.owes("A-1", str(issued), "84.50")
    story.days(str(today - timedelta(days=days)), str(today - timedelta(days=1)))
    return story


@pytest.fixture
def counted(browser: Browser) -> Iterator[Page]:
    """Return a small screen on which a listener counts; our own pages have no script."""
    context = browser.new_context(viewport={"width": 360, "height": 640}, bypass_csp=True)
    yield context.new_page()
    context.close()


def door(live_server: LiveServer, story: Story, to: str) -> str:
    """Return the link of a letter that leads to a page."""
    return f"{live_server.url}/portal/enter/{make_link_token(story.account)}/?to={to}"


def test_c6_more_days_are_two_presses_from_the_link(counted: Page, live_server: LiveServer) -> None:
    story = late(2)
    counted.goto(door(live_server, story, "/portal/time/"))
    with stories.Story("C6", counted):
        counted.get_by_role("button", name="Open account").click()
        counted.get_by_role("button", name="I will pay 84.50 USD by").nth(1).click()
        expect(counted.get_by_role("heading", name="We wait for you")).to_be_visible()
    promise = Promise.objects.get()
    assert (promise.pay_by_on - clock.today(story.zone)).days == 3 + 5 - 1, "5 days later than it would have been"


def test_c11_this_bill_is_wrong_is_two_presses_and_a_text(counted: Page, live_server: LiveServer) -> None:
    story = late(2)
    counted.goto(door(live_server, story, "/portal/dispute/"))
    with stories.Story("C11", counted):
        counted.get_by_role("button", name="Open account").click()
        counted.get_by_label("What is wrong?").press_sequentially(TEXT)
        counted.get_by_role("button", name="Send").click()
        expect(counted.get_by_text("We are looking into it.")).to_be_visible()
    assert (Dispute.objects.get().state, Invoice.objects.get().frozen) == ("open", True)


def test_h11_a_dispute_is_opened_at_the_desk_in_three_presses(page: Page, live_server: LiveServer) -> None:
    late(2)
    User.objects.create_user("boss", password=PASSWORD, is_staff=True, is_superuser=True)
    log_in(page, live_server)
    with stories.Story("H11", page):
        stories.find(page, "A-1")
        page.locator(f"a[href='{reverse('admin:invoicing_invoice_dispute', args=[Invoice.objects.get().pk])}']").click()
        page.get_by_label("What is wrong").press_sequentially("Router went back")
        page.get_by_role("button", name="Open the dispute").click()
        expect(page.get_by_text("A-1 is disputed and frozen")).to_be_visible()
    assert Invoice.objects.get().frozen


def test_all_of_it_works_without_scripts_with_the_back_button_and_in_two_tabs(
    phone: BrowserContext, live_server: LiveServer
) -> None:
    page = phone.new_page()
    page.goto(door(live_server, late(2), "/portal/time/"))
    page.get_by_role("button", name="Open account").click()
    other = phone.new_page()
    other.goto(f"{live_server.url}/portal/time/")
    page.get_by_role("button", name="I will pay 84.50 USD by").first.click()
    expect(page.get_by_role("heading", name="We wait for you")).to_be_visible()
    other.get_by_role("button", name="I will pay 84.50 USD by").last.click()
    expect(other.get_by_role("heading", name="We wait for you")).to_be_visible()
    page.go_back()
    page.reload()
    expect(page.get_by_role("heading", name="We wait for you")).to_be_visible()
    assert Promise.objects.count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "es"])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_phone(
    browser: Browser, live_server: LiveServer, scheme: str, language: str
) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 640}, color_scheme=scheme, bypass_csp=True)  # type: ignore[arg-type]
    page, story = context.new_page(), late(2)
    story.account.contacts.update(language=language)
    page.goto(door(live_server, story, "/portal/time/"))
    page.locator("main button").first.click()
    invoice = Invoice.objects.get()
    looked(page, "time")
    page.locator("main button[name=pay_by]").first.click()
    looked(page, "agreed")
    page.goto(f"{live_server.url}/portal/dispute/{invoice.public_id}/")
    looked(page, "dispute")
    page.locator("textarea").fill("4242424242424242 was charged")
    page.locator("main button").last.click()
    expect(page.get_by_role("alert")).to_be_visible()
    looked(page, "dispute with a mistake")
    page.locator("textarea").fill(TEXT)
    page.locator("main button").last.click()
    looked(page, "disputed")
    page.goto(f"{live_server.url}/portal/time/")
    looked(page, "no days")
    context.close()


def looked(page: Page, name: str) -> None:
    """Let axe look at the page, and see that it fits."""
    found = Axe().run(page).response["violations"]
    assert [f"{row['id']}: {row['nodes'][0]['html'][:200]}" for row in found] == [], name
    assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
    assert page.locator("h1").count() == 1, name
