"""Clerks put money right in a browser, within clicks and seconds, and nothing to trip over on the pages."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, FundingSource, User
from billing_project.kernel import clock
from invoicing.models import Approval, BankFile, Charge, Invoice, LedgerEntry, Payment, PaymentAttempt, SandboxCharge
from tests.backoffice import make_customer, make_everything
from tests.browser.stories import Story, find
from tests.browser.test_backoffice import PASSWORD, log_in, serious

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def account() -> Account:
    """Make the one account with a row of everything, and somebody to look at it."""
    User.objects.create_user("boss", password=PASSWORD, is_staff=True, is_superuser=True)
    return make_everything()


def make_unknown(account: Account) -> PaymentAttempt:
    """Make a charge whose answer was lost, though the gateway has made it."""
    invoice = Invoice.objects.get(account=account)
    SandboxCharge.objects.create(
        key="lost", source_token="tok_ok", amount=invoice.remaining, currency="USD", outcome="charged"
    )
    return PaymentAttempt.objects.create(
        account=account, invoice=invoice, funding_source=FundingSource.objects.get(account=account), key="lost",
        amount=invoice.remaining, state="unknown", unclear_at=clock.now(), why="The answer was lost.",
        created_at=clock.now() - timedelta(minutes=1),
    )  # fmt: skip


def test_k4_a_cheque_is_recorded_from_the_home_page(page: Page, live_server: LiveServer, account: Account) -> None:
    log_in(page, live_server)
    with Story("K4", page):
        page.get_by_label("Account number, name or invoice").click()
        page.keyboard.type(account.number)
        page.keyboard.press("Enter")
        expect(page.get_by_text("A-10001, due 2026-01-16")).to_be_visible()
        page.get_by_role("button", name="Record it").click()
        expect(page.get_by_text("60.00 recorded as DESK-")).to_be_visible()
    assert Invoice.objects.get(account=account).state == "paid"
    page.get_by_role("link", name="Undo (within 10 minutes)").click()
    page.get_by_role("button", name="Undo it").click()
    expect(page.get_by_text("is taken back")).to_be_visible()
    assert Invoice.objects.get(account=account).remaining == Decimal("60.00")


def test_k6_a_late_fee_is_waived_with_a_reason_code(page: Page, live_server: LiveServer, account: Account) -> None:
    log_in(page, live_server)
    with Story("K6", page):
        find(page, account.number)
        page.get_by_role("link", name="Waive a fee").click()
        page.get_by_label("Reason", exact=True).focus()
        page.keyboard.type("Our")
        page.get_by_role("button", name="Waive it").click()
        expect(page.get_by_text("is waived.")).to_be_visible()
    entry = LedgerEntry.objects.get(kind="waiver")
    assert (entry.reason_code, entry.amount) == ("our_mistake", Decimal("-10.00"))
    assert Charge.objects.get(kind="late_fee").waived_at is not None


def test_k9_a_bank_file_is_looked_at_corrected_and_recorded(
    page: Page, live_server: LiveServer, account: Account, tmp_path: Path
) -> None:
    BankFile.objects.all().delete()
    version = account.standing.policy_version
    for number in ("20001", "20002"):
        make_customer(number, version)
    file = tmp_path / "bank.csv"
    file.write_text(
        "reference,received,amount,account,payer\n"
        "T-1,2026-02-01,100.00,20001,\n"
        "T-2,2026-02-01,60.00,,Customer 10001\n"
        "T-3,2026-02-01,50.00,2002,Customer 20002\n"
        "T-4 A-20002,2026-02-01,50.00,,\n"
    )
    log_in(page, live_server)
    with Story("K9", page):
        page.locator("a[href='/admin/invoicing/bankfile/']").first.click()
        with page.expect_file_chooser() as chooser:
            page.get_by_label("File (CSV)").click()
        chooser.value.set_files(file)
        page.get_by_role("button", name="Show what is in it").click()
        expect(page.get_by_text("Nothing is recorded yet.")).to_be_visible()
        for line, number in ((3, "10001"), (4, "20002"), (5, "20002")):
            page.get_by_label(f"Candidates for line {line}").focus()
            page.keyboard.type(number)
        page.get_by_role("button", name="Check, and record all rows").click()
        expect(page.get_by_text("4 rows recorded.")).to_be_visible()
    assert Payment.objects.filter(method="transfer").count() == 4
    assert not Invoice.objects.filter(state="open").exists()


def test_k10_an_unclear_charge_is_resolved_by_the_gateways_answer(
    page: Page, live_server: LiveServer, account: Account
) -> None:
    attempt = make_unknown(account)
    log_in(page, live_server)
    with Story("K10", page):
        page.get_by_role("link", name="charges of unknown outcome").click()
        page.get_by_role("link", name="Resolve").click()
        expect(page.get_by_text("60.00 were charged, as sandbox-")).to_be_visible()
        page.get_by_role("button", name="Accept this answer").click()
        expect(page.get_by_text("The charge is done.")).to_be_visible()
    attempt.refresh_from_db()
    assert attempt.state == "done"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_and_nothing_scrolls_sideways(
    page: Page, live_server: LiveServer, account: Account, scheme: str
) -> None:
    attempt = make_unknown(account)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    log_in(page, live_server)
    approval, file, payment = Approval.objects.get(), BankFile.objects.get(), Payment.objects.get(reference="P-1")
    for name, args in (
        ("accounts_account_record_payment", [account.pk]), ("accounts_account_waive_fee", [account.pk]),
        ("invoicing_bankfile_upload", []), ("invoicing_bankfile_change", [file.pk]),
        ("invoicing_paymentattempt_resolve", [attempt.pk]), ("invoicing_approval_approve", [approval.pk]),
        ("invoicing_payment_refund", [payment.pk]), ("invoicing_ledgerentry_adjustments", []),
    ):  # fmt: skip
        page.set_viewport_size({"width": 1366, "height": 768})
        page.goto(live_server.url + reverse(f"admin:{name}", args=args))
        assert serious(page) == [], name
        page.set_viewport_size({"width": 360, "height": 740})
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, name
