"""The customer's stories about money, in Chromium without JavaScript, by the clicks and seconds of the bars."""

import os
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.access import make_link_token
from accounts.models import Account, FundingSource
from billing_project.kernel import clock
from delinquency.models import Case, InvoiceStanding, Standing, StepRun
from delinquency.operations import reassess
from invoicing.models import Invoice, LedgerEntry, Payment
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import EnforcementTask, LineState
from netenforce.operations import place_hold
from tests.backoffice import make_customer, make_invoice, make_version

from .stories import Story

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SMALL = 14 * 1024


@pytest.fixture
def account() -> Account:
    """Make a customer whose line is slowed over 100.00 and who owes 50.00 more, not yet due."""
    today = clock.today("America/New_York")
    made = make_customer("20001", make_version(), delinquent=True)
    make_invoice(made, "B-20001", due_on=(today + timedelta(days=40)).replace(day=16), amount="50.00")
    Case.objects.create(account=made, number=1, opened_on=date(2026, 1, 21))
    cause = Invoice.objects.get(number="A-20001")
    StepRun.objects.create(
        account=made, anchor_key="case:1", step_key="slow", action="restrict", on=date(2026, 1, 21), level="throttle",
        invoices=[cause.pk], in_force=True,
    )  # fmt: skip
    place_hold(account_id=made.pk, cause="non_payment", cause_key="case:1/slow", level="throttle", why="unpaid")
    InvoiceStanding.objects.filter(account=made).update(delinquent_on=date(2026, 1, 21))
    seen = LedgerEntry.objects.latest("pk").pk
    Standing.objects.filter(account=made).update(ledger_seen=seen, looked_until_at=clock.now(), next_look_at=None)
    EnforcementTask.objects.all().delete()
    LineState.objects.update(desired_level="throttle", observed_level="throttle")
    return made


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """Return a page on a small screen; its own scripts may not run, only the story's listener."""
    context = browser.new_context(viewport={"width": 360, "height": 640}, bypass_csp=True)
    yield context.new_page()
    context.close()


@pytest.fixture
def plain_phone(browser: Browser) -> Iterator[Page]:
    """Return a page on a small screen on which no script runs at all."""
    context = browser.new_context(viewport={"width": 360, "height": 640}, java_script_enabled=False)
    yield context.new_page()
    context.close()


def arrive(page: Page, live_server: LiveServer, account: Account) -> None:
    """Open the link of a text message."""
    page.goto(f"{live_server.url}/portal/enter/{make_link_token(account)}/")


def enter(page: Page) -> None:
    page.get_by_role("button", name="Open account").click()


def pay_with_stored_card(page: Page) -> None:
    enter(page)
    page.get_by_role("button", name="Pay 100.00 USD with Visa •••• 4242").click()
    expect(page.get_by_role("heading", name="Thank you. Your payment was received.")).to_be_visible()


def to_the_provider_with_a_new_card(page: Page) -> None:
    enter(page)
    page.get_by_role("button", name="Pay 100.00 USD with a new card").click()
    expect(page.get_by_role("heading", name="Payment provider (sandbox)")).to_be_visible()


def pay_a_part(page: Page) -> None:
    enter(page)
    page.get_by_label("Another amount, in USD").fill("20")
    page.get_by_role("button", name="See what it does").click()
    expect(page.get_by_text("Paying 20.00 USD does not bring your service back; 100.00 USD does.")).to_be_visible()
    page.get_by_role("button", name="Pay 20.00 USD").click()
    expect(page.get_by_role("heading", name="Thank you. Your payment was received.")).to_be_visible()


def to_the_provider_for_a_backup_card(page: Page) -> None:
    enter(page)
    page.get_by_role("button", name="Add a backup card or bank account").click()
    expect(page.get_by_role("heading", name="Payment provider (sandbox)")).to_be_visible()


def see_what_comes(page: Page) -> None:
    enter(page)
    expect(page.get_by_role("heading", name="What happens next if nothing is paid")).to_be_visible()


TOLD = {
    "C2": pay_with_stored_card, "C3": to_the_provider_with_a_new_card, "C7": to_the_provider_for_a_backup_card,
    "C8": see_what_comes, "C9": pay_a_part,
}  # fmt: skip


@pytest.mark.parametrize("key", TOLD)
def test_a_story_from_the_link_of_a_message(phone: Page, live_server: LiveServer, account: Account, key: str) -> None:
    arrive(phone, live_server, account)
    with Story(key, phone):
        TOLD[key](phone)


