"""A line's page: what it should be and why, what its devices say; check it, release it, try again what was given up."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.models import ServiceLine, User
from billing_project.kernel import clock
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import (
    Device,
    EnforcementTask,
    LineState,
    PaymentWindow,
    ReleaseLimit,
    SimulatedEntry,
)
from netenforce.operations import lift_hold, place_hold
from tests.backoffice import staff_client
from tests.factories import make_account, make_device, make_line, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def line() -> ServiceLine:
    """Make a line that its device holds for non-payment."""
    made = make_line(make_account(number="T-500"), "100.64.0.1", device=make_device())
    place_hold(account_id=made.account_id, cause="non_payment", cause_key="k", level="suspend", why="60.00 is unpaid")
    dispatch_enforcement()
    return made


def address(name: str, line: ServiceLine) -> str:
    return reverse(f"admin:netenforce_linestate_{name}", args=[line.pk])


def sandy_client() -> Client:
    group = Group.objects.create(name="Support desk")
    ReleaseLimit.objects.create(group=group, hours_max=24, releases_a_month=2)
    sandy = make_staff("sandy", "view_linestate", "view_account", "view_paymentwindow")
    sandy.groups.add(group)
    client = Client()
    client.force_login(sandy)
    return client


def test_the_page_tells_what_it_should_be_why_and_what_the_device_did(line: ServiceLine) -> None:
    text = staff_client().get(address("line", line)).content.decode()
    for words in ("suspended", "confirmed", "non-payment", "60.00 is unpaid", "read back", "edge-1", "T-500"):
        assert words in text, words
    state = LineState.objects.get()
    again = staff_client_again().get(reverse("admin:netenforce_linestate_change", args=[state.pk]))
    assert "60.00 is unpaid" in again.content.decode()


def staff_client_again() -> Client:
    client = Client()
    client.force_login(User.objects.get(username="boss"))
    return client


def test_a_line_that_was_never_restricted_has_a_page_that_says_so() -> None:
    line = make_line(make_account())
    text = staff_client().get(address("line", line)).content.decode()
    for words in ("on no device", "Nothing holds this account back", "Nothing was ever ordered"):
        assert words in text, words


def test_check_now_asks_the_device_and_shows_its_answer(line: ServiceLine) -> None:
    client = staff_client()
    assert client.get(address("check", line)).status_code == 405
    assert "it is suspended (list Suspended), as it should be" in client.post(address("check", line)).content.decode()
    SimulatedEntry.objects.all().delete()
    assert "it is open and should be suspended (list Suspended)" in client.post(address("check", line)).content.decode()
    Device.objects.update(options={"down": True})
    text = client.post(address("check", line)).content.decode()
    assert "no answer" in text
    assert "edge-1 cannot be reached." in text


def test_check_now_frees_who_should_be_open(line: ServiceLine) -> None:
    lift_hold(account_id=line.account_id, cause_key="k", why="paid")
    dispatch_enforcement()
    SimulatedEntry.objects.create(
        device=Device.objects.get(), address="100.64.0.1", level="suspend", list_name="Suspended"
    )
    path = reverse("admin:netenforce_linestate_check_account", args=[line.account_id])
    client = sandy_client()
    text = client.post(path, {"back": address("line", line)}, follow=True).content.decode()
    assert "100.64.0.1 on edge-1: it is open, as it should be" in text
    assert not SimulatedEntry.objects.exists()
    outside = client.post(path, {"back": "https://elsewhere.example/"})
    assert outside["Location"] == reverse("admin:accounts_account_change", args=[line.account_id])


def test_the_account_leads_to_its_line(line: ServiceLine) -> None:
    client = staff_client()
    path = reverse("admin:netenforce_linestate_account", args=[line.account_id])
    assert "Line 100.64.0.1" in client.get(path).content.decode()
    make_line(line.account)
    assert client.get(path)["Location"].endswith("?q=T-500")


def test_support_releases_within_its_limit_and_is_told_where_it_ends(line: ServiceLine) -> None:
    client = sandy_client()
    path = address("release", line)
    text = client.get(path).content.decode()
    assert "You may give up to 24 hours, 2 in 30 days for one account." in text
    text = client.post(path, {"hours": "169", "reason": "Storm"}).content.decode()
    assert "The most is 168" in text
    assert not PaymentWindow.objects.exists()
    text = client.post(path, {"hours": "24", "reason": "Storm"}, follow=True).content.decode()
    window = PaymentWindow.objects.get()
    until = clock.local(window.closes_at, "America/New_York")
    assert f"Released until {until:%Y-%m-%d %H:%M} (America/New_York)." in text
    assert f"released until {until:%Y-%m-%d %H:%M}" in text
    assert "rests" in text
    assert "Release for some hours" not in text
    dispatch_enforcement()
    assert not SimulatedEntry.objects.exists()
    end = reverse("admin:netenforce_paymentwindow_close_now", args=[window.pk])
    assert end in text
    client.post(end, {"reason": "Wrong account"})
    dispatch_enforcement()
    assert SimulatedEntry.objects.get().level == "suspend"


def test_who_has_no_limit_is_not_offered_a_release(line: ServiceLine) -> None:
    client = Client()
    client.force_login(make_staff("viewer", "view_linestate"))
    assert "Release for" not in client.get(address("line", line)).content.decode()
    assert client.post(address("release", line), {"hours": "1", "reason": "x"}).status_code == 403
    client.force_login(make_staff("nobody"))
    for name in ("line", "check"):
        assert client.post(address(name, line)).status_code == 403


def test_a_release_is_closed_by_its_button(line: ServiceLine) -> None:
    client = staff_client()
    client.post(address("release", line), {"hours": "24", "reason": "Storm"})
    window = PaymentWindow.objects.get()
    path = reverse("admin:netenforce_paymentwindow_close_now", args=[window.pk])
    assert "less than ten minutes ago" in client.get(path).content.decode().replace("\n", " ")
    client.post(path, {"reason": "Wrong account"}, follow=True)
    dispatch_enforcement()
    assert SimulatedEntry.objects.get().level == "suspend"


def test_paid_but_blocked_lines_are_found_by_a_filter_after_a_minute(line: ServiceLine) -> None:
    client = staff_client()
    url = reverse("admin:netenforce_linestate_changelist") + "?agreement=blocked"
    Device.objects.update(options={"down": True})
    lift_hold(account_id=line.account_id, cause_key="k", why="paid")
    assert "100.64.0.1" not in client.get(url).content.decode()
    LineState.objects.update(desired_since_at=clock.now() - timedelta(seconds=61))
    assert "100.64.0.1" in client.get(url).content.decode()


def parked(line: ServiceLine) -> EnforcementTask:
    Device.objects.update(options={"down": True})
    lift_hold(account_id=line.account_id, cause_key="k", why="paid")
    task = EnforcementTask.objects.latest("pk")
    EnforcementTask.objects.filter(pk=task.pk).update(state="parked", attempts=5)
    return task


def try_again(client: Client, *tasks: EnforcementTask, **more: str) -> Any:
    sent = {"action": "try_again", ACTION_CHECKBOX_NAME: [str(task.pk) for task in tasks], **more}
    return client.post(reverse("admin:netenforce_enforcementtask_changelist"), sent, follow=True).content.decode()


def test_a_parked_order_is_tried_again_after_a_confirmation(line: ServiceLine) -> None:
    client = staff_client()
    task, done = parked(line), EnforcementTask.objects.earliest("pk")
    text = try_again(client, task, done)
    assert "1 on edge-1" in text
    assert "1 of the chosen are not parked" in text
    assert EnforcementTask.objects.count() == 2
    Device.objects.update(options={})
    text = try_again(client, task, done, confirmed="1")
    assert "1 done." in text
    assert "only what was parked can be tried again" in text
    dispatch_enforcement()
    assert not SimulatedEntry.objects.exists()
    assert "has replaced it" in try_again(client, task, confirmed="1")


def test_orders_are_found_by_how_they_stand(line: ServiceLine) -> None:
    client = staff_client()
    url = reverse("admin:netenforce_enforcementtask_changelist")
    assert "60.00 is unpaid" not in client.get(url + "?stands=parked").content.decode()
    parked(line)
    for stands, words in (("parked", "paid"), ("open", ""), ("late", ""), ("replaced", "")):
        text = client.get(f"{url}?stands={stands}").content.decode()
        assert ("T-500" in text) == bool(words), stands
