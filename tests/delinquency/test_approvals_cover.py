"""What a second person approved covers that one act of that one person for that account, and nothing beside it."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from accounts import second_person
from accounts.models import Account, User
from accounts.second_person import State
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.models import GraceRequest
from delinquency.operations import grant_grace
from tests.factories import allow_grace, instant, make_account, make_staff
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db
UNTIL = date(2026, 2, 18)


@pytest.fixture
def approved() -> GraceRequest:
    """Return a request of sandy's that mia has approved, and of which nothing came yet."""
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-18")
    sandy = allow_grace(make_staff("sandy", "view_account", "grant_grace"), times=2, days=14)
    return GraceRequest(
        account=story.account, until_on=UNTIL, reason="x", asked_by=sandy, state=State.APPROVED,
        decided_by=make_staff("mia"),
    )  # fmt: skip


def covers(row: GraceRequest | None, *, account: Account, by: User | None) -> bool:
    """Tell whether a request covers what somebody does for an account."""
    return second_person.covers(row, account_id=account.pk, by=by)


def test_it_covers_whoever_asked_and_their_account(approved: GraceRequest) -> None:
    assert covers(approved, account=approved.account, by=approved.asked_by)
    assert not covers(None, account=approved.account, by=approved.asked_by)
    assert not covers(approved, account=make_account(), by=approved.asked_by)
    assert not covers(approved, account=approved.account, by=approved.decided_by)
    assert not covers(approved, account=approved.account, by=None)


@pytest.mark.parametrize(
    "change",
    [
        lambda row: {"state": State.WAITING},
        lambda row: {"state": State.REFUSED},
        lambda row: {"state": State.WITHDRAWN},
        lambda row: {"decided_by": None},
        lambda row: {"decided_by": row.asked_by},
    ],
)
def test_what_nobody_else_approved_covers_nothing(
    approved: GraceRequest, change: Callable[[GraceRequest], dict[str, Any]]
) -> None:
    for name, value in change(approved).items():
        setattr(approved, name, value)
    assert not covers(approved, account=approved.account, by=approved.asked_by)


@pytest.mark.parametrize("other", [{"until_on": date(2026, 2, 19)}, {"lift_now": True}])
def test_neither_another_day_nor_lifting_now_is_given_by_it(approved: GraceRequest, other: dict[str, Any]) -> None:
    wanted: dict[str, Any] = {"until_on": UNTIL, "lift_now": False} | other
    with clock.at(instant("2026-01-19 12:00")), pytest.raises(Refused) as refusal:
        grant_grace(account=approved.account, reason="x", by=approved.asked_by, approval=approved, **wanted)
    assert refusal.value.code == "grace_limit"
