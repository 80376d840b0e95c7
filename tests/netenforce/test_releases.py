"""A line is released for some hours as a courtesy: within a role's limit, and closed again for certain."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group

from accounts.models import ServiceLine, User
from accounts.operations import pause_everything
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from netenforce import signals
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import EnforcementTask, Hold, LineState, PaymentWindow, ReleaseLimit, SimulatedEntry
from netenforce.operations import end_window, lift_hold, open_window, place_hold, release_account
from tests.factories import instant, make_account, make_device, make_line, make_staff
from tests.netenforce.test_dispatch import heard

pytestmark = pytest.mark.django_db

NIGHT = instant("2026-01-21 23:30")


@pytest.fixture
def line() -> ServiceLine:
    """Make a line that its device holds for non-payment."""
    made = make_line(make_account(number="T-77"), "100.64.0.1", device=make_device())
    restrict(made)
    return made


@pytest.fixture
def sandy() -> User:
    """Make somebody in support: a day, twice in 30 days."""
    group = Group.objects.create(name="Support desk")
    ReleaseLimit.objects.create(group=group, hours_max=24, releases_a_month=2)
    desk = Group.objects.create(name="Clerks' desk")
    ReleaseLimit.objects.create(group=desk, hours_max=72, releases_a_month=4)
    make_staff("casey").groups.add(desk)
    user = make_staff("sandy")
    user.groups.add(group)
    return user


def restrict(line: ServiceLine, level: str = "suspend", cause: str = "non_payment") -> None:
    with clock.at(NIGHT - timedelta(days=1)):
        place_hold(account_id=line.account_id, cause=cause, cause_key=cause, level=level, why="unpaid")
        dispatch_enforcement()


def release(line: ServiceLine, by: User, *, hours: int = 24, after: float = 0) -> PaymentWindow:
    with clock.at(later(after)):
        return release_account(account_id=line.account_id, hours=hours, why="Storm damage", by=by)


def later(hours: float) -> Any:
    return NIGHT + timedelta(hours=hours)


def run(hours: float = 0) -> dict[str, int]:
    with clock.at(later(hours)):
        return dict(dispatch_enforcement())


def held() -> dict[str, str]:
    return dict(SimulatedEntry.objects.values_list("address", "level"))


def refused(line: ServiceLine, by: User, **more: Any) -> Refused:
    with pytest.raises(Refused) as found:
        release(line, by, **more)
    return found.value


@pytest.mark.parametrize("cause", ["non_payment", "status", "found"])
def test_it_frees_the_line_at_once_and_ends_by_itself_at_its_hour(sandy: User, cause: str) -> None:
    line = make_line(make_account(), "100.64.0.1", device=make_device())
    restrict(line, cause=cause)
    window = release(line, sandy)
    assert (window.kind, window.closes_at, window.opened_by) == ("release", later(24), sandy)
    run()
    assert held() == {}
    run(23.9)
    assert held() == {}
    run(24)
    assert held() == {"100.64.0.1": "suspend"}
    window.refresh_from_db()
    assert (window.ended_how, window.ended_at) == ("ran_out", later(24))


def test_closing_after_it_is_a_new_cut_so_that_it_waits_for_daylight(line: ServiceLine, sandy: User) -> None:
    release(line, sandy)
    run()
    with heard(signals.about_to_restrict):
        run(24)
    task = EnforcementTask.objects.latest("pk")
    assert (task.level, task.recloses, task.restores) == ("suspend", False, False)


def test_taken_back_within_ten_minutes_it_never_was_and_closes_at_any_hour(line: ServiceLine, sandy: User) -> None:
    for minutes, recloses in ((9, True), (11, False)):
        release(line, sandy, after=24 * minutes)
        run(24 * minutes)
        with clock.at(later(24 * minutes) + timedelta(minutes=minutes)):
            end_window(line.account_id, how=PaymentWindow.Ended.BY_HAND)
            assert EnforcementTask.objects.latest("pk").recloses == recloses
            dispatch_enforcement()


def test_what_is_held_for_abuse_stays_held(line: ServiceLine, sandy: User) -> None:
    restrict(line, "throttle", "abuse")
    release(line, sandy)
    run()
    assert held() == {"100.64.0.1": "throttle"}


def test_where_nothing_would_change_it_is_refused_with_the_reason(line: ServiceLine, sandy: User) -> None:
    restrict(line, "suspend", "abuse")
    refusal = refused(line, sandy)
    assert (refusal.code, "(abuse)" in refusal.words) == ("held_otherwise", True)
    lift_hold(account_id=line.account_id, cause_key="non_payment", why="paid")
    assert refused(line, sandy).code == "not_restricted"
    assert "does not end: abuse" in refused(line, sandy).words


def test_beyond_the_hours_of_a_role_it_is_refused_and_says_who_may(line: ServiceLine, sandy: User) -> None:
    refusal = refused(line, sandy, hours=48)
    assert refusal.code == "too_long"
    assert refusal.words == (
        "48 hours is beyond what sandy may give: 1 to 24 hours. Who may: Clerks' desk (72 h, 4 in 30 days),"
        " administrators."
    )
    for hours in (0, -5, 25):
        assert refused(line, sandy, hours=hours).code == "too_long"
    assert not PaymentWindow.objects.exists()


def test_a_third_time_in_thirty_days_is_refused_with_the_day_it_is_possible_again(
    line: ServiceLine, sandy: User
) -> None:
    for day in (0, 5):
        release(line, sandy, after=24 * day, hours=1)
        run(24 * day + 1)
    refusal = refused(line, sandy, after=24 * 10)
    assert refusal.code == "too_often"
    assert "released 2 times in the last 30 days (2026-01-21, 2026-01-26)" in refusal.words
    assert "Again from 2026-02-20 23:30 (America/New_York)" in refusal.words
    assert release(line, sandy, after=24 * 30).pk


def test_who_has_no_limit_may_not_and_an_administrator_has_none(line: ServiceLine, admin_user: User) -> None:
    assert refused(line, make_staff("viewer")).code == "no_right"
    assert refused(line, admin_user, hours=169).code == "too_long"
    for place in range(5):
        release(line, admin_user, hours=1, after=2 * place)
        run(2 * place + 1)
    assert PaymentWindow.objects.filter(kind="release", opened_by=admin_user).count() == 5


def test_while_one_runs_a_second_is_refused_with_its_end(line: ServiceLine, sandy: User) -> None:
    release(line, sandy)
    refusal = refused(line, sandy, after=1)
    assert (refusal.code, "until 2026-01-22 23:30" in refusal.words) == ("released", True)


def test_under_a_pause_and_without_a_reason_nothing_is_released(line: ServiceLine, sandy: User) -> None:
    with pytest.raises(Refused, match="Say why"):
        release_account(account_id=line.account_id, hours=1, why="  ", by=sandy)
    pause_everything(reason="A wrong price")
    assert refused(line, sandy).code == "paused"


def test_it_ends_when_it_is_not_needed_any_more(line: ServiceLine, sandy: User) -> None:
    window = release(line, sandy)
    run()
    with clock.at(later(2)):
        lift_hold(account_id=line.account_id, cause_key="non_payment", why="paid")
    assert run(2) == {}
    window.refresh_from_db()
    assert (window.ended_how, held()) == ("freed", {})


def test_it_takes_a_payment_window_over_and_the_line_is_not_closed_in_between(line: ServiceLine, sandy: User) -> None:
    with clock.at(NIGHT):
        open_window(account_id=line.account_id, key="attempt:1", scope="case:1", why="the page was opened")
    run()
    release(line, sandy, after=0.1)
    assert run(0.1) == {}
    assert run(1) == {}
    assert held() == {}
    with clock.at(later(0.15)):
        end_window(line.account_id, how=PaymentWindow.Ended.BY_HAND)
    assert EnforcementTask.objects.latest("pk").recloses, "what the first window knew of the line was kept"


def test_a_customer_who_pays_during_it_neither_ends_it_nor_uses_up_a_window(line: ServiceLine, sandy: User) -> None:
    window = release(line, sandy)
    run()
    with clock.at(later(1)):
        same = open_window(account_id=line.account_id, key="attempt:1", scope="case:1", why="the page was opened")
        assert (same.pk, same.key) == (window.pk, window.key)
        assert end_window(line.account_id, how=PaymentWindow.Ended.LEFT, key="attempt:1") is None
    window.refresh_from_db()
    assert (window.ended_at, window.closes_at) == (None, later(24))
    assert run(24)
    for press in range(2):
        with clock.at(later(25 + press)):
            open_window(account_id=line.account_id, key=f"attempt:{press + 2}", scope="case:1", why="page")
        run(25.5 + press)
    assert PaymentWindow.objects.filter(kind="payment").count() == 2


def test_the_hold_and_what_the_line_should_be_stand_as_before_after_it(line: ServiceLine, sandy: User) -> None:
    release(line, sandy)
    assert LineState.objects.get().desired_level == "open"
    run(24)
    assert LineState.objects.get().desired_level == "suspend"
    assert Hold.objects.get().lifted_at is None
