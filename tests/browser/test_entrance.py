"""A member of staff sets up a second factor and signs in with it, in a browser; and nothing to trip over there."""

import os
from pathlib import Path

import pytest
from django.core.cache import cache
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.test_backoffice import serious
from tests.staff_codes import PASSWORD, code_of, hire

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PICTURES = os.environ.get("PICTURES", "")


def _picture(page: Page, name: str) -> list[str]:
    """Keep a picture where PICTURES says so; return what axe finds, in light and dark."""
    found = []
    for scheme in ("light", "dark"):
        page.evaluate("scheme => document.documentElement.classList.toggle('dark', scheme === 'dark')", scheme)
        found += [f"{name}, {scheme}: {row}" for row in serious(page)]
        if PICTURES:
            page.screenshot(path=Path(PICTURES) / f"{name}-{scheme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
        f"{name} is wider than the screen"
    )
    return found


def test_codes_are_set_up_at_the_first_sign_in_and_asked_for_at_the_next(
    page: Page, live_server: LiveServer, settings: object
) -> None:
    settings.STAFF_TWO_FACTOR = "required"  # type: ignore[attr-defined]
    hire("ann")
    cache.clear()
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{live_server.url}/admin/")
    found = _picture(page, "sign-in")
    _give_password(page)
    secret = page.locator("code").inner_text().replace(" ", "")
    found += _picture(page, "set-up")
    page.get_by_label("Code from your phone").fill(code_of(secret))
    page.get_by_role("button", name="Set it up").click()
    expect(page.locator("code")).to_have_count(10)
    found += _picture(page, "codes")
    recovery = page.locator("code").first.inner_text()
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_role("heading", name="Needs a person")).to_be_visible()
    page.goto(f"{live_server.url}/admin/sign-in/")
    found += _picture(page, "second-factor")
    page.context.clear_cookies()
    page.goto(f"{live_server.url}/admin/")
    _give_password(page)
    found += _picture(page, "code")
    page.get_by_label("Code from your phone").fill(recovery)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Needs a person")).to_be_visible()
    assert found == []


def test_it_all_works_without_scripts(phone: BrowserContext, live_server: LiveServer) -> None:
    hire("boss", role="", is_superuser=True)
    page = phone.new_page()
    page.goto(f"{live_server.url}/admin/sign-in/on/")
    page.get_by_label("Username").fill("boss")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    cache.clear()
    page.get_by_label("Code from your phone").fill(code_of(page.locator("code").inner_text().replace(" ", "")))
    page.get_by_role("button", name="Set it up").click()
    expect(page.locator("code")).to_have_count(10)


def _give_password(page: Page) -> None:
    page.get_by_label("Username").fill("ann")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
