"""Above a limit a second person decides: more time, promises and releases (A9, SEC-21)."""

from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from delinquency.models import GraceGrant, GraceRequest, Promise
from delinquency.operations import asked_time, grant_grace, promise_to_pay
from netenforce.models import PaymentWindow, ReleaseLimit, ReleaseRequest
from netenforce.operations import asked_releases, place_hold, release_account
from tests.factories import allow_grace, instant, make_account, make_device, make_line, make_staff
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db
NOON = "2026-01-18 12:00"
DECIDES = ("view_account", "approve_grace", "view_gracerequest", "approve_release", "view_releaserequest")


@pytest.fixture
def story() -> Story:
    """Return a customer billed on 2026-01-01, before the invoice is due."""
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-18")
    return story


@pytest.fixture
def sandy() -> User:
    """Return support: 14 days, twice."""
    rights = ("view_account", "grant_grace", "view_gracerequest", "view_releaserequest")
    return allow_grace(make_staff("sandy", *rights), times=2, days=14)


@pytest.fixture
def mia() -> User:
    """Return somebody who decides for others, and gives nothing alone."""
    return make_staff("mia", *DECIDES)


def ask(story: Story, by: User, until: str = "2026-02-18", **more: Any) -> GraceRequest:
    """Ask for more than may be given alone."""
    with story.now(NOON):
        made = asked_time.give_or_ask(
            account=story.account, until_on=date.fromisoformat(until), reason="storm", by=by, **more
        )
    assert isinstance(made, GraceRequest)
    return made


def test_within_the_limit_it_is_given_and_above_it_waits(story: Story, sandy: User, mia: User) -> None:
    with story.now(NOON):
        given = asked_time.give_or_ask(account=story.account, until_on=date(2026, 2, 1), reason="x", by=sandy)
    assert isinstance(given, GraceGrant)
    request = ask(story, sandy)
    assert (GraceGrant.objects.count(), request.state, asked_time.waiting_for(mia).count()) == (1, "waiting", 1)
    with story.now(NOON):
        asked_time.approve(request, by=mia, note="fine")
    grant = GraceGrant.objects.first()
    assert grant is not None
    assert (grant.until_on, grant.granted_by, grant.request.decided_by) == (date(2026, 2, 18), sandy, mia)


def test_nobody_decides_their_own_request_and_the_database_refuses_it_too(story: Story, mia: User) -> None:
    mia.user_permissions.add(*make_staff("x", "grant_grace").user_permissions.all())
    mia = User.objects.get(pk=mia.pk)
    request = ask(story, mia)
    with story.now(NOON), pytest.raises(Refused, match="asked for this yourself"):
        asked_time.approve(request, by=mia)
    assert not asked_time.waiting_for(mia).exists()
    with pytest.raises(IntegrityError), transaction.atomic():
        GraceRequest.objects.filter(pk=request.pk).update(state="refused", decided_by=mia, decided_at=clock.now())


def test_who_may_not_decide_does_not(story: Story, sandy: User) -> None:
    request, other = ask(story, sandy), allow_grace(make_staff("sue", "grant_grace"))
    with story.now(NOON), pytest.raises(Refused, match="may not decide"):
        asked_time.approve(request, by=other)


def test_an_approval_is_used_up_by_what_came_of_it(story: Story, sandy: User, mia: User) -> None:
    request = ask(story, sandy)
    with story.now(NOON):
        asked_time.approve(request, by=mia)
    request.refresh_from_db()
    for until, by in ((date(2026, 3, 18), sandy), (date(2026, 3, 18), make_staff("zoe"))):
        with story.now("2026-01-19 12:00"), pytest.raises(Refused) as refusal:
            grant_grace(account=story.account, until_on=until, reason="x", by=by, approval=request)
        assert refusal.value.code == "grace_limit"


def test_what_was_decided_is_decided_once_and_what_is_impossible_still_waits(
    story: Story, sandy: User, mia: User
) -> None:
    request = ask(story, sandy)
    with story.now("2026-02-18 12:00"), pytest.raises(Refused, match="is not after today"):
        asked_time.approve(request, by=mia)
    request.refresh_from_db()
    assert request.state == "waiting"
    with pytest.raises(Refused, match="Say why it is refused"):
        asked_time.refuse(request, by=mia, note=" ")
    asked_time.refuse(request, by=mia, note="too late")
    with pytest.raises(StaleState, match="refused already"):
        asked_time.approve(request, by=mia)
    with pytest.raises(StaleState):
        asked_time.withdraw(request, by=sandy)


def test_what_could_not_be_given_is_not_asked_for_and_one_request_waits_at_a_time(story: Story, sandy: User) -> None:
    with story.now(NOON), pytest.raises(Refused, match="owes nothing"):
        asked_time.promise_or_ask(
            account=make_paid(story), pay_by_on=date(2026, 3, 1), by=sandy, amount=None, channel="phone", note="",
            lift_now=False,
        )  # fmt: skip
    assert not GraceRequest.objects.exists()
    request = ask(story, sandy)
    with story.now(NOON), pytest.raises(Refused, match="sandy has asked for this already"):
        asked_time.give_or_ask(account=story.account, until_on=date(2026, 2, 20), reason="x", by=sandy)
    asked_time.withdraw(request, by=sandy)
    assert ask(story, sandy).pk != request.pk


