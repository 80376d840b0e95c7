"""Story K11 in a browser: change a reminder, see it for three accounts, publish it; nothing to trip over."""

import re

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import NoticeTemplateVersion, User
from tests.backoffice import make_everything
from tests.browser.stories import Story
from tests.browser.test_backoffice import PASSWORD, log_in, serious
from tests.factories import make_account, make_contact

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def _people() -> None:
    User.objects.create_user("boss", password=PASSWORD, is_staff=True, is_superuser=True)
    make_everything()
    for name, language in (("Ana", "es"), ("Bob", "en")):
        make_contact(make_account(), name=name, language=language)


@pytest.mark.usefixtures("_people")
def test_k11_a_reminder_is_changed_seen_for_three_accounts_and_published(page: Page, live_server: LiveServer) -> None:
    log_in(page, live_server)
    with Story("K11", page):
        page.get_by_role("link", name=re.compile("Letters *$")).first.click()
        page.get_by_role("link", name=re.compile("English ?, Past due, E-mail")).click()
        page.get_by_label("Text", exact=True).press_sequentially("Thank you for being with us.")
        page.get_by_role("button", name="Preview").click()
        expect(page.get_by_text("Publish version 1")).to_be_visible()
        assert page.locator("iframe").count() == 3
        expect(page.frame_locator("iframe").first.get_by_text("Thank you for being with us.")).to_be_visible()
        page.get_by_label("Why").press_sequentially("warmer")
        page.get_by_role("button", name="Publish").click()
        expect(page.get_by_text("Version 1 is live. Letters written from now on use it")).to_be_visible()
    assert NoticeTemplateVersion.objects.get(template__key="past_due").note == "warmer"


@pytest.mark.usefixtures("_people")
def test_axe_finds_nothing_serious_in_the_editor(page: Page, live_server: LiveServer) -> None:
    log_in(page, live_server)
    for tail in ("", "text/past_due/email/en/", "text/past_due/email/en/preview/"):
        page.goto(f"{live_server.url}/admin/accounts/noticetemplate/{tail}")
        assert serious(page) == [], tail


@pytest.mark.usefixtures("_people")
def test_a_variable_is_put_where_the_cursor_is(page: Page, live_server: LiveServer) -> None:
    log_in(page, live_server)
    page.goto(f"{live_server.url}/admin/accounts/noticetemplate/text/past_due/sms/en/")
    field = page.get_by_label("Text", exact=True)
    field.fill("Hello !")
    field.evaluate("field => field.setSelectionRange(6, 6)")
    page.get_by_role("button", name="Insert contact_name").click()
    expect(field).to_have_value("Hello {{ contact_name }}!")


@pytest.mark.usefixtures("_people")
def test_the_editor_fits_a_telephone(page: Page, live_server: LiveServer) -> None:
    page.set_viewport_size({"width": 375, "height": 800})
    log_in(page, live_server)
    for tail in (
        "",
        "text/past_due/email/en/",
        "text/past_due/email/en/preview/",
        "text/past_due/email/en/versions/0/",
    ):
        page.goto(f"{live_server.url}/admin/accounts/noticetemplate/{tail}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, tail
