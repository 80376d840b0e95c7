"""The doors for Celery."""

from decimal import Decimal

import pytest

from billing_project.kernel import clock
from invoicing import tasks
from invoicing.models import Invoice, PaymentAttempt
from invoicing.operations.collect import queue_charge
from tests.factories import bill_by, instant, make_account, make_source

pytestmark = pytest.mark.django_db


def test_the_tick_issues_what_is_due_now_and_says_how_many() -> None:
    bill_by(make_account(), "2026-01-01")
    with clock.at(instant("2026-01-01 00:05")):
        assert tasks.tick() == 1
        assert tasks.tick() == 0


def test_the_till_looks_up_what_is_unknown_and_charges_what_is_due() -> None:
    account = make_account()
    bill_by(account, "2026-01-01")
    make_source(account, token="tok_lost_answer")
    with clock.at(instant("2026-01-01 06:00")):
        tasks.tick()
        invoice = Invoice.objects.get()
        queue_charge(
            account=account, invoice=invoice, rank=1, key="k", amount=Decimal("86.80"),
            due_at=clock.now(), why="due",
        )  # fmt: skip
        assert tasks.dispatch() == 1
    assert PaymentAttempt.objects.get().state == "unknown"
    with clock.at(instant("2026-01-01 06:05")):
        assert tasks.dispatch() == 1
    assert PaymentAttempt.objects.get().state == "done"


def test_the_names_are_those_of_the_timetable() -> None:
    assert tasks.tick.name == "invoicing.tick"
    assert tasks.dispatch.name == "invoicing.dispatch_charges"
