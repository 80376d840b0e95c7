"""Two workers at once, and what must not be open while the outside world is spoken to."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Barrier, Event
from typing import Any

import pytest
from django.db import connection, connections

from accounts.models import Notice, NoticeAttempt
from accounts.outreach.dispatch import dispatch_notices
from accounts.outreach.outbox import NoticeRequest, enqueue_many
from accounts.outreach.port import Message, Receipt
from accounts.outreach.simulated import SimulatedChannel
from billing_project.kernel import clock
from netenforce.dispatch import dispatch_enforcement
from netenforce.drivers.simulated import SimulatedDriver
from netenforce.drivers.turn import turn_on
from netenforce.models import Device, EnforcementTask, LineState, SimulatedEntry
from netenforce.operations import close_windows_due, lift_hold, open_window, place_hold
from tests.factories import instant, make_account, make_contact, make_device, make_line

pytestmark = pytest.mark.django_db(transaction=True)

NINE = instant("2026-01-21 09:00")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from accounts import signals as post_room
    from netenforce import signals

    for signal in (
        signals.about_to_restrict,
        signals.enforcement_settled,
        post_room.about_to_send,
        post_room.notice_settled,
    ):
        monkeypatch.setattr(signal, "receivers", [])


@contextmanager
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    """Run work in threads that have connections of their own."""
    with ThreadPoolExecutor(max_workers=2, initializer=lambda: None) as pool:
        yield pool
        for _ in range(2):
            pool.submit(connections.close_all)


def at_nine(work: Any, *args: Any) -> Any:
    try:
        with clock.at(NINE):
            return work(*args)
    finally:
        connections.close_all()


def test_two_dispatchers_send_each_letter_once() -> None:
    accounts = [make_account() for _ in range(30)]
    for account in accounts:
        make_contact(account)
    with clock.at(NINE):
        enqueue_many(
            [
                NoticeRequest(
                    account_id=account.pk, anchor_key="case:1", step_key="n", template="past_due", why="w",
                    context={"amount_due": "1.00"},
                )
                for account in accounts
            ]
        )  # fmt: skip
    barrier = Barrier(2)

    def work() -> int:
        barrier.wait()
        return dispatch_notices().total()

    with elsewhere() as pool:
        runs = [pool.submit(at_nine, work) for _ in range(2)]
        assert sum(run.result() for run in runs) == 30
    assert Notice.objects.filter(state="accepted", attempts=1).count() == 30
    assert NoticeAttempt.objects.count() == 30


def test_no_transaction_is_open_while_a_provider_or_a_device_is_spoken_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_while: list[bool] = []
    send, apply, read = SimulatedChannel.send, SimulatedDriver.apply, SimulatedDriver.read

    def spying(real: Any) -> Any:
        def call(self: Any, *args: Any) -> Any:
            open_while.append(connection.in_atomic_block)
            return real(self, *args)

        return call

    monkeypatch.setattr(SimulatedChannel, "send", spying(send))
    monkeypatch.setattr(SimulatedDriver, "apply", spying(apply))
    monkeypatch.setattr(SimulatedDriver, "read", spying(read))
    account = make_account()
    make_contact(account)
    make_line(account, "100.64.0.1", device=make_device())
    with clock.at(NINE):
        enqueue_many(
            [
                NoticeRequest(
                    account_id=account.pk, anchor_key="case:1", step_key="n", template="past_due", why="w",
                    context={"amount_due": "1.00"},
                )
            ]
        )  # fmt: skip
        place_hold(account_id=account.pk, cause="abuse", cause_key="k", level="suspend", why="w")
        dispatch_notices()
        dispatch_enforcement()
    assert open_while == [False, False, False]


def test_the_row_is_committed_as_sending_before_the_provider_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = make_account()
    make_contact(account)
    seen: list[str] = []

    def look_from_outside(self: SimulatedChannel, message: Message) -> Receipt:
        with elsewhere() as pool:
            state = pool.submit(at_nine, lambda: Notice.objects.values_list("state", flat=True).get()).result()
        seen.append(state)
        return Receipt(provider_id="x")

    monkeypatch.setattr(SimulatedChannel, "send", look_from_outside)
    with clock.at(NINE):
        enqueue_many(
            [
                NoticeRequest(
                    account_id=account.pk, anchor_key="case:1", step_key="n", template="past_due", why="w",
                    context={"amount_due": "1.00"},
                )
            ]
        )  # fmt: skip
        dispatch_notices()
    assert seen == ["sending"]


def test_only_one_worker_speaks_to_a_device_at_a_time() -> None:
    account = make_account()
    device = make_device()
    make_line(account, "100.64.0.1", device=device)
    with clock.at(NINE):
        place_hold(account_id=account.pk, cause="abuse", cause_key="k", level="suspend", why="w")
        with turn_on(device.pk) as got, elsewhere() as pool:
            assert got
            assert pool.submit(at_nine, dispatch_enforcement).result() == {}
        assert dispatch_enforcement() == {"confirmed": 1}


def test_a_payment_while_a_cut_is_being_sent_ends_with_an_open_line(monkeypatch: pytest.MonkeyPatch) -> None:
    account = make_account()
    line = make_line(account, "100.64.0.1", device=make_device())
    sending, paid = Event(), Event()
    real = SimulatedDriver.apply

    def slow(self: SimulatedDriver, device: Device, changes: Any) -> Mapping[str, str]:
        if changes[0].level != "open":
            sending.set()
            assert paid.wait(10)
        return real(self, device, changes)

    monkeypatch.setattr(SimulatedDriver, "apply", slow)
    with clock.at(NINE):
        place_hold(account_id=account.pk, cause="non_payment", cause_key="k", level="suspend", why="unpaid")
        with elsewhere() as pool:
            cut = pool.submit(at_nine, dispatch_enforcement)
            assert sending.wait(10)
            lift_hold(account_id=account.pk, cause_key="k", why="paid")
            paid.set()
            outcome = cut.result()
        # The same pass may or may not have seen the restore; the next one surely does.
        dispatch_enforcement()
    assert outcome["superseded"] == 1
    assert not SimulatedEntry.objects.exists()
    assert LineState.objects.get(line=line).observed_level == "open"
    assert list(EnforcementTask.objects.order_by("pk").values_list("level", "state")) == [
        ("suspend", "superseded"), ("open", "confirmed"),
    ]  # fmt: skip


def test_two_workers_at_once_end_a_payment_window_once() -> None:
    account = make_account()
    make_line(account, "100.64.0.1", device=make_device())
    with clock.at(NINE - timedelta(minutes=30)):
        place_hold(account_id=account.pk, cause="non_payment", cause_key="k", level="suspend", why="w")
        dispatch_enforcement()
    with clock.at(NINE - timedelta(minutes=15)):
        open_window(account_id=account.pk, key="attempt:1", scope="", why="w")
        dispatch_enforcement()
    assert not SimulatedEntry.objects.exists()
    both = Barrier(2, timeout=20)

    def work() -> int:
        both.wait()
        return close_windows_due()

    with elsewhere() as pool:
        ended = [future.result() for future in [pool.submit(at_nine, work) for _ in range(2)]]
    assert sorted(ended) == [0, 1]
    assert EnforcementTask.objects.filter(recloses=True).count() == 1
    with clock.at(NINE):
        dispatch_enforcement()
    assert SimulatedEntry.objects.get().level == "suspend"


def test_presses_at_once_open_one_payment_window() -> None:
    account = make_account()
    make_line(account, "100.64.0.1", device=make_device())
    with clock.at(NINE):
        place_hold(account_id=account.pk, cause="non_payment", cause_key="k", level="suspend", why="w")
    both = Barrier(2, timeout=20)

    def press(key: str) -> int:
        both.wait()
        return open_window(account_id=account.pk, key=key, scope="", why="w").pk

    with elsewhere() as pool:
        opened = {future.result() for future in [pool.submit(at_nine, press, f"attempt:{n}") for n in range(2)]}
    assert len(opened) == 1
