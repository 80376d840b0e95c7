"""The portal on a phone with JavaScript off: in by a link, see, pay, receipt."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.access import make_link_token
from accounts.models import Account
from invoicing.models import Payment
from tests.backoffice import make_customer, make_version

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FIRST_VIEW_BYTES = 14 * 1024


@pytest.fixture
def account() -> Account:
    """Make a customer whose line is slowed over 100.00."""
    return make_customer("20001", make_version(), delinquent=True)


def enter(page: Page, live_server: LiveServer, account: Account) -> None:
    """Come in by the link of a message."""
    page.goto(f"{live_server.url}/portal/enter/{make_link_token(account)}/")
    page.get_by_role("button", name="Open account").click()
    assert page.url == f"{live_server.url}/portal/", "the token is gone from the address"


def test_a_customer_pays_with_the_stored_card_in_two_presses(
    phone: BrowserContext, live_server: LiveServer, account: Account
) -> None:
    page = phone.new_page()
    enter(page, live_server, account)
    owed = page.locator("p.sum")
    expect(owed).to_have_text("100.00 USD")
    assert (owed.bounding_box() or {"y": 9999})["y"] < 640, "what restores service is seen without scrolling"
    page.get_by_role("button", name="Pay 100.00 USD with Visa •••• 4242").click()
    expect(page.get_by_role("heading", name="Thank you. Your payment was received.")).to_be_visible()
    payment = Payment.objects.get(account=account)
    expect(page.get_by_text(payment.reference)).to_be_visible()


def test_a_new_card_is_entered_at_the_providers_page_and_a_declined_one_says_what_to_do(
    phone: BrowserContext, live_server: LiveServer, account: Account
) -> None:
    page = phone.new_page()
    enter(page, live_server, account)
    for card, heading in (
        ("is declined: expired", "The payment did not go through"),
        ("is charged", "Thank you. Your payment was received."),
    ):
        page.goto(f"{live_server.url}/portal/pay/")
        page.get_by_label("a new card").check()
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("button", name="Go on and pay 100.00 USD").click()
        page.locator("label", has=page.get_by_text(card, exact=True)).locator("input").check()
        page.get_by_role("button", name="Pay now").click()
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    assert Payment.objects.filter(account=account).count() == 1


def test_the_first_view_is_one_request_and_small(
    phone: BrowserContext, live_server: LiveServer, account: Account
) -> None:
    page = phone.new_page()
    enter(page, live_server, account)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    answer = page.goto(f"{live_server.url}/portal/")
    assert answer is not None
    assert len(answer.body()) <= FIRST_VIEW_BYTES
    assert asked == [f"{live_server.url}/portal/"]
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_portals_pages(
    browser: Browser, live_server: LiveServer, account: Account, scheme: str
) -> None:
    # axe itself is a script: it is let past the pages' own policy, which forbids all scripts.
    context = browser.new_context(viewport={"width": 360, "height": 640}, color_scheme=scheme, bypass_csp=True)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{live_server.url}/portal/garden/")
    pages = ["/portal/garden/", "/portal/link/", "/portal/", "/portal/pay/"]
    enter(page, live_server, account)
    for path in pages:
        page.goto(live_server.url + path)
        judge(page)
    context.close()


def judge(page: Page) -> None:
    """Fail for whatever axe finds on a page."""
    found = Axe().run(page).response["violations"]
    assert [f"{row['id']}: {row['nodes'][0]['html'][:200]}" for row in found] == [], page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_way_from_the_card_to_the_receipt(
    browser: Browser, live_server: LiveServer, account: Account, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 640}, color_scheme=scheme, bypass_csp=True)  # type: ignore[arg-type]
    page = context.new_page()
    enter(page, live_server, account)
    page.get_by_role("button", name="Pay 100.00 USD with a new card").click()
    judge(page)  # where the card is entered
    there = page.url
    page.goto(f"{live_server.url}/portal/")
    page.get_by_role("link", name="See how it stands").click()
    judge(page)  # nothing is paid yet
    page.goto(there)
    for card, heading in (("is declined: expired", "did not go through"), ("is charged", "was received")):
        page.locator("label", has=page.get_by_text(card, exact=True)).locator("input").check()
        page.get_by_role("button", name="Pay now").click()
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        judge(page)
        if "was received" not in heading:
            page.goto(f"{live_server.url}/portal/")
            page.get_by_role("button", name="Pay 100.00 USD with a new card").click()
    for path in ("/portal/receipts/", "/portal/bills/", "/portal/tickets/new/"):
        page.goto(live_server.url + path)
        judge(page)
    context.close()
