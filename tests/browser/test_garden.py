"""Arrival from the walled garden in a real browser: a phone, no JavaScript, no cookies, a slow line."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, ServiceLine
from billing_project.kernel import clock
from invoicing.models import Payment
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import LineState, PaymentWindow
from netenforce.operations import open_window, place_hold
from tests.backoffice import make_customer, make_version

from .stories import Story

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE: Any = {"width": 360, "height": 640}
FIRST_VIEW_BYTES = 14 * 1024


@pytest.fixture
def account() -> Account:
    """Make a customer behind the browser's own address, whose line is limited to the payment page over 100.00."""
    made = make_customer("20001", make_version(), delinquent=True)
    ServiceLine.objects.filter(account=made).update(ipv4="127.0.0.1")
    LineState.objects.filter(line__account=made).update(desired_level="open")
    place_hold(account_id=made.pk, cause="non_payment", cause_key="case:1/wall", level="walled_garden", why="unpaid")
    LineState.objects.filter(line__account=made).update(observed_level="walled_garden")
    return made


@pytest.fixture
def phone(browser: Browser) -> Iterator[BrowserContext]:
    """Return a small screen without scripts."""
    context = browser.new_context(viewport=PHONE, java_script_enabled=False)
    yield context
    context.close()


def photograph(page: Page, name: str) -> None:
    """Keep a picture where somebody wants to look at one."""
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png")


def test_why_how_much_and_how_fast_are_seen_at_once_on_a_slow_line(
    phone: BrowserContext, live_server: LiveServer, account: Account
) -> None:
    page = phone.new_page()
    session = phone.new_cdp_session(page)
    session.send("Network.enable")
    slow = {"offline": False, "latency": 100, "downloadThroughput": 8_000, "uploadThroughput": 8_000}
    session.send("Network.emulateNetworkConditions", slow)  # 64 kbit/s
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with Story("C1", page):
        answer = page.goto(f"{live_server.url}/portal/garden/hotspot-detect.html")
        owed = page.get_by_text("100.00 USD", exact=True)
        expect(owed).to_be_visible()
    assert answer is not None
    assert len(answer.body()) <= FIRST_VIEW_BYTES
    assert len(asked) == 1
    for seen in (owed, page.get_by_role("heading", level=1), page.get_by_role("button", name="Pay 100.00 USD by card")):
        box = seen.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 640, "seen without scrolling"
    assert page.locator("h1").count() == 1
    photograph(page, "garden")


def test_a_guest_pays_on_the_providers_page_and_reads_when_the_line_is_back(
    phone: BrowserContext, live_server: LiveServer, account: Account
) -> None:
    page = phone.new_page()
    page.goto(f"{live_server.url}/portal/garden/")
    phone.clear_cookies()
    page.get_by_role("button", name="Pay 100.00 USD by card").click()
    assert PaymentWindow.objects.get().ended_at is None
    photograph(page, "provider")
    page.locator("label", has=page.get_by_text("is charged", exact=True)).locator("input").check()
    page.get_by_role("button", name="Pay now").click()
    expect(page.get_by_role("heading", name="Thank you. Your payment was received.")).to_be_visible()
    expect(page.get_by_text(Payment.objects.get(account=account).reference)).to_be_visible()
    assert account.name not in page.content()
    photograph(page, "paid")
    page.go_back()
    page.go_back()
    page.reload()
    assert Payment.objects.count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_arrival(browser: Browser, live_server: LiveServer, account: Account, scheme: Any) -> None:
    # axe itself is a script: it is let past the pages' own policy, which forbids all scripts.
    context = browser.new_context(viewport=PHONE, color_scheme=scheme, bypass_csp=True, locale="es-MX")
    page = context.new_page()

    def clean(name: str) -> None:
        found = Axe().run(page).response["violations"]
        assert [f"{row['id']}: {row['nodes'][0]['html'][:200]}" for row in found] == [], name
        photograph(page, f"{name}-{scheme}-es")

    page.goto(f"{live_server.url}/portal/garden/")
    expect(page.get_by_role("heading", name="Su línea de Internet está limitada a esta página")).to_be_visible()
    clean("offer")
    open_window(account_id=account.pk, key="x", scope="case:1", why="w")
    dispatch_enforcement(clock.now())
    page.reload()
    clean("window")
    page.locator("main form button").click()
    page.locator("a.button.plain").first.click()
    expect(page.get_by_role("alert")).to_be_visible()
    clean("left")
    ServiceLine.objects.update(ipv4="100.64.1.1")
    page.goto(f"{live_server.url}/portal/garden/")
    clean("stranger")
    context.close()
