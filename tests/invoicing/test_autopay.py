"""Automatic payment by policy: refused without a call, card by card; and everything that is due at once (E8, X8)."""

import os
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from accounts.operations import refresh_funding_source, replace_funding_source
from billing_project.kernel import clock
from invoicing.dispatch import dispatch_charges, resolve_unknown
from invoicing.models import BillingDefault, BillingParameters, Invoice, Payment, PaymentAttempt, SandboxCharge
from invoicing.operations import adjust, chargeable, collect
from invoicing.operations.autopay import set_autopay
from invoicing.operations.payments import record_payment
from invoicing.operations.terms import start_billing
from tests.backoffice import make_invoice
from tests.factories import bill_by, instant, make_account, make_source

from .helpers import assert_books_balance, tick

pytestmark = pytest.mark.django_db

FEB = instant("2026-02-16 06:00")
# All thousand of T12: UNKNOWN_PRIMARIES=1000.
UNKNOWN_PRIMARIES = int(os.environ.get("UNKNOWN_PRIMARIES") or 25)


@pytest.fixture(autouse=True)
def in_february() -> Iterator[None]:
    with clock.at(FEB):
        yield


def owing(*tokens: str, months: int = 2, whole: bool = False) -> Account:
    """Return an account that owes 86.80 of January and 86.80 of February, with these cards in order."""
    account = make_account()
    bill_by(account, "2026-01-01")
    for month in range(1, months + 1):
        tick(f"2026-{month:02d}-01 00:05")
    BillingParameters.objects.filter(account=account).update(autopay_entire_amount_due=whole)
    for rank, token in enumerate(tokens, 1):
        make_source(account, rank, token)
    return account


def bills(account: Account) -> list[Invoice]:
    return list(Invoice.objects.filter(account=account).order_by("due_on"))


def order(invoice: Invoice, rank: int = 1, *, days: int = 0) -> chargeable.ChargeAttemptOrder:
    return chargeable.ChargeAttemptOrder(
        account_id=invoice.account_id, invoice_id=invoice.pk, rank=rank, key=f"invoice:{invoice.pk}/{days}/{rank}",
        amount=invoice.remaining, due_at=FEB + timedelta(days=days), why="the policy says so",
    )  # fmt: skip


def queue(*orders: chargeable.ChargeAttemptOrder) -> list[PaymentAttempt]:
    with clock.at(max(one.due_at for one in orders)):
        return collect.queue_charges(orders)


def run(days: float = 0) -> dict[str, int]:
    at = FEB + timedelta(days=days)
    with clock.at(at):
        return dict(dispatch_charges(at))


def asked() -> list[tuple[str, str]]:
    """Return what the gateway was asked to charge, and by which card."""
    rows = SandboxCharge.objects.order_by("pk").values_list("source_token", "amount")
    return [(token, str(amount)) for token, amount in rows]


# --- Refused without a call ---


def test_for_three_days_a_card_that_the_bank_took_back_is_called_once_and_every_day_counts() -> None:
    account = owing("tok_stolen", months=1)
    [january] = bills(account)
    for day in range(3):
        queue(order(january, days=day))
        run(day)
    attempts = list(PaymentAttempt.objects.order_by("pk"))
    assert [row.state for row in attempts] == ["declined", "refused", "refused"]
    assert all("stolen_card" in row.why for row in attempts[1:])
    assert len(asked()) == 1


def test_a_stolen_card_is_not_asked_for_the_next_invoice_either_until_another_is_entered() -> None:
    account = owing("tok_stolen")
    january, february = bills(account)
    queue(order(january))
    run()
    queue(order(february, days=1))
    assert run(1) == {}
    assert PaymentAttempt.objects.get(invoice=february).state == "refused"
    replace_funding_source(account, 1, source_token="tok_ok", brand="Visa", last4="4242")
    queue(order(january, days=2), order(february, days=2))
    assert run(2) == {"done": 2}


def test_a_stolen_card_that_its_bank_renews_is_asked_again() -> None:
    account = owing("tok_stolen", months=1)
    [january] = bills(account)
    queue(order(january))
    run()
    source = account.funding_sources.get()
    refresh_funding_source(source, brand=source.brand, last4="1111", expires_on=source.expires_on)
    queue(order(january, days=1))
    assert run(1) == {"declined": 1}
    assert len(asked()) == 2


