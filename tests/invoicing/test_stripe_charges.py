"""Charging through Stripe when it misbehaves: once, found again, and never the second card too early (T11, T12)."""

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings

from accounts.models import Attention
from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, PortError
from invoicing import queries
from invoicing.dispatch import dispatch_charges, resolve_unknown
from invoicing.gateways import stripe_client
from invoicing.gateways.port import ChargeRequest, Pending
from invoicing.gateways.stripe_gateway import StripeGateway
from invoicing.models import Payment, PaymentAttempt
from tests.peers import stripe_fake

from .helpers import assert_books_balance
from .stripe_helpers import SETTINGS, balance, charge, owing, queue, states

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[stripe_fake.Running]:
    monkeypatch.setattr(stripe_client, "READ_SECONDS", 1.5)
    with stripe_fake.running(tmp_path / "log") as running, override_settings(**SETTINGS, STRIPE_API_BASE=running.base):
        yield running


def later(**time: float) -> dict[str, int]:
    """Look up what is open, after a time."""
    at = clock.now() + timedelta(**time)
    with clock.at(at):
        return dict(resolve_unknown(at))


def request(key: str = "k", token: str = "pm_ok", amount: str = "40.00", currency: str = "USD") -> ChargeRequest:
    return ChargeRequest(
        key=key, amount=Decimal(amount), currency=currency, customer_token="cus_1", source_token=token,
        description="Account A, invoice I", account_ref="ref", invoices="I-1",
    )  # fmt: skip


def test_what_stripe_is_told_is_exact_and_says_nothing_of_a_person(fake: stripe_fake.Running) -> None:
    account = owing("pm_ok", amount="86.80")
    charge(account)
    [asked] = fake.asked("POST /v1/payment_intents")
    assert asked["metadata"] == {
        "attempt": PaymentAttempt.objects.get().key, "account": str(account.public_id), "invoices": f"I-{account.pk}",
    }  # fmt: skip
    assert (asked["amount"], asked["currency"], asked["off_session"], asked["confirm"]) == (
        "8680", "usd", "true", "true",
    )  # fmt: skip
    everything = (fake.log.read_text()).lower()
    assert account.name.lower() not in everything
    payment = Payment.objects.get()
    assert (payment.reference, payment.amount) == (fake.charged()[0]["id"], Decimal("86.80"))
    assert_books_balance()


@pytest.mark.parametrize(("currency", "amount", "units"), [("JPY", "500.00", "500"), ("KWD", "1.25", "1250")])
def test_every_currency_is_charged_in_its_own_smallest_unit(
    fake: stripe_fake.Running, currency: str, amount: str, units: str
) -> None:
    receipt = StripeGateway().charge(request(amount=amount, currency=currency))
    assert fake.asked("POST /v1/payment_intents")[0]["amount"] == units
    assert receipt.amount == Decimal(amount)


@pytest.mark.parametrize("token", ["pm_hang", "pm_reset", "pm_500", "pm_broken", "pm_redirect"])
def test_however_the_answer_is_lost_the_charge_is_found_and_made_once(fake: stripe_fake.Running, token: str) -> None:
    account = owing(token, "pm_ok")
    charge(account)
    queue(account, 2)
    assert states(account) == ["unknown", "queued"]
    assert queries.accounts_with_unsettled([account.pk]) == {account.pk}
    dispatch_charges(clock.now())
    assert later(minutes=4, seconds=50) == {}
    assert later(minutes=5, seconds=5) == {"done": 1}
    dispatch_charges(clock.now())
    assert states(account) == ["done", "refused"]
    assert len(fake.charged()) == 1
    assert balance(account) == 0
    assert len(fake.asked("POST /v1/payment_intents")) == 1


@pytest.mark.parametrize(("token", "words"), [("pm_429", "429"), ("pm_403", "STRIPE_SECRET_KEY")])
def test_what_certainly_did_not_happen_is_tried_again_and_its_reason_kept(
    fake: stripe_fake.Running, token: str, words: str
) -> None:
    account = owing(token)
    charge(account)
    attempt = PaymentAttempt.objects.get()
    assert (attempt.state, words in attempt.why) == ("queued", True)
    assert not fake.charged()


