"""What the gateway pays out: fetched once, each line matched with one row of ours, and every difference told."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import override_settings

from billing_project.kernel import clock
from billing_project.kernel.errors import Unavailable
from delinquency.reports.registry import REPORTS, asked_from
from invoicing.dispatch import dispatch_charges
from invoicing.gateways import stripe_client
from invoicing.models import Invoice, Payment, Payout, PayoutLine, SandboxCharge
from invoicing.operations import collect
from invoicing.operations.payouts import fetch_payouts, match_lines
from tests.backoffice import make_invoice
from tests.factories import make_account, make_source
from tests.invoicing.stripe_helpers import SETTINGS, owing, queue
from tests.peers import stripe_fake

pytestmark = pytest.mark.django_db


def day(number: int, hour: int = 15) -> Any:
    return clock.at(datetime(2026, 3, number, hour, tzinfo=UTC))


def charge(number: int, amount: str) -> Payment:
    """Charge a customer's card on a day in March, at the sandbox."""
    with day(number):
        account = make_account()
        make_invoice(account, f"I-{account.pk}", amount=amount)
        make_source(account)
        invoice = Invoice.objects.get(account=account)
        collect.queue_charge(
            account=account, invoice=invoice, rank=1, key=f"k-{account.pk}", amount=invoice.amount,
            due_at=clock.now(), why="due",
        )  # fmt: skip
        dispatch_charges(clock.now())
        return Payment.objects.get(account=account)


def figures(**given: str) -> dict[str, Any]:
    with day(20):
        asked = asked_from(REPORTS["payouts"], {"from": "2026-03-01", "to": "2026-03-20", **given})
        table = REPORTS["payouts"].make(asked)
    line = next((one for one in table.lines if one.is_sum), None)
    heads = [column.words for column in table.columns]
    return dict(zip(heads, line.cells, strict=True)) if line else {}


def fetch(number: int) -> int:
    with day(number):
        return fetch_payouts(clock.now())


def test_each_day_is_paid_out_on_the_next_less_fees_and_every_line_finds_its_payment() -> None:
    first, second = charge(2, "100.00"), charge(2, "50.00")
    late = charge(5, "10.00")
    assert fetch(5) == 1
    assert fetch(5) == 0, "what was kept is not kept again"
    payout = Payout.objects.get()
    # 2.9 % and 0.30 of each: 3.20 and 1.75.
    assert (payout.amount, payout.arrives_on) == (Decimal("145.05"), date(2026, 3, 4))
    assert {line.payment for line in payout.lines.all()} == {first, second}
    found = figures()
    assert (found["our payments"], found["not paid out yet"]) == (Decimal("160.00"), late.amount)
    assert (found["charges paid out"], found["fees"], found["net paid out"]) == (
        Decimal("150.00"), Decimal("4.95"), Decimal("145.05"),
    )  # fmt: skip
    fetch(6)
    assert figures()["not paid out yet"] == 0


def test_what_the_gateway_paid_out_and_nothing_of_ours_names_is_listed() -> None:
    with day(2):
        SandboxCharge.objects.create(key="x", source_token="tok_ok", amount=Decimal("7.00"), currency="USD",
                                     outcome="charged")  # fmt: skip
    fetch(4)
    assert figures()["not in our books"] == Decimal("7.00")
    with day(20):
        part = REPORTS["payouts"].part(asked_from(REPORTS["payouts"], {"from": "2026-03-01"}), "unmatched")
        assert part is not None
        asked = asked_from(REPORTS["payouts"], {"from": "2026-03-01", "to": "2026-03-20"})
        part = REPORTS["payouts"].part(asked, "unmatched")
        assert part is not None
        assert [line.cells[5] for line in part.all_lines()] == [Decimal("7.00")]


def test_a_line_is_matched_once_and_a_second_one_about_the_same_charge_stays_to_be_seen() -> None:
    paid = charge(2, "100.00")
    fetch(4)
    payout = Payout.objects.get()
    values: dict[str, Any] = {
        "payout": payout, "kind": "charge", "about": paid.reference, "gross": Decimal("100.00"), "fee": Decimal(0),
        "net": Decimal("100.00"), "happened_at": payout.made_at,
    }  # fmt: skip
    again = PayoutLine.objects.create(provider_id="again", **values)
    assert match_lines() == 0
    again.refresh_from_db()
    assert again.payment is None
    assert figures()["not in our books"] == Decimal("100.00")
    with pytest.raises(IntegrityError), transaction.atomic():
        PayoutLine.objects.create(provider_id="third", payment=paid, **values)


def test_another_amount_than_ours_has_a_button_of_its_own() -> None:
    paid = charge(2, "100.00")
    fetch(4)
    PayoutLine.objects.filter(payment=paid).update(gross=Decimal("90.00"), net=Decimal("86.80"))
    with day(20):
        asked = asked_from(REPORTS["payouts"], {"from": "2026-03-01", "to": "2026-03-20"})
        table = REPORTS["payouts"].make(asked)
        assert table.shortcuts == (("Paid out with another amount than we recorded: 1", "differs"),)
        part = REPORTS["payouts"].part(asked, "differs")
        assert part is not None
        assert [(line.cells[5], line.cells[8]) for line in part.all_lines()] == [(Decimal("90.00"), Decimal("100.00"))]


# --- Stripe ------------------------------------------------------------------------------------------------------


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[stripe_fake.Running]:
    monkeypatch.setattr(stripe_client, "READ_SECONDS", 1.5)
    with stripe_fake.running(tmp_path / "log") as running, override_settings(**SETTINGS, STRIPE_API_BASE=running.base):
        yield running


def test_stripes_payouts_are_read_line_by_line_from_its_balance(fake: stripe_fake.Running) -> None:
    for account in (owing("pm_card", amount="40.00"), owing("pm_card", amount="60.00")):
        queue(account)
    dispatch_charges(clock.now())
    first, second = Payment.objects.order_by("amount")
    fake.do("refund", intent=second.reference, amount=500)
    fake.do("pay_out")
    assert fetch_payouts(clock.now()) == 1
    payout = Payout.objects.get()
    found = {(line.kind, line.gross, line.fee, line.payment) for line in payout.lines.all()}
    assert found == {
        ("charge", Decimal("40.00"), Decimal("1.46"), first), ("charge", Decimal("60.00"), Decimal("2.04"), second),
        ("refund", Decimal("-5.00"), Decimal("0.00"), None),
    }  # fmt: skip
    assert payout.amount == Decimal("91.50") == sum(line.net for line in payout.lines.all())
    assert fetch_payouts(clock.now()) == 0


def test_a_gateway_that_cannot_be_asked_says_so(fake: stripe_fake.Running) -> None:
    with override_settings(STRIPE_API_BASE="http://127.0.0.1:9"), pytest.raises(Unavailable):
        fetch_payouts(clock.now())