def test_what_the_bank_refused_for_one_invoice_only_is_asked_for_the_next() -> None:
    account = owing("tok_stolen")
    january, february = bills(account)
    queue(order(january))
    run()
    PaymentAttempt.objects.update(code="fraudulent")
    queue(order(january, days=1), order(february, days=1))
    run(1)
    states = dict(PaymentAttempt.objects.filter(key__contains="/1/").values_list("invoice", "state"))
    assert states == {january.pk: "refused", february.pk: "declined"}


def test_a_card_that_was_charged_since_is_asked_for_other_invoices_again() -> None:
    account = owing("tok_stolen")
    january, february = bills(account)
    queue(order(january))
    run()
    stolen = PaymentAttempt.objects.get()
    with clock.at(FEB + timedelta(hours=1)):
        payment = record_payment(account=account, reference="P", amount=Decimal(1), received_at=clock.now())
        PaymentAttempt.objects.create(
            account=account, invoice=january, key="by hand", amount=1, state="done", payment=payment,
            source_mark=stolen.source_mark, settled_at=clock.now(),
        )  # fmt: skip
    queue(order(january, days=1), order(february, days=1))
    states = dict(PaymentAttempt.objects.filter(key__contains="/1/").values_list("invoice", "state"))
    assert states == {january.pk: "refused", february.pk: "queued"}


def test_who_pays_by_hand_is_not_charged_and_the_day_says_so() -> None:
    account = owing("tok_ok", "tok_second", months=1)
    [january] = bills(account)
    set_autopay(account, False, why="asked for by telephone")
    queue(order(january), order(january, 2))
    assert run() == {}
    rows = list(PaymentAttempt.objects.order_by("pk"))
    assert [(row.state, row.why) for row in rows] == [
        ("refused", "The customer pays by hand: automatic payment is off.")
    ] * 2


def test_automatic_payment_that_is_turned_off_meanwhile_stops_what_is_queued() -> None:
    account = owing("tok_ok", months=1)
    [january] = bills(account)
    queue(order(january))
    set_autopay(account, False, why="asked for by telephone")
    assert run() == {"refused": 1}
    assert asked() == []


def test_a_charge_of_tomorrow_is_not_refused_for_what_may_change_by_then() -> None:
    account = owing("tok_ok", months=1)
    [january] = bills(account)
    set_autopay(account, False, why="for a day")
    collect.queue_charges([order(january, days=1)])
    set_autopay(account, True, why="again")
    assert run(1) == {"done": 1}


def test_queueing_asks_as_much_for_many_accounts_as_for_one() -> None:
    def queries(number: int) -> int:
        orders = []
        for _ in range(number):
            account = owing("tok_stolen", whole=True)
            orders += [order(row) for row in bills(account)]
        with CaptureQueriesContext(connection) as seen:
            collect.queue_charges(orders)
        return len(seen)

    assert queries(1) == queries(4)


# --- The entire amount due ---


def test_two_invoices_on_one_day_are_one_charge_oldest_first() -> None:
    account = owing("tok_ok", whole=True)
    january, february = bills(account)
    made = queue(order(february), order(january))
    assert [(row.invoice, row.state, row.whole) for row in made] == [
        (february, "refused", False), (january, "queued", True),
    ]  # fmt: skip
    assert january.number in made[0].why
    assert run() == {"done": 1}
    assert asked() == [("tok_ok", "173.60")]
    attempt = PaymentAttempt.objects.get(state="done")
    assert attempt.covers == f"{january.number} 86.80, {february.number} 86.80"
    assert february.number in attempt.why
    assert [row.remaining for row in bills(account)] == [0, 0]
    assert_books_balance()


def test_per_invoice_two_invoices_are_two_charges() -> None:
    account = owing("tok_ok")
    queue(*(order(row) for row in bills(account)))
    assert run() == {"done": 2}
    assert asked() == [("tok_ok", "86.80")] * 2


def test_what_is_not_due_yet_or_disputed_is_left_out() -> None:
    account = owing("tok_ok", months=3, whole=True)
    january, february, march = bills(account)
    adjust.freeze_invoice(invoice=january, frozen=True)
    queue(order(january), order(february))
    run()
    assert asked() == [("tok_ok", "86.80")]
    assert [row.remaining for row in bills(account)] == [Decimal("86.80"), 0, Decimal("86.80")]
    assert march.due_on > FEB.date()


def test_what_was_paid_meanwhile_is_not_charged_again() -> None:
    account = owing("tok_ok", whole=True)
    january, february = bills(account)
    queue(order(january), order(february))
    record_payment(account=account, reference="cash", amount=Decimal("86.80"), received_at=FEB)
    run()
    assert asked() == [("tok_ok", "86.80")]
    assert [row.remaining for row in bills(account)] == [0, 0]


