"""An operator brings data in and goes live in a browser: no JavaScript needed, nothing to trip over on the pages."""

import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, Shadow, User
from accounts.shadowing import begin_shadow
from delinquency.models import ImportFile, OldState
from tests.backoffice import make_customer, make_version
from tests.browser.stories import Story
from tests.browser.test_backoffice import PASSWORD, log_in, serious

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PICTURES = os.environ.get("PICTURES", "")
FILE = (
    "Client No;Full name;Condition;Mail;Phone\n"
    "0017;Ann Example;Active;ann@customer.example;+15550100123\n"
    "0018;Bob <b>Other</b>;Gone;bob@customer.example;\n"
)


@pytest.fixture(autouse=True)
def boss() -> User:
    return User.objects.create_user("boss", password=PASSWORD, is_staff=True, is_superuser=True)


def picture(page: Page, name: str) -> None:
    """Keep a picture of the page, if somebody wants to look at it."""
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


def sound(page: Page, name: str) -> None:
    """Look at the page in both colours, wide and narrow."""
    for scheme in ("light", "dark"):
        page.evaluate("dark => document.documentElement.classList.toggle('dark', dark)", scheme == "dark")
        page.set_viewport_size({"width": 1366, "height": 768})
        assert serious(page) == [], (name, scheme)
        picture(page, f"{name}-{scheme}")
    page.set_viewport_size({"width": 360, "height": 740})
    too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    picture(page, f"{name}-360")
    assert too_wide <= 0, name
    page.set_viewport_size({"width": 1366, "height": 768})
    page.evaluate("document.documentElement.classList.remove('dark')")


def test_accounts_come_in_from_a_file_with_other_columns(page: Page, live_server: LiveServer, tmp_path: Path) -> None:
    path = tmp_path / "clients.csv"
    path.write_text(FILE)
    make_version()
    log_in(page, live_server)
    page.goto(live_server.url + reverse("admin:delinquency_importfile_upload"))
    sound(page, "import-upload")
    page.get_by_label("Which program wrote it").select_option("old system")
    page.get_by_label("File (CSV or XLSX)").set_input_files(path)
    page.get_by_role("button", name="Go on to the columns").click()
    page.locator("#id_number-c0").select_option("Client No")
    page.locator("#id_status-c0").select_option("Condition")
    page.locator("#id_email-c0").select_option("Mail")
    page.locator("#id_name-c0").select_option("Full name")
    page.locator("#id_contact_name-c0").select_option("Full name")
    page.locator("#id_billing_default-fixed").select_option("Sonar example")
    page.locator("#id_bill_day-fixed").fill("1")
    sound(page, "import-columns")
    page.get_by_role("button", name="Check the file").click()
    expect(page.get_by_text("1 row is wrong, so nothing can be imported")).to_be_visible()
    expect(page.get_by_role("cell", name="Gone", exact=True).first).to_be_visible()
    sound(page, "import-checked")

    path.write_text(FILE.replace("Gone", "Inactive"))
    page.goto(live_server.url + reverse("admin:index"))
    with Story("U13", page):
        page.locator(f"a[href='{reverse('admin:delinquency_importfile_changelist')}']").first.click()
        page.get_by_role("link", name="Import a file", exact=True).click()
        page.get_by_label("Which program wrote it").select_option("old system")
        page.get_by_label("File (CSV or XLSX)").set_input_files(path)
        page.get_by_role("button", name="Go on to the columns").click()
        page.get_by_role("button", name="Check the file").click()
        page.get_by_role("button", name="Import 2 rows").click()
        expect(page.get_by_text("Imported by boss")).to_be_visible()
    assert Account.objects.get(number="0018").name == "Bob <b>Other</b>"
    page.goto(live_server.url + reverse("admin:delinquency_importfile_changelist"))
    sound(page, "import-list")
    assert ImportFile.objects.count() == 2


def test_an_operator_compares_accepts_and_goes_live(page: Page, live_server: LiveServer, boss: User) -> None:
    version = make_version()
    begin_shadow(reason="The old system bills until 1 March", by=boss)
    for number in ("10001", "10002"):
        account = make_customer(number, version, delinquent=True)
        OldState.objects.create(account=account, on=date(2026, 1, 21), balance=Decimal("90.00"), delinquent=False)
    log_in(page, live_server)
    expect(page.get_by_text("Shadow mode.", exact=True)).to_be_visible()
    page.goto(live_server.url + reverse("admin:accounts_shadow_changelist"))
    page.get_by_role("link", name="Compare and go live…").click()
    sound(page, "shadow-compare")
    for box in page.get_by_role("checkbox", name="Accept").all():
        box.check()
    page.get_by_label("Reason").fill("Their credit was paid out on 20 January")
    page.get_by_role("button", name="Accept the ticked differences").click()
    expect(page.get_by_text("4 differences accepted.")).to_be_visible()
    page.get_by_role("link", name="Go live…", exact=True).click()
    sound(page, "shadow-live")
    page.get_by_label("Type GO LIVE").fill("GO LIVE")
    page.get_by_label("Reason").fill("Compared for a week")
    page.get_by_role("button", name="Go live").click()
    expect(page.get_by_text("The program is live.")).to_be_visible()
    assert Shadow.objects.get().ended_by == boss
