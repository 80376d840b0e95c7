"""Two people take the next ticket at once: they get two different ones, and nobody waits for the other (H6)."""

import sys
import threading
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet

from accounts.models import User
from billing_project.kernel import nudge
from billing_project.kernel.errors import Refused
from delinquency.models import Ticket
from delinquency.operations import desk
from delinquency.operations.desk_next import take_next
from tests.factories import make_account, make_staff

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE_SECONDS = 1.5
NEXT: Any = sys.modules[take_next.__module__]


def take_at_once(people: list[User], monkeypatch: pytest.MonkeyPatch) -> tuple[bool, list[str], list[str]]:
    """Let people take at once, each holding what they chose until another has chosen too.

    Returns whether they met, what was taken, and who was refused.
    """
    barrier, met = threading.Barrier(len(people)), threading.Event()
    taken, refused = [], []
    save = NEXT.save_ticket

    def wait_and_save(*args: Any) -> None:
        try:
            barrier.wait(PATIENCE_SECONDS)
            met.set()
        except threading.BrokenBarrierError:
            barrier.reset()
        save(*args)

    monkeypatch.setattr(NEXT, "save_ticket", wait_and_save)

    def work(by: User) -> None:
        try:
            with nudge.recorded():
                taken.append(take_next(by).subject)
        except Refused as refusal:
            refused.append(refusal.code)
        finally:
            connection.close()

    workers = [threading.Thread(target=work, args=(by,)) for by in people]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return met.is_set(), taken, refused


def make_tickets(count: int) -> None:
    account = make_account()
    for number in range(count):
        desk.open_ticket(account=account, subject=f"question {number}")


@pytest.fixture
def people() -> list[User]:
    return [make_staff(name, "change_ticket", "work_ticket") for name in ("casey", "sandy")]


def test_two_people_get_two_tickets(people: list[User], monkeypatch: pytest.MonkeyPatch) -> None:
    make_tickets(2)
    met, taken, refused = take_at_once(people, monkeypatch)
    assert met, "neither waited for the other"
    assert (sorted(taken), refused) == (["question 0", "question 1"], [])
    assert set(Ticket.objects.values_list("owner", flat=True)) == {by.pk for by in people}


def test_one_ticket_is_not_taken_twice(people: list[User], monkeypatch: pytest.MonkeyPatch) -> None:
    make_tickets(1)
    _met, taken, refused = take_at_once(people, monkeypatch)
    assert (taken, refused) == (["question 0"], ["no_next_ticket"])


def test_without_the_lock_both_would_get_the_same(people: list[User], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, **_: rows)
    make_tickets(2)
    met, taken, _refused = take_at_once(people, monkeypatch)
    assert met
    assert taken == ["question 0", "question 0"]
