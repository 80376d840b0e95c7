"""Lines on several devices, and addresses that no line may have."""

import re
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, transaction
from django.test import override_settings
from django.urls import reverse

from accounts.models import Attention, ServiceLine
from accounts.rules.prefixes import holds, why_no_line
from billing_project.kernel.errors import Refused
from netenforce.dispatch import dispatch_enforcement
from netenforce.drivers.simulated import SimulatedDriver
from netenforce.models import Device, EnforcementTask, LinePlacement, LineState, SimulatedEntry
from netenforce.operations import lift_hold, place_hold
from netenforce.operations.lines import place_on
from tests.backoffice import staff_client
from tests.factories import make_account, make_device, make_line

pytestmark = pytest.mark.django_db


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def restrict(line: ServiceLine, level: str = "suspend") -> None:
    place_hold(account_id=line.account_id, cause="abuse", cause_key="a", level=level, why="spam")


def test_a_line_on_two_devices_is_restricted_and_freed_on_both_and_freed_where_it_is_taken_off() -> None:
    north, south = make_device("north"), make_device("south")
    line = make_line(make_account(), "100.64.0.1", device=north)
    place_on(line, [north, south])
    restrict(line)
    dispatch_enforcement()
    assert set(SimulatedEntry.objects.values_list("device__name", "address")) == {
        ("north", "100.64.0.1"), ("south", "100.64.0.1"),
    }  # fmt: skip
    place_on(line, [south])
    dispatch_enforcement()
    assert list(SimulatedEntry.objects.values_list("device__name", flat=True)) == ["south"]
    lift_hold(account_id=line.account_id, cause_key="a", why="clean")
    dispatch_enforcement()
    assert not SimulatedEntry.objects.exists()


def test_a_clerk_chooses_the_devices_of_a_line_and_they_are_told() -> None:
    client = staff_client()
    north, south = make_device("north"), make_device("south")
    line = make_line(make_account(), "100.64.0.1", device=north)
    restrict(line)
    address = reverse("admin:accounts_serviceline_choose_devices", args=[line.pk])
    page = text(client.get(address))
    assert page.count('name="devices"') == 2
    assert len(re.findall(r'name="devices"[^>]* checked', page)) == 1
    assert "on north, south now" in text(client.post(address, {"devices": [north.pk, south.pk]}, follow=True))
    assert set(EnforcementTask.objects.filter(state="queued").values_list("device__name", "level")) == {
        ("north", "suspend"), ("south", "suspend"),
    }  # fmt: skip
    assert "on no device now" in text(client.post(address, {}, follow=True))
    assert not LinePlacement.objects.exists()
    assert "none: never slowed or opened" in text(client.get(reverse("admin:accounts_serviceline_changelist")))


def test_placements_that_are_added_moved_or_deleted_in_the_admin_tell_the_devices() -> None:
    client = staff_client()
    north, south = make_device("north"), make_device("south")
    line = make_line(make_account(), "100.64.0.1")
    restrict(line)
    client.post(reverse("admin:netenforce_lineplacement_add"), {"line": line.pk, "device": north.pk})
    dispatch_enforcement()
    placed = LinePlacement.objects.get()
    assert SimulatedEntry.objects.get().device == north
    client.post(reverse("admin:netenforce_lineplacement_change", args=[placed.pk]), {"device": south.pk})
    dispatch_enforcement()
    assert SimulatedEntry.objects.get().device == south
    placed = LinePlacement.objects.get()
    client.post(reverse("admin:netenforce_lineplacement_delete", args=[placed.pk]), {"post": "yes"})
    dispatch_enforcement()
    assert (LinePlacement.objects.count(), SimulatedEntry.objects.count()) == (0, 0)


def test_a_device_with_restricted_lines_is_not_switched_off() -> None:
    client = staff_client()
    device = make_device("north")
    line = make_line(make_account(), "100.64.0.1", device=device)
    address = reverse("admin:netenforce_device_change", args=[device.pk])
    sent = {"name": "north", "driver": "simulated", "options": "{}", "repairs_max": "200"}
    restrict(line)
    assert "north has 1 line that is restricted" in text(client.post(address, sent))
    device.refresh_from_db()
    assert device.enabled
    place_on(line, [])
    assert client.post(address, sent).status_code == 302


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("0.0.0.0/0", "wider than one customer's line"),
        ("100.64.0.0/23", "wider than one customer's line"),
        ("2001:db8::/47", "wider than one customer's line"),
        ("::/0", "wider than one customer's line"),
        ("0.0.0.0", "stands for no host"),
        ("0.1.2.3", "stands for no host"),
        ("::", "stands for no host"),
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("224.0.0.5", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("240.0.0.0/24", "reserved"),
        ("::ffff:100.64.0.1", "enter it as 100.64.0.1"),
        ("fe80::1%eth0", "is no IP address"),
        ("100.64.0.1-100.64.0.9", "is no IP address"),
        ("router.example", "is no IP address"),
        ("100.64.0.1/24", "is no IP address"),
    ],
)
def test_what_can_be_no_customers_is_refused_where_it_is_entered_and_never_reaches_a_device(
    prefix: str, words: str
) -> None:
    assert words in why_no_line(prefix)
    field = "ipv6" if ":" in prefix else "ipv4"
    with pytest.raises(ValidationError, match=r"no |wider|IPv4"):
        ServiceLine(account=make_account(), **{field: prefix[: 43 if field == "ipv6" else 18]}).full_clean()
    # Somebody writes it past the form, and where the database lets it in the device is not told of it.
    line = make_line(make_account(), "100.64.9.9", device=make_device())
    try:
        with transaction.atomic():
            ServiceLine.objects.filter(pk=line.pk).update(**{"ipv4": "", field: prefix})
    except DatabaseError:
        return
    restrict(line)
    dispatch_enforcement()
    assert not SimulatedEntry.objects.exists()
    assert "no way to make line" in Attention.objects.get(code="enforcement-parked").words


