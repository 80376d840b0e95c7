"""Runs that are killed at any moment and begun again: nothing is lost or done twice, and little is done again.

``KILLS=100`` makes it the long form, with a crowd to match.
"""

import mmap
import os
import select
import signal
import struct
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

import pytest
from django.db import connection, connections

from accounts.models import Account, Notice
from billing_project.kernel import clock, nudge
from delinquency.benchmarks import billing, lateness
from delinquency.invariants import check_invariants
from delinquency.models import Case, Event, Standing, Ticket
from delinquency.operations import reassess_many
from delinquency.sweep import sweep
from invoicing.models import BillingParameters, Invoice, InvoiceLine, LedgerEntry
from invoicing.operations.issue import issue_for
from invoicing.sweep import bill
from netenforce.models import EnforcementTask

pytestmark = pytest.mark.django_db(transaction=True)
KILLS = int(os.environ.get("KILLS", "5"))
# Each beginning weighs all that is left, so the long form has small chunks rather than a large crowd.
CHUNK = 10 if KILLS < 20 else 4
# Enough that no run is over before its last kill.
ACCOUNTS = 4 * CHUNK * (KILLS + 1)
# How far a run gets before it is killed: so many chunks, and a part of one.
CHUNKS_MAX, PART_SECONDS = 3, 0.06


@dataclass
class Work:
    """How many accounts were begun, counted in memory that a killed process leaves behind."""

    shared: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, 8))

    @property
    def begun(self) -> int:
        """Return how many accounts were begun so far, each as often as it was."""
        return int(struct.unpack("q", self.shared[:8])[0])

    def counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return an operation on a chunk of accounts that counts them before it begins."""

        def operation(account_ids: Any, *args: Any, **named: Any) -> Any:
            self.shared[:8] = struct.pack("q", self.begun + len(account_ids))
            return real(account_ids, *args, **named)

        return operation


def started(run: Callable[[], object]) -> int:
    """Start a run in a process of its own, and return its id."""
    connection.close()
    pid = os.fork()
    if pid:
        return pid
    # Where a browser has an event loop, the parent has more than the connection it closed: all of them stay its own.
    for inherited in connections.all(initialized_only=True):
        inherited.connection = None
    try:
        with nudge.recorded():
            run()
    except BaseException:  # noqa: BLE001 - whatever it was, this process must not go on as a second test run
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def kill_somewhere(pid: int, work: Work, dice: Random) -> None:
    """Kill a run after some chunks and a part of one; it must still be under way."""
    enough = work.begun + dice.randint(0, CHUNKS_MAX) * CHUNK
    ended = os.pidfd_open(pid)
    while work.begun < enough:
        assert not select.select([ended], [], [], 0.001)[0], "the run was over before it could be killed"
    select.select([ended], [], [], dice.random() * PART_SECONDS)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(ended)
    assert os.WIFSIGNALED(status), "the run was over before it could be killed"


def run_with_kills(run: Callable[[], object], work: Work) -> None:
    """Begin a run again and again, kill it each time, and at last let it come to its end."""
    dice = Random(KILLS)
    for _ in range(KILLS):
        kill_somewhere(started(run), work, dice)
    _, status = os.waitpid(started(run), 0)
    assert os.waitstatus_to_exitcode(status) == 0
    # What a kill costs is what it interrupts: a chunk at most.
    assert ACCOUNTS <= work.begun <= ACCOUNTS + KILLS * CHUNK


def each_as_often(rows: Any, name: str = "account_id", times: int | None = None) -> None:
    """Check that every account has as many rows as every other."""
    found = Counter(rows.order_by().values_list(name, flat=True))
    assert len(found) == ACCOUNTS
    assert set(found.values()) == ({times} if times else {next(iter(found.values()))})


def broken(at: datetime) -> set[str]:
    """Return every place where an invariant does not hold as of an instant."""
    return {f"{row.invariant} {row.what}: {row.where}" for row in check_invariants(at)}


def test_bills_are_issued_once_each_with_no_number_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    billing.prepare(ACCOUNTS, ACCOUNTS, str(connection.settings_dict["NAME"]))
    work = Work()
    monkeypatch.setattr("invoicing.due.CHUNK", CHUNK)
    monkeypatch.setattr("invoicing.sweep.issue_for", work.counted(issue_for))

    def run() -> None:
        with clock.at(billing.AT):
            bill(billing.AT, is_listed=False)

    run_with_kills(run, work)
    bills = Invoice.objects.filter(source="billing_run", issued_on=billing.DUE_ON)
    each_as_often(bills, times=1)
    each_as_often(InvoiceLine.objects.filter(invoice__in=bills), "invoice__account_id", times=3)
    each_as_often(LedgerEntry.objects.filter(invoice__in=bills), times=1)
    assert gapless(bills.values_list("number", flat=True))
    assert not BillingParameters.objects.filter(next_bill_on__lte=billing.DUE_ON).exists()
    assert not Account.objects.filter(parked_at__isnull=False).exists()
    assert broken(billing.AT) == set()


def gapless(numbers: Iterable[str]) -> bool:
    """Tell whether numbers of invoices are one after the other."""
    found = sorted(int(number.rpartition("-")[2]) for number in numbers)
    return found == list(range(found[0], found[0] + ACCOUNTS))


def test_who_becomes_late_does_so_once_with_one_letter_ticket_and_order(monkeypatch: pytest.MonkeyPatch) -> None:
    lateness.prepare(ACCOUNTS, ACCOUNTS, str(connection.settings_dict["NAME"]))
    work, known = Work(), broken(lateness.AT)  # its open bills have no lines
    monkeypatch.setattr("delinquency.due.CHUNK", CHUNK)
    monkeypatch.setattr("delinquency.sweep.reassess_many", work.counted(reassess_many))

    def run() -> None:
        with clock.at(lateness.AT):
            sweep(lateness.AT)

    run_with_kills(run, work)
    assert Standing.objects.filter(delinquent_since=lateness.CHECK_ON).count() == ACCOUNTS
    each_as_often(Event.objects.filter(kind="account_delinquent"), times=1)
    each_as_often(Event.objects.filter(kind="restricted", on=lateness.CHECK_ON), times=1)
    for rows in (Case.objects.all(), Ticket.objects.all(), Notice.objects.all()):
        each_as_often(rows)
    each_as_often(EnforcementTask.objects.all(), "line__account_id", times=1)
    assert not Account.objects.filter(parked_at__isnull=False).exists()
    assert broken(lateness.AT) <= known
