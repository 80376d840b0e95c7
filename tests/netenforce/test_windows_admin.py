"""The clerks' side of payment windows: see them, open one with a reason, close one."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import ServiceLine, User
from billing_project.kernel import clock
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import Hold, LineState, PaymentWindow, SimulatedEntry
from netenforce.operations import place_hold
from tests.backoffice import staff_client
from tests.factories import instant, make_account, make_device, make_line

pytestmark = pytest.mark.django_db

NIGHT = instant("2026-01-21 23:30")


@pytest.fixture
def line() -> ServiceLine:
    """Make a line that its device holds in the walled garden."""
    made = make_line(make_account(), "100.64.0.1", device=make_device())
    with clock.at(NIGHT):
        place_hold(account_id=made.account_id, cause="non_payment", cause_key="k", level="suspend", why="unpaid")
        dispatch_enforcement()
    return made


def opens(client: Client, row: Hold | LineState, reason: str = "Caller's card needs the bank's page") -> str:
    path = reverse(f"admin:netenforce_{row._meta.model_name}_open_payment_window", args=[row.pk])
    with clock.at(NIGHT):
        assert "15 minutes" in client.get(path).content.decode()
        return client.post(path, {"reason": reason}, follow=True).content.decode()


@pytest.mark.parametrize("model", [Hold, LineState])
def test_a_clerk_opens_one_from_a_hold_or_a_line_with_a_reason(line: ServiceLine, model: Any) -> None:
    client = staff_client()
    assert "Open for a payment until 23:45 (America/New_York)." in opens(client, model.objects.get())
    window = PaymentWindow.objects.get()
    assert window.why == "Caller's card needs the bank's page"
    assert window.opened_by is not None
    with clock.at(NIGHT):
        dispatch_enforcement()
    assert not SimulatedEntry.objects.exists()
    for page in (
        reverse("admin:netenforce_hold_changelist"),
        reverse("admin:netenforce_linestate_changelist"),
        reverse("admin:accounts_account_change", args=[line.account_id]),
    ):
        assert "payment window until 23:45" in client.get(page).content.decode(), page


def test_without_a_reason_nothing_is_opened(line: ServiceLine) -> None:
    assert "cannot be left blank" in opens(staff_client(), Hold.objects.get(), "")
    assert not PaymentWindow.objects.exists()


def test_a_lifted_hold_opens_nothing_and_says_why(line: ServiceLine) -> None:
    Hold.objects.update(lifted_at=NIGHT)
    assert "there is nothing to open" in opens(staff_client(), Hold.objects.get())


def test_who_may_only_look_may_not_open(line: ServiceLine) -> None:
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_hold"))
    client = Client()
    client.force_login(viewer)
    path = reverse("admin:netenforce_hold_open_payment_window", args=[Hold.objects.get().pk])
    assert client.post(path, {"reason": "x"}).status_code == 403
    assert not PaymentWindow.objects.exists()


def test_a_running_window_is_closed_by_hand_and_an_ended_one_offers_no_button(line: ServiceLine) -> None:
    client = staff_client()
    opens(client, Hold.objects.get())
    window = PaymentWindow.objects.get()
    page = reverse("admin:netenforce_paymentwindow_change", args=[window.pk])
    assert "Close it now" in client.get(page).content.decode()
    with clock.at(NIGHT):
        dispatch_enforcement()
        path = reverse("admin:netenforce_paymentwindow_close_now", args=[window.pk])
        client.post(path, {"reason": "Opened for the wrong account"}, follow=True)
        dispatch_enforcement()
    assert SimulatedEntry.objects.get().level == "suspend"
    assert "ended: closed by staff" in client.get(page).content.decode()
    assert "Close it now" not in client.get(page).content.decode()
