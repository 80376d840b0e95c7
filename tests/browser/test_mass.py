"""A clerk deals with many at once in a browser (K8), and nothing to trip over on the pages."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, User
from billing_project.kernel import clock
from delinquency.models import AccountHold, MassAction, Standing
from delinquency.operations import mass
from tests.backoffice import make_customer, make_version
from tests.browser.stories import Story
from tests.browser.test_backoffice import PASSWORD, log_in, serious

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PICTURES = os.environ.get("PICTURES", "")
AREA = 60


@pytest.fixture
def town() -> list[Account]:
    """Make an area of sixty accounts, three others, and somebody to deal with them."""
    User.objects.create_user("boss", password=PASSWORD, is_staff=True, is_superuser=True)
    version = make_version()
    found = [make_customer(str(10001 + number), version) for number in range(AREA + 3)]
    Standing.objects.update(next_look_at=None, looked_until_at=clock.now())
    Account.objects.filter(pk__in=[row.pk for row in found[:AREA]]).update(address="Mill Road, Bearsville 12409")
    Account.objects.filter(pk=found[0].pk).update(closed_on="2026-01-01")
    Account.objects.filter(pk=found[AREA].pk).update(address="1 High Street, Bearsville 12409")
    return found


def picture(page: Page, name: str) -> None:
    """Keep a picture of the page where somebody asked for one."""
    if PICTURES:
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"), full_page=True)


def test_k8_sixty_accounts_of_an_outage_area_are_on_hold_until_friday(
    page: Page, live_server: LiveServer, town: list[Account]
) -> None:
    friday = clock.today() + timedelta(days=5)
    page.set_viewport_size({"width": 1366, "height": 768})
    log_in(page, live_server)
    page.goto(f"{live_server.url}/admin/")
    with Story("K8", page):
        page.get_by_role("link", name="Put an area on hold").click()
        # The page begins in this field; a window behind another has no focus to show, so it is set here.
        expect(page.get_by_label("Address contains")).to_have_js_property("autofocus", True)
        page.get_by_label("Address contains").focus()
        page.keyboard.type("12409")
        page.get_by_label("On hold until").focus()
        page.keyboard.type(f"{friday:%m%d%Y}")
        page.get_by_role("button", name="See what it would do").click()
        expect(page.get_by_text("open accounts: address contains “12409”")).to_be_visible()
        expect(page.get_by_role("heading", name=f"Do it to {AREA}")).to_be_visible()
        page.get_by_label("Reason").click()
        page.keyboard.type("Storm, lines down")
        page.keyboard.press("Tab")
        page.keyboard.type(str(AREA))
        page.get_by_role("button", name=f"Put on hold until {friday} ({AREA})").click()
        expect(page.get_by_role("heading", name=f"Put on hold until {friday}")).to_be_visible()
    picture(page, "mass-at-work")
    mass.work_on_all()
    page.goto(page.url)
    expect(page.get_by_role("row").filter(has_text="Done")).to_contain_text(str(AREA))
    picture(page, "mass-done")
    assert AccountHold.objects.filter(reason="Storm, lines down").count() == AREA
    page.get_by_label("Reason").fill("Wrong valley")
    page.get_by_role("button", name="Undo").click()
    mass.work_on_all()
    page.goto(page.url)
    expect(page.get_by_role("heading", name="Undo: Put on hold")).to_be_visible()
    assert not Standing.objects.filter(held_until__isnull=False).exists()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_and_nothing_scrolls_sideways(
    page: Page, live_server: LiveServer, town: list[Account], scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    log_in(page, live_server)
    boss = User.objects.get()
    action = mass.prepare(MassAction.Kind.GRACE, Account.objects.all(), by=boss, parameters={"until_on": "2026-12-24"})
    for name, args in (
        ("massaction_changelist", []), ("massaction_hold", []), ("massaction_payments", []),
        ("massaction_change", [action.pk]), ("massitem_changelist", []), ("accounthold_changelist", []),
    ):  # fmt: skip
        page.set_viewport_size({"width": 1366, "height": 768})
        page.goto(live_server.url + reverse(f"admin:delinquency_{name}", args=args))
        assert serious(page) == [], name
        picture(page, f"{name}-{scheme}")
        page.set_viewport_size({"width": 360, "height": 740})
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name} is {wide} px too wide"
        picture(page, f"{name}-{scheme}-360")
