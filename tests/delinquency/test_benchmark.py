"""The measurements: on a database of their own only, and nothing of it stays behind."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import Account
from billing_project import trial
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.benchmarks import restore, town
from delinquency.management.commands import benchmark
from invoicing.models import GatewayEvent
from tests.house.tree import ROOT


@pytest.mark.parametrize("hour", range(24))
def test_wherever_it_is_noon_the_check_of_the_day_is_over_and_the_evening_far(hour: int) -> None:
    now = datetime(2026, 11, 22, hour, 59, tzinfo=UTC)
    with clock.at(now):
        assert clock.local(now, town.zone_at_midday()).hour == 12


@pytest.mark.django_db
def test_no_account_is_made_in_a_database_that_is_not_the_measurements_own() -> None:
    with pytest.raises(Refused, match="database of its own"):
        town.make_town(5, database="billing_trial_x")
    assert not Account.objects.exists()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [([], (None, None, None)), ([0.5], (0.5, 0.5, 0.5)), ([n / 100 for n in range(1, 201)], (1.0, 1.9, 2.0))],
)
def test_a_percentile_is_a_time_that_was_measured(seconds: list[float], expected: tuple[float | None, ...]) -> None:
    assert tuple(restore.share(seconds, percent) for percent in (50, 95, 100)) == expected


@pytest.mark.parametrize(
    ("changes", "slow"),
    [({}, False), ({"p95": 2.0}, True), ({"max": 10.1}, True), ({"restored": 199}, True), ({"restored": 0}, True)],
)
def test_what_is_beyond_its_bar_is_a_finding(changes: dict[str, Any], slow: bool) -> None:
    found = {"restored": 200, "payments": 200, "p50": 0.3, "p95": 0.4, "max": 9.9, "bar": {"p95": 2.0, "max": 10.0}}
    if changes.get("restored") == 0:
        changes = changes | {"p50": None, "p95": None, "max": None}
    assert benchmark.too_slow(found | changes) is slow


@pytest.mark.parametrize("arguments", [("sending",), ("restore", "--accounts", "0"), ("billing", "--due", "x")])
def test_what_cannot_be_measured_is_a_wrong_argument(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("benchmark", *arguments)
    assert refused.value.returncode == 2


@pytest.mark.django_db
def test_a_report_that_was_put_off_is_asked_for_again_as_soon_as_it_is_due() -> None:
    now = clock.now()
    event = GatewayEvent.objects.create(
        provider="stripe", event_id="evt_1", type="payment_intent.succeeded", object_id="pi_1", happened_at=now,
        received_at=now, due_at=now + timedelta(seconds=10), tries=1,
    )  # fmt: skip
    assert restore.passes_due([]) == []
    with clock.at(now + timedelta(seconds=10)):
        assert restore.passes_due([]) == ["invoicing.process_event"]
        GatewayEvent.objects.filter(pk=event.pk).update(state="done", handled_at=now)
        assert restore.passes_due([]) == []


@pytest.mark.server
@pytest.mark.django_db
def test_payers_are_back_while_a_sweep_runs_and_the_database_is_gone_afterwards() -> None:
    done = measured("restore", "--accounts", "30")
    assert done.returncode in (0, 1), done.stderr  # 1: a busy machine may be slower than the bar
    found = json.loads(done.stdout)
    assert (found["accounts"], found["commands"], found["payments"]) == (30, 30, 3)
    assert found["restored"] == 3
    assert found["payments_during_sweep"] >= 1, "the sweep was over before anybody paid"
    assert 0 < found["stages_p95"]["booked"] <= found["stages_p95"]["ordered"] <= found["p95"] <= found["max"] < 60
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, 'billing_trial')")
        assert cursor.fetchall() == []


@pytest.mark.server
@pytest.mark.django_db(transaction=True)
def test_billing_is_measured_beside_the_least_for_the_same_rows_and_nothing_stays_behind() -> None:
    found = command_json("billing", "--accounts", "90", "--due", "30", "--rounds", "1", "--workers", "2")
    assert (found["accounts"], found["due"], found["rounds"]) == (90, 30, 1)
    assert {table: count for table, count in found["rows"].items() if count > 1} == {
        "delinquency_standing": 30, "invoicing_billingparameters": 30, "invoicing_historicalbillingparameters": 30,
        "invoicing_invoice": 30, "invoicing_invoiceline": 90, "invoicing_ledgerentry": 30,
    }  # fmt: skip
    assert found["seconds"] > 0 < found["floor_seconds"]
    assert found["messages"] <= 30 / 500 + 10
    assert not Account.objects.exists()


@pytest.mark.server
@pytest.mark.django_db(transaction=True)
def test_a_check_is_measured_with_two_workers_who_enter_everybody_once() -> None:
    found = command_json("delinquency", "--accounts", "40", "--due", "20", "--rounds", "1", "--workers", "2")
    assert (found["accounts"], found["due"], found["ratio"] > 0) == (40, 20, True)
    assert {table: found["rows"][table] for table in ("delinquency_case", "accounts_notice", "netenforce_hold")} == {
        "delinquency_case": 20, "accounts_notice": 20, "netenforce_hold": 20,
    }  # fmt: skip
    assert found["rows"]["delinquency_event"] == 20 * 5


def measured(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command in a process of its own, as a person does, but on a copy of a database that is migrated."""
    template = settings.DATABASES["default"]["TEST"].get("TEMPLATE") or trial.TEMPLATE
    work = (
        f"import sys; from billing_project import trial; trial.TEMPLATE = {template!r}; sys.argv[0] = 'manage.py';"
        " import manage; manage.main()"
    )
    return subprocess.run(
        [sys.executable, "-c", work, "benchmark", *arguments, "--json"],
        cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=600,
    )  # fmt: skip


def command_json(*arguments: str) -> dict[str, Any]:
    done = measured(*arguments)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
