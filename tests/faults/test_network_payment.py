"""T21: who pays in the middle of a sweep is free on the device long before the sweep ends, and the portal says so.

The device is slow, and its own log is the clock. ``BILLING_SWEEP_LINES`` makes the sweep longer (2,000 for the whole
test).
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from billing_project.kernel import clock, nudge
from delinquency.operations import reassess
from netenforce import signals
from netenforce.dispatch import BATCH, dispatch_enforcement
from netenforce.models import Device, EnforcementTask
from netenforce.restore import restore_lines
from tests.factories import make_line
from tests.faults.network_devices import Group, TimedFake, accounts_on, change, devices
from tests.peers.routeros_fake_books import V4
from tests.portal import HOME, come_in
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db(transaction=True)

LINES = int(os.environ.get("BILLING_SWEEP_LINES", "250"))
PAYERS = 4
ANSWER_SECONDS = 0.05  # as long as the device takes for each look
BAR_P95, BAR_MAX = 30.0, 60.0
TEN = "2026-01-21T10:00"


def stories(device: Device) -> list[Story]:
    """Tell of customers who were slowed this morning over 100.00, as the device confirms."""
    told = []
    for number in range(PAYERS):
        story = Story(sonar(), sends=True, number=str(5001 + number))
        story.owes(f"INV-{number}", "2026-01-01", due_on="2026-01-16")
        make_line(story.account, f"100.64.0.{number + 1}", device=device)
        told.append(story)
    told[0].days("2026-01-21")
    with told[0].now("2026-01-21T09:30"):
        dispatch_enforcement()
    return told


@contextmanager
def worker(work: Any) -> Iterator[threading.Thread]:
    """Run a worker in a thread of its own, at ten, with a database connection of its own."""

    def run() -> None:
        with nudge.recorded():
            try:
                work()
            finally:
                connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(120)
        assert not thread.is_alive()


def pay_during_a_sweep(
    group: Group, device: Device, told: Sequence[Story], *, together: bool = False
) -> list[tuple[float, int]]:
    """Let each pay while a sweep is under way; return how long each waited, and behind how many of its commands.

    ``together`` is the mistake: whoever is to be freed stands in the same queue as those who are to be cut.
    """
    [fake] = group.fakes
    moment = told[0].now(TEN)
    begun, over, paid_some, all_paid = (threading.Event() for _ in range(4))

    def swept() -> None:
        with told[0].now(TEN):
            dispatch_enforcement()
            over.set()

    def freed() -> None:
        with told[0].now(TEN):
            while not (all_paid.is_set() and not paid_some.is_set()):
                if paid_some.wait(0.2):
                    paid_some.clear()
                    if not together:
                        restore_lines()

    with moment:
        change(accounts_on(device, [f"100.65.{n // 250}.{n % 250}" for n in range(LINES)]), "suspend")
    fake.inject("delay", on=("print",), seconds=ANSWER_SECONDS, times=10**6)
    first, asked = len(fake.done), []
    real = fake._note

    def note(*args: Any) -> None:
        real(*args)
        if fake.since(first):
            begun.set()

    fake._note = note  # type: ignore[method-assign]
    with worker(swept), worker(freed):
        assert begun.wait(60)
        for number, story in enumerate(told):
            # Spread over the sweep: each pays when it has done so many commands more.
            while len(fake.since(first)) < number * LINES // (2 * PAYERS) and not over.is_set():
                over.wait(0.01)
            assert not over.is_set(), "the sweep was over before this one paid, so nothing was measured"
            asked.append((clock.monotonic(), len(fake.since(0))))
            story.pays(TEN, "100.00")
            with story.now(TEN):
                reassess(story.account.pk)
                if together:
                    EnforcementTask.objects.filter(level="open", state="queued").update(restores=False)
            paid_some.set()
        all_paid.set()
    return [waited(fake, story, *when) for story, when in zip(told, asked, strict=True)]


def waited(fake: TimedFake, story: Story, paid_at: float, commands: int) -> tuple[float, int]:
    """Return the seconds and the sweep's commands between a payment and the device's freeing of the line."""
    address = story.account.service_lines.get().ipv4
    assert address not in fake.levels(), "who has paid is still restricted on the device"
    seconds, place = fake.freed[address]
    return seconds - paid_at, place - commands


@pytest.fixture
def one_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Group, Device]]:
    """Run one device that notes when it freed which address, and after how many commands."""
    with devices(1, tmp_path) as (group, [device]):
        [fake] = group.fakes
        do = fake.router.do

        def noting(user: str, command: Any) -> Any:
            gone = fake.router.tables[V4].get(command.attributes.get(".id", ""), {}) if command.verb == "remove" else {}
            found = do(user, command)
            if gone:
                fake.freed[gone["address"]] = clock.monotonic(), len(fake.since(0))
            return found

        monkeypatch.setattr(fake.router, "do", noting)
        yield group, device


def test_who_pays_during_a_sweep_is_freed_before_it_ends_and_the_portal_says_so(
    one_device: tuple[Group, Device], capsys: pytest.CaptureFixture[str], client: Client
) -> None:
    group, device = one_device
    told = stories(device)
    with told[0].now(TEN):
        come_in(client, told[0].account)
        assert "Your line is slowed" in client.get(HOME).content.decode()
    found = pay_during_a_sweep(group, device, told)
    seconds = sorted(one for one, _ in found)
    behind = max(commands for _, commands in found)
    with capsys.disabled():
        print(f"\n{PAYERS} payments during {LINES} commands: the slowest was free after {seconds[-1]:.2f} s"
              f" (bar p95 {BAR_P95:.0f} s, max {BAR_MAX:.0f} s), behind {behind} commands of the sweep")  # fmt: skip
    assert seconds[-1] < BAR_P95
    # One batch may be under way, and one may have been claimed.
    assert behind <= 2 * BATCH + PAYERS
    assert len(group.fakes[0].levels()) == LINES
    with told[0].now(TEN):
        page = client.get(HOME).content.decode()
        assert "Your line is slowed" not in page
        assert "Everything is paid" in page


def test_in_one_queue_with_the_cuts_they_would_wait_for_its_end(
    one_device: tuple[Group, Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seeded defect turns the measurement red."""
    monkeypatch.setattr(signals.about_to_restrict, "receivers", [])  # a cut of who has paid would be vetoed
    group, device = one_device
    found = pay_during_a_sweep(group, device, stories(device), together=True)
    assert max(commands for _, commands in found) > 2 * BATCH + PAYERS