def make_paid(story: Story) -> Account:
    """Return another account, under the same policy, that owes nothing."""
    other = Story(sonar(), first_bill_on="2026-05-01", number="1002")
    assert other.account.pk != story.account.pk
    return other.account


def test_a_promise_above_the_limit_is_noted_when_it_is_approved(story: Story, sandy: User, mia: User) -> None:
    with story.now(NOON):
        request = asked_time.promise_or_ask(
            account=story.account, pay_by_on=date(2026, 2, 20), by=sandy, amount=None, channel="phone",
            note="after the harvest", lift_now=False,
        )  # fmt: skip
        assert isinstance(request, GraceRequest)
        assert (str(request), request.until_on) == ("promise by 2026-02-20", date(2026, 2, 21))
        assert not Promise.objects.exists()
        asked_time.approve(request, by=mia)
    promise = Promise.objects.get()
    assert (promise.pay_by_on, promise.made_by, promise.grant.request.pk) == (date(2026, 2, 20), sandy, request.pk)
    with story.now(NOON), pytest.raises(Refused, match="already"):
        promise_to_pay(account=story.account, pay_by_on=date(2026, 2, 20), by=sandy)


def test_the_page_of_a_request_offers_each_person_what_is_theirs(story: Story, sandy: User, mia: User) -> None:
    request = ask(story, sandy)
    page = reverse("admin:delinquency_gracerequest_change", args=[request.pk])
    for person, offered, missing in ((mia, "Approve", "Take the request back"), (sandy, "Take the request", "Refuse")):
        client = Client()
        client.force_login(person)
        said = client.get(page).content.decode()
        assert offered in said
        assert missing not in said
    approve = reverse("admin:delinquency_gracerequest_approve", args=[request.pk])
    mine, hers = Client(), Client()
    mine.force_login(sandy)
    hers.force_login(mia)
    assert mine.post(approve, {"note": ""}).status_code == 403
    with story.now(NOON):
        assert "No more time in the last 12 months" in hers.get(approve).content.decode()
        assert hers.post(approve, {"note": "fine"}).status_code == 303
    assert GraceGrant.objects.get().granted_by == sandy


# --- releases without payment ------------------------------------------------------------------------------------


@pytest.fixture
def cut() -> Account:
    """Return an account that is held over money."""
    account = make_account(number="T-77")
    make_line(account, "100.64.0.9", device=make_device())
    place_hold(account_id=account.pk, cause="non_payment", cause_key="x", level="suspend", why="unpaid")
    return account


@pytest.fixture
def desk(sandy: User) -> User:
    """Return support that may release for a day, once in 30 days."""
    group = Group.objects.create(name="Release desk")
    ReleaseLimit.objects.create(group=group, hours_max=24, releases_a_month=1)
    sandy.groups.add(group)
    return sandy


def test_a_release_above_the_limit_waits_and_opens_when_it_is_approved(cut: Account, desk: User, mia: User) -> None:
    with clock.at(instant(NOON)):
        request = asked_releases.release_or_ask(account_id=cut.pk, hours=48, why="storm", by=desk)
        assert isinstance(request, ReleaseRequest)
        assert not PaymentWindow.objects.exists()
        with pytest.raises(Refused, match="asked for this already"):
            asked_releases.release_or_ask(account_id=cut.pk, hours=48, why="storm", by=desk)
        with pytest.raises(Refused, match="yourself"):
            asked_releases.approve(request, by=desk)
        asked_releases.approve(request, by=mia)
    window = PaymentWindow.objects.get()
    assert (window.opened_by, window.closes_at, window.request.pk) == (desk, instant("2026-01-20 12:00"), request.pk)
    request.refresh_from_db()
    with clock.at(instant("2026-01-21 12:00")):
        with pytest.raises(Refused, match="beyond what"):
            release_account(account_id=cut.pk, hours=48, why="x", by=desk, approval=request)
        again = asked_releases.release_or_ask(account_id=cut.pk, hours=2, why="once more", by=desk)
        assert isinstance(again, ReleaseRequest)
        asked_releases.refuse(again, by=mia, note="no more")
    assert PaymentWindow.objects.count() == 1


def test_more_than_a_week_is_not_asked_for_and_who_may_not_release_does_not_ask(cut: Account, desk: User) -> None:
    for by, hours, code in ((desk, 169, "too_long"), (make_staff("nelly"), 2, "no_right")):
        with pytest.raises(Refused) as refusal:
            asked_releases.release_or_ask(account_id=cut.pk, hours=hours, why="x", by=by)
        assert refusal.value.code == code
    assert not ReleaseRequest.objects.exists()


def test_the_release_page_asks_a_second_person_above_the_limit(cut: Account, desk: User) -> None:
    client = Client()
    desk.user_permissions.add(*make_staff("y", "view_linestate", "view_serviceline").user_permissions.all())
    client.force_login(User.objects.get(pk=desk.pk))
    page = reverse("admin:netenforce_linestate_release", args=[cut.service_lines.get().pk])
    assert "Above that a second person is asked." in client.get(page).content.decode()
    client.post(page, {"hours": "48", "reason": "storm"})
    assert ReleaseRequest.objects.get().hours == 48
