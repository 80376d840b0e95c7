"""One account at a glance, in a browser: what a clerk and support live on all day (U08 to U11, K5, K7, H1)."""

import os
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, User
from accounts.operations import resume_everything
from billing_project.kernel import clock
from delinquency import operations
from delinquency.models import AirbagStep, AirbagTrip, Event, GraceGrant, PolicyVersion, Standing
from invoicing.models import Charge
from invoicing.operations.imports import ImportedInvoice, record_imported_invoices
from tests.backoffice import make_everything, make_invoice
from tests.browser.stories import Story, find
from tests.browser.test_backoffice import PASSWORD, log_in, serious
from tests.factories import make_account, make_contact, make_source

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PICTURES = os.environ.get("PICTURES", "")
ABOVE_THE_FOLD = (
    "Balance", "Pay to restore", "Oldest unpaid", "Next step", "Line", "Held because of", "Funding sources",
    "Grace and promises", "Disputed", "Tickets open", "Contact", "Policy",
)  # fmt: skip


@pytest.fixture
def account() -> Account:
    """Make an account with a row of everything, late now and played up to now, and somebody to look at it."""
    User.objects.create_user("boss", password=PASSWORD, is_staff=True, is_superuser=True)
    account = make_everything()
    resume_everything(reason="mended")
    AirbagStep.objects.all().delete()
    AirbagTrip.objects.all().delete()
    make_source(account, rank=2, token="tok_second", brand="Mastercard", last4="5454", expires_on=date(2027, 3, 31))
    for number in range(2):
        make_invoice(account, f"A-20{number}", due_on=clock.today() - timedelta(days=3 - number * 9), amount="42.10")
    operations.reassess(account.pk)
    return account


def address(account: Account) -> str:
    """Return the address of an account's page."""
    return reverse("admin:accounts_account_change", args=[account.pk])


def customer(number: str, due_days: int) -> Account:
    """Make a customer under the policy whose one invoice is due in so many days, looked at until now."""
    account = make_account(number=number, name=f"Customer {number}")
    make_contact(account)
    version = PolicyVersion.objects.get(policy__name="House rules")
    Standing.objects.create(account=account, policy_version=version, next_look_at=clock.now())
    due_on = clock.today() + timedelta(days=due_days)
    issued_on = due_on - timedelta(days=15)
    record_imported_invoices(
        [
            ImportedInvoice(
                account_id=account.pk, number=f"A-{number}", issued_on=issued_on, due_on=due_on,
                amount=Decimal("100.00"), description="Internet",
                effective_at=clock.instant(datetime.combine(issued_on, time(0, 5)), account.timezone),
            )
        ]
    )  # fmt: skip
    operations.reassess(account.pk)
    return account


def picture(page: Page, name: str, *, full: bool = True) -> None:
    """Keep a picture of the page where somebody asked for one."""
    if PICTURES:
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"), full_page=full)


def test_everything_that_matters_is_above_the_fold(page: Page, live_server: LiveServer, account: Account) -> None:
    page.set_viewport_size({"width": 1366, "height": 768})
    log_in(page, live_server)
    page.goto(live_server.url + address(account))
    picture(page, "account-rich-fold", full=False)
    picture(page, "account-rich")
    for words in ABOVE_THE_FOLD:
        box = page.locator("dt").get_by_text(words, exact=True).bounding_box()
        assert box is not None, words
        assert box["y"] + box["height"] < 768, f"{words} is above the fold"
    assert page.locator("h1:visible").count() == 1
    page.goto(live_server.url + address(account) + "?edit=1")
    picture(page, "account-details")
    assert serious(page) == []


def test_k5_more_days_are_given_and_the_next_step_moves(page: Page, live_server: LiveServer, account: Account) -> None:
    account = customer("10002", -4)
    log_in(page, live_server)
    page.goto(live_server.url + address(account))
    before = page.locator("#next-steps + ol li").first.inner_text()
    # The pages have been opened before, as on any working day.
    page.get_by_role("link", name="Give more time").click()
    page.goto(f"{live_server.url}/admin/")
    with Story("K5", page):
        find(page, account.number)
        expect(page.get_by_role("link", name="Give more time")).to_be_visible()
        page.keyboard.press("e")
        page.get_by_label("Reason", exact=True).focus()
        page.keyboard.type("Bank")
        page.get_by_role("button", name="+7 days").click()
        page.locator("button[name=confirmed]").click()
        expect(page.get_by_text("protected through").first).to_be_visible()
    assert GraceGrant.objects.filter(account=account).count() == 1
    assert page.url == live_server.url + address(account)
    assert page.locator("#next-steps + ol li").first.inner_text() != before
    expect(page.get_by_role("link", name="Undo the last grace")).to_be_visible()


def test_k7_why_a_fee_was_charged_is_two_clicks_away(page: Page, live_server: LiveServer, account: Account) -> None:
    account = customer("10002", -10)
    fee = Event.objects.get(account=account, kind="late_fee")
    assert Charge.objects.filter(account=account, kind="late_fee").count() == 1
    log_in(page, live_server)
    with Story("K7", page):
        find(page, account.number)
        page.get_by_role("link", name="Fees").click()
        expect(page.get_by_text(fee.why)).to_be_visible()
    page.get_by_role("row", name="Late fee").get_by_role("link", name="Why?").click()
    expect(page.get_by_text("what was compared", exact=False).first).to_be_visible()
    expect(page.get_by_text("the same facts lead to the same decision")).to_be_visible()


def test_what_is_edited_behind_details_is_saved_and_leads_back(
    page: Page, live_server: LiveServer, account: Account
) -> None:
    log_in(page, live_server)
    page.goto(live_server.url + address(account))
    page.get_by_role("link", name="Details", exact=True).click()
    page.locator("#id_name").fill("Grace Hopper")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page).to_have_url(f"{live_server.url}{address(account)}?edit=1")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page).to_have_url(live_server.url + address(account))
    expect(page.locator("h2#glance", has_text="Grace Hopper")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_kind_of_account_reads_well_by_day_and_night_and_on_a_phone(
    page: Page, live_server: LiveServer, account: Account, scheme: str
) -> None:
    healthy = customer("10002", 6)
    new, closed = make_account(name="Nora New"), make_account(name="Clement Closed", closed_on=clock.today())
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    log_in(page, live_server)
    for name, shown, says in (
        ("rich", account, "Held because of"), ("healthy", healthy, "nothing is held back over money"),
        ("new", new, "Add a contact under Details, or it gets no notice."),
        ("closed", closed, "the account is closed; what it owes is collected by hand"),
    ):  # fmt: skip
        page.set_viewport_size({"width": 1366, "height": 768})
        page.goto(live_server.url + address(shown))
        picture(page, f"account-{name}-{scheme}")
        assert serious(page) == [], name
        expect(page.get_by_text(says).first).to_be_visible()
        page.set_viewport_size({"width": 360, "height": 740})
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        picture(page, f"account-{name}-{scheme}-360")
        assert too_wide <= 0, name
