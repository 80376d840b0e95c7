"""The demo operator: a town in every stage, paid like real people pay, made by the real sweeps."""

import io
import itertools
import re
import statistics
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command, load_command_class
from django.db.models import Count
from django.urls import resolve

from accounts.access import account_from_token
from accounts.models import Account, Company, Notice, ServiceLine, SimulatedMessage, User
from billing_project.kernel import clock
from billing_project.kernel.command import Command
from billing_project.kernel.errors import Refused
from delinquency.demo import staff
from delinquency.demo.lateness import BUSINESSES, HOUSEHOLDS, Manner, Payer
from delinquency.demo.people import CARD_SHARE, Habit, Stage, people
from delinquency.demo.seed import Size, State, seed, state, summary
from delinquency.explained import unexplained
from delinquency.invariants import check_invariants
from delinquency.models import Case, Dispute, Event, GraceGrant, Standing, Ticket
from invoicing.models import BankFileRow, Invoice, LedgerEntry, Payment, PaymentAttempt, SandboxCharge
from netenforce.models import Device, DeviceReading, Hold, SimulatedEntry
from netenforce.queries import failing_devices
from tests.factories import make_account

# A Sunday in November, noon in New York.
PRESENT = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)
TODAY = date(2026, 11, 22)


@pytest.fixture(autouse=True)
def _present(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Stop the clock, and keep passwords in a folder of the test's own."""
    monkeypatch.setattr(staff, "password_of", lambda username: f"password of {username}")
    with clock.at(PRESENT):
        yield


def run(**options: Any) -> tuple[int, str]:
    out = io.StringIO()
    command = load_command_class("delinquency", "seed_demo")
    assert isinstance(command, Command)
    call_command(command, stdout=out, **options)
    return command.exit_code, out.getvalue()


@pytest.mark.django_db
def test_the_town_is_in_every_stage_and_its_log_ins_are_printed(capfd: pytest.CaptureFixture[str]) -> None:
    code, out = run(if_empty=True, accounts=60, months=6)

    assert code == 0
    assert "60/" not in out  # the progress bar is on stderr
    assert "Making the demo operator" in capfd.readouterr().err
    assert Company.objects.get().name == "Valley Fibre"
    assert Account.objects.count() == 60
    assert set(Account.objects.values_list("account_type__name", flat=True)) == {"Residential", "Business"}
    _check_stages(out)
    _check_outside_world()
    _check_desk()
    _check_till()
    _check_network()
    assert check_invariants() == []
    with clock.at(PRESENT + timedelta(minutes=2)):
        (alarm,) = check_invariants()
        assert (alarm.invariant, alarm.where.partition(",")[0]) == ("I11", "device tower-hill")
        assert "should be free again" in alarm.what
    _check_explanations()
    for username in ("admin", "clerk", "support"):
        assert f"{username} / password of {username}" in out
        assert User.objects.get(username=username).check_password(f"password of {username}")
    link = re.search(r"http\S+(/portal/enter/\S+/)", out)
    assert link is not None
    customer = account_from_token(resolve(link[1]).kwargs["token"])
    assert customer is not None
    assert Standing.objects.get(account=customer).delinquent_since is not None
    _check_second_start(out)


def _check_stages(out: str) -> None:
    counts = {name: int(number) for number, name in re.findall(r"^ *(\d+) (\D.*)$", out, re.MULTILINE)}
    assert counts["paid up"] > 30
    for stage in ("past due", "delinquent", "slowed", "switched to Delinquent", "restored this week", "flagged"):
        assert counts[stage] >= 1, stage
    assert counts["given more time"] >= 2
    assert set(Account.objects.values_list("status__name", flat=True)) == {"Active", "Delinquent"}
    slowed = set(Hold.objects.filter(lifted_at=None, level="throttle").values_list("account_id", flat=True))
    assert slowed
    assert Case.objects.exclude(stage="closed").count() == counts["delinquent"]
    assert GraceGrant.objects.filter(reason__startswith="Promised to pay").count() >= 1
    assert Payment.objects.filter(reversed_at__isnull=False).count() == 2
    assert Event.objects.filter(kind="late_fee").exists()
    partly = Invoice.objects.filter(ledger_entries__kind="payment").distinct()
    assert any(invoice.ledger_entries.filter(kind="payment").count() == 2 for invoice in partly)
    first = Invoice.objects.order_by("issued_on").values_list("issued_on", flat=True)[0]
    assert date(2026, 5, 22) <= first <= date(2026, 6, 22)


def _check_outside_world() -> None:
    """What was sent, charged and restricted is in the books of the simulated outside world."""
    assert SimulatedMessage.objects.count() == Notice.objects.filter(state__in=Notice.TAKEN).count() > 20
    assert not Notice.objects.filter(state="queued", due_at__lt=PRESENT).exists()
    done = PaymentAttempt.objects.filter(state="done")
    assert SandboxCharge.objects.filter(outcome="charged").count() == done.count() > 5
    assert PaymentAttempt.objects.filter(state="declined").exists()
    held = Hold.objects.filter(lifted_at=None).values("account_id").distinct().count()
    entries = SimulatedEntry.objects.filter(ours=True).exclude(device__name="tower-hill")
    assert entries.values("address").distinct().count() == held > 0


def _check_explanations() -> None:
    """Every effect is in the journal (I10), and what was compared leads to the same decision again."""
    events = list(Event.objects.order_by("pk"))
    assert len(events) > 500
    assert [(event.kind, event.on, event.facts) for event in unexplained(events)] == []


def _check_second_start(first: str) -> None:
    rows = Invoice.objects.count()
    code, out = run(if_empty=True)
    assert code == 0
    assert Invoice.objects.count() == rows
    assert "admin / password of admin" in out
    assert "subscribers" not in out
    with pytest.raises(Refused, match="there already"):
        run()
    user = User.objects.get(username="clerk")
    user.set_password("another one, chosen by the clerk")
    user.save()
    assert "clerk  (the password has been changed since)" in run(if_empty=True)[1]


@pytest.mark.django_db
def test_a_database_with_accounts_of_its_own_is_left_alone() -> None:
    make_account(number="A-1")
    code, out = run(if_empty=True)
    assert (code, len(out.strip().splitlines())) == (0, 1)
    assert "no demo is made" in out
    assert state() is State.OTHER
    assert Account.objects.count() == 1
    assert not User.objects.exists()
    with pytest.raises(Refused, match="Use an empty database"):
        run()


@pytest.mark.django_db
def test_two_processes_cannot_make_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delinquency.demo.seed.try_advisory_lock", lambda name: False)
    with pytest.raises(Refused, match="being made by another process"):
        seed(Size(accounts=5, months=1))
    assert not Account.objects.exists()


@pytest.mark.django_db
def test_a_very_small_town_can_be_made(capfd: pytest.CaptureFixture[str]) -> None:
    seed(Size(accounts=5, months=1))
    assert Account.objects.count() == 5
    assert summary()[0].startswith("Valley Fibre: 5 subscribers, ")
    assert check_invariants() == []


# --- Who lives there, and how they pay: no database ---


def test_the_same_seed_and_day_give_the_same_people() -> None:
    assert people(50, 7, TODAY) == people(50, 7, TODAY)
    assert people(50, 7, TODAY) != people(50, 8, TODAY)


@pytest.mark.parametrize(
    "day", [date(2026, 11, 22), date(2027, 1, 31), date(2027, 3, 1), date(2028, 2, 29), date(2028, 3, 30)]
)
def test_every_stage_can_be_reached_on_any_day(day: date) -> None:
    town = people(200, 7, day)
    assert {who.stage for who in town} >= set(Stage)
    for who in town:
        if who.staged_bill_on is not None:
            assert who.staged_bill_on.day == who.bill_day <= 28
    for field in ("number", "email", "phone", "ipv4"):
        values = [getattr(who, field) for who in town]
        assert len(set(values)) == 200
    assert {who.zone for who in town} == {"America/New_York", "America/Chicago"}
    assert sum(who.is_business for who in town) == 40


def _years_of(manner: Manner, payers: int = 400, invoices: int = 24) -> list[list[int]]:
    """Return by how many days each payer's invoices are late; 0 is in time."""
    issued, due = date(2026, 1, 1), date(2026, 1, 16)
    histories = []
    for who in people(payers, 7, TODAY)[:payers]:
        payer = Payer(manner, who.dice(7))
        histories.append([max(0, (payer.moments(issued, due)[0][0].date() - due).days) for _ in range(invoices)])
    return histories


def _share(histories: list[list[int]]) -> float:
    late = [days > 0 for history in histories for days in history]
    return sum(late) / len(late)


def test_consumers_are_late_like_real_ones() -> None:
    histories = _years_of(HOUSEHOLDS)
    after_late = [now > 0 for history in histories for before, now in itertools.pairwise(history) if before]
    # One household in 24 stops paying after three bills on average, and is late with the rest.
    assert 23 / 24 * _share(histories) + 1 / 24 * 0.5 == pytest.approx(0.2, abs=0.03)
    assert statistics.median(days for history in histories for days in history if days) == pytest.approx(4, abs=1)
    assert 0.4 <= sum(after_late) / len(after_late) <= 0.7


def test_businesses_are_late_like_real_ones() -> None:
    histories = _years_of(BUSINESSES)
    after_late = [now > 0 for history in histories for before, now in itertools.pairwise(history) if before]
    cards = sum(who.habit is Habit.CARD for who in people(2000, 7, TODAY)[:400]) / 400
    assert cards == pytest.approx(CARD_SHARE, abs=0.08)
    # A card that works is never late.
    assert (1 - cards) * _share(histories) == pytest.approx(1 / 3, abs=0.06)
    assert statistics.median(days for history in histories for days in history if days) == pytest.approx(8, abs=1)
    assert 0.4 <= sum(after_late) / len(after_late) <= 0.7


def test_parts_of_a_payment_add_up_to_the_whole() -> None:
    payer = Payer(HOUSEHOLDS, people(5, 7, TODAY)[4].dice(7))
    found = [payer.moments(date(2026, 1, 1), date(2026, 1, 16)) for _ in range(300)]
    assert all(sum(share for _, share in moments) == Decimal(1) for moments in found)
    assert {len(moments) for moments in found} == {1, 2}


def _check_desk() -> None:
    """Every overview of the desk has something in it, and a ticket was merged."""
    states = set(Ticket.objects.values_list("state", flat=True))
    assert states == {"open", "waiting", "closed"}
    assert Ticket.objects.exclude(state="closed").count() >= 12
    assert Ticket.objects.filter(answer_due_at__lt=clock.now()).exists()
    assert Ticket.objects.filter(merged_into__isnull=False).count() == 1


def _check_till() -> None:
    """A dispute waits, money was given back, and of one transfer nobody knows whose it is."""
    assert Dispute.objects.get().state == "open"
    assert LedgerEntry.objects.filter(kind="refund").count() == 1
    assert sorted(BankFileRow.objects.values_list("finding", flat=True)) == ["check", "fine", "fine"]
    assert not Payment.objects.filter(reference__startswith="VB-").exists()


def _check_network() -> None:
    """One line is on two devices as it should be; another is free on one and slowed by one that is down."""
    agreed, stuck = (
        set(line.network_states.values_list("device__name", "desired_level", "observed_level"))
        for line in ServiceLine.objects.annotate(times=Count("placements")).filter(times=2).order_by("account__number")
    )
    assert {row[0] for row in agreed} > {"core-west"}
    assert {row[1:] for row in agreed} == {("throttle", "throttle")}
    assert ("tower-hill", "open", "throttle") in stuck
    assert {row[1:] for row in stuck if row[0] != "tower-hill"} == {("open", "open")}
    assert [device.name for device in failing_devices()] == ["tower-hill"]
    assert Hold.objects.filter(cause="abuse", lifted_at=None).count() == 1
    assert SimulatedEntry.objects.get(ours=False).device.name == "edge-north"
    readings = DeviceReading.objects.values_list("device__name").annotate(times=Count("pk"))
    assert {name for name, times in readings if times >= 7 * 24} == set(Device.objects.values_list("name", flat=True))
