"""What a repair may do at once, when, and what is left alone."""

import os
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Attention, ServiceLine
from billing_project.kernel import clock
from netenforce import signals
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import Device, DeviceReading, EnforcementTask, LineState, SimulatedEntry
from netenforce.operations import lift_hold, place_hold
from netenforce.reconcile import DeviceReport, compare_device, forget_readings
from netenforce.watching import compared_lately
from tests.factories import instant, make_account, make_device, make_line

pytestmark = pytest.mark.django_db

# LINES=20000 measures a large device.
MANY = int(os.environ.get("LINES", "2000"))
NINE = instant("2026-01-21 09:00")
LATER = NINE + timedelta(minutes=5)


def restricted(device: Device, count: int, level: str = "throttle") -> list[ServiceLine]:
    """Return so many lines that the device restricts and should restrict at nine."""
    lines = [make_line(make_account(), f"100.64.{n // 250}.{n % 250 + 1}", device=device) for n in range(count)]
    with clock.at(NINE):
        for line in lines:
            place_hold(account_id=line.account_id, cause="non_payment", cause_key="k", level=level, why="unpaid")
        dispatch_enforcement()
    return lines


def held(device: Device) -> dict[str, str]:
    return dict(SimulatedEntry.objects.filter(device=device).values_list("address", "level"))


@contextmanager
def asked(answer: Any) -> Iterator[list[int]]:
    """Answer every question before a restriction, and collect the orders that were asked about."""
    tasks: list[int] = []

    def ask(task_id: int = 0, task_ids: Sequence[int] = (), **_: Any) -> Any:
        tasks.extend(task_ids or [task_id])
        return dict.fromkeys(task_ids, answer) if task_ids else answer

    signals.about_to_restrict.connect(ask)
    try:
        yield tasks
    finally:
        signals.about_to_restrict.disconnect(ask)


def compare(device: Device, at: datetime = LATER, **fields: Any) -> DeviceReport:
    device.refresh_from_db()
    with clock.at(at):
        return compare_device(device, **fields)


def test_a_device_that_lost_everything_gets_it_back_budget_by_budget_and_the_operator_is_told() -> None:
    device = make_device(repairs_max=2)
    restricted(device, 5)
    SimulatedEntry.objects.all().delete()
    reports = [compare(device, LATER + timedelta(minutes=5 * turn)) for turn in range(4)]
    assert [(len(one.missing), one.repaired, one.left) for one in reports] == [
        (5, 2, 3),
        (3, 2, 1),
        (1, 1, 0),
        (0, 0, 0),
    ]
    assert len(held(device)) == 5
    [told] = Attention.objects.filter(code="device-lost-its-lists")
    assert "restricts 5 of 5 lines no more" in told.words
    assert told.resolved_at == LATER + timedelta(minutes=15)


def test_what_frees_is_repaired_without_a_limit_and_before_anything_is_restricted() -> None:
    device = make_device(repairs_max=1)
    lines = restricted(device, 4)
    with clock.at(NINE):
        for line in lines[:3]:
            lift_hold(account_id=line.account_id, cause_key="k", why="paid")
        dispatch_enforcement()
    entries = [SimulatedEntry(device=device, address=line.ipv4, level="suspend") for line in lines[:3]]
    SimulatedEntry.objects.all().delete()
    SimulatedEntry.objects.bulk_create(
        [*entries, SimulatedEntry(device=device, address="198.51.100.9", level="suspend")]
    )
    report = compare(device)
    assert (len(report.extra), len(report.missing), report.repaired, report.left) == (4, 1, 5, 0)
    assert held(device) == {lines[3].ipv4: "throttle"}
    orders = list(EnforcementTask.objects.filter(created_at=LATER).order_by("pk").values_list("restores", flat=True))
    assert orders == [True, True, True, False]


def test_a_line_that_is_restricted_too_hard_is_freed_without_the_budget() -> None:
    device = make_device(repairs_max=1)
    restricted(device, 3)
    SimulatedEntry.objects.update(level="suspend")
    report = compare(device)
    assert (len(report.stale), report.repaired, report.left) == (3, 3, 0)
    assert set(held(device).values()) == {"throttle"}


