"""What a billing clerk does all day, K1 to K8, by keyboard alone: nothing here ever points or clicks (U17, U19)."""

from datetime import timedelta

import pytest
from playwright.sync_api import Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account
from billing_project.kernel import clock
from delinquency.models import AccountHold, AirbagStep, AirbagTrip, Event, GraceGrant
from delinquency.operations import mass
from invoicing.models import Charge, Invoice
from tests.browser.stories import find
from tests.browser.test_account_page import customer
from tests.browser.test_home_desk import account, enter  # noqa: F401 - a fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
STOPS_MAX = 200


def reach(page: Page, place: Locator) -> None:
    """Go on by Tab until the focus is at a place, as somebody without a mouse does; and it is seen to be there."""
    expect(place).to_be_visible()
    for _ in range(STOPS_MAX):
        if place.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{place} is not reached in {STOPS_MAX} stops")


def press(page: Page, place: Locator) -> None:
    """Reach a link or a button, and press it."""
    reach(page, place)
    page.keyboard.press("Enter")


def test_the_morning_is_gone_through_without_a_mouse(
    page: Page, live_server: LiveServer, account: Account  # noqa: F811
) -> None:  # fmt: skip
    enter(page, live_server, "boss")
    press(page, page.get_by_role("link", name="runs missed or failed"))  # K1
    expect(page.get_by_text("Edge 1 does not answer").first).to_be_visible()
    page.goto(f"{live_server.url}/admin/")
    press(page, page.locator(".desk-panel").get_by_role("link", name="What comes next", exact=True))  # K2
    expect(page.get_by_role("heading", name="What comes next", exact=True)).to_be_visible()
    page.goto(f"{live_server.url}/admin/")
    press(page, page.get_by_role("link", name="Look and decide").first)  # K3
    press(page, page.get_by_role("link", name="Approve"))
    reach(page, page.get_by_label("Reason"))
    page.keyboard.type("Seen the list.")
    press(page, page.get_by_role("button", name="Approve"))
    expect(page.get_by_text("Released").first).to_be_visible()
    assert AirbagTrip.objects.get().state == "released"


def test_money_time_and_reasons_are_dealt_with_without_a_mouse(
    page: Page, live_server: LiveServer, account: Account  # noqa: F811
) -> None:  # fmt: skip
    late = customer("10002", -4)
    enter(page, live_server, "boss")
    find(page, account.number)  # K6
    press(page, page.get_by_role("link", name="Waive a fee"))
    reach(page, page.get_by_label("Reason", exact=True))
    page.keyboard.type("Our")
    press(page, page.get_by_role("button", name="Waive it"))
    expect(page.get_by_text("is waived.")).to_be_visible()
    assert Charge.objects.get(kind="late_fee").waived_at is not None
    find(page, account.number)  # K4
    expect(page.get_by_role("link", name="Record payment")).to_be_visible()
    page.keyboard.press("p")
    press(page, page.get_by_role("button", name="Record it"))
    expect(page.get_by_text("recorded as DESK-")).to_be_visible()
    assert Invoice.objects.get(account=account).state == "paid"
    find(page, late.number)  # K5
    expect(page.get_by_role("link", name="Give more time")).to_be_visible()
    page.keyboard.press("e")
    reach(page, page.get_by_label("Reason", exact=True))
    page.keyboard.type("Bank is slow")
    press(page, page.get_by_role("button", name="+7 days"))
    press(page, page.locator("button[name=confirmed]"))
    expect(page.get_by_text("protected through").first).to_be_visible()
    assert GraceGrant.objects.filter(account=late).count() == 1


def test_why_a_fee_was_charged_is_found_and_an_area_is_held_without_a_mouse(
    page: Page, live_server: LiveServer, account: Account  # noqa: F811
) -> None:  # fmt: skip
    AirbagStep.objects.all().delete()
    AirbagTrip.objects.all().delete()
    charged = customer("10002", -10)
    enter(page, live_server, "boss")
    find(page, charged.number)  # K7
    press(page, page.get_by_role("link", name="Fees"))
    expect(page.get_by_text(Event.objects.get(account=charged, kind="late_fee").why)).to_be_visible()
    Account.objects.filter(pk=account.pk).update(address="Mill Road, Bearsville 12409")
    friday = clock.today() + timedelta(days=5)
    page.goto(f"{live_server.url}/admin/")
    press(page, page.get_by_role("link", name="Put an area on hold"))  # K8
    reach(page, page.get_by_label("Address contains"))
    page.keyboard.type("12409")
    reach(page, page.get_by_label("On hold until"))
    page.keyboard.type(f"{friday:%m%d%Y}")
    press(page, page.get_by_role("button", name="See what it would do"))
    expect(page.get_by_role("heading", name="Do it to 1")).to_be_visible()
    reach(page, page.get_by_label("Reason"))
    page.keyboard.type("Storm, lines down")
    press(page, page.get_by_role("button", name=f"Put on hold until {friday} (1)"))
    expect(page.get_by_role("heading", name=f"Put on hold until {friday}")).to_be_visible()
    mass.work_on_all()
    assert AccountHold.objects.filter(reason="Storm, lines down").count() == 1
