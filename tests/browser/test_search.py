"""Support finds the caller from what the caller says, and works without a mouse."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, User
from tests.backoffice import make_everything
from tests.browser.stories import Story, find
from tests.browser.test_backoffice import PASSWORD, log_in, serious
from tests.factories import make_account, make_contact

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PICTURES = os.environ.get("PICTURES", "")


@pytest.fixture
def account() -> Account:
    """Make the one account with a row of everything, others beside it, and somebody to look at them."""
    User.objects.create_user("boss", password=PASSWORD, is_staff=True, is_superuser=True)
    account = make_everything()
    for number in range(10002, 10006):
        make_contact(make_account(number=str(number), name=f"Marlow {number}"), phone=f"+155502{number}")
    return account


def picture(page: Page, name: str) -> None:
    """Keep a picture of the page where somebody asked for one."""
    if PICTURES:
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"))


def test_h1_and_h2_a_name_a_phone_or_an_address_opens_the_account_that_says_why_and_what_to_pay(
    page: Page, live_server: LiveServer, account: Account
) -> None:
    page.set_viewport_size({"width": 1366, "height": 768})
    log_in(page, live_server)
    for key, typed in (("H1", "5550100123"), ("H2", account.service_lines.get().ipv4)):
        # The start of a morning, when nothing is loaded yet, is not what a caller waits for.
        page.goto(f"{live_server.url}/admin/accounts/account/{account.pk}/change/")
        page.goto(f"{live_server.url}/admin/")
        with Story(key, page):
            find(page, typed)
            expect(page.get_by_text("Pay to restore", exact=True)).to_be_visible()
            expect(page.get_by_text("Held because of")).to_be_visible()
        assert page.url == f"{live_server.url}/admin/accounts/account/{account.pk}/change/"


def test_the_keys_walk_a_list_open_a_row_and_press_the_buttons_of_an_account(
    page: Page, live_server: LiveServer, account: Account
) -> None:
    page.set_viewport_size({"width": 1366, "height": 768})
    log_in(page, live_server)
    page.goto(f"{live_server.url}/admin/accounts/account/")
    for key in "jjx":
        page.keyboard.press(key)
    rows = page.locator("#result_list tr.data-row")
    assert rows.nth(1).locator("input.action-select").is_checked()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/admin/accounts/account/{account.pk}/change/")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Record payment")
    expect(dialog).to_contain_text("Give more time")
    picture(page, "keys")
    assert serious(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("p")
    page.wait_for_url("**/record_payment/**")
    page.keyboard.press("/")
    page.keyboard.type("jj?")
    expect(page.locator("#desk-q")).to_have_value("jj?")


def test_single_keys_can_be_switched_off_and_on_again(page: Page, live_server: LiveServer, account: Account) -> None:
    log_in(page, live_server)
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Single keys are on").uncheck()
    page.get_by_role("button", name="Close").click()
    page.reload()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Single keys are on").check()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_the_search_is_fit_for_a_phone_and_for_everybody(page: Page, live_server: LiveServer, account: Account) -> None:
    log_in(page, live_server)
    for scheme, width in (("light", 1366), ("dark", 360)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 768})
        for typed in ("marlow", "", "nobody at all", "10001"):
            page.goto(f"{live_server.url}/admin/search/?q={typed}")
            picture(page, f"search-{typed or 'empty'}-{scheme}")
            assert serious(page) == [], typed
            too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert too_wide <= 0, typed
            assert page.locator("h1:visible").count() == 1
