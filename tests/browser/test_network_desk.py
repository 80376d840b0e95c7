"""Support and the operator look after devices and lines in a browser, and nothing to trip over on the pages."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, User
from accounts.operations import resume_everything
from billing_project.kernel import clock
from netenforce.models import (
    Device,
    DeviceReading,
    EnforcementTask,
    Hold,
    LinePlacement,
    LineState,
    PaymentWindow,
    ReleaseLimit,
    SimulatedEntry,
)
from tests.backoffice import make_everything
from tests.browser.stories import Story, find
from tests.browser.test_backoffice import PASSWORD, log_in, serious
from tests.factories import make_account, make_line

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PICTURES = os.environ.get("PICTURES", "")


@pytest.fixture
def account() -> Account:
    """Make the one account with a row of everything, a device that differs, and somebody to look at it."""
    boss = User.objects.create_user("boss", password=PASSWORD, is_staff=True, is_superuser=True)
    account = make_everything()
    boss.groups.add(ReleaseLimit.objects.get(group__name="Clerks").group)
    resume_everything(reason="mended")
    PaymentWindow.objects.all().delete()
    device = Device.objects.get(name="Edge 1")
    EnforcementTask.objects.create(
        line=account.service_lines.get(), device=device, level="open", restores=True, generation=2, why="paid",
        state="parked", attempts=5,
    )  # fmt: skip
    for place in range(3):
        make_line(make_account(), f"100.64.77.{place}", device=device)
    SimulatedEntry.objects.create(
        device=device, address="100.64.77.1", level="suspend", list_name="Suspended", ours=False
    )
    SimulatedEntry.objects.create(device=device, address="198.51.100.7", level="suspend", ours=False)
    for day in range(9):
        DeviceReading.objects.create(
            device=device, at=clock.now() - timedelta(days=day), missing=day * 3 % 7, extra=day % 2, repaired=day % 3
        )
    Device.objects.update(
        version="7.14", model="CCR2004", uptime_seconds=93_784, probed_at=clock.now(), last_contact_at=clock.now(),
        notes=["No firewall rule looks at list Suspended."],
    )  # fmt: skip
    return account


def picture(page: Page, name: str) -> None:
    """Keep a picture of the page where somebody asked for one."""
    if PICTURES:
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"), full_page=True)


def test_h4_who_says_he_has_paid_is_checked_on_his_devices(
    page: Page, live_server: LiveServer, account: Account
) -> None:
    LineState.objects.filter(line__account=account).update(
        desired_level="open", observed_level="throttle", generation=2
    )
    SimulatedEntry.objects.filter(address=account.service_lines.get().ipv4).update(ours=True)
    page.set_viewport_size({"width": 1366, "height": 768})
    log_in(page, live_server)
    with Story("H4", page):
        find(page, account.number)
        expect(page.get_by_text("Last charge:")).to_be_visible()  # what the payment provider said
        expect(page.get_by_text("seen slowed")).to_be_visible()
        page.get_by_role("button", name="Check now").click()
        expect(page.get_by_text("it is open, as it should be")).to_be_visible()
    picture(page, "account-checked")
    assert not SimulatedEntry.objects.filter(address=account.service_lines.get().ipv4).exists()


def test_h5_service_is_given_back_for_a_day_as_a_courtesy(
    page: Page, live_server: LiveServer, account: Account
) -> None:
    log_in(page, live_server)
    # The pages have been opened before, as on any working day.
    find(page, account.number)
    page.get_by_role("link", name="Restore for a day").click()
    page.goto(f"{live_server.url}/admin/")
    with Story("H5", page):
        find(page, account.number)
        page.get_by_role("link", name="Restore for a day").click()
        page.get_by_label("Reason").focus()
        page.keyboard.type("Storm")
        page.get_by_role("button", name="Release it").click()
        expect(page.get_by_text("Released until").first).to_be_visible()
    picture(page, "line-released")
    assert PaymentWindow.objects.get().kind == "release"


def test_a_device_is_tested_compared_and_taken_over(page: Page, live_server: LiveServer, account: Account) -> None:
    device = Device.objects.get(name="Edge 1")
    page.set_viewport_size({"width": 1366, "height": 768})
    log_in(page, live_server)
    page.goto(live_server.url + reverse("admin:netenforce_device_change", args=[device.pk]))
    picture(page, "device")
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("Edge 1 answers: model simulated, version 1")).to_be_visible()
    page.get_by_role("button", name="Compare without changing").click()
    expect(page.get_by_text("Nothing was changed.")).to_be_visible()
    picture(page, "device-compared")
    page.get_by_role("link", name="Back", exact=True).click()
    page.get_by_role("link", name="Trust what is there").click()
    page.get_by_role("button", name="Look what is there").click()
    expect(page.get_by_role("heading", name="Held, though our books say they should be freer (1)")).to_be_visible()
    picture(page, "device-trust")
    page.get_by_label("Reason").fill("From the old program")
    page.get_by_role("button", name="Take them over").click()
    expect(page.get_by_text("1 held as they were found")).to_be_visible()
    page.get_by_role("link", name="Look at the holds that were found").click()
    expect(page.get_by_text("Stood in list Suspended on device Edge 1")).to_be_visible()
    assert Hold.objects.filter(cause="found").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_and_nothing_scrolls_sideways(
    page: Page, live_server: LiveServer, account: Account, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    log_in(page, live_server)
    device = Device.objects.get(name="Edge 1")
    line = account.service_lines.get()
    for name, args in (
        ("netenforce_device_change", [device.pk]), ("netenforce_device_compare", [device.pk]),
        ("netenforce_device_repair", [device.pk]), ("netenforce_device_trust", [device.pk]),
        ("netenforce_linestate_line", [line.pk]), ("netenforce_linestate_release", [line.pk]),
        ("accounts_account_change", [account.pk]),
    ):  # fmt: skip
        page.set_viewport_size({"width": 1366, "height": 768})
        page.goto(live_server.url + reverse(f"admin:{name}", args=args))
        for button in ("Compare", "Look what is there"):
            if page.get_by_role("button", name=button, exact=True).count():
                page.get_by_role("button", name=button, exact=True).click()
        assert serious(page) == [], name
        if name == "netenforce_linestate_line":
            picture(page, f"line-{scheme}")
        page.set_viewport_size({"width": 360, "height": 740})
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, name
    assert LinePlacement.objects.filter(device=device).count() == 4
