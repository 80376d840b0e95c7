"""The back office in a browser: log in, see the day, open an account; nothing to trip over for anybody."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, User
from tests.backoffice import make_everything

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PASSWORD = "a long enough password"


@pytest.fixture
def account() -> Account:
    """Make the one account with a row of everything, and somebody to look at it."""
    User.objects.create_user("boss", password=PASSWORD, is_staff=True, is_superuser=True)
    return make_everything()


def log_in(page: Page, live_server: LiveServer) -> None:
    """Log in as the boss, and arrive on the home page."""
    page.goto(f"{live_server.url}/admin/")
    page.get_by_label("Username").fill("boss")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Needs a person")).to_be_visible()


# Colours that are still on their way from light to dark have the contrast of neither.
STILL = """() => {
    const still = new CSSStyleSheet();
    still.replaceSync("*, ::before, ::after { transition: none !important; animation: none !important }");
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, still];
}"""


def serious(page: Page) -> list[str]:
    """Return what axe finds serious or critical on the page, once it is there whole and nothing on it moves."""
    page.wait_for_load_state()
    page.evaluate(STILL)
    found = Axe().run(page).response["violations"]
    return [
        f"{row['id']}: {row['nodes'][0]['html'][:200]}" for row in found if row["impact"] in ("serious", "critical")
    ]


def test_a_clerk_logs_in_and_is_one_click_from_the_delinquent_accounts(
    page: Page, live_server: LiveServer, account: Account
) -> None:
    log_in(page, live_server)
    page.get_by_role("link", name="accounts delinquent").click()
    expect(page.get_by_role("link", name=account.number, exact=True)).to_be_visible()


def test_the_account_page_shows_what_is_owed_and_takes_a_payment(
    page: Page, live_server: LiveServer, account: Account
) -> None:
    page.set_viewport_size({"width": 1366, "height": 768})
    log_in(page, live_server)
    page.goto(f"{live_server.url}/admin/accounts/account/{account.pk}/change/")
    for words in ("Balance", "Pay to restore", "Oldest unpaid", "Next step"):
        box = page.get_by_text(words, exact=True).bounding_box()
        assert box is not None, words
        assert box["y"] < 768, f"{words} is above the fold"
    page.get_by_role("link", name="Record payment").click()
    expect(page.get_by_label("Amount")).to_have_value("60.00")
    page.get_by_role("button", name="Record it").click()
    expect(page.get_by_text("60.00 recorded as DESK-")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_home_and_account(
    page: Page, live_server: LiveServer, account: Account, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    log_in(page, live_server)
    assert serious(page) == []
    page.goto(f"{live_server.url}/admin/accounts/account/{account.pk}/change/")
    assert serious(page) == []


def test_nothing_scrolls_sideways_on_a_phone(page: Page, live_server: LiveServer, account: Account) -> None:
    log_in(page, live_server)
    page.set_viewport_size({"width": 360, "height": 740})
    ticket = account.tickets.get()
    for path in (
        "/admin/",
        f"/admin/accounts/account/{account.pk}/change/",
        f"/admin/delinquency/ticket/{ticket.pk}/change/",
    ):
        page.goto(live_server.url + path)
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, path
