"""Reports of Stripe: believed only if signed, kept once, and only a reason to ask how things stand (T13, R-08)."""

import os
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import Client, override_settings

from accounts.models import Account, Attention, FundingSource
from billing_project.kernel import clock
from billing_project.kernel.errors import StaleState
from billing_project.kernel.nudge import Nudge
from invoicing import tasks
from invoicing.gateways import stripe_client
from invoicing.models import GatewayEvent, Invoice, LedgerEntry, Payment, PaymentAttempt
from invoicing.operations import adjust, gateway_events
from invoicing.operations.payments import record_payment
from tests.peers import stripe_fake

from .helpers import assert_books_balance
from .stripe_helpers import SETTINGS, balance, charge, deliver, handle, owing, post, queue, states

pytestmark = pytest.mark.django_db
PAYMENTS = int(os.environ.get("REPORTED_PAYMENTS") or 200)


@pytest.fixture(autouse=True)
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[stripe_fake.Running]:
    monkeypatch.setattr(stripe_client, "READ_SECONDS", 1.5)
    with stripe_fake.running(tmp_path / "log") as running, override_settings(**SETTINGS, STRIPE_API_BASE=running.base):
        yield running


def paid(amount: str = "40.00") -> tuple[Account, Payment]:
    """Return an account whose card was charged, and the payment."""
    charge(account := owing("pm_ok", amount=amount))
    return account, Payment.objects.get(account=account)


# --- taken in ---


def test_a_report_is_kept_answered_and_handled_by_a_worker(
    fake: stripe_fake.Running, nudges: list[Nudge], django_capture_on_commit_callbacks: Any
) -> None:
    account = owing("pm_hang")
    charge(account)
    with django_capture_on_commit_callbacks(execute=True):
        assert deliver(fake.events()) == [200]
    assert ("invoicing.process_event", ()) in nudges
    event = GatewayEvent.objects.get()
    assert (event.type, event.object_id, event.state) == ("payment_intent.succeeded", fake.charged()[0]["id"], "queued")
    assert states(account) == ["unknown"]
    assert tasks.process_event() == 1
    event.refresh_from_db()
    assert (states(account), event.state, event.outcome) == (["done"], "done", "done")


def test_a_report_that_comes_again_is_one_report(fake: stripe_fake.Running) -> None:
    paid()
    assert deliver(fake.events(), times=3) == [200] * 3
    assert handle() == 1
    assert deliver(fake.events(), times=2) == [200] * 2
    assert (handle(), GatewayEvent.objects.count(), Payment.objects.count()) == (0, 1, 1)


def test_what_a_report_says_is_not_believed(fake: stripe_fake.Running) -> None:
    charge(account := owing("pm_bank"))
    intent = PaymentAttempt.objects.get().provider_id
    lie = {
        "id": "evt_lie", "object": "event", "type": "payment_intent.succeeded", "created": 1, "livemode": False,
        "data": {"object": {"id": intent, "object": "payment_intent", "status": "succeeded", "amount": 999999}},
    }  # fmt: skip
    deliver([lie])
    handle()
    assert states(account) == ["pending"]
    assert not Payment.objects.exists()


@pytest.mark.parametrize("secrets", ["whsec_new,{}", "{},whsec_new", " {} , whsec_x "])
def test_while_the_secret_is_changed_reports_of_either_are_believed(fake: stripe_fake.Running, secrets: str) -> None:
    paid()
    with override_settings(STRIPE_WEBHOOK_SECRET=secrets.format(stripe_fake.SECRET)):
        assert deliver(fake.events()) == [200]
    with override_settings(STRIPE_WEBHOOK_SECRET="whsec_new"):
        assert deliver(fake.events()) == [400]


