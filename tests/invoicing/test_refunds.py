"""Money given back: held before the call, settled after it, never repeated blindly (R-05, R-07)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Account, Attention
from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Refused, Rejected, Unavailable
from delinquency.invariants import check_invariants
from invoicing import queries
from invoicing.gateways.sandbox import SandboxGateway
from invoicing.models import Invoice, LedgerEntry, Payment, RefundAttempt, SandboxCharge
from invoicing.operations import refunds
from invoicing.operations.payments import record_payment, reverse_payment
from tests.factories import instant, make_account
from tests.invoicing.desk import balance, make_teller, pay_by_card
from tests.invoicing.helpers import assert_books_balance
from tests.invoicing.test_payments import invoice

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    account = make_account()
    invoice(account, "A", "100.00", "2026-01-01", "2026-01-16")
    return account


def begin(payment: Payment, amount: str, **more: Any) -> RefundAttempt:
    attempt = refunds.begin(payment=payment, amount=Decimal(amount), why="asked for", **more)
    assert attempt is not None
    return attempt


def given_back() -> Decimal:
    return sum((row.amount for row in SandboxCharge.objects.filter(outcome="refunded")), Decimal(0))


def fine() -> bool:
    assert_books_balance()
    return [row.where for row in check_invariants() if row.invariant == "I2"] == []


def fail(monkeypatch: pytest.MonkeyPatch, error: Exception, *, after: bool = False) -> None:
    """Let the gateway's answer get lost, before or after it has done it."""
    real = SandboxGateway.refund

    def refund(self: SandboxGateway, **asked: Any) -> Any:
        if after:
            real(self, **asked)
        raise error

    monkeypatch.setattr(SandboxGateway, "refund", refund)


def test_unused_money_goes_back_in_parts_and_sending_twice_is_once(account: Account) -> None:
    payment = pay_by_card(account, "150.00")
    attempt = begin(payment, "20.00")
    assert balance(account) == Decimal("-30.00"), "held from the moment it is reserved"
    assert [refunds.send(attempt.pk), refunds.send(attempt.pk)] == ["done", "done"]
    refunds.send(begin(payment, "30.00").pk)
    assert given_back() == Decimal("50.00")
    assert (Invoice.objects.get().state, balance(account)) == ("paid", Decimal("0.00"))
    assert fine()


def test_what_lies_on_an_invoice_is_credited_there_first(account: Account) -> None:
    payment = pay_by_card(account, "150.00")
    found = refunds.refundable(payment)
    assert (found.most, found.unused, [(row.number, part) for row, part in found.on_invoices]) == (
        Decimal("150.00"), Decimal("50.00"), [("A", Decimal("100.00"))],
    )  # fmt: skip
    assert refunds.send(begin(payment, "110.00").pk) == "done"
    assert given_back() == Decimal("110.00")
    assert Invoice.objects.get().state == "paid"
    assert refunds.refundable(payment).most == Decimal("40.00")
    assert fine()


