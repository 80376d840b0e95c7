"""Two people give the last extension at once: one gets it, the other reads the limit (A9)."""

import sys
import threading
from datetime import date
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from billing_project.kernel import nudge
from billing_project.kernel.errors import Refused, StaleState
from delinquency.models import GraceGrant, GraceRequest
from delinquency.operations import asked_time, grant_grace
from tests.factories import allow_grace, make_staff, make_support
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE_SECONDS = 1.5
GRACE: Any = sys.modules[grant_grace.__module__]


@pytest.fixture
def story() -> Story:
    """Return a customer with one of two extensions used."""
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-19")
    story.gets_grace("2026-01-19 12:00", "2026-01-26")
    return story


def give_at_once(story: Story, people: list[User], monkeypatch: pytest.MonkeyPatch) -> tuple[bool, list[str]]:
    """Let people give more time at once, each waiting after the count until another has counted too."""
    barrier, met, refused = threading.Barrier(2), threading.Event(), []
    count = GRACE.allowance_of

    def count_and_wait(*args: Any) -> Any:
        found = count(*args)
        try:
            barrier.wait(PATIENCE_SECONDS)
            met.set()
        except threading.BrokenBarrierError:
            barrier.reset()
        return found

    monkeypatch.setattr(GRACE, "allowance_of", count_and_wait)

    def work(by: User) -> None:
        try:
            with story.now("2026-01-19 13:00"), nudge.recorded():
                grant_grace(account=story.account, until_on=date(2026, 1, 27), reason="asked", by=by)
        except Refused as refusal:
            refused.append(refusal.code)
        finally:
            connection.close()

    workers = [threading.Thread(target=work, args=(by,)) for by in people]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    return met.is_set(), refused


def test_the_last_extension_is_given_once(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    met, refused = give_at_once(story, [make_support("sandy"), make_support("sue")], monkeypatch)
    assert not met
    assert refused == ["grace_limit"]
    assert GraceGrant.objects.count() == 2


def test_control_without_the_lock_it_is_given_twice(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GRACE, "lock_row", lambda _rows, _pk: None)
    met, refused = give_at_once(story, [make_support("sandy"), make_support("sue")], monkeypatch)
    assert met
    assert refused == []
    assert GraceGrant.objects.count() == 3


def test_one_request_is_approved_once_by_two_people_at_once(story: Story) -> None:
    sandy = allow_grace(make_staff("sandy", "grant_grace"), times=2, days=3)
    with story.now("2026-01-19 13:00"), nudge.recorded():
        request = asked_time.give_or_ask(account=story.account, until_on=date(2026, 2, 9), reason="x", by=sandy)
    assert isinstance(request, GraceRequest)
    both, came = threading.Barrier(2), []

    def work(by: User) -> None:
        try:
            both.wait(PATIENCE_SECONDS)
            with story.now("2026-01-19 13:00"), nudge.recorded():
                asked_time.approve(request, by=by)
            came.append("approved")
        except StaleState:
            came.append("stale")
        finally:
            connection.close()

    workers = [threading.Thread(target=work, args=(make_staff(name, "approve_grace"),)) for name in ("mia", "max")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert sorted(came) == ["approved", "stale"]
    assert GraceGrant.objects.count() == 2