def test_a_repair_asks_about_each_line_so_that_who_has_paid_is_not_cut() -> None:
    device = make_device()
    restricted(device, 2)
    SimulatedEntry.objects.all().delete()
    with asked("paid") as tasks:
        report = compare(device)
    assert (len(tasks), report.repaired, held(device)) == (2, 0, {})


@pytest.mark.parametrize(("hours", "no_new_cut"), [(1, True), (23, True), (25, False)])
def test_to_restrict_again_what_was_seen_within_a_day_is_no_new_cut(hours: int, no_new_cut: bool) -> None:
    device = make_device()
    restricted(device, 1)
    SimulatedEntry.objects.all().delete()
    compare(device, NINE + timedelta(hours=hours))
    task = EnforcementTask.objects.latest("pk")
    assert (task.level, task.recloses, task.state) == ("throttle", no_new_cut, "confirmed")


def test_what_waits_for_the_next_budget_is_still_no_new_cut_within_a_day_and_is_after_it() -> None:
    device = make_device(repairs_max=1)
    restricted(device, 3)
    SimulatedEntry.objects.all().delete()
    for at in (LATER, LATER + timedelta(hours=2), NINE + timedelta(hours=25)):
        compare(device, at)
    assert list(EnforcementTask.objects.order_by("-pk").values_list("recloses", flat=True)[:3]) == [False, True, True]


def test_a_harder_decision_that_never_reached_the_device_is_a_new_cut() -> None:
    device = make_device()
    [line] = restricted(device, 1)
    with clock.at(LATER):
        place_hold(account_id=line.account_id, cause="non_payment", cause_key="k2", level="suspend", why="unpaid")
        EnforcementTask.objects.filter(level="suspend").update(state="parked", settled_at=LATER)
    SimulatedEntry.objects.all().delete()
    compare(device, LATER + timedelta(minutes=5))
    task = EnforcementTask.objects.latest("pk")
    assert (task.level, task.recloses) == ("suspend", False)


def test_a_line_that_the_device_never_takes_does_not_use_up_the_budget_for_ever() -> None:
    device = make_device(repairs_max=1)
    lines = restricted(device, 2)
    SimulatedEntry.objects.all().delete()
    with asked(LATER + timedelta(minutes=1)):
        compare(device)
    EnforcementTask.objects.filter(line=lines[0], state="queued").update(state="parked", settled_at=LATER)
    compare(device, LATER + timedelta(minutes=5))
    assert held(device) == {lines[1].ipv4: "throttle"}


def test_what_somebody_else_entered_is_shown_counted_and_never_touched() -> None:
    device = make_device()
    [line] = restricted(device, 1)
    SimulatedEntry.objects.update(ours=False, level="suspend")
    SimulatedEntry.objects.create(device=device, address="198.51.100.9", level="suspend", ours=False)
    report = compare(device)
    assert (report.drifted, report.failure) == (0, "")
    assert report.foreign == {line.ipv4: "suspend", "198.51.100.9": "suspend"}
    assert held(device) == report.foreign
    assert LineState.objects.get().observed_level == "suspend", "it is so, whoever made it so"
    assert not EnforcementTask.objects.filter(created_at=LATER).exists()


def test_the_address_that_a_line_has_left_is_freed() -> None:
    device = make_device()
    [moved, gone] = restricted(device, 2)
    was = moved.ipv4
    ServiceLine.objects.filter(pk=moved.pk).update(ipv4="100.64.77.7")
    gone.delete()
    report = compare(device)
    assert set(report.extra) == {was, gone.ipv4}
    assert (set(report.missing), report.repaired) == ({"100.64.77.7"}, 3)
    assert held(device) == {"100.64.77.7": "throttle"}


def test_a_device_that_cannot_be_read_changes_nothing_that_is_known() -> None:
    device = make_device()
    restricted(device, 1)
    before = LineState.objects.values().get()
    Device.objects.update(options={"down": True})
    report = compare(device)
    assert "cannot be reached" in report.failure
    assert LineState.objects.values().get() == before
    reading = DeviceReading.objects.get()
    assert (reading.failure, reading.held, reading.missing) == (report.failure, 0, 0)


def test_a_driver_that_breaks_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("netenforce.drivers.simulated.SimulatedDriver.read_all", broken)
    assert compare(make_device()).failure == "The driver broke: ZeroDivisionError."
    assert DeviceReading.objects.count() == 1


# --- Readings ---


