"""A device's page: test it, ask it again, see its lines at scale, compare it, take it over."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import ServiceLine
from billing_project.kernel import clock
from billing_project.kernel.errors import Unavailable
from netenforce.drivers.port import Probe
from netenforce.drivers.simulated import SimulatedDriver
from netenforce.models import Device, DeviceReading, EnforcementTask, Hold, LinePlacement, LineState, SimulatedEntry
from netenforce.operations import place_hold
from tests.backoffice import queries_for, staff_client
from tests.factories import instant, make_account, make_device, make_line, make_staff

pytestmark = pytest.mark.django_db

NOON = instant("2026-01-21 12:00")


@pytest.fixture
def device() -> Device:
    return make_device(secret="hush-hush")


def page(client: Client, device: Device, **asked: str) -> str:
    return client.get(reverse("admin:netenforce_device_change", args=[device.pk]), asked).content.decode()


def press(client: Client, device: Device, what: str, **sent: Any) -> str:
    path = reverse(f"admin:netenforce_device_{what}", args=[device.pk])
    return client.post(path, sent, follow=True).content.decode()


def test_testing_the_connection_tells_what_the_device_is_and_changes_nothing(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Probe(version="7.14", model="CCR2004", uptime_seconds=93_784, notes=["No rule looks at list Suspended."])
    monkeypatch.setattr(SimulatedDriver, "probe", lambda *_: told)
    monkeypatch.setattr(SimulatedDriver, "apply", lambda *_: pytest.fail("it was changed"))
    Device.objects.update(failures_in_row=4, retry_at=clock.now() + timedelta(minutes=5), failing_since_at=NOON)
    client = staff_client()
    assert "left in peace after 4 failures in a row; asked again at" in page(client, device)
    assert "Ask now" in page(client, device)
    text = press(client, device, "test")
    assert "edge-1 answers: model CCR2004, version 7.14, running for 1 day 2 hours" in text
    assert "No rule looks at list Suspended." in text
    assert "Test connection" in text
    device.refresh_from_db()
    assert (device.version, device.model, device.uptime_seconds) == ("7.14", "CCR2004", 93_784)
    assert (device.failures_in_row, device.retry_at, device.failing_since_at) == (0, None, None)


def test_each_failure_is_told_in_words_and_never_with_the_secret(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = staff_client()
    for error, words in (
        (Unavailable("the log-in with hush-hush was refused"), "the log-in with (secret) was refused"),
        (RuntimeError("hush-hush"), "The driver broke (RuntimeError)"),
    ):

        def fail(*_: Any, error: Exception = error) -> None:
            raise error

        with monkeypatch.context() as broken:
            broken.setattr(SimulatedDriver, "probe", fail)
            text = press(client, device, "test")
        assert words in text
        assert "hush-hush" not in text
    device.refresh_from_db()
    assert device.failing_since_at is not None
    device.driver = "nftables" if "nftables" not in _drivers() else "simulated"
    device.save()
    if device.driver == "nftables":
        assert "this version has no driver for" in press(client, device, "test")


def _drivers() -> Any:
    from netenforce.drivers.registry import available

    return available()


def test_who_may_only_look_sees_the_state_and_no_buttons(device: Device) -> None:
    client = Client()
    client.force_login(make_staff("viewer", "view_device"))
    text = page(client, device)
    assert "It can slow a line, leave it the payment page only and suspend it." in text
    assert "Test connection" not in text
    for what in ("test", "compare", "repair", "trust"):
        assert client.post(reverse(f"admin:netenforce_device_{what}", args=[device.pk])).status_code == 403


def test_the_form_says_what_each_driver_needs_with_an_example(device: Device) -> None:
    text = page(staff_client(), device)
    for words in ("MikroTik RouterOS", "host, user name and secret; port 8729", "docs/routeros.md", "ca_pem"):
        assert words in text, words


def fill(device: Device, count: int, start: int = 0) -> list[ServiceLine]:
    account = make_account()
    lines = [ServiceLine(account=account, ipv4=f"10.{place // 250}.{place % 250}.1") for place in range(start, count)]
    made = ServiceLine.objects.bulk_create(lines)
    LinePlacement.objects.bulk_create([LinePlacement(line=line, device=device) for line in made])
    return made


def test_lines_are_paged_with_those_that_differ_first_and_found_by_address_and_account(device: Device) -> None:
    lines = fill(device, 120)
    LineState.objects.create(
        line=lines[119], device=device, desired_level="open", observed_level="suspend", observed_at=NOON
    )
    client = staff_client()
    text = page(client, device)
    assert text.index("10.0.119.1") < text.index("10.0.0.1<")
    assert "page 1 of 3" in text
    assert "not as they should be (1)" in text
    assert "10.0.77.1" not in text
    assert "10.0.77.1" in page(client, device, q="10.0.77.1")
    assert "10.0.119.1" in page(client, device, show="differ")
    assert "10.0.0.1<" not in page(client, device, show="differ")
    assert "No line on this device fits." in page(client, device, q="nobody")
    assert lines[0].account.number in page(client, device, q=lines[0].account.number)


def test_the_page_needs_as_many_queries_for_many_lines_as_for_few(device: Device) -> None:
    client = staff_client()
    url = reverse("admin:netenforce_device_change", args=[device.pk])
    fill(device, 3)
    few = queries_for(client, url)
    fill(device, 300, 3)
    assert queries_for(client, url) == few


def test_the_drift_of_the_last_days_is_drawn_with_its_numbers_below(device: Device) -> None:
    client = staff_client()
    assert "It was not compared in the last two weeks." in page(client, device)
    now = clock.now()
    DeviceReading.objects.create(device=device, at=now, missing=7, stale=1, repaired=5)
    DeviceReading.objects.create(device=device, at=now, missing=2, repaired=2)
    DeviceReading.objects.create(
        device=device, at=now - timedelta(seconds=1),
        details={"foreign": [{"address": "198.51.100.7", "seen": "suspend", "seen_list": "Suspended"}]},
    )  # fmt: skip
    text = page(client, device)
    assert "by day; 8 at worst" in text
    assert text.count("<rect") >= 1
    assert f'<th scope="row">{now:%Y-%m-%d}</th>' in text


def test_a_dry_comparison_shows_whose_lines_differ_and_what_would_be_done(device: Device) -> None:
    client = staff_client()
    assert "Nothing would be changed" in press(client, device, "compare")
    account = make_account(number="T-900")
    for place in (1, 2, 3):
        make_line(account, f"100.64.0.{place}", device=device)
    place_hold(account_id=account.pk, cause="abuse", cause_key="k", level="suspend", why="spam")
    EnforcementTask.objects.all().delete()
    SimulatedEntry.objects.create(device=device, address="100.64.9.9", level="suspend", list_name="Suspended")
    Device.objects.update(repairs_max=2)
    text = press(client, device, "compare")
    assert "4 addresses differ" in text
    assert "T-900" in text
    assert "no line of ours" in text
    assert "At most 2 are restricted anew in one comparison (the device&#x27;s own limit); 1 would wait" in text or (
        "1 would wait for the next" in text
    )
    assert SimulatedEntry.objects.count() == 1, "nothing was changed"
    assert not DeviceReading.objects.exists()
    Device.objects.update(options={"down": True})
    assert "edge-1 cannot be reached." in press(client, device, "compare")


def test_compare_and_repair_asks_first_and_then_says_what_was_done(device: Device) -> None:
    client = staff_client()
    SimulatedEntry.objects.create(device=device, address="100.64.9.9", level="suspend", list_name="Suspended")
    path = reverse("admin:netenforce_device_repair", args=[device.pk])
    assert "At most 200 are restricted anew" in client.get(path).content.decode()
    assert SimulatedEntry.objects.exists()
    assert "edge-1 was compared: 1 extra. 1 repaired." in press(client, device, "repair")
    assert not SimulatedEntry.objects.exists()


def test_taking_a_device_over_shows_first_what_is_there_and_asks_for_a_reason(device: Device) -> None:
    client = staff_client()
    make_line(make_account(number="T-901"), "100.64.0.1", device=device)
    SimulatedEntry.objects.create(
        device=device, address="100.64.0.1", level="suspend", list_name="Suspended", ours=False
    )
    path = reverse("admin:netenforce_device_trust", args=[device.pk])
    assert "Nothing is changed by looking." in client.get(path).content.decode()
    text = press(client, device, "trust", do="look")
    assert "T-901" in text
    assert "Take over 1 entry" in text
    text = press(client, device, "trust", do="trust", choice="keep", reason="")
    assert "Nothing was taken over yet" in text
    assert not Hold.objects.exists()
    text = press(client, device, "trust", do="trust", choice="keep", reason="From the old program")
    assert "1 held as they were found" in text
    assert "1 entries of others are ours now" in text
    found = f"{reverse('admin:netenforce_hold_changelist')}?cause__exact=found&state=active"
    assert found.replace("&", "&amp;") in text
    assert "Stood in list Suspended" in client.get(found).content.decode()
    assert "There is nothing to take over" in press(client, device, "trust", do="look")


def test_more_than_fifty_entries_need_their_number_typed(device: Device) -> None:
    client = staff_client()
    lines = [make_line(make_account(), f"100.64.0.{place}", device=device) for place in range(51)]
    SimulatedEntry.objects.bulk_create(
        [SimulatedEntry(device=device, address=line.ipv4, level="suspend", list_name="Suspended") for line in lines]
    )
    sent = {"do": "trust", "choice": "keep", "reason": "From the old program"}
    assert "These are many: type 51." in press(client, device, "trust", do="look")
    assert "That is not 51" in press(client, device, "trust", **sent, typed="50")
    assert not Hold.objects.exists()
    assert "51 held as they were found" in press(client, device, "trust", **sent, typed="51")