@pytest.mark.parametrize(("age", "answer"), [(0, 200), (299, 200), (301, 400), (-299, 200), (-301, 400), (86400, 400)])
def test_an_old_signature_is_one_that_is_played_again(fake: stripe_fake.Running, age: int, answer: int) -> None:
    paid()
    now = clock.now()
    with clock.at(now):
        body, signature = stripe_fake.signed(fake.events()[0], at=int(now.timestamp()) - age)
        assert post(body, signature) == answer


def test_without_a_secret_there_is_no_such_address_and_only_posts_are_answered(fake: stripe_fake.Running) -> None:
    paid()
    assert Client().get("/callbacks/stripe/").status_code == 405
    with override_settings(STRIPE_WEBHOOK_SECRET=""):
        assert deliver(fake.events()) == [404]


def test_a_report_of_a_trial_says_nothing_about_real_money(fake: stripe_fake.Running) -> None:
    paid()
    assert deliver([{**fake.events()[0], "livemode": True}]) == [200]
    assert not GatewayEvent.objects.exists()


# --- any order, three times over, days late ---


def test_whatever_the_order_the_books_end_where_stripe_is(fake: stripe_fake.Running) -> None:
    """T13: REPORTED_PAYMENTS=2000 is the long run."""
    kinds = ["pm_ok", "pm_fine", "pm_bank", "pm_insufficient", "pm_broken"]
    accounts = [owing(kinds[number % len(kinds)]) for number in range(PAYMENTS)]
    charge(*accounts)
    attempts = list(PaymentAttempt.objects.filter(account__in=accounts).order_by("pk"))
    for number, attempt in enumerate(attempts):
        match number % 20:
            case 0 | 10:
                fake.do("dispute", intent=attempt.provider_id)
                fake.do("dispute", intent=attempt.provider_id, status="won" if number % 40 else "lost")
            case 2 | 7:
                fake.do("finish", intent=attempt.provider_id)
            case 12:
                fake.do("finish", intent=attempt.provider_id, ok=False)
    entries = []
    with clock.at(clock.now() + timedelta(days=3)):
        deliver(fake.events(), times=3, shuffled=7)
        handle()
        entries.append(LedgerEntry.objects.count())
        deliver(fake.events(), times=2, shuffled=8)
        handle()
        entries.append(LedgerEntry.objects.count())
    assert entries[0] == entries[1]
    stands = fake.do("stands")
    for attempt in PaymentAttempt.objects.filter(account__in=accounts).select_related("payment", "account"):
        said = stands[attempt.key]
        wanted = {"succeeded": "done", "processing": "pending"}.get(said["status"], "declined")
        assert attempt.state == wanted, attempt.key
        keeps = wanted == "done" and said["dispute"] in ("", "won")
        assert balance(attempt.account) == (0 if keeps else Decimal("40.00")), (attempt.key, said)
        assert attempt.payment is None or attempt.payment.reversed_at is None or said["dispute"]
    assert Counter(GatewayEvent.objects.values_list("state", flat=True)).keys() == {"done"}
    assert_books_balance()


def test_a_charge_that_had_been_given_up_is_recorded_when_its_report_comes(fake: stripe_fake.Running) -> None:
    for state in ("queued", "refused", "parked", "declined"):
        account = owing("pm_reset")
        charge(account)
        PaymentAttempt.objects.filter(account=account).update(state=state)
        deliver(fake.events())
        handle()
        assert states(account) == ["done"]
        assert balance(account) == 0
    assert_books_balance()


# --- refunds, disputes, strangers ---


def test_a_dispute_takes_the_payment_back_and_bars_the_card(fake: stripe_fake.Running) -> None:
    account, payment = paid()
    fake.do("dispute", intent=payment.reference)
    deliver(fake.events(), times=2)
    handle()
    payment.refresh_from_db()
    assert payment.reversed_why == "disputed: fraudulent"
    assert (Invoice.objects.get().state, balance(account)) == ("open", Decimal("40.00"))
    assert "disputed" in FundingSource.objects.get().barred_why
    assert queue(account, day=2).state == "refused"


