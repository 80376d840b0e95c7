"""Lists that take lines by account alone (S21): placed and lifted with the status, the type and the list."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, AccountType, Attention
from accounts.operations import change_status
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from netenforce.models import AddressList, EnforcementTask, Hold, LineState, PaymentWindow
from netenforce.operations import follow_accounts, lift_hold, open_window, place_hold
from netenforce.operations.lists import accounts_astray, follow_everybody, note_missing_lists
from netenforce.queries import counting_holds
from netenforce.signals import status_for_money_wanted
from tests.factories import make_account, make_device, make_line, make_status

pytestmark = pytest.mark.django_db


def taking(
    name: str = "Off", *, level: str = "suspend", statuses: tuple[str, ...] = (), types: Any = ()
) -> AddressList:
    made = AddressList.objects.create(name=name, level=level, by_account=True)
    made.statuses.set([make_status(one, activates=False) for one in statuses])
    made.account_types.set(types)
    return made


def switch(account: Account, status: str, *, by_delinquency: bool = False) -> None:
    known = make_status(status, activates=status == "Active")
    change_status(account, known, reason="test", by_delinquency=by_delinquency)


def level_of(account: Account) -> str:
    return LineState.objects.get(line__account=account).desired_level


@pytest.fixture
def account() -> Account:
    made = make_account()
    make_line(made, "100.64.0.1", device=make_device())
    return made


def test_a_status_that_a_list_takes_restricts_and_its_end_frees_at_once(account: Account) -> None:
    made = taking(statuses=("Inactive", "Delinquent"))
    switch(account, "Inactive")
    hold = Hold.objects.get()
    assert (hold.cause, hold.cause_key, hold.level, hold.why, hold.paying_ends) == (
        "status", f"list:{made.pk}", "suspend", "Account status Inactive: list Off", False,
    )  # fmt: skip
    assert level_of(account) == "suspend"
    EnforcementTask.objects.update(state="confirmed", attempts=1)
    LineState.objects.update(observed_level="suspend", observed_list="Off")
    switch(account, "Delinquent")  # taken by the same list: nothing is opened in between
    assert (Hold.objects.get().lifted_at, EnforcementTask.objects.count()) == (None, 1)
    switch(account, "Active")
    hold.refresh_from_db()
    assert hold.lifted_why.startswith("No list takes accounts with status Active")
    order = EnforcementTask.objects.get(state="queued")
    assert (order.level, order.restores) == ("open", True)
    assert order.due_at <= clock.now()


def test_a_list_that_is_off_by_default_or_names_nobody_takes_nobody(account: Account) -> None:
    AddressList.objects.create(name="Everybody", level="suspend", by_account=True)
    AddressList.objects.create(name="Not by itself", level="suspend").statuses.add(make_status("Inactive"))
    switch(account, "Inactive")
    assert (follow_everybody(), Hold.objects.count()) == (0, 0)


def test_a_type_and_a_status_are_both_asked_for(account: Account) -> None:
    business = AccountType.objects.create(name="Shop", is_business=True)
    taking(statuses=("Inactive",), types=[business])
    switch(account, "Inactive")
    assert not Hold.objects.exists()
    account.account_type = business
    account.save()
    assert Hold.objects.get().why == "Account status Inactive, type Shop: list Off"


def test_lifting_the_status_leaves_the_other_causes(account: Account) -> None:
    taking(statuses=("Inactive",))
    place_hold(account_id=account.pk, cause="abuse", cause_key="hand:abuse", level="throttle", why="spam")
    switch(account, "Inactive")
    assert level_of(account) == "suspend"
    switch(account, "Active")
    assert level_of(account) == "throttle"
    lift_hold(account_id=account.pk, cause_key="hand:abuse", why="clean")
    assert level_of(account) == "open"


def test_a_list_that_is_changed_takes_and_frees_whom_it_says_now() -> None:
    device = make_device()
    accounts = [make_account(status=make_status("Inactive", activates=False)) for _ in range(5)]
    for number, one in enumerate(accounts):
        make_line(one, f"100.64.0.{number + 1}", device=device)
    made = taking(statuses=("Inactive",))
    assert accounts_astray() == [one.pk for one in accounts]
    ticks: list[int] = []
    assert (follow_everybody(ticks.append), accounts_astray(), ticks) == (5, [], [5])
    assert Hold.objects.filter(lifted_at=None).count() == EnforcementTask.objects.filter(state="queued").count() == 5
    made.level = "throttle"
    made.save()
    follow_everybody()
    assert set(Hold.objects.values_list("level", "lifted_at")) == {("throttle", None)}
    assert set(LineState.objects.values_list("desired_level", "desired_list")) == {("throttle", "Delinquent-Throttle")}
    made.statuses.set([make_status("Gone", activates=False)])
    assert follow_everybody() == 5
    assert not Hold.objects.filter(lifted_at=None).exists()
    made.statuses.set([make_status("Inactive")])
    follow_everybody()
    made.delete()
    assert (follow_everybody(), Hold.objects.filter(lifted_at=None).count()) == (5, 0)


def test_lines_move_to_the_list_that_their_criteria_say_and_are_not_opened_in_between(account: Account) -> None:
    place_hold(account_id=account.pk, cause="abuse", cause_key="a", level="throttle", why="spam")
    EnforcementTask.objects.update(state="confirmed")
    LineState.objects.update(observed_level="throttle", observed_list="Delinquent-Throttle")
    AddressList.objects.create(
        name="Abusers", level="throttle", cause="abuse", position=10, rate_down_kbit=64, rate_up_kbit=64
    )
    assert follow_everybody() == 1
    order = EnforcementTask.objects.get(state="queued")
    assert (order.level, order.list_name, order.restores) == ("throttle", "Abusers", False)
    assert not EnforcementTask.objects.filter(level="open").exists()
    assert follow_everybody() == 0


def test_the_cost_of_many_accounts_is_the_cost_of_one() -> None:
    device, inactive = make_device(), make_status("Inactive", activates=False)
    accounts = [make_account(status=inactive) for _ in range(21)]
    for number, one in enumerate(accounts):
        make_line(one, f"100.64.1.{number}", device=device)
    taking(statuses=("Inactive",))

    def queries(rows: list[Account]) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert follow_accounts(row.pk for row in rows) == len(rows)
        return len(captured)

    assert queries(accounts[:1]) == queries(accounts[1:])
    with CaptureQueriesContext(connection) as captured:
        assert accounts_astray() == []
    assert len(captured) <= 12
    AddressList.objects.filter(by_account=True).delete()
    assert queries(accounts[:1]) == queries(accounts[1:])


def test_who_is_followed_costs_one_question_where_no_list_looks_at_accounts(account: Account) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert follow_accounts([account.pk]) == 0
    assert len([query for query in captured if "SAVEPOINT" not in query["sql"]]) == 2  # the lists, holds by lists


def test_a_payment_window_rests_what_paying_ends_and_not_a_status_set_by_hand(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking(statuses=("Inactive", "Delinquent"))
    switch(account, "Delinquent", by_delinquency=True)
    assert not Hold.objects.exists()  # delinquency has a whole chunk followed at its end
    monkeypatch.setattr(status_for_money_wanted, "send", lambda **_: [(None, {account.pk})])
    follow_accounts([account.pk])
    assert Hold.objects.get().over_money
    open_window(account_id=account.pk, key="k", scope="s", why="pays")
    assert level_of(account) == "open"
    PaymentWindow.objects.all().delete()
    switch(account, "Inactive")
    assert not Hold.objects.get().over_money
    with pytest.raises(Refused) as refused:
        open_window(account_id=account.pk, key="k", scope="s", why="pays")
    assert refused.value.code == "not_restricted"


def test_a_release_by_staff_rests_all_but_abuse_and_request(account: Account) -> None:
    for cause in ("non_payment", "abuse", "request", "status", "found"):
        Hold.objects.create(account=account, cause=cause, cause_key=cause, level="throttle", why=cause)
    now = clock.now()
    window = PaymentWindow.objects.create(
        account=account, key="k", why="w", opened_at=now, closes_at=now + timedelta(hours=1)
    )
    assert [hold.cause for hold in counting_holds([account.pk])[account.pk]] == ["abuse", "request", "status", "found"]
    window.kind = PaymentWindow.Kind.RELEASE
    window.save()
    assert [hold.cause for hold in counting_holds([account.pk])[account.pk]] == ["abuse", "request"]


def test_a_device_that_carries_no_list_for_a_level_in_use_is_put_before_the_clerks_until_it_does(
    account: Account,
) -> None:
    AddressList.objects.filter(level__in=["walled_garden", "suspend"]).delete()
    assert note_missing_lists() == 0  # nobody is restricted so
    place_hold(account_id=account.pk, cause="abuse", cause_key="a", level="suspend", why="spam")
    follow_everybody()
    open_ones = Attention.objects.filter(code="level-without-list", resolved_at=None)
    assert [row.words[:37] for row in open_ones] == ["Device edge-1 has lines, and of the l"]
    AddressList.objects.create(name="Off", level="suspend")
    assert (note_missing_lists(), open_ones.all().count()) == (0, 0)
