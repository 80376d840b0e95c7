"""Two workers look at one account at once: the second waits for the first, and then finds nothing to do."""

import sys
import threading
from typing import Any

import pytest
from django.db import connection

from accounts.models import Notice
from billing_project.kernel import nudge
from delinquency.models import Event
from delinquency.operations import reassess_many
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE_SECONDS = 1.5
# By its name: the package has a function of the same one.
LOOKS: Any = sys.modules[reassess_many.__module__]


class Meeting:
    """Makes every look wait, between reading and deciding, until a second one has read as well."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.barrier, self.met = threading.Barrier(2), False
        read = LOOKS.read_positions

        def read_and_wait(accounts: Any) -> Any:
            found = read(accounts)
            try:
                self.barrier.wait(PATIENCE_SECONDS)
                self.met = True
            except threading.BrokenBarrierError:
                self.barrier.reset()
            return found

        monkeypatch.setattr(LOOKS, "read_positions", read_and_wait)


@pytest.fixture
def story() -> Story:
    """Return a customer who becomes delinquent at the next check."""
    story = Story(sonar(), first_bill_on="2026-01-01", sends=True)
    story.days("2026-01-01", "2026-01-20")
    return story


def look_twice_at_once(story: Story) -> list[BaseException]:
    """Let two workers look at the account at the same moment; return what went wrong."""
    errors: list[BaseException] = []

    def work() -> None:
        try:
            with story.now("2026-01-21 09:05"), nudge.recorded():
                reassess_many([story.account.pk])
        except Exception as error:  # noqa: BLE001 - handed to the test
            errors.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    return errors


def test_two_looks_at_once_decide_once(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = Meeting(monkeypatch)
    assert look_twice_at_once(story) == []
    assert not meeting.met
    assert Event.objects.filter(kind="account_delinquent").count() == 1
    assert Notice.objects.count() == 1


def test_control_without_the_lock_both_decide_and_only_the_constraint_stops_the_second(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = Meeting(monkeypatch)
    monkeypatch.setattr(
        LOOKS, "lock_rows", lambda rows, pks: list(rows.filter(pk__in=pks).select_related("status", "company"))
    )
    errors = look_twice_at_once(story)
    assert meeting.met
    assert [type(error).__name__ for error in errors] == ["IntegrityError"]
    assert Event.objects.filter(kind="account_delinquent").count() == 1