def test_a_second_batch_of_the_day_makes_no_second_charge() -> None:
    account = owing("tok_declined", whole=True)
    january, february = bills(account)
    queue(order(january))
    run()
    [later] = queue(order(february))
    assert later.state == "refused"
    assert len(asked()) == 1
    [tomorrow] = queue(order(february, days=1))
    assert (tomorrow.state, tomorrow.whole) == ("queued", True)


def test_the_secondary_takes_it_all_only_after_the_primary_has_said_no() -> None:
    account = owing("tok_declined", "tok_second", whole=True)
    queue(*(order(row, rank) for row in bills(account) for rank in (1, 2)))
    run()
    assert asked() == [("tok_declined", "173.60"), ("tok_second", "173.60")]
    assert [row.remaining for row in bills(account)] == [0, 0]
    assert Payment.objects.count() == 1


def test_while_the_answer_is_lost_nothing_else_of_the_account_is_charged() -> None:
    account = owing("tok_lost_answer", "tok_second", whole=True)
    january, february = bills(account)
    queue(order(january, 1))
    assert run() == {"unknown": 1}
    # The terms are changed while nobody knows: the unknown charge covers both invoices all the same.
    BillingParameters.objects.update(autopay_entire_amount_due=False)
    queue(order(january, 2), order(february, 2))
    assert run() == {}
    assert len(asked()) == 1
    at = FEB + timedelta(minutes=6)
    with clock.at(at):
        assert dict(resolve_unknown(at)) == {"done": 1}
        assert dict(dispatch_charges(at)) == {"refused": 2}
    assert [row.remaining for row in bills(account)] == [0, 0]


def test_the_database_refuses_a_second_open_charge_of_everything() -> None:
    account = owing("tok_ok", whole=True)
    january, february = bills(account)
    make = {"account": account, "amount": 1, "whole": True, "state": "sending"}
    PaymentAttempt.objects.create(invoice=january, key="one", **make)
    with pytest.raises(IntegrityError, match="attempt_whole_open_once"), transaction.atomic():
        PaymentAttempt.objects.create(invoice=february, key="two", **make)


def test_a_repeated_call_never_asks_for_more_than_the_first() -> None:
    account = owing("tok_timeout_before", months=3, whole=True)
    queue(*(order(row) for row in bills(account)[:2]))
    assert run() == {"queued": 1}
    at = FEB + timedelta(days=40)
    with clock.at(at):
        dispatch_charges(at)
    assert PaymentAttempt.objects.get(whole=True).amount == Decimal("173.60")


def test_an_account_copies_the_switch_from_its_billing_default() -> None:
    default = BillingDefault.objects.create(name="All at once", autopay_entire_amount_due=True)
    assert start_billing(make_account(), default).autopay_entire_amount_due


# --- T12 ---


def test_while_the_primary_is_unknown_the_secondary_is_never_used_and_after_its_no_exactly_once() -> None:
    at = FEB
    orders = []
    for number in range(UNKNOWN_PRIMARIES):
        account = make_account()
        invoice = make_invoice(account, f"U-{number}")
        start_billing(account, billing_default_of(whole=number % 2 == 0))
        make_source(account, 1, "tok_lost_answer")
        make_source(account, 2, "tok_second")
        orders += [order(invoice), order(invoice, 2)]
    collect.queue_charges(orders)
    assert dispatch_charges(at) == {"unknown": UNKNOWN_PRIMARIES}
    for minutes in (1, 2, 4):
        with clock.at(at + timedelta(minutes=minutes)):
            assert dispatch_charges(clock.now()) == {}
            assert resolve_unknown(clock.now()) == {}
    assert not SandboxCharge.objects.filter(source_token="tok_second").exists()
    SandboxCharge.objects.update(outcome="declined", code="card_declined")  # how it ended there, while nobody knew
    with clock.at(at + timedelta(minutes=6)):
        assert resolve_unknown(clock.now()) == {"declined": UNKNOWN_PRIMARIES}
        assert dispatch_charges(clock.now()) == {"done": UNKNOWN_PRIMARIES}
        assert dispatch_charges(clock.now()) == {}
    assert SandboxCharge.objects.filter(source_token="tok_second").count() == UNKNOWN_PRIMARIES
    assert Payment.objects.count() == UNKNOWN_PRIMARIES
    assert not Invoice.objects.filter(remaining__gt=0).exists()


def billing_default_of(*, whole: bool) -> BillingDefault:
    """Return a billing default that charges the entire amount, or each invoice."""
    return BillingDefault.objects.get_or_create(name=f"whole {whole}", autopay_entire_amount_due=whole)[0]
