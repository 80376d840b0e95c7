"""The two alarms: who has paid and is blocked still, and who should be blocked and is not."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Attention, ServiceLine
from accounts.operations import pause_everything
from billing_project.kernel import clock
from netenforce import alarms, signals
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import Device, EnforcementTask, LineState, SimulatedEntry
from netenforce.operations import lift_hold, place_hold
from netenforce.reconcile import reconcile
from tests.factories import instant, make_account, make_device, make_line

pytestmark = pytest.mark.django_db

NINE = instant("2026-01-21 09:00")


def minutes(number: float) -> datetime:
    return NINE + timedelta(minutes=number)


@pytest.fixture
def line() -> ServiceLine:
    """Return a line that was suspended at nine, as it should be."""
    line = make_line(make_account(), "100.64.0.1", device=make_device())
    restrict(line)
    return line


def restrict(line: ServiceLine, at: datetime = NINE, **fields: Any) -> None:
    with clock.at(at):
        place_hold(
            account_id=line.account_id, cause="non_payment", cause_key="k", level="suspend", why="unpaid", **fields
        )
        dispatch_enforcement()


def pay(line: ServiceLine, at: datetime, *, delivered: bool = False) -> None:
    with clock.at(at):
        lift_hold(account_id=line.account_id, cause_key="k", why="paid")
        if delivered:
            dispatch_enforcement()


def blocked_at(at: datetime) -> int:
    with clock.at(at):
        return alarms.paid_but_blocked().count()


def free_at(at: datetime) -> int:
    with clock.at(at):
        return alarms.not_blocked().count()


def tell(at: datetime) -> list[str]:
    """Raise the alarms and return the words of those that are open then."""
    with clock.at(at):
        alarms.raise_alarms()
    rows = Attention.objects.filter(code__in=["paid-still-blocked", "not-blocked"], resolved_at__isnull=True)
    return list(rows.order_by("pk").values_list("words", flat=True))


def test_a_line_that_is_as_it_should_be_raises_nothing(line: ServiceLine) -> None:
    assert (blocked_at(minutes(90)), free_at(minutes(90)), tell(minutes(90))) == (0, 0, [])


def test_who_has_paid_and_is_blocked_for_over_a_minute_is_told_until_the_device_confirms(line: ServiceLine) -> None:
    pay(line, minutes(10))
    assert (blocked_at(minutes(11)), tell(minutes(11))) == (0, [])
    [words] = tell(minutes(11.1))
    assert words == (
        f"Line 100.64.0.1 of account {line.account.number} should be open on device edge-1 since 2026-01-21 14:10 UTC,"
        " and was last seen suspended. The order is waiting for its turn on the device."
    )
    assert Attention.objects.get().account == line.account
    assert tell(minutes(12)) == [words], "told once"
    with clock.at(minutes(12)):
        dispatch_enforcement()
    assert tell(minutes(13)) == []
    assert Attention.objects.get(code="paid-still-blocked").resolved_at == minutes(13)


def test_each_device_that_still_blocks_is_told(line: ServiceLine) -> None:
    second = make_device("edge-2")
    with clock.at(minutes(1)):
        LineState.objects.create(
            line=line, device=second, desired_since_at=NINE, observed_level="throttle", observed_at=NINE
        )
    pay(line, minutes(10), delivered=True)
    with clock.at(minutes(12)):
        assert [(row.device, row.since) for row in alarms.paid_but_blocked()] == [(second, NINE)]


def test_an_order_to_free_that_is_not_confirmed_counts_though_the_line_was_seen_open(line: ServiceLine) -> None:
    pay(line, minutes(10))
    LineState.objects.update(observed_level="open")
    [words] = tell(minutes(12))
    assert "the device has not confirmed that it is" in words


def test_a_device_that_is_found_to_block_somebody_counts_from_that_moment(line: ServiceLine) -> None:
    pay(line, minutes(10), delivered=True)
    SimulatedEntry.objects.create(device=Device.objects.get(), address=line.ipv4, level="suspend", ours=False)
    with clock.at(minutes(200)):
        reconcile()
    assert (blocked_at(minutes(200.5)), blocked_at(minutes(202))) == (0, 1)
    [words] = tell(minutes(202))
    assert "since 2026-01-21 17:20 UTC" in words
    assert "look at the device's foreign entries" in words


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda: pause_everything(reason="Maintenance."), "Maintenance."),
        (lambda: Device.objects.update(enabled=False), "The device is disabled"),
        (
            lambda: Device.objects.update(failing_since_at=NINE, failure="No route."),
            "not answered since 2026-01-21 14:00 UTC: No route.",
        ),
        (lambda: EnforcementTask.objects.filter(restores=True).update(state="parked"), "was given up"),
        (lambda: EnforcementTask.objects.filter(restores=True).update(due_at=minutes(20)), "again at 2026-01-21 14:20"),
        (lambda: EnforcementTask.objects.filter(restores=True).update(state="confirmed"), "No order is under way"),
    ],
)
def test_the_alarm_says_why(line: ServiceLine, spoil: Any, told: str) -> None:
    pay(line, minutes(10))
    with clock.at(minutes(11)):
        spoil()
    [words] = tell(minutes(12))
    assert told in words


def test_a_device_that_does_not_restrict_what_it_should_is_told_once_with_how_many_lines(line: ServiceLine) -> None:
    device = Device.objects.get()
    restrict(make_line(make_account(), "100.64.0.2", device=device))
    device.options = {"ignores": True}
    device.save()
    SimulatedEntry.objects.all().delete()
    with clock.at(minutes(5)):
        reconcile()
    assert (free_at(minutes(34)), tell(minutes(34))) == (0, [])
    [words] = tell(minutes(36))
    assert words.startswith(
        "Device edge-1 does not restrict 2 lines that it should restrict, the first since 2026-01-21 14:05"
    )
    LineState.objects.filter(line=line).update(observed_level="suspend")
    [words] = tell(minutes(37))
    assert "1 line that" in words
    LineState.objects.update(observed_level="suspend")
    assert tell(minutes(38)) == []


def test_who_waits_for_the_morning_or_was_spared_is_no_alarm() -> None:
    device = make_device()
    waiting, spared = (make_line(make_account(), f"100.64.0.{n}", device=device) for n in (1, 2))
    restrict(waiting, not_before=minutes(600))

    def veto(**_: Any) -> str:
        return "paid"

    signals.about_to_restrict.connect(veto)
    restrict(spared)
    assert (LineState.objects.filter(desired_level="suspend", observed_level="open").count(), free_at(minutes(60))) == (
        2,
        0,
    )


def test_who_is_restricted_harder_than_decided_is_not_told_as_free(line: ServiceLine) -> None:
    LineState.objects.update(desired_level="throttle")
    assert free_at(minutes(60)) == 0


def test_the_alarms_need_the_same_number_of_queries_for_any_number_of_lines() -> None:
    def cost(count: int) -> int:
        device = make_device(f"edge-{count}")
        for number in range(count):
            line = make_line(make_account(), f"100.{count}.0.{number + 1}", device=device)
            fields = {"line": line, "device": device, "desired_since_at": NINE, "observed_at": NINE}
            LineState.objects.create(observed_level="suspend", **fields)
        with clock.at(minutes(60)), CaptureQueriesContext(connection) as queries:
            assert alarms.raise_alarms() >= count
        return len(queries)

    assert cost(2) == cost(12)