@pytest.mark.parametrize("token", ["pm_503", "pm_reset_before"])
def test_what_never_arrived_is_unknown_until_the_lookup_says_so_and_is_then_charged_once(
    fake: stripe_fake.Running, token: str
) -> None:
    account = owing(token)
    charge(account)
    assert states(account) == ["unknown"]
    assert later(minutes=6) == {"queued": 1}
    account.funding_sources.update(source_token="pm_ok")
    with clock.at(clock.now() + timedelta(minutes=10)):
        dispatch_charges(clock.now())
    assert len(fake.charged(PaymentAttempt.objects.get().key)) == 1
    assert states(account) == ["done"]


def test_nothing_listens_at_the_address_so_nothing_happened() -> None:
    with override_settings(STRIPE_API_BASE="http://127.0.0.1:9"):
        account = owing("pm_ok")
        charge(account)
    assert states(account) == ["queued"]


def test_a_wrong_key_is_ours_to_mend_and_no_decline() -> None:
    with override_settings(STRIPE_SECRET_KEY="sk_test_of-somebody-else"):
        charge(account := owing("pm_ok", "pm_ok2"))
    attempt = PaymentAttempt.objects.get(account=account)
    assert attempt.state == "queued"
    assert "STRIPE_SECRET_KEY" in attempt.why
    assert "somebody" not in attempt.why


def test_a_request_that_stripe_does_not_take_is_ours_to_mend_and_no_decline(
    monkeypatch: pytest.MonkeyPatch, fake: stripe_fake.Running
) -> None:
    monkeypatch.setattr(StripeGateway, "methods", {"of_no_use": "1"})
    charge(account := owing("pm_ok"))
    assert states(account) == ["queued"]
    assert not fake.charged()


def test_a_key_that_stripe_knows_with_another_amount_is_looked_up_and_not_repeated(fake: stripe_fake.Running) -> None:
    StripeGateway().charge(request())
    with pytest.raises(OutcomeUnknown):
        StripeGateway().charge(request(amount="30.00"))
    assert len(fake.charged()) == 1


def test_the_bank_wants_the_payer_so_the_attempt_is_declined_and_nothing_can_go_through_later(
    fake: stripe_fake.Running,
) -> None:
    for token in ("pm_3ds", "pm_action"):
        charge(account := owing(token))
        attempt = PaymentAttempt.objects.get(account=account)
        assert (attempt.state, attempt.code) == ("declined", "authentication_required")
        assert "by hand" in attempt.why
    stands = fake.do("stands")
    assert [row["status"] for row in stands.values()] == ["requires_payment_method", "canceled"]


def test_of_a_stolen_card_nobody_reads_more_than_that_it_was_declined() -> None:
    charge(owing("pm_stolen"))
    attempt = PaymentAttempt.objects.get()
    assert (attempt.code, attempt.why) == ("stolen_card", "The card was declined by its bank.")


def test_a_bank_debit_is_under_way_until_the_bank_has_answered(fake: stripe_fake.Running) -> None:
    accounts = [owing("pm_bank", "pm_ok"), owing("pm_bank")]
    charge(*accounts)
    queue(accounts[0], 2)
    dispatch_charges(clock.now())
    assert states(accounts) == ["pending", "pending", "queued"]
    assert queries.accounts_with_unsettled([row.pk for row in accounts]) == {row.pk for row in accounts}
    assert later(minutes=6) == {"pending": 2}
    assert later(minutes=59) == {}
    fake.do("finish", intent=PaymentAttempt.objects.get(account=accounts[0], rank=1).provider_id)
    fake.do("finish", intent=PaymentAttempt.objects.get(account=accounts[1]).provider_id, ok=False)
    assert later(minutes=65) == {"done": 1, "declined": 1}
    assert Payment.objects.get().method == "bank"
    assert PaymentAttempt.objects.get(account=accounts[1]).code == "revoked"
    dispatch_charges(clock.now())
    assert len(fake.charged()) == 1


def test_a_bank_debit_of_a_fortnight_is_put_before_the_clerks() -> None:
    charge(owing("pm_bank"))
    later(days=13)
    assert not Attention.objects.exists()
    later(days=14, minutes=1)
    assert Attention.objects.get().code == "charge-pending"


def test_a_gateway_that_is_down_leaves_what_is_under_way_as_it_is(fake: stripe_fake.Running) -> None:
    charge(account := owing("pm_bank"))
    fake.do("plan", down="503")
    assert later(minutes=6) == {"pending": 1}
    assert states(account) == ["pending"]


def test_a_refund_whose_answer_was_lost_is_not_made_twice(fake: stripe_fake.Running) -> None:
    receipt = StripeGateway().charge(request())
    asked: Any = {"key": "back", "provider_id": receipt.provider_id, "amount": Decimal("15.00")}
    first = StripeGateway().refund(**asked)
    # Stripe forgets keys after a day: the refund itself is found.
    assert StripeGateway().refund(**asked) == first
    assert len(fake.asked("POST /v1/refunds")) == 1


