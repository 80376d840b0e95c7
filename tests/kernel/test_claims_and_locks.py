"""Claims and locks, with two connections: each row to one worker, each lock waited for only so long."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connections, transaction

from accounts.models import Account, Notice
from billing_project.kernel import clock
from billing_project.kernel.claims import claim_due, hold_lease, release_expired
from billing_project.kernel.errors import StaleState
from billing_project.kernel.locks import lock_row, lock_rows, try_advisory_lock
from tests.factories import instant, make_account

pytestmark = pytest.mark.django_db(transaction=True)

NINE = instant("2026-01-21 09:00")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Two threads, each with a connection of its own that is closed at the end."""

    def in_thread(work: Callable[[], Any]) -> Any:
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=2) as threads:
        submit = threads.submit
        threads.submit = lambda work: submit(in_thread, work)  # type: ignore[assignment, method-assign, misc]
        yield threads


def _queue(count: int) -> Account:
    account = make_account()
    for number in range(count):
        Notice.objects.create(
            account=account, anchor_key=f"test:{number}", step_key="s", channel="email", template="t",
            to_address="a@example.net", body="b", due_at=NINE + number * MINUTE,
        )  # fmt: skip
    return account


def _claim(rows_max: int = 100, at: Any = NINE + 60 * MINUTE) -> list[int]:
    return claim_due(Notice.objects.all(), at=at, lease=5 * MINUTE, rows_max=rows_max)


def test_due_rows_are_claimed_in_order_and_the_others_left() -> None:
    _queue(5)
    claimed = _claim(rows_max=2, at=NINE + 3 * MINUTE)
    assert [notice.anchor_key for notice in Notice.objects.filter(pk__in=claimed).order_by("due_at")] == [
        "test:0",
        "test:1",
    ]
    assert len(_claim(at=NINE + 3 * MINUTE)) == 2
    assert Notice.objects.filter(state="queued").count() == 1


def test_two_workers_never_claim_the_same_row(pool: ThreadPoolExecutor) -> None:
    _queue(40)
    start = Barrier(2)

    def work() -> list[int]:
        start.wait(10)
        claimed: list[int] = []
        while pks := _claim(rows_max=3):
            claimed += pks
        return claimed

    first, second = [running.result(30) for running in [pool.submit(work), pool.submit(work)]]
    assert len(first) + len(second) == 40
    assert set(first).isdisjoint(second)


def test_a_worker_does_not_wait_for_rows_that_another_one_holds(pool: ThreadPoolExecutor) -> None:
    """The control: the rows are due and queued, only the lock keeps the second worker off them."""
    _queue(2)
    with transaction.atomic():
        held = list(Notice.objects.select_for_update().order_by("due_at")[:1])
        seen = pool.submit(_claim).result(10)
        assert held[0].pk not in seen
        assert len(seen) == 1


def test_an_expired_lease_goes_back_and_the_latecomer_learns_of_it() -> None:
    _queue(1)
    (pk,) = _claim(at=NINE)
    notices = Notice.objects.all()
    assert release_expired(notices, at=NINE + 5 * MINUTE) == 0
    assert release_expired(notices, at=NINE + 6 * MINUTE) == 1
    with clock.at(NINE + 6 * MINUTE):
        assert not hold_lease(notices, pk, to_state="sending", until_at=NINE + 9 * MINUTE)


def test_only_one_of_two_goes_from_claimed_to_sending() -> None:
    _queue(1)
    (pk,) = _claim(at=NINE)
    notices = Notice.objects.all()
    with clock.at(NINE + MINUTE):
        assert hold_lease(notices, pk, to_state="sending", until_at=NINE + 6 * MINUTE)
        assert not hold_lease(notices, pk, to_state="sending", until_at=NINE + 6 * MINUTE)
    assert release_expired(notices, at=NINE + 60 * MINUTE) == 0, "a row in sending is never just repeated"


def test_a_lock_is_waited_for_only_so_long(pool: ThreadPoolExecutor) -> None:
    account = make_account()

    def wait_for_it() -> str:
        with transaction.atomic(), pytest.raises(StaleState) as refused:
            lock_row(Account.objects.all(), account.pk, seconds_max=0.2)
        return refused.value.code

    with transaction.atomic():
        lock_row(Account.objects.all(), account.pk)
        assert pool.submit(wait_for_it).result(10) == "locked"


def test_rows_are_locked_in_key_order_whatever_was_asked_for() -> None:
    pks = sorted(make_account().pk for _ in range(3))
    with transaction.atomic():
        assert [row.pk for row in lock_rows(Account.objects.order_by("-pk"), reversed(pks))] == pks
        with pytest.raises(Account.DoesNotExist):
            lock_row(Account.objects.all(), 0)


def test_an_advisory_lock_is_held_by_one_at_a_time(pool: ThreadPoolExecutor) -> None:
    def try_it() -> bool:
        with transaction.atomic():
            return try_advisory_lock("tick")

    with transaction.atomic():
        assert try_advisory_lock("tick")
        assert pool.submit(try_it).result(10) is False
    assert pool.submit(try_it).result(10) is True