def test_each_comparison_leaves_a_reading_with_the_first_addresses_of_each_class() -> None:
    device = make_device()
    lines = restricted(device, 60)
    SimulatedEntry.objects.exclude(address=lines[0].ipv4).delete()
    SimulatedEntry.objects.create(device=device, address="198.51.100.9", level="suspend", list_name="Suspended")
    report = compare(device, trigger=DeviceReading.Trigger.RESTART)
    reading = DeviceReading.objects.get()
    assert (reading.trigger, reading.at, reading.held) == ("restart", LATER, 2)
    assert (reading.missing, reading.extra, reading.stale, reading.foreign) == (59, 1, 0, 0)
    assert (reading.repaired, reading.left, reading.failure) == (report.repaired, 0, "")
    assert len(reading.details["missing"]) == 50
    assert reading.details["missing"][0] == {
        "address": lines[9].ipv4, "line": lines[9].pk, "wanted": "throttle", "wanted_list": "Delinquent-Throttle",
        "seen": "open", "seen_list": "",
    }  # fmt: skip
    assert reading.details["extra"] == [
        {
            "address": "198.51.100.9", "line": None, "wanted": "open", "wanted_list": "", "seen": "suspend",
            "seen_list": "Suspended",
        }
    ]  # fmt: skip
    compare(device, dry_run=True)
    assert DeviceReading.objects.count() == 1
    assert compared_lately(device) is False
    with clock.at(LATER + timedelta(seconds=90)):
        assert compared_lately(device) is True


def test_readings_are_thinned_to_the_worst_of_each_day_and_forgotten_after_a_year() -> None:
    device, other = make_device(), make_device("edge-2")
    noon = instant("2026-01-21 12:00")
    for days, hours, missing in [(0, 1, 0), (6, 0, 0), (8, 0, 0), (8, 1, 7), (8, 2, 0), (20, 0, 0), (400, 0, 3)]:
        at = noon - timedelta(days=days, hours=hours)
        DeviceReading.objects.create(device=device, at=at, missing=missing)
        DeviceReading.objects.create(device=other, at=at, missing=missing)
    with clock.at(noon):
        assert forget_readings(device) == 3
        assert forget_readings(device) == 0
    kept = DeviceReading.objects.filter(device=device).values_list("at", "missing")
    assert [((noon - at).days, missing) for at, missing in kept] == [(0, 0), (6, 0), (8, 7), (20, 0)]
    assert DeviceReading.objects.filter(device=other).count() == 7


# --- Scale ---


def queries_of(count: int) -> int:
    device = make_device(f"edge-{count}")
    make_lines(device, count)
    with (
        clock.at(LATER),
        CaptureQueriesContext(
            connection,
        ) as queries,
    ):
        report = compare_device(device)
    assert (report.drifted, report.held) == (0, count)
    return len(queries)


def make_lines(device: Device, count: int, base: int = 0) -> None:
    """Write lines as the device holds them, in few statements."""
    account = make_account()
    offset = ServiceLine.objects.count()
    addresses = [f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in range(offset, offset + count)]
    lines = ServiceLine.objects.bulk_create([ServiceLine(account=account, ipv4=address) for address in addresses])
    LineState.objects.bulk_create(
        [
            LineState(
                line=line, device=device, desired_level="throttle", desired_list="Delinquent-Throttle",
                desired_since_at=NINE, observed_level="throttle", observed_list="Delinquent-Throttle", observed_at=NINE,
            )
            for line in lines
        ]
    )  # fmt: skip
    device.placements.bulk_create([device.placements.model(line=line, device=device) for line in lines])
    SimulatedEntry.objects.bulk_create(
        [
            SimulatedEntry(device=device, address=address, level="throttle", list_name="Delinquent-Throttle")
            for address in addresses
        ]
    )


def test_many_lines_are_compared_in_seconds_and_in_bounded_memory() -> None:
    device = make_device()
    make_lines(device, MANY)
    tracemalloc.start()
    report = compare(device)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    again = compare(device)
    print(f"{MANY} lines compared in {again.seconds} s; traced {report.seconds} s, peak {peak / 2**20:.0f} MB")
    assert (report.held, report.drifted) == (MANY, 0)
    assert peak < 8 * 1024 * MANY


def test_the_number_of_queries_does_not_grow_with_the_lines() -> None:
    assert queries_of(50) == queries_of(500)
