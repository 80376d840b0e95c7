"""Payment windows: full access while a customer pays, and closed again for certain."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import ServiceLine
from accounts.operations import pause_everything, resume_everything
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from netenforce import signals
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import Device, EnforcementTask, Hold, LineState, PaymentWindow, SimulatedEntry
from netenforce.operations import end_window, lift_hold, open_window, place_hold
from netenforce.reconcile import reconcile
from tests.factories import instant, make_account, make_device, make_line
from tests.netenforce.test_dispatch import heard

pytestmark = pytest.mark.django_db

NIGHT = instant("2026-01-21 23:30")
LEVELS = ["throttle", "walled_garden", "suspend"]


@pytest.fixture
def line() -> ServiceLine:
    """Make a line that its device holds in the walled garden."""
    made = make_line(make_account(), "100.64.0.1", device=make_device())
    restrict(made)
    return made


def restrict(line: ServiceLine, level: str = "walled_garden", cause: str = "non_payment") -> None:
    with clock.at(NIGHT - timedelta(days=1)):
        place_hold(account_id=line.account_id, cause=cause, cause_key=cause, level=level, why="unpaid")
        dispatch_enforcement()


def opened(line: ServiceLine, at: datetime = NIGHT, *, key: str = "attempt:1", **more: Any) -> PaymentWindow:
    with clock.at(at):
        return open_window(account_id=line.account_id, key=key, scope="case:1", why="the page was opened", **more)


def run(at: datetime = NIGHT) -> dict[str, int]:
    with clock.at(at):
        return dict(dispatch_enforcement())


def held() -> dict[str, str]:
    return dict(SimulatedEntry.objects.values_list("address", "level"))


def minutes(count: float) -> datetime:
    return NIGHT + timedelta(minutes=count)


@pytest.mark.parametrize("level", LEVELS)
def test_one_pass_opens_the_line_and_the_first_pass_after_its_time_closes_it(level: str) -> None:
    line = make_line(make_account(), "100.64.0.1", device=make_device())
    restrict(line, level)
    window = opened(line)
    assert run() == {"confirmed": 1}
    assert held() == {}
    assert EnforcementTask.objects.latest("pk").restores, "it goes first, and at any hour"
    assert run(minutes(14.9)) == {}
    assert run(minutes(15)) == {"confirmed": 1}
    assert held() == {"100.64.0.1": level}
    window.refresh_from_db()
    assert (window.ended_at, window.ended_how) == (minutes(15), "ran_out")
    assert Hold.objects.get().lifted_at is None, "the hold stayed as it was"


def test_the_pass_that_opens_is_woken_at_once(
    line: ServiceLine, django_capture_on_commit_callbacks: Any, nudges: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        opened(line)
    assert ("netenforce.restore", ()) in nudges


def test_it_closes_by_any_later_pass_though_every_nudge_was_lost_and_nobody_worked_for_hours(line: ServiceLine) -> None:
    opened(line)
    run()
    assert run(minutes(60 * 7)) == {"confirmed": 1}
    assert held() == {"100.64.0.1": "walled_garden"}


def test_closing_again_is_marked_as_no_new_cut_and_a_first_cut_is_not(line: ServiceLine) -> None:
    opened(line)
    run()
    with heard(signals.about_to_restrict) as asked:
        run(minutes(15))
    task = EnforcementTask.objects.get(pk=asked[0]["task_ids"][0])
    assert (task.recloses, task.restores, task.state) == (True, False, "confirmed")
    assert not EnforcementTask.objects.earliest("pk").recloses


def test_a_cut_that_had_not_reached_the_line_is_a_new_one_after_the_window() -> None:
    line = make_line(make_account(), "100.64.0.1", device=make_device())
    with clock.at(NIGHT):
        place_hold(
            account_id=line.account_id, cause="non_payment", cause_key="k", level="suspend", why="w",
            not_before=minutes(600),
        )  # fmt: skip
    opened(line)
    assert run() == {}
    run(minutes(15))
    assert not EnforcementTask.objects.latest("pk").recloses


def test_a_harder_cut_decided_meanwhile_is_a_new_one(line: ServiceLine) -> None:
    opened(line)
    run()
    with clock.at(minutes(5)):
        place_hold(account_id=line.account_id, cause="non_payment", cause_key="harder", level="suspend", why="w")
    assert run(minutes(6)) == {}
    assert held() == {}
    run(minutes(15))
    last = EnforcementTask.objects.latest("pk")
    assert (last.level, last.recloses) == ("suspend", False)


def test_a_line_that_was_freed_meanwhile_stays_open(line: ServiceLine) -> None:
    opened(line)
    run()
    with clock.at(minutes(3)):
        lift_hold(account_id=line.account_id, cause_key="non_payment", why="paid")
    assert run(minutes(15)) == {}
    assert held() == {}
    assert PaymentWindow.objects.get().ended_how == "ran_out"


def test_leaving_the_page_ends_it_and_coming_back_goes_on_with_the_minutes_left(line: ServiceLine) -> None:
    first = opened(line)
    run()
    with clock.at(minutes(4)):
        assert end_window(line.account_id, how=PaymentWindow.Ended.LEFT, key="attempt:1") == first
    again = opened(line, minutes(4), key="attempt:2")
    assert (again.pk, again.closes_at, again.ended_at) == (first.pk, minutes(15), None)
    assert run(minutes(5)) == {}, "the line was not closed in between"
    with clock.at(minutes(6)):
        assert end_window(line.account_id, how=PaymentWindow.Ended.LEFT, key="attempt:1") is None, (
            "another took it over"
        )
        assert end_window(line.account_id, how=PaymentWindow.Ended.LEFT, key="attempt:2") is not None
    assert run(minutes(7)) == {"confirmed": 1}
    assert held() == {"100.64.0.1": "walled_garden"}


def test_ten_presses_open_two_windows_a_day_and_never_a_third(line: ServiceLine) -> None:
    refused: list[str] = []
    for press in range(10):
        at = minutes(-600 + 20 * press)
        run(at)
        try:
            opened(line, at, key=f"attempt:{press}")
        except Refused as refusal:
            refused.append(refusal.code)
    assert (refused, PaymentWindow.objects.count()) == (["cap_day"] * 8, 2)
    run(minutes(0))
    assert held() == {"100.64.0.1": "walled_garden"}


def test_a_day_is_the_accounts_own_and_a_case_has_three(line: ServiceLine) -> None:
    for day in range(3):
        opened(line, NIGHT + timedelta(days=day), key=f"attempt:{day}")
        run(NIGHT + timedelta(days=day, minutes=15))
    with pytest.raises(Refused) as refused:
        opened(line, NIGHT + timedelta(days=3), key="attempt:9")
    assert refused.value.code == "cap_case"
    with clock.at(NIGHT + timedelta(days=3)):
        assert open_window(account_id=line.account_id, key="n", scope="case:2", why="w").pk


def test_after_local_midnight_there_are_new_ones(line: ServiceLine) -> None:
    for press in range(2):
        opened(line, minutes(-40 + 20 * press), key=f"attempt:{press}")
        run(minutes(-40 + 20 * press + 15))
    with pytest.raises(Refused):
        opened(line, minutes(29), key="attempt:8")
    assert opened(line, minutes(30), key="attempt:9").opened_at == minutes(30)


def test_staff_may_open_one_beyond_the_caps_and_it_is_not_counted(line: ServiceLine, admin_user: Any) -> None:
    for press in range(3):
        opened(line, minutes(20 * press - 100), key=f"staff:{press}", by=admin_user)
        run(minutes(20 * press - 85))
    assert opened(line, minutes(-20)).opened_by is None
    run(minutes(-5))
    opened(line, minutes(0), key="attempt:2")
    run(minutes(15))
    with pytest.raises(Refused):
        opened(line, minutes(16), key="attempt:3")
    assert opened(line, minutes(16), key="staff:9", by=admin_user).pk


@pytest.mark.parametrize("cause", ["abuse", "request"])
def test_what_is_held_for_another_cause_stays_held(line: ServiceLine, cause: str) -> None:
    opened(line)
    run()
    restrict(line, "suspend", cause)
    assert held() == {"100.64.0.1": "suspend"}
    with pytest.raises(Refused) as refused:
        opened(line, minutes(20), key="attempt:2")
    assert refused.value.code == "held_otherwise"


def test_an_open_line_gets_no_window() -> None:
    line = make_line(make_account(), "100.64.0.1", device=make_device())
    with pytest.raises(Refused) as refused:
        opened(line)
    assert refused.value.code == "not_restricted"


def test_a_device_out_of_reach_at_closing_is_tried_again_and_reconcile_ends_what_was_given_up(
    line: ServiceLine,
) -> None:
    opened(line)
    run()
    Device.objects.update(options={"down": True})
    at = minutes(15)
    assert run(at) == {"unavailable": 1}
    for _ in range(4):
        at = EnforcementTask.objects.latest("pk").due_at
        outcome = run(at)
    assert outcome == {"parked": 1}
    Device.objects.update(options={})
    with clock.at(at + timedelta(minutes=5)):
        reconcile()
    assert held() == {"100.64.0.1": "walled_garden"}
    assert EnforcementTask.objects.latest("pk").recloses, "repeated it is still no new cut"


def test_a_device_out_of_reach_at_opening_is_told_when_it_is_back_unless_the_time_is_over(line: ServiceLine) -> None:
    Device.objects.update(options={"down": True})
    opened(line)
    assert run() == {"unavailable": 1}
    Device.objects.update(options={})
    assert run(minutes(1)) == {"confirmed": 1}
    assert held() == {}


def test_reconcile_takes_a_line_in_its_window_for_what_it_should_be(line: ServiceLine) -> None:
    opened(line)
    run()
    with clock.at(minutes(5)):
        (report,) = reconcile()
    assert (report.drifted, held()) == (0, {})


def test_a_pause_changes_no_line_and_the_window_ends_all_the_same(line: ServiceLine, admin_user: Any) -> None:
    opened(line)
    run()
    with clock.at(minutes(10)):
        pause_everything(reason="A wrong price")
    assert run(minutes(15)) == {}
    assert held() == {}, "under a pause nobody is cut"
    assert PaymentWindow.objects.get().ended_how == "ran_out"
    with pytest.raises(Refused) as refused:
        opened(line, minutes(20), key="attempt:2")
    assert refused.value.code == "paused"
    with clock.at(minutes(30)):
        resume_everything(reason="mended")
    assert run(minutes(31)) == {"confirmed": 1}
    assert held() == {"100.64.0.1": "walled_garden"}


@pytest.mark.parametrize("jump", [timedelta(days=40), -timedelta(hours=1), -timedelta(days=40)])
def test_a_clock_that_jumps_ends_it(line: ServiceLine, jump: timedelta) -> None:
    opened(line)
    run()
    run(NIGHT + jump)
    assert PaymentWindow.objects.get().ended_how == "ran_out"
    assert LineState.objects.get(line=line).desired_level == "walled_garden"


def test_the_same_key_opens_nothing_twice(line: ServiceLine) -> None:
    first = opened(line)
    run(minutes(15))
    assert opened(line, minutes(16)).pk == first.pk
    assert run(minutes(16)) == {}
    assert held() == {"100.64.0.1": "walled_garden"}


def test_the_database_refuses_a_second_open_window(line: ServiceLine) -> None:
    opened(line)
    with pytest.raises(IntegrityError, match="payment_window_open_once"), transaction.atomic():
        PaymentWindow.objects.create(account=line.account, key="x", why="w", closes_at=clock.now() + timedelta(1))
