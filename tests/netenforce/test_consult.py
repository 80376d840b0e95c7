"""What is asked right before a restriction is sent, and what becomes of one that may not go out (D9)."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import ServiceLine
from billing_project.kernel import clock
from netenforce import signals
from netenforce.models import Device, EnforcementTask, LineState
from netenforce.operations import lift_hold, place_hold
from tests.cuts import NINE, free, heard, held, restrict, run
from tests.factories import make_account, make_device, make_line

pytestmark = pytest.mark.django_db


@pytest.fixture
def line() -> ServiceLine:
    return make_line(make_account(), "100.64.0.1", device=make_device(), ipv6="2001:db8:1::/56")


def test_a_veto_right_before_sending_cancels_the_order_with_its_reason(line: ServiceLine) -> None:
    task = restrict(line)
    with heard(signals.about_to_restrict, "It was paid a moment ago.") as asked:
        assert run() == {"vetoed": 1}
    assert asked == [{"task_ids": [task.pk]}]
    task.refresh_from_db()
    assert (task.state, task.attempts) == ("cancelled", 0)
    assert task.attempt_rows.get().detail == "It was paid a moment ago."
    assert held() == {}


@pytest.mark.parametrize("error", [RuntimeError("the policy cannot be read"), AssertionError()])
def test_whoever_cannot_answer_has_not_agreed(line: ServiceLine, error: Exception) -> None:
    def fail() -> None:
        raise error

    restrict(line)
    with heard(signals.about_to_restrict, fail):
        assert run() == {"vetoed": 1}
    assert held() == {}


def test_of_a_batch_each_order_has_its_own_answer(line: ServiceLine) -> None:
    late, paid = restrict(line), restrict(make_line(make_account(), "100.64.0.2", device=Device.objects.get()))
    soon = restrict(make_line(make_account(), "100.64.0.3", device=Device.objects.get()))
    answers = {paid.pk: "It was paid.", soon.pk: NINE + timedelta(hours=1)}
    with heard(signals.about_to_restrict, lambda: answers) as asked:
        assert run() == {"vetoed": 1, "not_yet": 1, "confirmed": 1}
    assert asked == [{"task_ids": [late.pk, paid.pk, soon.pk]}]
    assert held() == {"100.64.0.1": "throttle", "2001:db8:1::/56": "throttle"}
    assert paid.attempt_rows.get().detail == "It was paid."
    assert run(NINE + timedelta(hours=1)) == {"confirmed": 1}


def test_one_order_that_cannot_be_answered_for_does_not_hold_the_others_of_its_batch(line: ServiceLine) -> None:
    bad = restrict(make_line(make_account(), "100.64.0.2", device=Device.objects.get()))
    restrict(line)

    def picky(task_ids: list[int], **_: Any) -> None:
        if bad.pk in task_ids:
            raise LookupError("no policy")

    signals.about_to_restrict.connect(picky)
    assert run() == {"vetoed": 1, "confirmed": 1}
    assert bad.attempt_rows.get().detail == "no policy"
    assert "100.64.0.2" not in held()


def test_of_two_who_ask_for_time_the_later_one_counts_and_a_no_goes_first(line: ServiceLine) -> None:
    task = restrict(line)
    one, two = NINE + timedelta(hours=1), NINE + timedelta(hours=2)
    with heard(signals.about_to_restrict, {task.pk: two}), heard(signals.about_to_restrict, {task.pk: one}):
        assert run() == {"not_yet": 1}
        task.refresh_from_db()
        assert (task.state, task.due_at) == ("queued", two)
        with heard(signals.about_to_restrict, {task.pk: "paid"}):
            assert run(two) == {"vetoed": 1}


def test_where_a_restriction_is_kept_back_the_next_milder_hold_is_asked_about_for_itself(line: ServiceLine) -> None:
    with clock.at(NINE):
        for cause, level in (("abuse", "throttle"), ("status", "walled_garden"), ("non_payment", "suspend")):
            place_hold(account_id=line.account_id, cause=cause, cause_key=cause, level=level, why=cause)
    asked: list[str] = []

    def only_abuse(task_ids: list[int], **_: Any) -> dict[int, str]:
        tasks = EnforcementTask.objects.filter(pk__in=task_ids)
        asked.extend(task.level for task in tasks)
        return {task.pk: "not proven" for task in tasks if task.level != "throttle"}

    signals.about_to_restrict.connect(only_abuse)
    assert run() == {"vetoed": 2, "confirmed": 1}
    assert asked == ["suspend", "walled_garden", "throttle"]
    assert set(held().values()) == {"throttle"}
    state = LineState.objects.get()
    assert (state.desired_level, state.desired_list, state.observed_level) == (
        "throttle", "Delinquent-Throttle", "throttle",
    )  # fmt: skip
    # Lifting what was kept back changes nothing; lifting the last hold frees the line.
    with clock.at(NINE):
        lift_hold(account_id=line.account_id, cause_key="status", why="w")
        lift_hold(account_id=line.account_id, cause_key="non_payment", why="w")
        assert run() == {}
        lift_hold(account_id=line.account_id, cause_key="abuse", why="w")
    assert run() == {"confirmed": 1}
    assert held() == {}


def test_a_restore_is_never_asked_about(line: ServiceLine) -> None:
    restrict(line)
    run()
    free(line)
    with heard(signals.about_to_restrict, "no") as asked:
        assert run() == {"confirmed": 1}
    assert asked == []


def test_a_vetoed_restriction_that_is_wanted_again_is_ordered_again(line: ServiceLine) -> None:
    restrict(line)
    with heard(signals.about_to_restrict, "not now"):
        run()
    restrict(line)
    assert run() == {"confirmed": 1}
    assert held() != {}


def test_after_a_veto_lifting_the_hold_sends_nothing(line: ServiceLine) -> None:
    restrict(line)
    with heard(signals.about_to_restrict, "paid"):
        run()
    free(line)
    assert EnforcementTask.objects.filter(state="queued").count() == 0