def test_six_workers_with_one_key_make_one_charge(fake: stripe_fake.Running) -> None:
    outcomes: Counter[str] = Counter()
    gate = threading.Barrier(6)

    def work() -> None:
        gate.wait(5)
        try:
            outcomes[StripeGateway().charge(request(token="pm_slow")).provider_id] += 1
        except OutcomeUnknown as unknown:
            outcomes["409" if "409" in str(unknown) else str(unknown)] += 1

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
    assert len(fake.charged()) == 1
    assert sum(outcomes.values()) == 6
    assert set(outcomes) == {fake.charged()[0]["id"], "409"}


@pytest.mark.django_db(transaction=True)
def test_six_workers_with_one_attempt_make_one_charge(fake: stripe_fake.Running) -> None:
    account = owing("pm_slow")
    queue(account)
    gate = threading.Barrier(6)

    def work() -> None:
        gate.wait(5)
        try:
            dispatch_charges(clock.now())
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert states(account) == ["done"]
    assert len(fake.charged()) == 1
    assert len(fake.asked("POST /v1/payment_intents")) == 1


def test_an_unknown_primary_never_wakes_the_secondary_before_its_final_no(fake: stripe_fake.Running) -> None:
    """T12: 200 accounts whose primary's answer is lost; half of them turn out declined in the end."""
    accounts = [owing("pm_bank" if number % 2 else "pm_broken", f"pm_second{number}") for number in range(200)]
    for account in accounts:
        queue(account, 1)
        queue(account, 2)
    for _ in range(3):
        dispatch_charges(clock.now())
    seconds = [row for row in fake.asked("POST /v1/payment_intents") if "second" in row["payment_method"]]
    assert seconds == []
    assert Counter(states(accounts)) == {"unknown": 100, "pending": 100, "queued": 200}
    for attempt in PaymentAttempt.objects.filter(state="pending"):
        fake.do("finish", intent=attempt.provider_id, ok=False)
    assert later(minutes=6) == {"done": 100, "declined": 100}
    for _ in range(3):
        dispatch_charges(clock.now())
    seconds = [row for row in fake.asked("POST /v1/payment_intents") if "second" in row["payment_method"]]
    assert len(seconds) == len({row["payment_method"] for row in seconds}) == 100
    assert len(fake.charged()) == 200
    assert all(balance(account) == 0 for account in accounts)


def test_one_charge_in_five_loses_its_answer_and_none_is_made_twice(fake: stripe_fake.Running) -> None:
    """T11: after the provider recovers, the first look resolves everything."""
    fake.do("plan", share=0.35, faults=["reset", "500", "broken", "before"])
    accounts = [owing("pm_ok") for _ in range(60)]
    charge(*accounts)
    found = Counter(states(accounts))
    assert found["unknown"] >= 6
    fake.do("plan", share=0.0, down="503")
    assert later(minutes=6) == {"unknown": found["unknown"]}
    fake.do("plan", down="")
    resolved = later(hours=1, minutes=1)
    assert set(resolved) <= {"done", "queued"}
    with clock.at(clock.now() + timedelta(hours=2)):
        dispatch_charges(clock.now())
    assert Counter(states(accounts)) == {"done": 60}
    made = Counter(row["metadata"]["attempt"] for row in fake.charged())
    assert len(made) == 60
    assert max(made.values()) == 1
    assert_books_balance()


def test_no_fault_tells_the_secret_key_to_anybody(fake: stripe_fake.Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    told = []
    for number, token in enumerate(
        ["pm_ok", "pm_429", "pm_403", "pm_503", "pm_reset", "pm_broken", "pm_3ds", "pm_gone"]
    ):
        try:
            StripeGateway().charge(request(key=f"k{number}", token=token))
        except PortError as error:
            told.append(f"{error} {error.__cause__} {error.__context__ if not error.__suppress_context__ else ''}")
    assert len(told) == 7
    assert stripe_fake.KEY not in caplog.text + "".join(told)
    assert "Bearer" not in caplog.text


def test_a_pending_charge_carries_the_id_under_which_it_is_found_again() -> None:
    with pytest.raises(Pending) as pending:
        StripeGateway().charge(request(token="pm_bank"))
    assert pending.value.provider_id.startswith("pi_")
