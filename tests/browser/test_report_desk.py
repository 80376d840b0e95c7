"""Clerks take figures and lists out in a browser: few clicks, nothing to trip over, light, dark and on a phone."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import DataExport, SavedFilter, User
from delinquency.models import ReportSubscription
from tests.backoffice import make_everything
from tests.browser.stories import Story
from tests.browser.test_backoffice import PASSWORD, log_in, serious

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PICTURES = os.environ.get("PICTURES", "")
REPORTS = "/admin/delinquency/reportsubscription/reports/"
PAGES = {
    "reports": REPORTS, "ageing": f"{REPORTS}ageing/", "ageing-part": f"{REPORTS}ageing/?part=late",
    "revenue": f"{REPORTS}revenue/?from=2026-01-01&to=2026-03-31",
    "payouts": f"{REPORTS}payouts/?from=2026-01-01&to=2026-03-31",
    "delinquency": f"{REPORTS}delinquency/?from=2026-01-01&to=2026-03-31",
    "promises": f"{REPORTS}promises/?from=2026-01-01&to=2026-03-31",
    "list": "/admin/accounts/account/?q=1", "export": "/admin/accounts/account/export/?q=1",
    "filters": "/admin/accounts/account/filters/", "mailing": "/admin/delinquency/reportsubscription/",
    "mailing-add": "/admin/delinquency/reportsubscription/add/", "exports": "/admin/accounts/dataexport/",
}  # fmt: skip


@pytest.fixture
def boss() -> User:
    """Make one row of everything, and somebody who may do all."""
    found = User.objects.create_user("boss", password=PASSWORD, is_staff=True, is_superuser=True)
    make_everything()
    SavedFilter.objects.create(owner=found, source="accounts.account", name="Ones", query="q=1", shared=True)
    SavedFilter.objects.create(owner=found, source="accounts.account", name="Old", query="colour=red")
    return found


def picture(page: Page, name: str) -> None:
    """Keep a picture of the page where somebody asked for one."""
    if PICTURES:
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"), full_page=True)


def test_k12_ageing_over_sixty_days_goes_out_with_contact_data(page: Page, live_server: LiveServer, boss: User) -> None:
    page.set_viewport_size({"width": 1366, "height": 768})
    log_in(page, live_server)
    with Story("K12", page):
        page.locator("a[href$='/reports/ageing/']").first.click()
        page.get_by_role("link", name="Over 60 days late").click()
        with page.expect_download() as coming:
            page.get_by_role("button", name="Export XLSX with contact data").click()
        assert coming.value.suggested_filename.startswith("ageing-over-60-")
    assert DataExport.objects.get(source="report:ageing").with_contacts


def test_a_filter_is_kept_in_two_clicks_and_the_list_is_a_file_in_one(
    page: Page, live_server: LiveServer, boss: User
) -> None:
    page.set_viewport_size({"width": 1366, "height": 768})
    log_in(page, live_server)
    page.goto(f"{live_server.url}/admin/accounts/account/?q=100")
    page.get_by_text("Save this filter").click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("link", name="“100” 1")).to_be_visible()
    with page.expect_download() as coming:
        page.get_by_role("button", name="Export CSV").click()
    assert coming.value.suggested_filename.startswith("accounts-100-")
    assert SavedFilter.objects.filter(query="q=100").count() == 1


def test_nothing_to_trip_over_in_light_and_dark(page: Page, live_server: LiveServer, boss: User) -> None:
    page.set_viewport_size({"width": 1366, "height": 768})
    log_in(page, live_server)
    found = {}
    for name, address in PAGES.items():
        if name in ("payouts", "promises", "delinquency", "filters") and not PICTURES:
            continue  # made by the same templates as the others
        # The dark ones differ by colour alone, and colours are the same on all pages.
        for scheme in ("light", "dark") if PICTURES or name in ("list", "ageing", "export") else ("light",):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.goto(f"{live_server.url}{address}")
            picture(page, f"{name}-{scheme}")
            problems = serious(page)
            assert page.locator("h1").count() == 1, name
            if problems:
                found[f"{name} {scheme}"] = problems
    assert found == {}
    assert ReportSubscription.objects.exists()


def test_the_pages_fit_a_phone_without_scripts(
    page: Page, live_server: LiveServer, boss: User, phone: BrowserContext
) -> None:
    log_in(page, live_server)
    phone.add_cookies(page.context.cookies())  # type: ignore[arg-type]
    small = phone.new_page()
    for name in ("reports", "ageing", "ageing-part", "revenue", "export", "filters"):
        small.goto(f"{live_server.url}{PAGES[name]}")
        picture(small, f"{name}-360")
        wide = small.locator("main, #content-main, .desk-work, .desk-confirm").first.bounding_box()
        assert wide is not None, name
        assert wide["width"] <= 360, name
