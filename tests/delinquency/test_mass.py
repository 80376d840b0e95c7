"""One thing done to many: looked at first, carried out by any worker, nothing twice, nothing lost (U05 to U07)."""

import sys
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from delinquency.models import AccountHold, GraceGrant, MassAction, MassItem, Standing
from delinquency.operations import grant_grace, mass
from tests.backoffice import make_customer, make_version
from tests.factories import allow_grace, instant, make_account, make_staff, make_status

pytestmark = pytest.mark.django_db
NOON = instant("2026-01-18 12:00")
CHUNKS: Any = sys.modules["delinquency.operations.mass.chunks"]
ENGINE: Any = sys.modules["delinquency.operations.mass.engine"]
Kind = MassAction.Kind
UNTIL = "2026-01-26"


@pytest.fixture
def casey() -> User:
    """Return a billing clerk who may do all of this."""
    return allow_grace(
        make_staff("casey", "view_account", "set_status", "add_gracegrant", "mass_grace", "hold_accounts")
    )


@pytest.fixture
def town() -> list[Account]:
    """Return six customers of one policy."""
    version = make_version()
    return [make_customer(str(10001 + number), version) for number in range(6)]


def grace(by: User, **parameters: Any) -> MassAction:
    """Begin to give all accounts more time."""
    return mass.prepare(Kind.GRACE, Account.objects.all(), by=by, parameters={"until_on": UNTIL} | parameters)


def states(action: MassAction) -> list[str]:
    """Return the state of each item."""
    return list(action.items.order_by("pk").values_list("state", flat=True))


@pytest.fixture(autouse=True)
def _now() -> Any:
    with clock.at(NOON):
        yield


def test_looking_writes_nothing_but_the_plan_and_names_who_is_left_out(casey: User, town: list[Account]) -> None:
    make_account(number="20001")
    Account.objects.filter(pk=town[1].pk).update(closed_on="2026-01-10")
    grant_grace(account=town[2], until_on=clock.today() + timedelta(days=30), reason="asked")
    action = grace(casey)
    assert (action.state, action.total, action.looked_at, action.to_do) == ("ready", 7, 7, 4)
    assert GraceGrant.objects.count() == 1
    left = dict(action.items.filter(state="excluded").values_list("code", "reason"))
    assert set(left) == {"closed", "longer_already", "no_policy"}
    assert left["longer_already"] == "Account 10003 has until 2026-02-17 already."
    assert sum(item.amount or 0 for item in action.items.filter(state="waiting")) == 400


def test_a_confirmed_action_is_done_to_each_once_with_its_reason(casey: User, town: list[Account]) -> None:
    action = mass.confirm(grace(casey), reason="the bank was down", by=casey)
    assert (action.state, action.done, action.failed, action.changed) == ("done", 6, 0, 0)
    assert set(GraceGrant.objects.values_list("reason", "granted_by")) == {("the bank was down", casey.pk)}
    assert Standing.objects.filter(grace_until=UNTIL).count() == 6
    assert mass.work_on(action.pk) == 0
    assert GraceGrant.objects.count() == 6


def test_no_reason_no_right_and_an_old_look_are_refused(casey: User, town: list[Account]) -> None:
    action = grace(casey)
    with pytest.raises(Refused, match="Say why"):
        mass.confirm(action, reason=" ", by=casey)
    with pytest.raises(Refused, match="may not do this to many"):
        mass.confirm(action, reason="x", by=make_staff("sandy", "add_gracegrant"))
    with clock.at(NOON + timedelta(hours=25)), pytest.raises(Refused, match="more than a day ago"):
        mass.confirm(action, reason="x", by=casey)
    with pytest.raises(Refused, match="may not do this to many"):
        grace(make_staff("sam", "view_account"))
    with pytest.raises(Refused, match="Nothing is chosen"):
        mass.prepare(Kind.GRACE, Account.objects.none(), by=casey, parameters={"until_on": UNTIL})


