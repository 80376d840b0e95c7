"""Holds by hand: for abuse or at the customer's request, lifted one by one, or by themselves."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import EnforcementTask, Hold, LineState
from netenforce.operations import place_hold
from netenforce.operations.by_hand import lift_by_hand, lift_holds_due, place_by_hand
from tests.backoffice import staff_client
from tests.factories import instant, make_account, make_device, make_line, make_staff

pytestmark = pytest.mark.django_db

NINE = instant("2026-01-21 09:00")


@pytest.fixture
def account() -> Account:
    made = make_account()
    make_line(made, "100.64.0.1", device=make_device())
    return made


def level_of(account: Account) -> str:
    return LineState.objects.get(line__account=account).desired_level


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_each_cause_is_placed_once_and_lifting_one_leaves_the_others(account: Account) -> None:
    boss = User.objects.create_user("boss")
    abuse = place_by_hand(account, cause="abuse", level="walled_garden", reason="spam", by=boss)
    place_by_hand(account, cause="request", level="throttle", reason="away")
    with pytest.raises(Refused) as twice:
        place_by_hand(account, cause="abuse", level="suspend", reason="more spam")
    assert twice.value.code == "held_already"
    lifted = lift_by_hand(abuse, reason="cleaned", by=boss)
    assert (abuse.placed_by, lifted.lifted_by, lifted.lifted_why, level_of(account)) == (
        boss, boss, "cleaned", "throttle",
    )  # fmt: skip
    with pytest.raises(Refused) as again:
        lift_by_hand(abuse, reason="again")
    assert again.value.code == "lifted_already"
    place_by_hand(account, cause="abuse", level="suspend", reason="spam again")
    assert level_of(account) == "suspend"


@pytest.mark.parametrize("cause", ["non_payment", "status", "found"])
def test_no_other_cause_is_placed_by_hand(account: Account, cause: str) -> None:
    with pytest.raises(Refused) as refused:
        place_by_hand(account, cause=cause, level="suspend", reason="x")
    assert (refused.value.code, Hold.objects.count()) == ("cause_not_by_hand", 0)


@pytest.mark.parametrize(
    ("cause", "code"), [("non_payment", "lift_not_for_money"), ("status", "lift_not_by_status"), ("found", "")]
)
def test_what_is_owed_or_follows_from_the_status_is_not_lifted_by_hand(account: Account, cause: str, code: str) -> None:
    hold = place_hold(account_id=account.pk, cause=cause, cause_key="k", level="suspend", why="w")
    if not code:
        assert lift_by_hand(hold, reason="ours").lifted_at is not None
        return
    with pytest.raises(Refused) as refused:
        lift_by_hand(hold, reason="please")
    assert (refused.value.code, level_of(account)) == (code, "suspend")


def test_with_an_end_it_lifts_by_itself_at_that_moment_and_not_before(account: Account) -> None:
    with clock.at(NINE):
        hold = place_by_hand(
            account, cause="request", level="suspend", reason="away", until_at=NINE + timedelta(days=1)
        )
        for wrong in (NINE, NINE - timedelta(seconds=1), NINE + timedelta(days=400)):
            with pytest.raises(Refused):
                place_by_hand(account, cause="abuse", level="suspend", reason="x", until_at=wrong)
    with clock.at(NINE + timedelta(days=1, seconds=-1)):
        assert lift_holds_due() == 0
    dispatch_enforcement(NINE + timedelta(days=1))
    hold.refresh_from_db()
    assert (hold.lifted_at, hold.lifted_why) == (NINE + timedelta(days=1), "Its time was over.")
    assert level_of(account) == "open"
    assert not EnforcementTask.objects.filter(state="queued").exists()


def test_a_clerk_restricts_from_the_accounts_page_and_is_told_what_the_line_is_then(account: Account) -> None:
    client = staff_client()
    place_hold(account_id=account.pk, cause="non_payment", cause_key="k", level="suspend", why="40.00 unpaid")
    address = reverse("admin:accounts_account_restrict_line", args=[account.pk])
    page = text(client.get(address))
    assert "non-payment: suspended: 40.00 unpaid" in page
    assert "In America/New_York." in page
    sent = {"cause": "abuse", "level": "throttle", "reason": "spam", "until": "2099-01-01T10:00"}
    assert "within a year" in text(client.post(address, sent))
    sent["until"] = f"{clock.local(clock.now() + timedelta(days=2), account.timezone):%Y-%m-%dT%H:%M}"
    assert "lines should be suspended now" in text(client.post(address, sent, follow=True))
    hold = Hold.objects.get(cause="abuse")
    assert hold.placed_by is not None
    assert hold.until_at is not None
    assert f"{clock.local(hold.until_at, account.timezone):%Y-%m-%dT%H:%M}" == sent["until"]


def test_a_hold_is_lifted_on_its_page_which_says_what_is_left(account: Account) -> None:
    client = staff_client()
    money = place_hold(account_id=account.pk, cause="non_payment", cause_key="k", level="throttle", why="unpaid")
    abuse = place_by_hand(account, cause="abuse", level="suspend", reason="spam")
    page = text(client.get(reverse("admin:netenforce_hold_change", args=[money.pk])))
    assert "not lifted by hand: record the payment, or give more time" in page
    assert reverse("admin:netenforce_hold_lift", args=[money.pk]) not in page
    address = reverse("admin:netenforce_hold_lift", args=[abuse.pk])
    assert address in text(client.get(reverse("admin:netenforce_hold_change", args=[abuse.pk])))
    page = text(client.get(address))
    assert "still slowed, for what else restricts them: non-payment" in page
    assert client.post(address, {"reason": ""}).status_code == 200
    client.post(address, {"reason": "cleaned"})
    abuse.refresh_from_db()
    assert (abuse.lifted_why, level_of(account)) == ("cleaned", "throttle")
    refused = client.post(reverse("admin:netenforce_hold_lift", args=[money.pk]), {"reason": "please"})
    assert "not lifted by hand" in text(refused)
    money.refresh_from_db()
    assert money.lifted_at is None


def test_who_may_only_look_neither_restricts_nor_lifts(account: Account) -> None:
    hold = place_by_hand(account, cause="abuse", level="suspend", reason="spam")
    client = Client()
    client.force_login(make_staff("looker", "view_account", "view_hold", "change_account"))
    for name, pk in (("accounts_account_restrict_line", account.pk), ("netenforce_hold_lift", hold.pk)):
        answer = client.post(
            reverse(f"admin:{name}", args=[pk]), {"reason": "x", "cause": "request", "level": "suspend"}
        )
        assert answer.status_code in (302, 403)
    hold.refresh_from_db()
    assert (hold.lifted_at, Hold.objects.count()) == (None, 1)
