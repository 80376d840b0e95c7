"""A billing run by hand: its progress, stopping it, and going on after its worker died (U06)."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.urls import reverse

from accounts.models import User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency import asked_runs
from delinquency.models import RunRequest
from invoicing.models import Invoice
from invoicing.signals import about_to_bill
from tests.backoffice import staff_client
from tests.factories import bill_by, instant, make_account, make_staff

pytestmark = pytest.mark.django_db
TEN = instant("2026-02-01 10:00")


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with clock.at(TEN), patch("invoicing.due.CHUNK", 2):
        yield


@pytest.fixture
def boss() -> User:
    """Return a manager who may have runs done."""
    return make_staff("mona", "run_sweep", "view_runrequest")


def billed(count: int) -> None:
    """Make accounts whose bill date has come."""
    for number in range(count):
        bill_by(make_account(number=str(10001 + number)), "2026-02-01")


def test_a_billing_run_counts_its_accounts_chunk_by_chunk(boss: User) -> None:
    billed(5)
    seen: list[int] = []
    request = asked_runs.ask_for_run("billing", by=boss)

    def look(**_: Any) -> None:
        seen.append(RunRequest.objects.get(pk=request.pk).done)

    about_to_bill.connect(look, dispatch_uid="look")
    try:
        asked_runs.run_all_asked()
    finally:
        about_to_bill.disconnect(dispatch_uid="look")
    request.refresh_from_db()
    assert (request.state, request.done, request.total) == ("done", 5, 5)
    assert len(seen) == 3
    assert Invoice.objects.count() == 5


def test_a_stopped_run_leaves_the_rest_for_the_next_one(boss: User) -> None:
    billed(5)
    request = asked_runs.ask_for_run("billing", by=boss)

    def stop(**_: Any) -> None:
        if RunRequest.objects.get(pk=request.pk).stop_by_id is None:
            asked_runs.stop_run(request, by=boss)

    about_to_bill.connect(stop, dispatch_uid="stop")
    try:
        asked_runs.run_all_asked()
    finally:
        about_to_bill.disconnect(dispatch_uid="stop")
    request.refresh_from_db()
    assert request.state == "stopped"
    left = 5 - Invoice.objects.count()
    assert left >= 3
    assert f"{left} bills are left for the next run" in request.words
    asked_runs.ask_for_run("billing", by=boss)
    asked_runs.run_all_asked()
    assert Invoice.objects.count() == 5


def test_a_waiting_run_is_stopped_at_once_and_an_ended_one_not_at_all(boss: User) -> None:
    request = asked_runs.ask_for_run("billing", by=boss)
    client = staff_client()
    page = reverse("admin:delinquency_runrequest_progress", args=[request.pk])
    assert "Stop the run" in client.get(page).content.decode()
    client.post(page)
    request.refresh_from_db()
    assert (request.state, request.words) == ("stopped", "Stopped before it began.")
    assert asked_runs.run_all_asked() == 0
    with pytest.raises(Refused, match="ended"):
        asked_runs.stop_run(request, by=boss)
    check = asked_runs.ask_for_run("check", by=boss)
    with pytest.raises(Refused, match="Only a billing run"):
        asked_runs.stop_run(check, by=boss)


def test_a_run_whose_worker_died_is_gone_on_with_but_not_for_ever(boss: User) -> None:
    billed(3)
    row = RunRequest.objects.create(
        kind="billing", state="running", asked_by=boss, started_at=TEN, taken_up=1,
        alive_until_at=TEN - timedelta(minutes=1), done=1, total=3,
    )  # fmt: skip
    assert asked_runs.run_all_asked() == 1
    row.refresh_from_db()
    assert (row.state, row.taken_up, row.done) == ("done", 2, 3)
    assert Invoice.objects.count() == 3
    worn = RunRequest.objects.create(
        kind="billing", state="running", asked_by=boss, started_at=TEN, taken_up=3,
        alive_until_at=TEN - timedelta(minutes=1),
    )  # fmt: skip
    assert asked_runs.run_all_asked() == 0
    worn.refresh_from_db()
    assert worn.state == "failed"