def test_what_changed_since_the_preview_is_left_out_and_says_what(
    casey: User, town: list[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    action = grace(casey)
    grant_grace(account=town[0], until_on=clock.today() + timedelta(days=2), reason="asked")
    Account.objects.filter(pk=town[1].pk).update(closed_on="2026-01-18")
    done = mass.confirm(action, reason="x", by=casey)
    assert (done.done, done.changed) == (4, 2)
    words = dict(done.items.filter(state="excluded").values_list("label", "reason"))
    assert "Grace Until was blank, and is 2026-01-20 now" in words["10001 Customer 10001"]
    assert words["10002 Customer 10002"].startswith("Changed since the preview: Account 10002 was closed")


def test_a_worker_killed_in_the_middle_leaves_nothing_half_done_and_the_next_goes_on(
    casey: User, town: list[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CHUNKS, "CARRIED_OUT", 2)
    action = grace(casey)
    monkeypatch.setattr(ENGINE, "SECONDS_AT_ONCE", -1)
    mass.confirm(action, reason="x", by=casey)
    assert GraceGrant.objects.count() == 2  # one chunk, then the person does not wait any longer

    class Killed(BaseException):
        pass

    kind, given = mass.KINDS[Kind.GRACE], []
    carry_out = kind.carry_out

    def die_at_the_second(*args: Any) -> str:
        given.append(args)
        if len(given) == 2:
            raise Killed
        return carry_out(*args)

    with monkeypatch.context() as dying:
        dying.setattr(kind, "carry_out", die_at_the_second, raising=False)
        with pytest.raises(Killed), transaction.atomic():
            mass.work_on(action.pk)
    assert (GraceGrant.objects.count(), states(action).count("done")) == (2, 2)
    assert mass.work_on_all() == 4
    action.refresh_from_db()
    assert (action.state, action.done, GraceGrant.objects.count()) == ("done", 6, 6)


def test_a_pause_stops_after_the_chunk_and_going_on_does_the_rest(
    casey: User, town: list[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CHUNKS, "CARRIED_OUT", 2)
    action = grace(casey)
    monkeypatch.setattr(ENGINE, "SECONDS_AT_ONCE", -1)
    mass.confirm(action, reason="x", by=casey)
    mass.pause(action)
    assert mass.work_on_all() == 0
    with pytest.raises(StaleState):
        mass.pause(action)
    monkeypatch.setattr(ENGINE, "SECONDS_AT_ONCE", 5)
    assert mass.go_on(action, by=casey).done == 6


def test_cancelling_leaves_the_rest_and_what_was_done_can_be_undone(
    casey: User, town: list[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CHUNKS, "CARRIED_OUT", 2)
    action = grace(casey)
    with monkeypatch.context() as slow:
        slow.setattr(ENGINE, "SECONDS_AT_ONCE", -1)
        mass.confirm(action, reason="x", by=casey)
    stopped = mass.cancel(action)
    assert (stopped.state, stopped.done, GraceGrant.objects.count()) == ("cancelled", 2, 2)
    back = mass.undo(stopped, reason="a mistake", by=casey)
    assert (back.state, back.done) == ("done", 2)
    assert states(action) == ["undone"] * 2 + ["waiting"] * 4
    assert not Standing.objects.filter(grace_until__gt=clock.today()).exists()


def test_whoever_loses_the_right_meanwhile_does_no_more_and_the_page_says_so(
    casey: User, town: list[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CHUNKS, "CARRIED_OUT", 2)
    action = grace(casey)
    monkeypatch.setattr(ENGINE, "SECONDS_AT_ONCE", -1)
    mass.confirm(action, reason="x", by=casey)
    User.objects.filter(pk=casey.pk).update(is_active=False)
    assert mass.work_on(action.pk) == 0
    action.refresh_from_db()
    assert (action.state, action.done) == ("paused", 2)
    assert "may not do this to many" in action.paused_why


def test_what_fails_says_why_and_can_be_tried_again(
    casey: User, town: list[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = mass.KINDS[Kind.GRACE]
    carry_out = kind.carry_out

    def fail_once(item: MassItem, *args: Any) -> str:
        if item.object_id == town[3].pk:
            raise ValueError("odd data")
        return carry_out(item, *args)

    with monkeypatch.context() as failing:
        failing.setattr(kind, "carry_out", fail_once, raising=False)
        action = mass.confirm(grace(casey), reason="x", by=casey)
    assert (action.state, action.done, action.failed) == ("done", 5, 1)
    assert "could not be worked out (ValueError)" in action.items.get(state="failed").reason
    again = mass.try_again(action, by=casey)
    assert (again.state, again.done, again.failed) == ("done", 6, 0)


def test_undo_is_refused_after_ten_minutes_and_a_second_time(casey: User, town: list[Account]) -> None:
    action = mass.confirm(grace(casey), reason="x", by=casey)
    with clock.at(NOON + timedelta(minutes=11)), pytest.raises(Refused, match="More than 10 minutes"):
        mass.undo(action, reason="late", by=casey)
    mass.undo(action, reason="a mistake", by=casey)
    with pytest.raises(Refused, match="Nothing of it is left"):
        mass.undo(action, reason="again", by=casey)
    assert GraceGrant.objects.filter(withdraws__isnull=False).count() == 6


def test_the_database_refuses_the_same_object_or_effect_twice(casey: User, town: list[Account]) -> None:
    action = mass.confirm(grace(casey), reason="x", by=casey)
    first = action.items.first()
    assert first is not None
    for fields in ({"object_id": first.object_id}, {"object_id": 1, "effect": first.effect, "state": "done"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            MassItem.objects.create(action=action, **fields)


def test_an_area_is_put_on_hold_and_let_go_again(casey: User, town: list[Account]) -> None:
    asked = {"until_on": UNTIL, "resume": "anew", "anew_days": 3, "free_now": False}
    action = mass.prepare(Kind.HOLD, Account.objects.all(), by=casey, parameters=asked)
    assert (action.to_do, AccountHold.objects.count()) == (6, 0)
    mass.confirm(action, reason="Storm", by=casey)
    assert Standing.objects.filter(held_until=UNTIL, grace_until="2026-01-29").count() == 6
    action.refresh_from_db()
    assert mass.undo(action, reason="wrong valley", by=casey).done == 6
    assert not Standing.objects.filter(held_until__isnull=False).exists()
    assert AccountHold.objects.filter(ended_why="wrong valley").count() == 6


def test_a_status_is_changed_and_given_back_except_where_it_was_changed_again(casey: User, town: list[Account]) -> None:
    away, other = make_status("Vacation", activates=False), make_status("Other", activates=False)
    asked = {"status": away.pk, "status_name": "Vacation"}
    action = mass.prepare(Kind.STATUS, Account.objects.all(), by=casey, parameters=asked)
    action = mass.confirm(action, reason="Season", by=casey)
    assert Account.objects.filter(status=away).count() == 6
    Account.objects.filter(pk=town[0].pk).update(status=other)
    back = mass.undo(action, reason="a mistake", by=casey)
    assert (back.done, back.failed) == (5, 1)
    assert "is Other by now" in back.items.get(state="failed").reason


@pytest.mark.parametrize("kind", [Kind.GRACE, Kind.HOLD, Kind.STATUS])
def test_a_chunk_is_looked_at_in_a_constant_number_of_queries(casey: User, kind: MassAction.Kind) -> None:
    version, status = make_version(), make_status("Vacation", activates=False)
    asked = {
        "until_on": UNTIL, "resume": "go_on", "anew_days": 0, "status": status.pk, "status_name": "Vacation",
    }  # fmt: skip
    casey.has_perm("x")  # read once, as for a request
    counted = []
    for first, many in ((30001, 3), (30101, 12)):
        rows = [make_customer(str(first + number), version).pk for number in range(many)]
        with CaptureQueriesContext(connection) as queries:
            mass.prepare(kind, Account.objects.filter(pk__in=rows), by=casey, parameters=asked)
        counted.append(len(queries))
    assert counted[0] == counted[1]


def test_a_chunk_that_ends_after_the_cancelling_is_taken_back_so_that_undoing_misses_nothing(
    casey: User, town: list[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ENGINE, "SECONDS_AT_ONCE", -1)
    monkeypatch.setattr(CHUNKS, "CARRIED_OUT", 2)
    action = grace(casey)
    mass.work_on(action.pk)
    action = mass.confirm(action, reason="x", by=casey)  # its first chunk is done at once
    kind = mass.KINDS[Kind.GRACE]
    carry_out = kind.carry_out

    def cancelled_meanwhile(item: MassItem, *args: Any) -> str:
        MassAction.objects.filter(pk=action.pk).update(state="cancelled", finished_at=NOON)
        return carry_out(item, *args)

    monkeypatch.setattr(kind, "carry_out", cancelled_meanwhile, raising=False)
    with pytest.raises(StaleState, match="cancelled while a chunk"):
        CHUNKS.work_on_chunk(action.pk)
    assert (GraceGrant.objects.count(), states(action).count("done")) == (2, 2)
