"""The global pause pressed in the middle of a pass (T26): what is in the air arrives; no gap, no double."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from accounts.models import Notice, SimulatedMessage
from accounts.operations import pause_everything, resume_everything
from accounts.outreach.dispatch import dispatch_notices
from accounts.outreach.outbox import NoticeRequest, enqueue
from accounts.outreach.simulated import SimulatedChannel
from billing_project.kernel import clock
from invoicing.dispatch import dispatch_charges
from invoicing.gateways.sandbox import SandboxGateway
from invoicing.models import PaymentAttempt, SandboxCharge
from invoicing.operations import collect
from netenforce import dispatch as network
from netenforce.drivers.simulated import SimulatedDriver
from netenforce.models import EnforcementTask, SimulatedEntry
from netenforce.operations import place_hold
from netenforce.reconcile import reconcile
from tests.backoffice import make_invoice
from tests.factories import instant, make_account, make_contact, make_device, make_line, make_source

pytestmark = pytest.mark.django_db(transaction=True)

NOON = instant("2026-01-21 12:00")
MANY = 6


@pytest.fixture(autouse=True)
def at_noon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stand at noon, with the rooms above silent: nobody vetoes."""
    from accounts import signals as letters
    from netenforce import signals as orders

    for signal in (letters.about_to_send, letters.notice_settled, orders.about_to_restrict):
        monkeypatch.setattr(signal, "receivers", [])
    with clock.at(NOON):
        yield


def press_after(monkeypatch: pytest.MonkeyPatch, outside: type, method: str, calls: int) -> None:
    """Press the button from another connection, right after that many calls to the outside world."""
    done, original = [], getattr(outside, method)

    def press() -> None:
        try:
            with clock.at(NOON):
                pause_everything(reason="Stop.")
        finally:
            connection.close()

    def call(self: Any, *args: Any) -> Any:
        answer = original(self, *args)
        done.append(args)
        if len(done) == calls:
            worker = threading.Thread(target=press)
            worker.start()
            worker.join(10)
        return answer

    monkeypatch.setattr(outside, method, call)


def write_letters() -> None:
    for _ in range(MANY):
        account = make_account()
        make_contact(account)
        enqueue(
            NoticeRequest(
                account_id=account.pk, anchor_key="case:1", step_key="n", template="past_due", why="Past due.",
                channels=("email",), context={"amount_due": "40.00"},
            )
        )  # fmt: skip


def queue_charges() -> None:
    for number in range(MANY):
        account = make_account()
        make_source(account)
        collect.queue_charge(
            account=account, invoice=make_invoice(account, f"A-{number}"), rank=1, key=f"k{number}",
            amount=Decimal("100.00"), due_at=NOON, why="due",
        )  # fmt: skip


def order_cuts() -> None:
    device = make_device()
    for number in range(MANY):
        line = make_line(make_account(), f"100.64.0.{number + 1}", device=device)
        place_hold(account_id=line.account_id, cause="non_payment", cause_key="k", level="throttle", why="unpaid")


QUEUES: dict[str, tuple[Callable[[], None], Callable[[], Any], type, str, Any, Any]] = {
    "notices": (write_letters, dispatch_notices, SimulatedChannel, "send", SimulatedMessage, Notice),
    "charges": (queue_charges, lambda: dispatch_charges(NOON), SandboxGateway, "charge", SandboxCharge, PaymentAttempt),
    "enforcement": (
        order_cuts,
        network.dispatch_enforcement,
        SimulatedDriver,
        "apply",
        SimulatedEntry,
        EnforcementTask,
    ),
}


@pytest.mark.parametrize("name", QUEUES)
def test_a_pause_in_the_middle_of_a_pass_lets_only_what_is_in_the_air_arrive(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill, dispatch, outside, method, log, queue = QUEUES[name]
    monkeypatch.setattr(network, "BATCH", 1)
    fill()
    with monkeypatch.context() as pressed:
        press_after(pressed, outside, method, 2)
        dispatch()
    assert log.objects.count() == 2
    assert queue.objects.filter(state="queued", lease_until_at=None).count() == MANY - 2
    dispatch()
    assert log.objects.count() == 2
    with clock.at(NOON + timedelta(hours=1)):
        resume_everything(reason="Mended.")
    dispatch()
    dispatch()
    assert log.objects.count() == MANY
    assert not queue.objects.filter(state__in=["queued", "claimed", "sending"]).exists()


@pytest.mark.parametrize("name", QUEUES)
def test_nothing_leaves_while_a_pause_is_on(name: str) -> None:
    fill, dispatch, _, _, log, _ = QUEUES[name]
    fill()
    pause_everything(reason="Stop.")
    assert dispatch() == {}
    assert not log.objects.exists()


def test_orders_go_to_a_device_in_small_batches_so_that_a_pause_takes_hold() -> None:
    assert network.BATCH <= 25


def test_reconcile_compares_and_repairs_nothing_under_a_pause() -> None:
    order_cuts()
    network.dispatch_enforcement()
    SimulatedEntry.objects.filter(address="100.64.0.1").delete()
    SimulatedEntry.objects.create(device=make_device_again(), address="198.51.100.9", level="suspend")
    pause_everything(reason="Stop.")
    [report] = reconcile()
    assert (report.drifted, report.repaired) == (2, 0)
    assert "Stop." in report.failure
    assert SimulatedEntry.objects.filter(address="198.51.100.9").exists()
    assert not EnforcementTask.objects.filter(state="queued").exists()
    resume_everything(reason="Mended.")
    [report] = reconcile()
    assert (report.drifted, report.repaired) == (2, 2)


def make_device_again() -> Any:
    """Return the device there is."""
    from netenforce.models import Device

    return Device.objects.get()
