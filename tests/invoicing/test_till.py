"""Money taken at the desk: what it would pay, what is refused, and a mistake undone (K4, R-05)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from invoicing.models import Invoice, Payment, PaymentAttempt
from invoicing.operations import till
from tests.factories import make_account, make_source
from tests.invoicing.desk import balance, make_teller
from tests.invoicing.helpers import assert_books_balance
from tests.invoicing.test_payments import invoice

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    account = make_account()
    invoice(account, "A", "100.00", "2026-01-01", "2026-01-16")
    invoice(account, "B", "50.00", "2026-02-01", "2026-02-10")
    return account


def take(account: Account, by: Any, amount: str = "10.00", reference: str = "R-1", **more: Any) -> Payment:
    given = {"received_at": clock.now(), "method": "cash"} | more
    return till.take_payment(account=account, reference=reference, amount=Decimal(amount), by=by, **given)


def test_what_a_payment_would_pay_is_told_without_recording_it(account: Account) -> None:
    use = till.use_of(account, Decimal("120.00"))
    assert [(share.invoice.number, share.amount, share.left) for share in use.shares] == [
        ("A", Decimal("100.00"), Decimal("0.00")), ("B", Decimal("20.00"), Decimal("30.00")),
    ]  # fmt: skip
    assert till.use_of(account, Decimal("160.00")).credit == Decimal("10.00")
    named = till.use_of(account, Decimal("60.00"), Invoice.objects.get(number="B"))
    assert [share.invoice.number for share in named.shares] == ["B", "A"]
    assert not Payment.objects.exists()


def test_more_than_is_owed_is_only_kept_when_told_so(account: Account) -> None:
    casey = make_teller("casey")
    with pytest.raises(Refused, match=r"more than the 150\.00") as more:
        take(account, casey, "1500.00")
    assert more.value.code == "more_than_owed"
    take(account, casey, "151.00", keep_rest=True)
    assert balance(account) == Decimal("-1.00")


def test_who_comes_second_is_told_that_it_is_already_settled(account: Account) -> None:
    casey = make_teller("casey")
    take(account, casey, "150.00")
    with pytest.raises(Refused, match="already settled") as late:
        take(account, casey, "150.00", reference="R-2")
    assert late.value.code == "already_settled"
    # Pressed twice: what is said is where the first one is.
    with pytest.raises(Refused, match=r"150.00 USD of account .* received on"):
        take(account, casey, "150.00")
    assert Payment.objects.count() == 1


@pytest.mark.parametrize(("state", "code"), [("sending", "charge_under_way"), ("unknown", "charge_unclear")])
def test_money_is_not_taken_twice_while_a_card_is_charged(account: Account, state: str, code: str) -> None:
    casey = make_teller("casey")
    PaymentAttempt.objects.create(
        account=account, invoice=Invoice.objects.get(number="A"), funding_source=make_source(account), key="k",
        amount=100, state=state, unclear_at=clock.now() if state == "unknown" else None,
    )  # fmt: skip
    with pytest.raises(Refused) as held:
        take(account, casey)
    assert held.value.code == code
    if state == "unknown":
        take(account, casey, despite_charge=True)
        assert Payment.objects.count() == 1


def test_money_of_tomorrow_and_card_numbers_are_refused(account: Account) -> None:
    casey = make_teller("casey")
    with pytest.raises(Refused, match="in the future"):
        take(account, casey, received_at=clock.now() + timedelta(minutes=1))
    with pytest.raises(Refused, match="card number") as card:
        take(account, casey, reference="4242 4242 4242 4242")
    assert "4242 4242" not in str(card.value)


def test_a_mistake_is_undone_within_ten_minutes_by_who_made_it_without_barring_a_card(account: Account) -> None:
    casey, other = make_teller("casey"), make_teller("other")
    payment = take(account, casey, "120.00")
    now = payment.recorded_at
    assert "not by you" in till.why_not_undone(payment, other, now)
    assert till.why_not_undone(payment, casey, now + timedelta(minutes=10)) == ""
    assert "more than 10 minutes" in till.why_not_undone(payment, casey, now + timedelta(minutes=11))
    till.undo_payment(payment, casey)
    payment.refresh_from_db()
    assert (payment.reversed_as, payment.reversed_why) == ("mistake", "recorded by mistake")
    assert balance(account) == Decimal("150.00")
    assert set(payment.ledger_entries.values_list("kind", flat=True)) == {"payment", "adjustment"}
    with pytest.raises(Refused, match="reversed before"):
        till.undo_payment(payment, casey)
    assert_books_balance()
