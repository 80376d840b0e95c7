"""Coming in, an expired link, and stopping texts, on a phone with JavaScript off (C10, C12, P04, P05, P16)."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.access import make_link_token
from accounts.models import Account, Notice, Suppression
from accounts.sign_in import answer_requests
from billing_project.kernel import clock
from tests.backoffice import make_customer, make_version

from .stories import Story

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PAGE_BYTES = 14 * 1024


@pytest.fixture
def account() -> Account:
    """Make a customer whose line is slowed."""
    return make_customer("20001", make_version(), delinquent=True)


@pytest.fixture
def measured(browser: Browser) -> Iterator[Page]:
    """Return a small screen whose presses are counted; the counting is a script, the pages have none."""
    context = browser.new_context(viewport={"width": 360, "height": 640}, bypass_csp=True)
    yield context.new_page()
    context.close()


def enter(page: Page, live_server: LiveServer, account: Account) -> None:
    """Come in by the link of a message."""
    page.goto(f"{live_server.url}/portal/enter/{make_link_token(account)}/")
    assert page.url.startswith(f"{live_server.url}/portal/open/"), "the token is gone from the address"
    page.get_by_role("button", name="Open account").click()
    assert page.url == f"{live_server.url}/portal/"


def expired(account: Account) -> str:
    """Return the path of a link of seventy days ago."""
    with clock.at(clock.now() - timedelta(days=70)):
        return f"/portal/enter/{make_link_token(account)}/"


def test_a_customer_comes_in_by_the_code_without_leaving_the_window(
    phone: BrowserContext, live_server: LiveServer, account: Account
) -> None:
    page = phone.new_page()
    page.goto(f"{live_server.url}/portal/")
    page.get_by_label("Account number, e-mail address or phone number").fill("(555) 010-0123")
    page.get_by_label("text message").check()
    page.get_by_role("button", name="Send me a link").click()
    answer_requests()
    code = Notice.objects.get(template="portal_link", channel="sms").context["sign_in_code"]
    page.get_by_label("Or type the six digits").fill("12")
    page.get_by_role("button", name="Open account").click()
    expect(page.get_by_role("alert")).to_contain_text("Code: these are not the six digits")
    page.get_by_label("Or type the six digits").fill(code)
    page.get_by_role("button", name="Open account").click()
    expect(page).to_have_url(f"{live_server.url}/portal/")


def test_an_expired_link_leads_to_a_new_one_by_one_press_and_that_one_opens_at_once(
    measured: Page, live_server: LiveServer, account: Account
) -> None:
    measured.goto(live_server.url + expired(account))
    with Story("C10", measured):
        measured.get_by_role("button", name="Send me a new link by e-mail").click()
        expect(measured.get_by_role("heading", name="Please look at your messages")).to_be_visible()
    answer_requests()
    link = Notice.objects.get(template="portal_link").context["pay_url"]
    measured.goto(f"{live_server.url}/{link.split('/', 3)[3]}")
    assert measured.url == f"{live_server.url}/portal/"


def test_a_customer_stops_texts_and_keeps_e_mail_in_two_presses(
    measured: Page, live_server: LiveServer, account: Account
) -> None:
    enter(measured, live_server, account)
    settings = measured.get_by_role("navigation").get_by_role("link", name="Settings")
    with Story("C12", measured):
        settings.click()
        measured.get_by_role("button", name="Stop text messages").click()
        expect(measured.get_by_role("status")).to_contain_text("Text messages: switched off")
    assert list(Suppression.objects.values_list("channel", "address")) == [("sms", "+15550100123")]


def test_a_window_without_cookies_is_told_so_and_offered_a_text(
    browser: Browser, live_server: LiveServer, account: Account
) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 640}, java_script_enabled=False)
    context.route("**/*", lambda route: route.continue_(headers={**route.request.headers, "cookie": ""}))
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{live_server.url}/portal/enter/{make_link_token(account)}/")
    context.clear_cookies()
    page.reload()
    expect(page.get_by_role("heading", name="Please open the link in your usual browser")).to_be_visible()
    assert len(asked) <= 4, "no loop"
    context.clear_cookies()
    page.get_by_role("button", name="Send me the link by text message").click()
    expect(page.get_by_role("heading", name="Please look at your messages")).to_be_visible()
    answer_requests()
    assert Notice.objects.get(template="portal_link").channel == "sms"
    context.close()


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_pages_of_the_way_in(
    browser: Browser, live_server: LiveServer, account: Account, scheme: str, language: str
) -> None:
    # axe itself is a script: it is let past the pages' own policy, which forbids all scripts.
    context = browser.new_context(
        viewport={"width": 360, "height": 640},
        color_scheme=scheme,
        bypass_csp=True,
        locale=language,  # type: ignore[arg-type]
    )
    page = context.new_page()
    account.contacts.update(language=language)
    link = f"/portal/enter/{make_link_token(account)}/"
    for name, path in (
        ("ask", "/portal/link/"), ("asking", ""), ("sent", "/portal/link/sent/"), ("expired", expired(account)),
        ("forged", "/portal/enter/x/"), ("no-pass", "/portal/open/?again=x"), ("button", link),
        ("coming in", ""),
        ("preferences", "/portal/preferences/"), ("last-way", "/portal/preferences/?done=sms-off"),
    ):  # fmt: skip
        if name == "asking":
            page.locator("#who").fill("nobody")
        if not path:
            page.locator("main form button").click()
            continue
        if name == "last-way":
            account.contacts.update(sms_allowed=False)
        answer = page.goto(live_server.url + path)
        assert answer is not None
        assert len(answer.body()) <= PAGE_BYTES, name
        assert page.locator("h1").count() == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, f"{name} is too wide"
        found = Axe().run(page).response["violations"]
        assert [f"{row['id']}: {row['nodes'][0]['html'][:200]}" for row in found] == [], name
    context.close()


@pytest.mark.parametrize(("language", "wanted"), [("English", "Help"), ("Español", "Ayuda")])
def test_the_pages_of_the_portal_stand_in_one_row_on_a_small_phone(
    page: Page, live_server: LiveServer, account: Account, language: str, wanted: str
) -> None:
    page.set_viewport_size({"width": 360, "height": 640})
    enter(page, live_server, account)
    if language != "English":
        page.get_by_role("button", name=language).click()
    nav = page.get_by_role("navigation")
    expect(nav.get_by_role("link", name=wanted)).to_be_visible()
    for width in (360, 320):
        page.set_viewport_size({"width": width, "height": 640})
        tops = {round(link.bounding_box()["y"]) for link in nav.get_by_role("link").all()}  # type: ignore[index]
        assert len(tops) == 1, f"it wraps at {width} px"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
