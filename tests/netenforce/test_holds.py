"""Holds, and the orders that follow from them: once, superseded, taken back."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Attention
from billing_project.kernel import clock
from billing_project.kernel.nudge import Nudge
from netenforce.models import AddressList, EnforcementTask, Hold, LineState
from netenforce.operations import LiftHold, PlaceHold, change_holds, lift_hold, place_hold, place_line
from netenforce.queries import active_holds, failing_devices, line_states, observed_levels
from tests.factories import instant, make_account, make_device, make_line

pytestmark = pytest.mark.django_db

NIGHT, NINE = instant("2026-01-21 00:05"), instant("2026-01-21 09:00")


def slow(account_id: int, key: str = "case:1:slow", level: str = "throttle", **fields: Any) -> Hold:
    return place_hold(
        account_id=account_id,
        cause="non_payment",
        cause_key=key,
        level=level,
        why=f"{level} for 40.00 unpaid",
        **fields,
    )


def orders() -> list[tuple[str, str]]:
    return list(EnforcementTask.objects.order_by("pk").values_list("level", "state"))


def test_a_hold_is_placed_once_and_leads_to_one_order_not_before_its_hour() -> None:
    account = make_account()
    line = make_line(account, "100.64.0.1", device=make_device())
    with clock.at(NIGHT):
        first = slow(account.pk, not_before=NINE)
        assert slow(account.pk, not_before=NINE) == first
    task = EnforcementTask.objects.get()
    assert (task.level, task.restores, task.due_at, task.generation) == ("throttle", False, NINE, 1)
    assert task.why == "throttle for 40.00 unpaid"
    state = LineState.objects.get(line=line)
    assert (state.desired_level, state.observed_level, state.desired_since_at) == ("throttle", "open", NIGHT)


def test_lifting_restores_at_once_and_at_any_hour() -> None:
    account = make_account()
    line = make_line(account, "100.64.0.1", device=make_device())
    with clock.at(NINE):
        slow(account.pk)
    EnforcementTask.objects.update(state="confirmed", attempts=1, settled_at=NINE)
    LineState.objects.filter(line=line).update(observed_level="throttle")
    with clock.at(NIGHT + timedelta(days=1)):
        hold = lift_hold(account_id=account.pk, cause_key="case:1:slow", why="paid")
        assert lift_hold(account_id=account.pk, cause_key="case:1:slow", why="paid") is None
    assert hold is not None
    assert (hold.lifted_at, hold.lifted_why) == (NIGHT + timedelta(days=1), "paid")
    restore = EnforcementTask.objects.get(state="queued")
    assert (restore.level, restore.restores, restore.due_at, restore.why) == (
        "open", True, NIGHT + timedelta(days=1), "paid",
    )  # fmt: skip


def test_a_restriction_undone_before_it_left_is_cancelled_and_nothing_else_is_sent() -> None:
    account = make_account()
    line = make_line(account, "100.64.0.1", device=make_device())
    with clock.at(NIGHT):
        slow(account.pk, not_before=NINE)
        lift_hold(account_id=account.pk, cause_key="case:1:slow", why="paid at 00:20")
    assert orders() == [("throttle", "cancelled")]
    assert LineState.objects.get(line=line).desired_level == "open"


def test_a_restriction_that_is_being_sent_is_followed_by_a_restore() -> None:
    account = make_account()
    make_line(account, "100.64.0.1", device=make_device())
    slow(account.pk)
    EnforcementTask.objects.update(state="sending", attempts=1)
    lift_hold(account_id=account.pk, cause_key="case:1:slow", why="paid")
    assert orders() == [("throttle", "superseded"), ("open", "queued")]
    # It is placed and lifted once more: the first one may still arrive, so the restore must go out.
    slow(account.pk)
    lift_hold(account_id=account.pk, cause_key="case:1:slow", why="paid again")
    assert orders()[-1] == ("open", "queued")


def test_the_hardest_hold_wins_and_lifting_it_falls_back_to_the_others() -> None:
    account = make_account()
    line = make_line(account, "100.64.0.1", device=make_device())
    slow(account.pk)
    slow(account.pk, key="case:1:cut", level="suspend")
    place_hold(account_id=account.pk, cause="abuse", cause_key="abuse:7", level="walled_garden", why="spam")
    assert orders() == [("throttle", "superseded"), ("suspend", "queued")]
    change_holds(lifted=[
        LiftHold(account_id=account.pk, cause_key=key, why="paid") for key in ("case:1:slow", "case:1:cut")
    ])  # fmt: skip
    assert LineState.objects.get(line=line).desired_level == "walled_garden"
    assert orders()[-1] == ("walled_garden", "queued")
    assert [hold.cause_key for hold in active_holds([account.pk])[account.pk]] == ["abuse:7"]


def test_another_level_for_the_same_key_changes_the_hold() -> None:
    account = make_account()
    make_line(account, "100.64.0.1", device=make_device())
    slow(account.pk)
    hold = slow(account.pk, level="suspend")
    assert (hold.level, Hold.objects.count()) == ("suspend", 1)
    assert orders() == [("throttle", "superseded"), ("suspend", "queued")]


def test_a_milder_hold_beside_a_harder_one_changes_nothing_on_the_line() -> None:
    account = make_account()
    make_line(account, "100.64.0.1", device=make_device())
    slow(account.pk, level="suspend")
    slow(account.pk, key="case:1:mild")
    assert orders() == [("suspend", "queued")]


def test_all_lines_of_the_account_and_no_others_are_restricted() -> None:
    account, other = make_account(), make_account()
    device = make_device()
    mine = {make_line(account, f"100.64.0.{number}", device=device).pk for number in (1, 2)}
    make_line(other, "100.64.0.3", device=device)
    slow(account.pk)
    assert set(EnforcementTask.objects.values_list("line_id", flat=True)) == mine
    assert observed_levels([account.pk]) == {account.pk: "open"}
    assert [state.desired_level for state in line_states([account.pk])[account.pk]] == ["throttle"] * 2


def test_a_line_on_no_device_is_shown_once_and_forgotten_when_it_is_free_again() -> None:
    account = make_account()
    line = make_line(account, "100.64.0.1")
    slow(account.pk)
    slow(account.pk, level="suspend")
    assert orders() == []
    assert LineState.objects.get(line=line).desired_level == "suspend"
    assert Attention.objects.filter(code="line-without-device", resolved_at=None).count() == 1
    lift_hold(account_id=account.pk, cause_key="case:1:slow", why="paid")
    assert not Attention.objects.filter(resolved_at=None).exists()


def test_a_line_that_gets_a_device_is_restricted_there() -> None:
    account = make_account()
    line = make_line(account, "100.64.0.1")
    slow(account.pk)
    first, second = make_device("first"), make_device("second")
    place_line(line, first)
    place_line(line, first)
    assert list(EnforcementTask.objects.values_list("device__name", "level", "state")) == [
        ("first", "throttle", "queued")
    ]
    assert not Attention.objects.filter(resolved_at=None).exists()
    line.refresh_from_db()
    place_line(line, second)
    assert set(EnforcementTask.objects.values_list("device__name", "state")) == {
        ("first", "superseded"), ("second", "queued"),
    }  # fmt: skip


def test_a_cost_for_many_accounts_is_the_cost_for_one() -> None:
    device = make_device()
    accounts = [make_account() for _ in range(21)]
    for number, account in enumerate(accounts):
        make_line(account, f"100.64.1.{number}", device=device)
    one, many = accounts[:1], accounts[1:]

    def queries(rows: list[Any], *, lift: bool) -> int:
        placed = [
            PlaceHold(account_id=row.pk, cause="non_payment", cause_key="k", level="suspend", why="w") for row in rows
        ]
        lifted = [LiftHold(account_id=row.pk, cause_key="k", why="w") for row in rows]
        with CaptureQueriesContext(connection) as captured:
            change_holds(placed=() if lift else placed, lifted=lifted if lift else ())
        return len(captured)

    assert queries(one, lift=False) == queries(many, lift=False)
    assert queries(one, lift=True) == queries(many, lift=True)
    assert Hold.objects.filter(lifted_at=None).count() == 0
    assert EnforcementTask.objects.filter(state="cancelled").count() == 21


def test_only_what_is_due_now_wakes_the_dispatcher(
    nudges: list[Nudge], django_capture_on_commit_callbacks: Any
) -> None:
    account = make_account()
    make_line(account, "100.64.0.1", device=make_device())
    with clock.at(NIGHT), django_capture_on_commit_callbacks(execute=True):
        slow(account.pk, not_before=NINE)
    assert nudges == []
    with clock.at(NINE), django_capture_on_commit_callbacks(execute=True):
        slow(account.pk, level="suspend")
    assert nudges == [("netenforce.dispatch", ())]


def test_a_hold_at_level_open_is_a_programmers_error() -> None:
    with pytest.raises(ValueError, match="lift it instead"):
        slow(make_account().pk, level="open")


def test_the_address_lists_ship_and_no_device_does() -> None:
    assert set(AddressList.objects.values_list("name", "level", "rate_down_kbit", "rate_up_kbit")) == {
        ("Delinquent-Throttle", "throttle", 1024, 512), ("Walled-Garden", "walled_garden", None, None),
        ("Suspended", "suspend", None, None),
    }  # fmt: skip
    assert failing_devices() == []
