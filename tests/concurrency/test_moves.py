"""A move to another policy version and a payment at the same moment: one waits for the other, and nothing is lost."""

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from billing_project.kernel import nudge
from delinquency.models import Event, Policy, PolicyMove, PolicyVersion, Standing
from delinquency.operations import import_version, move_accounts, publish
from invoicing.models import Invoice
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE_SECONDS = 1.5
# By its name: the package has a function of the same one.
MOVES: Any = sys.modules[move_accounts.__module__]


class Rendezvous:
    """Holds a move, once it has read where the account stands, until somebody else is there or patience ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, parties: int) -> None:
        self.barrier, self.met = threading.Barrier(parties), False
        read = MOVES._versions

        def read_and_wait(ids: Any) -> Any:
            found = read(list(ids))
            self.wait()
            return found

        monkeypatch.setattr(MOVES, "_versions", read_and_wait)

    def wait(self) -> None:
        """Wait for the other."""
        try:
            self.barrier.wait(PATIENCE_SECONDS)
            self.met = True
        except threading.BrokenBarrierError:
            self.barrier.reset()


@pytest.fixture
def story() -> Story:
    """Return a customer who is delinquent and slowed."""
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-22")
    return story


def longer() -> PolicyVersion:
    """Publish a version with ten days of grace."""
    return publish(import_version(sonar(grace_days=10), policy=Policy.objects.get(name="S")))


def at_once(*works: Callable[[], object]) -> list[BaseException]:
    """Run pieces of work at the same time, each with a connection of its own; return what went wrong."""
    errors: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            with nudge.recorded():
                work()
        except Exception as error:  # noqa: BLE001 - handed to the test
            errors.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=run, args=(work,)) for work in works]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    return errors


def moving(story: Story, version: PolicyVersion) -> Callable[[], object]:
    """Return the work of moving the account."""

    def move() -> object:
        with story.now("2026-01-23 10:00"):
            return move_accounts([story.account.pk], version=version, reason="longer grace")

    return move


def test_a_payment_that_arrives_during_a_move_is_neither_lost_nor_undone(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = longer()
    Rendezvous(monkeypatch, 2)
    assert at_once(moving(story, version), lambda: story.pays("2026-01-23 10:00", "100.00")) == []
    story.days("2026-01-23", "2026-01-24")
    assert Invoice.objects.get().remaining == 0
    standing = Standing.objects.get()
    assert (standing.policy_version, standing.delinquent_since) == (version, None)
    assert Event.objects.filter(kind="account_cured").count() == 1


def test_two_moves_at_once_move_the_account_once(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    version = longer()
    meeting = Rendezvous(monkeypatch, 2)
    assert at_once(moving(story, version), moving(story, version)) == []
    assert not meeting.met
    assert PolicyMove.objects.count() == 1


def test_control_without_the_lock_both_moves_go_through(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    version = longer()
    meeting = Rendezvous(monkeypatch, 2)
    monkeypatch.setattr(MOVES, "lock_rows", lambda rows, pks: list(rows.filter(pk__in=list(pks)).order_by("pk")))
    errors = at_once(moving(story, version), moving(story, version))
    assert meeting.met
    # The second either writes a move from a version to itself, which the table refuses, or moves it once more.
    assert errors or PolicyMove.objects.count() == 2