def test_a_refund_the_gateway_declines_gives_everything_back(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    payment = pay_by_card(account, "150.00")
    for error in (Rejected("The card is closed.", "closed"), Unavailable("No route.")):
        with monkeypatch.context() as patched:
            fail(patched, error)
            assert refunds.send(begin(payment, "110.00").pk) == "declined"
        found = refunds.refundable(payment)
        assert (found.most, found.unused, balance(account)) == (Decimal("150.00"), Decimal("50.00"), Decimal("-50.00"))
        assert fine()
    assert refunds.send(begin(payment, "110.00").pk) == "done"


def test_an_unknown_refund_that_was_made_is_found_and_never_repeated(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = pay_by_card(account, "150.00")
    fail(monkeypatch, OutcomeUnknown("timed out"), after=True)
    attempt = begin(payment, "50.00")
    assert refunds.send(attempt.pk) == "unknown"
    assert Attention.objects.get(code="refund-unknown").resolved_at is None
    with pytest.raises(Refused, match="is being given back"):
        begin(payment, "10.00")
    with pytest.raises(Refused, match="is being given back"):
        reverse_payment(payment=payment, why="chargeback")
    now = clock.now()
    assert refunds.dispatch_refunds(now + timedelta(minutes=4)) == 0
    assert refunds.dispatch_refunds(now + timedelta(minutes=6)) == 1
    attempt.refresh_from_db()
    assert (attempt.state, given_back(), balance(account)) == ("done", Decimal("50.00"), Decimal("0.00"))
    assert Attention.objects.get(code="refund-unknown").resolved_at is not None
    assert fine()


def test_an_unknown_refund_that_was_not_made_gives_the_money_back_after_an_hour(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = pay_by_card(account, "150.00")
    fail(monkeypatch, OutcomeUnknown("timed out"))
    attempt = begin(payment, "50.00")
    assert refunds.send(attempt.pk) == "unknown"
    now = clock.now()
    assert refunds.dispatch_refunds(now + timedelta(minutes=6)) == 0
    assert balance(account) == Decimal("0.00")
    assert refunds.dispatch_refunds(now + timedelta(minutes=62)) == 1
    attempt.refresh_from_db()
    assert (attempt.state, attempt.code, balance(account)) == ("declined", "not_made", Decimal("-50.00"))
    assert fine()


def test_a_refund_whose_sender_died_is_sent_or_looked_up(account: Account) -> None:
    payment = pay_by_card(account, "150.00")
    before = begin(payment, "20.00")
    assert refunds.dispatch_refunds(clock.now()) == 1
    before.refresh_from_db()
    assert before.state == "done"
    during = begin(payment, "10.00")
    now = clock.now()
    RefundAttempt.objects.filter(pk=during.pk).update(state="sending", lease_until_at=now + timedelta(minutes=2))
    refunds.dispatch_refunds(now + timedelta(minutes=3))
    during.refresh_from_db()
    assert during.state == "unknown"
    assert given_back() == Decimal("20.00")


def test_the_database_refuses_a_second_open_refund(account: Account) -> None:
    payment = pay_by_card(account, "150.00")
    begin(payment, "20.00")
    with pytest.raises(IntegrityError, match="refund_open_once"), transaction.atomic():
        RefundAttempt.objects.create(payment=payment, key="other", amount=1, reason="x")


def test_cash_is_only_noted_as_paid_out(account: Account) -> None:
    payment = record_payment(
        account=account, reference="R-1", amount=Decimal("120.00"), received_at=instant("2026-02-01 10:00")
    )
    assert refunds.begin(payment=payment, amount=Decimal("60.00"), why="paid twice") is None
    assert not RefundAttempt.objects.exists()
    assert queries.account_position(account.pk).credit == Decimal("0.00")
    assert LedgerEntry.objects.get(kind="refund").amount == Decimal("60.00")
    assert fine()


@pytest.mark.parametrize("amount", ["0.00", "-1.00", "150.01", "0.001"])
def test_an_impossible_refund_is_refused(account: Account, amount: str) -> None:
    payment = pay_by_card(account, "150.00")
    with pytest.raises(Refused, match=r"from 0.01 to 150.00"):
        begin(payment, amount)
    reverse_payment(payment=payment, why="chargeback")
    with pytest.raises(Refused, match="was reversed"):
        begin(payment, "10.00")


def test_a_refund_above_the_limit_needs_a_second_person(account: Account) -> None:
    from invoicing.operations import approvals

    payment, casey, avery = pay_by_card(account, "150.00"), make_teller("casey", refund="49.99"), make_teller("avery")
    with pytest.raises(Refused, match="above what casey"):
        begin(payment, "50.00", by=casey)
    asked = approvals.do_or_ask(
        approvals.Kind.REFUND, payment, amount=Decimal("50.00"), code="goodwill", reason="", by=casey
    )
    assert asked is not None
    assert given_back() == 0
    approvals.approve(asked, by=avery)
    assert refunds.dispatch_refunds(clock.now()) == 1
    assert given_back() == Decimal("50.00")
