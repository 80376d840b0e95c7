"""Reconcile: what a device holds against what it should hold, by class, and repaired."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command

from accounts.models import ServiceLine
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.nudge import recorded
from netenforce import signals
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import Device, EnforcementTask, LineState, SimulatedEntry
from netenforce.operations import lift_hold, place_hold
from netenforce.reconcile import DeviceReport, reconcile
from tests.factories import instant, make_account, make_device, make_line

pytestmark = pytest.mark.django_db

NINE = instant("2026-01-21 09:00")


def restrict(line: ServiceLine, level: str = "throttle", **fields: Any) -> None:
    place_hold(account_id=line.account_id, cause="non_payment", cause_key="k", level=level, why="unpaid", **fields)


def held(device: Device) -> dict[str, str]:
    return dict(SimulatedEntry.objects.filter(device=device).values_list("address", "level"))


@pytest.fixture
def town() -> Device:
    """Return a device with four lines, two slowed, one suspended, one open: all as it should be at nine."""
    device = make_device()
    lines = [make_line(make_account(), f"100.64.0.{number}", device=device) for number in (1, 2, 3, 4)]
    with clock.at(NINE):
        restrict(lines[0])
        restrict(lines[1])
        restrict(lines[2], "suspend")
        dispatch_enforcement()
        [report] = reconcile()
    assert report == DeviceReport(device="edge-1")
    return device


def spoil(device: Device) -> None:
    """Let one entry get lost, one change its list, and add one for an open line and one for a stranger."""
    SimulatedEntry.objects.get(address="100.64.0.1").delete()
    SimulatedEntry.objects.filter(address="100.64.0.2").update(level="suspend")
    SimulatedEntry.objects.create(device=device, address="100.64.0.4", level="throttle")
    SimulatedEntry.objects.create(device=device, address="198.51.100.9", level="suspend")


DRIFT = {
    "missing": {"100.64.0.1": "throttle"},
    "stale": {"100.64.0.2": "throttle"},
    "extra": {"100.64.0.4": "throttle", "198.51.100.9": "suspend"},
}


def test_drift_is_found_by_class_and_repaired(town: Device) -> None:
    spoil(town)
    with clock.at(NINE + timedelta(minutes=5)):
        [report] = reconcile()
        assert (report.missing, report.stale, report.extra) == (
            DRIFT["missing"],
            DRIFT["stale"],
            DRIFT["extra"],
        )
        assert (report.drifted, report.repaired, report.failure) == (4, 4, "")
        assert held(town) == {"100.64.0.1": "throttle", "100.64.0.2": "throttle", "100.64.0.3": "suspend"}
        assert reconcile() == [DeviceReport(device="edge-1")]
    observed = LineState.objects.order_by("line__ipv4").values_list("line__ipv4", "observed_level")
    assert dict(observed) == {
        "100.64.0.1": "throttle", "100.64.0.2": "throttle", "100.64.0.3": "suspend", "100.64.0.4": "open",
    }  # fmt: skip


def test_a_dry_run_finds_the_same_and_writes_nothing(town: Device) -> None:
    spoil(town)
    before, orders = held(town), EnforcementTask.objects.count()
    with clock.at(NINE + timedelta(minutes=5)):
        [report] = reconcile(dry_run=True)
    assert (report.drifted, report.repaired) == (4, 0)
    assert (held(town), EnforcementTask.objects.count()) == (before, orders)
    assert LineState.objects.get(line__ipv4="100.64.0.1").observed_level == "throttle"


def test_a_line_with_an_order_under_way_is_left_to_it(town: Device) -> None:
    line = ServiceLine.objects.get(ipv4="100.64.0.4")
    with clock.at(NINE):
        restrict(line, not_before=NINE + timedelta(hours=1))
        [report] = reconcile()
    assert (report.drifted, report.pending) == (0, 1)
    assert "100.64.0.4" not in held(town)


def test_a_vetoed_restriction_is_not_forced_by_a_repair(town: Device) -> None:
    def veto(**_: Any) -> str:
        return "paid"

    line = ServiceLine.objects.get(ipv4="100.64.0.4")
    signals.about_to_restrict.connect(veto)
    with clock.at(NINE):
        restrict(line)
        assert dispatch_enforcement() == {"vetoed": 1}
        signals.about_to_restrict.disconnect(veto)
        [report] = reconcile()
    assert (report.drifted, report.pending) == (0, 1)


def test_a_repair_asks_before_it_restricts_again(town: Device) -> None:
    def veto(**_: Any) -> str:
        return "paid"

    signals.about_to_restrict.connect(veto)
    SimulatedEntry.objects.get(address="100.64.0.1").delete()
    with clock.at(NINE + timedelta(minutes=5)):
        [report] = reconcile()
    assert (report.missing, report.repaired) == ({"100.64.0.1": "throttle"}, 0)
    assert "100.64.0.1" not in held(town)


def test_what_was_given_up_while_the_device_was_dead_is_repaired_when_it_is_back(town: Device) -> None:
    Device.objects.update(options={"down": True})
    line, at = ServiceLine.objects.get(ipv4="100.64.0.1"), NINE
    with clock.at(at):
        lift_hold(account_id=line.account_id, cause_key="k", why="paid")
    for _ in range(6):
        with clock.at(at):
            dispatch_enforcement()
        at += timedelta(minutes=5)
    assert EnforcementTask.objects.get(line=line, level="open").state == "parked"
    with clock.at(at):
        [report] = reconcile()
        assert "cannot be reached" in report.failure
        Device.objects.update(options={})
        [report] = reconcile()
    assert report.extra == {"100.64.0.1": "throttle"}
    assert report.repaired == 1
    assert "100.64.0.1" not in held(town)


def test_a_dead_device_is_reported_and_the_others_are_compared(town: Device) -> None:
    make_device("edge-0", options={"down": True})
    with clock.at(NINE):
        reports = reconcile()
    assert [(report.device, bool(report.failure)) for report in reports] == [
        ("edge-0", True),
        ("edge-1", False),
    ]
    assert Device.objects.get(name="edge-0").failing_since_at == NINE


def test_an_unknown_device_is_refused(town: Device) -> None:
    with pytest.raises(Refused, match="no enabled device named 'nowhere'"):
        reconcile("nowhere")


def test_the_command_answers_in_json_and_finds_drift_only_while_it_is_there(
    town: Device, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(town)
    call_command("reconcile", "--dry-run", "--json")
    dry = json.loads(capsys.readouterr().out)
    assert dry["devices"][0] | DRIFT == dry["devices"][0]
    assert (dry["dry_run"], dry["drifted"], dry["repaired"]) == (True, 4, 0)
    call_command("reconcile", "--device", "edge-1")
    assert "1 missing, 2 extra, 1 stale, 0 under way; 4 repaired" in capsys.readouterr().out
    call_command("reconcile", "--json")
    assert json.loads(capsys.readouterr().out)["drifted"] == 0


def test_the_dispatch_command_counts_by_outcome(town: Device, capsys: pytest.CaptureFixture[str]) -> None:
    line = ServiceLine.objects.get(ipv4="100.64.0.4")
    with clock.at(NINE):
        restrict(line)
    call_command("dispatch", "enforcement", "--at", "2026-01-21T13:59:00", "--json")
    assert json.loads(capsys.readouterr().out) == {"enforcement": {}}
    call_command("dispatch", "all", "--at", "2026-01-21T09:00-05:00", "--json")
    assert json.loads(capsys.readouterr().out) == {
        "charges": {},
        "enforcement": {"confirmed": 1},
        "notices": {},
    }
    call_command("dispatch", "notices")
    assert capsys.readouterr().out == "notices: nothing due\n"


def test_the_tasks_are_doors_to_all_this(town: Device, django_capture_on_commit_callbacks: Any) -> None:
    from netenforce.tasks import dispatch, reconcile_device
    from netenforce.tasks import reconcile as door

    spoil(town)
    with clock.at(NINE + timedelta(minutes=5)):
        with recorded() as nudges, django_capture_on_commit_callbacks(execute=True):
            assert door() == 1
        assert nudges == [("netenforce.reconcile_device", (town.pk,))]
        assert reconcile_device(town.pk) == 4
        assert reconcile_device(town.pk) == 0, "a comparison that waited in a long queue is not made again"
        restrict(ServiceLine.objects.get(ipv4="100.64.0.4"))
        assert dispatch() == 1


def test_a_dry_run_does_not_even_note_that_the_device_answered(town: Device) -> None:
    Device.objects.update(last_contact_at=None)
    reconcile(dry_run=True)
    assert Device.objects.get(pk=town.pk).last_contact_at is None
    reconcile()
    assert Device.objects.get(pk=town.pk).last_contact_at is not None
