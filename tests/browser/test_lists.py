"""Address lists and holds by hand in a browser: seen before they are saved, and nothing to trip over for anybody."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, User
from netenforce.models import AddressList, Hold
from netenforce.operations import place_hold
from tests.backoffice import make_everything
from tests.factories import make_account, make_device, make_line, make_status

from .test_backoffice import PASSWORD, log_in, serious

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SHOTS = os.environ.get("SHOTS", "")


@pytest.fixture
def account() -> Account:
    """Make a row of everything, sixty inactive customers with lines, and somebody to look at them."""
    User.objects.create_user("boss", password=PASSWORD, is_staff=True, is_superuser=True)
    made = make_everything()
    inactive, device = (
        make_status("Inactive", activates=False),
        make_device("north", driver="routeros", host="192.0.2.1"),
    )
    for number in range(60):
        make_line(make_account(status=inactive), f"100.66.0.{number + 1}", device=device)
    AddressList.objects.create(name="Late", level="throttle", position=50)
    return made


def keep(page: Page, name: str) -> None:
    """Keep a picture where SHOTS names a folder, and find nothing serious on the page."""
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)
    assert serious(page) == []


def test_a_list_by_account_alone_is_seen_typed_and_saved(page: Page, live_server: LiveServer, account: Account) -> None:
    page.set_viewport_size({"width": 1366, "height": 900})
    log_in(page, live_server)
    page.goto(f"{live_server.url}/admin/netenforce/addresslist/")
    expect(page.get_by_text("Late names no speed")).to_be_visible()
    keep(page, "lists")
    page.goto(f"{live_server.url}/admin/netenforce/addresslist/add/")
    page.locator("#id_name").fill("No-Service")
    page.get_by_label("Level").select_option("suspend")
    page.get_by_label("Inactive").check()
    page.get_by_label("takes lines by account alone").check()
    keep(page, "list-form")
    page.get_by_role("button", name="What would this change?").click()
    expect(page.get_by_role("heading", name="What this would change")).to_be_visible()
    expect(page.get_by_text("60 lines that would be restricted and are open now.")).to_be_visible()
    keep(page, "list-effect")
    page.get_by_role("button", name="Save this list").click()
    expect(page.get_by_role("alert").get_by_text("Type 60")).to_be_visible()
    page.get_by_label("Lines that would be restricted").fill("60")
    page.get_by_role("button", name="Save this list").click()
    expect(page.get_by_text("accounts were brought in line")).to_be_visible()
    assert Hold.objects.filter(lifted_at=None, cause="status").count() == 60


def test_a_line_is_restricted_by_hand_and_freed_again(page: Page, live_server: LiveServer, account: Account) -> None:
    caller = make_account()
    line = make_line(caller, "100.67.0.1")
    place_hold(account_id=caller.pk, cause="non_payment", cause_key="k", level="throttle", why="40.00 unpaid")
    page.set_viewport_size({"width": 1366, "height": 900})
    log_in(page, live_server)
    page.goto(f"{live_server.url}/admin/accounts/account/{caller.pk}/restrict_line")
    page.get_by_label("For", exact=True).select_option("abuse")
    page.get_by_label("Level").select_option("suspend")
    page.get_by_label("Reason").fill("Sends spam, report 118")
    keep(page, "restrict")
    page.get_by_role("button", name="Restrict").click()
    expect(page.get_by_text("lines should be suspended now")).to_be_visible()
    hold = Hold.objects.get(cause="abuse")
    page.goto(f"{live_server.url}/admin/netenforce/hold/{hold.pk}/change/")
    keep(page, "hold")
    page.get_by_role("link", name="Lift").click()
    expect(page.get_by_text("After that the account's lines are still slowed")).to_be_visible()
    keep(page, "lift")
    page.get_by_label("Reason").fill("Cleaned")
    page.get_by_role("button", name="Lift it").click()
    expect(page.get_by_text("Lifted.")).to_be_visible()
    page.goto(f"{live_server.url}/admin/accounts/serviceline/{line.pk}/choose_devices")
    page.get_by_label("north").check()
    keep(page, "devices")
    page.get_by_role("button", name="Save the devices").click()
    expect(page.get_by_text("north now.")).to_be_visible()