@pytest.mark.parametrize("prefix", ["100.64.0.1", "203.0.113.8/29", "100.64.0.0/24", "2001:db8:17::/56", "2001:DB8::1"])
def test_what_reaches_a_device_is_the_lines_own_text(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    field = "ipv6" if ":" in prefix else "ipv4"
    line = ServiceLine(account=make_account(), **{field: prefix})
    line.full_clean()
    line.save()
    place_on(line, [make_device()])
    told: list[str] = []
    applied = SimulatedDriver.apply

    def apply(driver: Any, device: Any, changes: Any) -> Any:
        told.extend(change.address for change in changes)
        return applied(driver, device, changes)

    monkeypatch.setattr(SimulatedDriver, "apply", apply)
    restrict(line)
    dispatch_enforcement()
    lift_hold(account_id=line.account_id, cause_key="a", why="clean")
    dispatch_enforcement()
    assert told == [prefix, prefix]


def test_the_database_refuses_a_whole_network_and_lines_that_overlap() -> None:
    account = make_account()
    make_line(account, "100.64.0.0/29")
    for wrong in ("100.64.0.0/16", "100.64.0.3"):
        with pytest.raises(IntegrityError), transaction.atomic():
            make_line(make_account(), wrong)


def test_a_devices_own_address_is_no_lines_and_a_lines_no_devices() -> None:
    client = staff_client()
    account = make_account()
    device = make_device("north", host="203.0.113.9", driver="routeros")
    with pytest.raises(ValidationError, match="address of device north"):
        ServiceLine(account=account, ipv4="203.0.113.8/29").full_clean()
    line = make_line(account, "203.0.113.8/29")
    with pytest.raises(Refused) as refused:
        place_on(line, [device])
    assert refused.value.code == "line_is_device"
    answer = client.post(reverse("admin:netenforce_lineplacement_add"), {"line": line.pk, "device": device.pk})
    assert "a line there would cut us off from it" in text(answer)
    sent = {"name": "south", "driver": "simulated", "options": "{}", "repairs_max": "200", "enabled": "on"}
    answer = client.post(reverse("admin:netenforce_device_add"), sent | {"host": "203.0.113.10"})
    assert "lies within 203.0.113.8/29, a line of account" in text(answer)
    assert client.post(reverse("admin:netenforce_device_add"), sent | {"host": "10.0.0.1"}).status_code == 302


def test_a_device_that_moved_into_a_line_is_not_cut_off() -> None:
    device = make_device("north", host="10.0.0.1")
    line = make_line(make_account(), "203.0.113.8/29", device=device)
    Device.objects.update(host="203.0.113.9")
    restrict(line)
    assert not EnforcementTask.objects.exists()
    assert not LineState.objects.exclude(desired_level="open").exists()
    assert "should be restricted, but is not" in Attention.objects.get(code="line-is-device").words


@override_settings(PUBLIC_BASE_URL="https://203.0.113.9")
def test_our_own_portals_address_is_no_lines() -> None:
    with pytest.raises(ValidationError, match="our own portal"):
        ServiceLine(account=make_account(), ipv4="203.0.113.8/29").full_clean()


@pytest.mark.parametrize(
    ("prefix", "host", "held"),
    [
        ("203.0.113.8/29", "203.0.113.9", True),
        ("203.0.113.8/29", "203.0.113.16", False),
        ("203.0.113.8/29", "::ffff:203.0.113.9", True),
        ("2001:db8::/56", "[2001:db8::1]", True),
        ("2001:db8::/56", "203.0.113.9", False),
        ("203.0.113.8/29", "router.example", False),
        ("203.0.113.8/29", "", False),
    ],
)
def test_a_host_lies_within_a_prefix_or_not(prefix: str, host: str, held: bool) -> None:
    assert holds(prefix, host) is held
