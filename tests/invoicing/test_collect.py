"""Charging cards: once, for what is due, in order, and never blindly again."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Account, Attention
from accounts.operations import bar_funding_source
from billing_project.kernel import clock
from billing_project.kernel.nudge import Nudge
from invoicing import queries
from invoicing.dispatch import dispatch_charges, resolve_unknown
from invoicing.models import Invoice, Payment, PaymentAttempt, SandboxCharge
from invoicing.operations import collect
from invoicing.operations.payments import record_payment
from invoicing.signals import charge_settled, payment_started
from tests.factories import bill_by, instant, make_account, make_source

from .helpers import assert_books_balance, tick

pytestmark = pytest.mark.django_db

SIX = instant("2026-01-01 06:00")


@pytest.fixture(autouse=True)
def at_six() -> Iterator[None]:
    with clock.at(SIX):
        yield


def owing(*tokens: str) -> Account:
    """Return an account that owes 86.80, with these funding sources in order."""
    account = make_account()
    bill_by(account, "2026-01-01")
    tick("2026-01-01 00:05")
    for rank, token in enumerate(tokens, 1):
        make_source(account, rank, token)
    return account


def queue(account: Account, rank: int = 1, *, day: int = 1, amount: str = "86.80") -> PaymentAttempt:
    invoice = Invoice.objects.get(account=account)
    attempt = collect.queue_charge(
        account=account, invoice=invoice, rank=rank, key=f"{invoice.pk}:{day}:{rank}", amount=Decimal(amount),
        due_at=SIX + timedelta(days=day - 1), why=f"day {day}",
    )  # fmt: skip
    assert attempt is not None
    return attempt


def run(days: float = 0, **more: float) -> dict[str, int]:
    at = SIX + timedelta(days=days, **more)
    with clock.at(at):
        return dict(dispatch_charges(at))


def look_up(**later: float) -> dict[str, int]:
    at = SIX + timedelta(**later)
    with clock.at(at):
        return dict(resolve_unknown(at))


def states(account: Account) -> list[str]:
    return list(PaymentAttempt.objects.filter(account=account).order_by("pk").values_list("state", flat=True))


def test_a_good_card_is_charged_and_the_payment_recorded() -> None:
    account = owing("tok_ok")
    queue(account)
    assert run() == {"done": 1}
    attempt, payment = PaymentAttempt.objects.get(), Payment.objects.get()
    assert (attempt.payment, attempt.attempts) == (payment, 1)
    assert (payment.reference, payment.method, payment.amount) == (
        attempt.provider_id,
        "card",
        Decimal("86.80"),
    )
    assert payment.funding_source == account.funding_sources.get()
    assert Invoice.objects.get().state == "paid"
    assert run() == {}
    assert SandboxCharge.objects.count() == 1
    assert_books_balance()


def test_a_charge_is_queued_once_by_its_key_and_wakes_the_till(
    nudges: list[Nudge], django_capture_on_commit_callbacks: Any
) -> None:
    account = owing("tok_ok")
    with django_capture_on_commit_callbacks(execute=True):
        attempt = queue(account)
    assert ("invoicing.dispatch_charges", ()) in nudges
    again = collect.queue_charge(
        account=account,
        invoice=attempt.invoice,
        rank=1,
        key=attempt.key,
        amount=Decimal(1),
        due_at=SIX,
        why="again",
    )
    assert again is None
    assert PaymentAttempt.objects.count() == 1


def test_nothing_is_charged_before_its_time() -> None:
    queue(owing("tok_ok"), day=2)
    assert run() == {}
    assert run(days=1) == {"done": 1}


def test_two_open_attempts_on_one_invoice_are_refused_by_the_database() -> None:
    account = owing("tok_ok", "tok_second")
    first, second = queue(account), queue(account, 2)
    PaymentAttempt.objects.filter(pk=first.pk).update(state="sending")
    with pytest.raises(IntegrityError), transaction.atomic():
        PaymentAttempt.objects.filter(pk=second.pk).update(state="claimed")


def test_the_secondary_is_charged_only_after_the_final_no_of_the_primary() -> None:
    account = owing("tok_declined", "tok_ok")
    queue(account)
    queue(account, 2)
    assert run() == {"declined": 1, "done": 1}
    assert states(account) == ["declined", "done"]
    assert PaymentAttempt.objects.get(rank=1).code == "card_declined"


def test_when_the_primary_pays_the_secondary_is_refused_without_a_call() -> None:
    account = owing("tok_ok", "tok_second")
    queue(account)
    queue(account, 2)
    run()
    assert states(account) == ["done", "refused"]
    assert SandboxCharge.objects.count() == 1


def test_three_days_of_two_declining_cards_are_six_attempts() -> None:
    account = owing("tok_declined", "tok_insufficient")
    for day in (1, 2, 3):
        queue(account, day=day)
        queue(account, 2, day=day)
        assert run(days=day - 1) == {"declined": 2}
    assert states(account) == ["declined"] * 6
    assert SandboxCharge.objects.count() == 6


def test_a_card_that_was_declined_for_good_is_not_asked_again_for_this_invoice() -> None:
    account = owing("tok_expired")
    queue(account)
    run()
    queue(account, day=2)
    assert run(days=1) == {"refused": 1}
    assert "expired_card" in PaymentAttempt.objects.latest("pk").why
    assert SandboxCharge.objects.count() == 1


def test_without_a_source_or_with_a_barred_one_the_attempt_is_refused_and_kept_with_the_reason() -> None:
    account = owing("tok_ok")
    assert queue(account, 2).state == "refused"
    assert "no funding source" in PaymentAttempt.objects.get(rank=2).why
    bar_funding_source(account.funding_sources.get(), "payment P-1 was returned")
    assert "P-1" in queue(account).why
    assert run() == {}


def test_a_source_that_was_barred_while_the_attempt_waited_is_not_charged() -> None:
    account = owing("tok_ok")
    queue(account)
    bar_funding_source(account.funding_sources.get(), "payment P-1 was returned")
    assert run() == {"refused": 1}
    assert not SandboxCharge.objects.exists()


def test_no_more_is_charged_than_is_still_due() -> None:
    account = owing("tok_ok")
    queue(account)
    record_payment(account=account, reference="cash", amount=Decimal("80.00"), received_at=SIX)
    run()
    assert SandboxCharge.objects.get().amount == Decimal("6.80")
    assert queries.account_position(account.pk).balance == Decimal(0)


@pytest.mark.parametrize("paid", ["86.80", "100.00"])
def test_what_was_paid_meanwhile_is_not_charged(paid: str) -> None:
    account = owing("tok_ok")
    queue(account)
    record_payment(account=account, reference="cash", amount=Decimal(paid), received_at=SIX)
    assert run() == {"refused": 1}
    assert "Nothing is due" in PaymentAttempt.objects.get().why
    assert not SandboxCharge.objects.exists()


def test_a_lost_answer_is_looked_up_and_never_repeated_and_the_secondary_waits() -> None:
    account = owing("tok_lost_answer", "tok_ok")
    queue(account)
    queue(account, 2)
    assert run() == {"unknown": 1}
    assert queries.accounts_with_unsettled([account.pk]) == {account.pk}
    assert run(minutes=30) == {}
    assert look_up(minutes=4, seconds=59) == {}  # too early to believe anything
    assert look_up(minutes=31) == {"done": 1}
    assert run(minutes=32) == {"refused": 1}
    assert SandboxCharge.objects.count() == 1
    assert Payment.objects.get().amount == Decimal("86.80")
    assert queries.accounts_with_unsettled([account.pk]) == set()
    assert_books_balance()


def test_an_unreachable_gateway_is_tried_five_times_later_each_time_and_then_parked() -> None:
    account = owing("tok_timeout_before", "tok_ok")
    queue(account)
    queue(account, 2)
    tried = [minute for minute in range(120) if run(minutes=minute).get("queued")]
    assert tried == [0, 1, 6, 21]
    assert states(account) == ["parked", "refused"]
    assert PaymentAttempt.objects.get(rank=1).attempts == 5
    assert Attention.objects.filter(code="charge-parked", account=account).exists()
    assert not SandboxCharge.objects.exists()


def test_a_caller_that_died_before_the_call_leaves_it_to_the_next() -> None:
    account = owing("tok_ok")
    attempt = queue(account)
    PaymentAttempt.objects.filter(pk=attempt.pk).update(state="claimed", lease_until_at=SIX + timedelta(minutes=2))
    assert run(minutes=1) == {}
    assert run(minutes=3) == {"done": 1}


def test_a_caller_that_died_during_the_call_leaves_it_unknown_and_the_lookup_decides() -> None:
    account = owing("tok_ok")
    attempt = queue(account)
    PaymentAttempt.objects.filter(pk=attempt.pk).update(
        state="sending", attempts=1, lease_until_at=SIX + timedelta(minutes=2)
    )
    assert run(minutes=3) == {}
    assert states(account) == ["unknown"]
    # The gateway never heard of it, so it goes back to the queue, with the same key.
    assert look_up(minutes=7) == {}
    assert look_up(minutes=8) == {"queued": 1}
    assert run(minutes=9) == {"done": 1}
    assert SandboxCharge.objects.get().key == attempt.key


def test_an_outcome_that_nobody_can_tell_for_a_day_is_put_before_the_clerks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from billing_project.kernel.errors import Unavailable
    from invoicing.gateways.sandbox import SandboxGateway

    def down(self: SandboxGateway, trace: object) -> None:
        raise Unavailable("down for maintenance")

    monkeypatch.setattr(SandboxGateway, "lookup", down)
    account = owing("tok_lost_answer")
    queue(account)
    run()
    look_up(hours=23)
    assert not Attention.objects.filter(code="charge-unknown").exists()
    look_up(hours=24)
    assert Attention.objects.get(code="charge-unknown").account == account
    assert states(account) == ["unknown"]


def test_a_source_of_another_gateway_is_not_charged_here() -> None:
    account = owing()
    make_source(account, gateway="stripe")
    queue(account)
    assert run() == {"declined": 1}
    assert PaymentAttempt.objects.get().code == "wrong_gateway"


def test_settling_twice_is_settling_once() -> None:
    account = owing("tok_ok")
    attempt = queue(account)
    run()
    from invoicing.gateways.port import ChargeReceipt

    receipt = ChargeReceipt(Payment.objects.get().reference, Decimal("86.80"))
    assert collect.settle_done(attempt.pk, receipt, SIX) == "done"
    assert Payment.objects.count() == 1


@contextmanager
def heard(signal: Any) -> Iterator[list[dict[str, Any]]]:
    calls: list[dict[str, Any]] = []

    def receiver(**told: Any) -> None:
        calls.append(told)

    signal.connect(receiver)
    try:
        yield calls
    finally:
        signal.disconnect(receiver)


def test_the_start_and_the_end_of_a_charge_are_announced() -> None:
    account = owing("tok_declined")
    attempt = queue(account)
    with heard(payment_started) as started, heard(charge_settled) as settled:
        run()
    assert [(call["account_id"], call["attempt_id"]) for call in started] == [(account.pk, attempt.pk)]
    assert [(call["attempt_id"], call["state"]) for call in settled] == [(attempt.pk, "declined")]


def test_a_waiting_charge_can_be_taken_back() -> None:
    account = owing("tok_ok")
    queue(account)
    assert collect.cancel_queued([account.pk], "paid by other means") == 1
    assert run() == {}
    assert states(account) == ["refused"]