@pytest.mark.parametrize("seen_between", [True, False])
def test_a_dispute_that_was_won_leaves_the_money_with_us_and_the_card_barred(
    fake: stripe_fake.Running, seen_between: bool
) -> None:
    account, payment = paid()
    fake.do("dispute", intent=payment.reference)
    if seen_between:
        deliver(fake.events())
        handle()
        assert balance(account) == Decimal("40.00")
    fake.do("dispute", intent=payment.reference, status="won")
    for _ in range(2):
        deliver(fake.events())
        handle()
    assert balance(account) == 0
    assert Payment.objects.count() == (2 if seen_between else 1)
    assert FundingSource.objects.get().barred_at is not None
    assert_books_balance()


def test_an_inquiry_moves_no_money_and_is_for_the_clerks(fake: stripe_fake.Running) -> None:
    account, payment = paid()
    fake.do("dispute", intent=payment.reference, status="warning_needs_response")
    deliver(fake.events())
    handle()
    assert (balance(account), Attention.objects.get().code) == (0, "dispute-asked")
    fake.do("dispute", intent=payment.reference, status="needs_response")
    deliver(fake.events())
    handle()
    assert balance(account) == Decimal("40.00")
    assert Attention.objects.get(resolved_at=None).code == "chargeback"


def test_a_dispute_of_a_part_is_for_the_clerks(fake: stripe_fake.Running) -> None:
    account, payment = paid()
    fake.do("dispute", intent=payment.reference, amount=1000)
    deliver(fake.events())
    handle()
    assert balance(account) == 0
    assert "10.00 of payment" in Attention.objects.get(code="dispute-partly").words


def test_unused_money_that_was_given_back_there_is_noted_here(fake: stripe_fake.Running) -> None:
    account, payment = paid()
    adjust.credit_note(invoice=Invoice.objects.get(), amount=Decimal("25.00"), reason="outage")
    fake.do("refund", intent=payment.reference, amount=1500)
    fake.do("refund", intent=payment.reference, amount=1000)
    for _ in range(2):
        deliver(fake.events(), times=2)
        handle()
    refunds = LedgerEntry.objects.filter(kind="refund")
    assert sum(entry.amount for entry in refunds) == Decimal("25.00")
    assert balance(account) == 0
    assert not Attention.objects.exists()


def test_money_that_was_given_back_there_and_is_used_here_is_for_the_clerks(fake: stripe_fake.Running) -> None:
    account, payment = paid()
    fake.do("refund", intent=payment.reference, amount=4000)
    deliver(fake.events())
    handle()
    assert Attention.objects.get().code == "refund-unmatched"
    assert balance(account) == 0
    adjust.credit_note(invoice=Invoice.objects.get(), amount=Decimal("40.00"), reason="goodwill")
    gateway_events.handle_again(GatewayEvent.objects.get(type="charge.refunded").pk)
    handle()
    assert LedgerEntry.objects.filter(kind="refund").count() == 1
    assert Attention.objects.get().resolved_at is None
    gateway_events.handle_again(GatewayEvent.objects.get(type="charge.refunded").pk)
    handle()
    assert Attention.objects.get().resolved_at is not None


def test_a_payment_that_nobody_asked_for_is_for_the_clerks_and_never_guessed(fake: stripe_fake.Running) -> None:
    account = owing("pm_ok")
    made = fake.do("pay_elsewhere", amount=4000, metadata={"account": str(account.public_id)})
    deliver(fake.events())
    handle()
    assert not Payment.objects.exists()
    attention = Attention.objects.get()
    assert (attention.code, attention.account) == ("payment-unknown", account)
    assert made["id"] in attention.words
    record_payment(account=account, reference=made["id"], amount=Decimal("40.00"), received_at=clock.now())
    gateway_events.handle_again(GatewayEvent.objects.get().pk)
    handle()
    assert Attention.objects.get().resolved_at is not None


