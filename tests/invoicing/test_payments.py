"""Where money goes, and what a reversal takes back."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from invoicing import queries
from invoicing.models import Charge, Invoice, LedgerEntry, Payment, PaymentAttempt
from invoicing.operations import adjust
from invoicing.operations.charges import add_charge, waive_charge
from invoicing.operations.imports import ImportedInvoice, record_imported_invoices
from invoicing.operations.payments import record_payment, reverse_payment
from invoicing.signals import balance_changed
from tests.factories import bill_by, instant, make_account, make_source, make_staff

from .helpers import assert_books_balance, tick

pytestmark = pytest.mark.django_db


def invoice(account: Account, number: str, amount: str, issued_on: str, due_on: str) -> Invoice:
    record_imported_invoices(
        [
            ImportedInvoice(
                account_id=account.pk, number=number, issued_on=date.fromisoformat(issued_on),
                due_on=date.fromisoformat(due_on), amount=Decimal(amount),
                effective_at=instant(f"{issued_on} 00:05"),
            )
        ]
    )  # fmt: skip
    return Invoice.objects.get(number=number)


def pay(account: Account, reference: str, amount: str, local: str, **fields: Any) -> Payment:
    return record_payment(
        account=account, reference=reference, amount=Decimal(amount), received_at=instant(local), **fields
    )


def remaining(*numbers: str) -> list[str]:
    return [str(Invoice.objects.get(number=number).remaining) for number in numbers]


@pytest.fixture
def account() -> Account:
    account = make_account()
    invoice(account, "A", "100.00", "2026-01-01", "2026-01-16")
    invoice(account, "B", "100.00", "2026-02-01", "2026-02-10")
    invoice(account, "C", "100.00", "2026-01-20", "2026-02-10")
    return account


def test_a_gateways_reference_may_look_like_a_card_number_and_a_clerks_may_not(account: Account) -> None:
    lucky = "pi_4242424242424242"
    assert pay(account, lucky, "10.00", "2026-02-12 10:00", method="card").reference == lucky
    with pytest.raises(Refused) as refused:
        pay(account, "4000 0000 0000 0002", "10.00", "2026-02-12 10:00", by=make_staff("casey", is_superuser=True))
    assert refused.value.code == "card_number"


def test_money_goes_to_the_oldest_due_then_the_oldest_issued_and_the_rest_is_credit(account: Account) -> None:
    pay(account, "P-1", "150.00", "2026-02-12 10:00")
    assert remaining("A", "C", "B") == ["0.00", "50.00", "100.00"]
    pay(account, "P-2", "170.00", "2026-02-13 10:00")
    assert remaining("A", "C", "B") == ["0.00", "0.00", "0.00"]
    position = queries.account_position(account.pk)
    assert (position.credit, position.balance, position.pay_all) == (
        Decimal("20.00"),
        Decimal("-20.00"),
        Decimal(0),
    )
    assert_books_balance()


def test_the_named_invoice_comes_first(account: Account) -> None:
    pay(account, "P-1", "120.00", "2026-02-12 10:00", invoice=Invoice.objects.get(number="B"))
    assert remaining("A", "B", "C") == ["80.00", "0.00", "100.00"]


def test_a_frozen_invoice_is_skipped_also_when_it_is_named(account: Account) -> None:
    disputed = adjust.freeze_invoice(invoice=Invoice.objects.get(number="A"), frozen=True)
    pay(account, "P-1", "50.00", "2026-02-12 10:00", invoice=disputed)
    assert remaining("A", "B", "C") == ["100.00", "100.00", "50.00"]


def test_there_is_one_entry_for_each_pot_and_an_account_is_told_once(account: Account) -> None:
    told: list[list[int]] = []

    def receiver(account_ids: list[int], **_: Any) -> None:
        told.append(account_ids)

    balance_changed.connect(receiver)
    try:
        payment = pay(account, "P-1", "320.00", "2026-02-12 10:00")
    finally:
        balance_changed.disconnect(receiver)
    entries = LedgerEntry.objects.filter(payment=payment).order_by("pk")
    assert [str(entry.amount) for entry in entries] == ["-100.00", "-100.00", "-100.00", "-20.00"]
    assert entries[3].key == f"payment:{payment.pk}:credit"
    assert told == [[account.pk]]


@pytest.mark.parametrize("amount", ["0.00", "-1.00", "0.001", "99999999999.00"])
def test_an_impossible_amount_is_refused(account: Account, amount: str) -> None:
    with pytest.raises(Refused):
        pay(account, "P-1", amount, "2026-02-12 10:00")
    assert not Payment.objects.exists()


def test_a_reference_is_recorded_once_and_a_foreign_invoice_is_refused(account: Account) -> None:
    pay(account, "P-1", "10.00", "2026-02-12 10:00")
    with pytest.raises(Refused) as twice:
        pay(make_account(), "P-1", "10.00", "2026-02-12 10:00")
    assert twice.value.code == "payment_exists"
    with pytest.raises(Refused, match="is not account"):
        pay(make_account(), "P-2", "10.00", "2026-02-12 10:00", invoice=Invoice.objects.get(number="B"))


def test_money_recorded_after_a_decision_counts_from_there(account: Account) -> None:
    late = pay(account, "P-1", "10.00", "2026-02-12 08:00", not_before=instant("2026-02-12 09:00"))
    in_time = pay(account, "P-2", "10.00", "2026-02-12 10:00", not_before=instant("2026-02-12 09:00"))
    assert late.effective_at == instant("2026-02-12 09:00")
    assert in_time.effective_at == instant("2026-02-12 10:00")
    assert late.received_at == instant("2026-02-12 08:00")


def test_money_never_counts_on_an_invoice_before_the_invoice_does(account: Account) -> None:
    payment = pay(account, "P-1", "300.00", "2026-01-10 10:00")
    at = dict(LedgerEntry.objects.filter(payment=payment).values_list("invoice__number", "effective_at"))
    assert at["A"] == instant("2026-01-10 10:00")
    assert at["B"] == instant("2026-02-01 00:05")


def test_a_reversal_opens_what_was_paid_with_its_own_due_date_and_bars_the_source(account: Account) -> None:
    source = make_source(account)
    payment = pay(account, "P-1", "150.00", "2026-02-12 10:00", funding_source=source, method="bank")
    reverse_payment(payment=payment, at=instant("2026-02-20 08:30"), why="no funds")
    assert remaining("A", "C") == ["100.00", "100.00"]
    reopened = Invoice.objects.get(number="A")
    assert (reopened.state, reopened.due_on) == ("open", date(2026, 1, 16))
    source.refresh_from_db()
    assert source.barred_at == instant("2026-02-20 08:30")
    assert "P-1" in source.barred_why
    assert_books_balance()
    with pytest.raises(Refused, match="reversed before"):
        reverse_payment(payment=payment, why="again")
    assert remaining("A", "C") == ["100.00", "100.00"]


def test_a_reversal_takes_back_credit_also_where_a_later_invoice_used_it() -> None:
    account = make_account()
    bill_by(account, "2026-03-01", price="30.00")
    payment = pay(account, "P-1", "100.00", "2026-02-12 10:00")
    tick("2026-03-01 00:05")
    assert queries.account_position(account.pk).credit == Decimal("70.00")
    reverse_payment(payment=payment, at=instant("2026-03-05 10:00"), why="chargeback")
    position = queries.account_position(account.pk)
    assert (position.credit, position.balance, position.invoiced) == (
        Decimal(0),
        Decimal("30.00"),
        Decimal("30.00"),
    )
    assert Invoice.objects.get().state == "open"
    assert_books_balance()


def test_a_reversal_never_counts_before_its_payment(account: Account) -> None:
    payment = pay(account, "P-1", "10.00", "2026-02-12 10:00")
    reverse_payment(payment=payment, at=instant("2026-02-11 10:00"), why="recorded with an early date")
    assert Payment.objects.get().reversed_at == instant("2026-02-12 10:00")


def test_voiding_gives_what_was_paid_back_as_credit_and_a_reversal_still_finds_it(account: Account) -> None:
    payment = pay(account, "P-1", "60.00", "2026-02-12 10:00")
    voided = adjust.void_invoice(invoice=Invoice.objects.get(number="A"), why="billed twice")
    assert (voided.state, voided.remaining) == ("void", Decimal(0))
    assert queries.account_position(account.pk).credit == Decimal("60.00")
    assert_books_balance()
    reverse_payment(payment=payment, why="no funds")
    position = queries.account_position(account.pk)
    assert (position.credit, position.balance) == (Decimal(0), Decimal("200.00"))
    with pytest.raises(StaleState):
        adjust.void_invoice(invoice=voided, why="again")


def test_a_credit_note_lowers_the_invoice_and_frees_what_was_paid_above_it(account: Account) -> None:
    pay(account, "P-1", "60.00", "2026-02-12 10:00")
    adjust.credit_note(invoice=Invoice.objects.get(number="A"), amount=Decimal("30.00"), reason="outage")
    assert remaining("A") == ["10.00"]
    adjust.credit_note(invoice=Invoice.objects.get(number="A"), amount=Decimal("50.00"), reason="outage")
    assert remaining("A") == ["0.00"]
    assert queries.account_position(account.pk).credit == Decimal("40.00")
    with pytest.raises(Refused, match=r"from 0.01 to 20.00"):
        adjust.credit_note(invoice=Invoice.objects.get(number="A"), amount=Decimal("20.01"), reason="too much")
    assert_books_balance()


def test_a_write_off_is_undone_by_a_reversal(account: Account) -> None:
    payment = pay(account, "P-1", "60.00", "2026-02-12 10:00")
    adjust.write_off(invoice=Invoice.objects.get(number="A"), why="not worth it")
    assert Invoice.objects.get(number="A").state == "written_off"
    reverse_payment(payment=payment, why="no funds")
    reopened = Invoice.objects.get(number="A")
    assert (reopened.state, reopened.remaining) == ("open", Decimal("60.00"))
    assert_books_balance()


def test_only_unused_credit_can_be_refunded(account: Account) -> None:
    payment = pay(account, "P-1", "320.00", "2026-02-12 10:00")
    with pytest.raises(Refused, match=r"20.00 of unused credit"):
        adjust.refund(payment=payment, amount=Decimal("20.01"), why="asked for")
    adjust.refund(payment=payment, amount=Decimal("5.00"), why="asked for")
    adjust.refund(payment=payment, amount=Decimal("15.00"), why="asked for")
    assert queries.account_position(account.pk).credit == Decimal(0)
    # What was given back does not come back a second time.
    reverse_payment(payment=payment, why="no funds")
    assert queries.account_position(account.pk).balance == Decimal("300.00")


def test_nothing_is_adjusted_without_a_reason_or_while_a_card_is_charged(account: Account) -> None:
    paper = Invoice.objects.get(number="A")
    with pytest.raises(Refused, match="Say why"):
        adjust.void_invoice(invoice=paper, why=" ")
    PaymentAttempt.objects.create(account=account, invoice=paper, key="k", amount=1, state="sending")
    with pytest.raises(StaleState, match="under way"):
        adjust.void_invoice(invoice=paper, why="billed twice")


def add_fee(account: Account, amount: str = "10.00") -> Charge | None:
    return add_charge(
        account=account, kind="late_fee", key="late-fee:A", amount=Decimal(amount), description="Late fee",
        charged_on=date(2026, 1, 21), effective_at=instant("2026-01-21 09:00"),
    )  # fmt: skip


def test_a_fee_is_charged_once_by_its_key_and_never_for_nothing(account: Account) -> None:
    assert add_fee(account, "0.004") is None
    assert add_fee(account) is not None
    assert add_fee(account) is None
    assert Charge.objects.count() == 1
    position = queries.account_position(account.pk)
    assert (position.uninvoiced, position.pay_all, position.invoiced) == (
        Decimal("10.00"), Decimal("310.00"), Decimal("300.00"),
    )  # fmt: skip


def test_a_waived_fee_is_owed_no_more_and_cannot_be_waived_again(account: Account) -> None:
    fee = add_fee(account)
    assert fee is not None
    with clock.at(instant("2026-01-25 10:00")):
        waive_charge(fee, "first time")
    assert queries.account_position(account.pk).uninvoiced == Decimal(0)
    with pytest.raises(Refused, match="waived before"):
        waive_charge(fee, "again")


def test_an_invoiced_fee_is_not_waived_but_credited() -> None:
    account = make_account()
    bill_by(account, "2026-02-01")
    fee = add_fee(account)
    assert fee is not None
    tick("2026-02-01 00:05")
    with pytest.raises(Refused, match="credit note"):
        waive_charge(fee, "first time")