@pytest.mark.parametrize("key", TOLD)
def test_the_same_story_without_any_script(
    plain_phone: Page, live_server: LiveServer, account: Account, key: str
) -> None:
    arrive(plain_phone, live_server, account)
    TOLD[key](plain_phone)


def test_the_receipt_tells_when_the_line_is_back_and_is_saved_by_one_press(
    phone: Page, live_server: LiveServer, account: Account
) -> None:
    arrive(phone, live_server, account)
    pay_with_stored_card(phone)
    expect(phone.get_by_text("Your line is about to be opened.")).to_be_visible()
    reassess(account.pk)
    phone.reload()
    expect(phone.get_by_text("we told the device of your line to open it")).to_be_visible()
    dispatch_enforcement()
    # C4: nothing is pressed; the page looks again by itself.
    expect(phone.get_by_text("Your line is back: its device confirmed at")).to_be_visible(timeout=15_000)
    expect(phone.get_by_text(Payment.objects.get().reference)).to_be_visible()
    with Story("C5", phone), phone.expect_download() as got:
        phone.get_by_role("link", name="PDF").click()
    assert Path(got.value.path()).read_bytes()[:5] == b"%PDF-"


def test_cards_are_added_put_first_and_removed_without_any_script(
    plain_phone: Page, live_server: LiveServer, account: Account
) -> None:
    page = plain_phone
    arrive(page, live_server, account)
    to_the_provider_for_a_backup_card(page)
    page.locator("label", has=page.get_by_text("is charged, but the answer is lost")).locator("input").check()
    page.get_by_role("button", name="Add this card").click()
    expect(page.get_by_text("Your card is stored.")).to_be_visible()
    page.get_by_role("button", name="Use first Visa •••• 3220").click()
    expect(page.get_by_text("1. Visa •••• 3220")).to_be_visible()
    page.get_by_role("link", name="Remove Visa •••• 4242").click()
    page.get_by_role("button", name="Remove").click()
    assert [card.last4 for card in FundingSource.objects.filter(account=account)] == ["3220"]


def test_an_impossible_amount_is_told_at_its_field(
    plain_phone: Page, live_server: LiveServer, account: Account
) -> None:
    page = plain_phone
    arrive(page, live_server, account)
    enter(page)
    page.get_by_label("Another amount, in USD").fill("1,234")
    page.get_by_role("button", name="See what it does").click()
    expect(page.get_by_role("alert")).to_contain_text("This could mean 1.23 or 1234.00.")
    expect(page.get_by_label("Another amount, in USD")).to_have_value("1,234")


def paths_of(account: Account) -> list[str]:
    card = account.funding_sources.get()
    invoice = Invoice.objects.get(number="B-20001")
    return [
        reverse("portal-home"), reverse("portal-pay"), reverse("portal-bills"), reverse("portal-receipts"),
        reverse("portal-cards"), reverse("portal-card-remove", args=[card.pk]),
        reverse("portal-invoice", args=[invoice.public_id]),
        f"{reverse('portal-check')}?amount=other&other=20&source={card.pk}",
        f"{reverse('portal-check')}?amount=other&other=1,234&source=new",
    ]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    browser: Browser, live_server: LiveServer, account: Account, scheme: str
) -> None:
    context: BrowserContext = browser.new_context(
        viewport={"width": 360, "height": 640},
        color_scheme=scheme,
        bypass_csp=True,  # type: ignore[arg-type]
    )
    page = context.new_page()
    arrive(page, live_server, account)
    enter(page)
    paths = paths_of(account)
    FundingSource.objects.create(
        account=account, rank=2, gateway="sandbox", source_token="tok_b", brand="Visa", last4="0002",
        barred_at=clock.now(), barred_why="returned",
    )  # fmt: skip
    shots = os.environ.get("SHOTS")
    for path in paths:
        answer = page.goto(live_server.url + path)
        assert answer is not None
        assert len(answer.body()) <= SMALL, path
        found = Axe().run(page).response["violations"]
        assert [f"{row['id']}: {row['nodes'][0]['html'][:200]}" for row in found] == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        if shots:
            name = path.strip("/").replace("/", "-").replace("?", "-").replace("&", "-")[:60]
            page.screenshot(path=f"{shots}/{scheme}-{name}.png", full_page=True)
    context.close()