def test_a_card_that_was_renewed_or_removed_there_is_so_here(fake: stripe_fake.Running) -> None:
    source = owing("pm_ok").funding_sources.get()
    fake.do("change_method", token="pm_ok", exp_year=2033, exp_month=2, last4="1881")
    deliver(fake.events())
    handle()
    source.refresh_from_db()
    assert (source.last4, str(source.expires_on), source.barred_at) == ("1881", "2033-02-28", None)
    fake.do("change_method", token="pm_ok", customer=None)
    deliver(fake.events())
    handle()
    source.refresh_from_db()
    assert source.barred_why == "it was removed at the gateway"


# --- what keeps it ---


def test_while_stripe_is_down_reports_wait_and_are_handled_after(fake: stripe_fake.Running) -> None:
    charge(account := owing("pm_hang"))
    deliver(fake.events())
    fake.do("plan", down="503")
    assert handle() == 0
    event = GatewayEvent.objects.get()
    assert (event.state, event.tries) == ("queued", 1)
    assert "503" in event.outcome
    assert handle() == 0
    fake.do("plan", down="")
    with clock.at(clock.now() + timedelta(minutes=2)):
        assert handle() == 1
    assert states(account) == ["done"]


def test_a_report_on_an_account_in_use_is_tried_again_in_the_same_pass_and_then_put_off(
    fake: stripe_fake.Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge(account := owing("pm_hang"))
    deliver(fake.events())
    bring, busy = gateway_events.reconcile.bring_up_to_date, [1, 1]

    def in_use(*args: Any) -> str:
        if busy:
            busy.pop()
            raise StaleState("This account has been in use by another task.")
        return bring(*args)

    monkeypatch.setattr(gateway_events.reconcile, "bring_up_to_date", in_use)
    assert handle() == 1
    assert (states(account), GatewayEvent.objects.get().tries) == (["done"], 3)
    GatewayEvent.objects.update(state="queued", tries=0, due_at=clock.now(), handled_at=None)
    busy.extend([1] * 9)
    assert handle() == 0
    event = GatewayEvent.objects.get()
    assert (event.state, event.tries) == ("queued", 3)
    assert event.due_at > clock.now()


def test_a_report_that_cannot_be_handled_is_given_up_after_days_and_shown(
    fake: stripe_fake.Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid()
    deliver(fake.events())

    def broken(*_: object) -> str:
        raise KeyError("of ours")

    monkeypatch.setattr(gateway_events.reconcile, "bring_up_to_date", broken)
    start = clock.now()
    for hours in range(24 * 4):
        with clock.at(start + timedelta(hours=hours)):
            handle()
    event = GatewayEvent.objects.get()
    assert (event.state, event.tries) == ("parked", 12)
    assert "KeyError" in event.outcome
    assert Attention.objects.get().code == "report-unhandled"
    monkeypatch.undo()
    with override_settings(STRIPE_API_BASE=fake.base):
        gateway_events.handle_again(event.pk)
        assert handle() == 1
    assert Attention.objects.get().resolved_at is not None


def test_silence_is_noticed_only_while_charges_are_made(fake: stripe_fake.Running) -> None:
    now = clock.now()
    with clock.at(now + timedelta(hours=8)):
        assert gateway_events.watch_silence(clock.now()) is False
    paid()
    with clock.at(now + timedelta(minutes=5)):
        assert gateway_events.watch_silence(clock.now()) is False
    with clock.at(now + timedelta(hours=1)):
        assert gateway_events.watch_silence(clock.now()) is True
    assert "/callbacks/stripe/" in Attention.objects.get(code="reports-silent").words
    deliver(fake.events())
    assert gateway_events.watch_silence(clock.now()) is False
    assert Attention.objects.get(code="reports-silent").resolved_at is not None


def test_the_sandbox_is_silent_and_nobody_minds() -> None:
    with override_settings(PAYMENT_GATEWAY="invoicing.gateways.sandbox.SandboxGateway"):
        assert gateway_events.watch_silence(clock.now() + timedelta(days=1)) is False
