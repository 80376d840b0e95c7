"""Paying in the portal: once for one press, never more than is owed, and the truth about each outcome."""

import uuid
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account, FundingSource
from billing_project.kernel.errors import Refused
from invoicing.models import Invoice, Payment, PaymentAttempt, SandboxCharge
from invoicing.operations.portal_pay import NewCard, pay_now
from tests.backoffice import make_invoice
from tests.factories import make_account, make_source
from tests.portal import come_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    """Make an account that owes 100.00 and 50.00."""
    made = make_account()
    make_invoice(made, "A-1")
    from datetime import date

    make_invoice(made, "A-2", due_on=date(2026, 2, 16), amount="50.00")
    return made


@pytest.fixture
def client(account: Account) -> Client:
    """Return a browser that came in by the account's link."""
    made = Client()
    come_in(made, account)
    return made


def test_one_press_is_one_charge_however_often_it_is_sent(client: Client, account: Account) -> None:
    source = make_source(account)
    form = {"amount": "150.00", "source": source.pk, "once": uuid.uuid4()}
    first, second = (client.post(reverse("portal-pay"), form) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    assert (Payment.objects.count(), SandboxCharge.objects.count()) == (1, 1)
    assert not Invoice.objects.filter(state="open").exists()


def test_a_part_goes_to_the_oldest_due(client: Client, account: Account) -> None:
    source = make_source(account)
    client.post(
        reverse("portal-pay"),
        {"amount": "other", "other": "30,00", "source": source.pk, "once": uuid.uuid4()},
    )
    remaining = dict(Invoice.objects.values_list("number", "remaining"))
    assert remaining == {"A-1": Decimal("70.00"), "A-2": Decimal("50.00")}


@pytest.mark.parametrize("amount", ["150.01", "0.00", "-1", "1e3", "NaN", "", "other"])
def test_an_impossible_amount_is_refused_and_nothing_is_charged(client: Client, account: Account, amount: str) -> None:
    source = make_source(account)
    answer = client.post(reverse("portal-pay"), {"amount": amount, "source": source.pk, "once": uuid.uuid4()})
    assert answer.status_code == 409
    assert 'role="alert"' in answer.content.decode()
    assert SandboxCharge.objects.count() == 0


def test_a_barred_source_cannot_be_charged(account: Account) -> None:
    from billing_project.kernel import clock

    source = make_source(account, barred_at=clock.now(), barred_why="returned")
    with pytest.raises(Refused, match="may not be charged"):
        pay_now(account, source, Decimal("10.00"), key="k")


def test_a_declined_card_takes_nothing_and_says_so(client: Client, account: Account) -> None:
    source = make_source(account, token="tok_insufficient")
    answer = client.post(
        reverse("portal-pay"), {"amount": "100.00", "source": source.pk, "once": uuid.uuid4()}, follow=True
    )
    assert "not enough money" in answer.content.decode()
    assert Payment.objects.count() == 0
    assert PaymentAttempt.objects.get().state == "declined"


def test_a_lost_answer_is_told_as_unknown_and_a_second_payment_waits(client: Client, account: Account) -> None:
    source = make_source(account, token="tok_lost_answer")
    answer = client.post(
        reverse("portal-pay"), {"amount": "100.00", "source": source.pk, "once": uuid.uuid4()}, follow=True
    )
    assert "We do not know yet" in answer.content.decode()
    assert answer.headers["Refresh"].startswith("5; url=")
    assert PaymentAttempt.objects.get().state == "unknown"
    other = make_source(account, rank=2)
    again = client.post(reverse("portal-pay"), {"amount": "100.00", "source": other.pk, "once": uuid.uuid4()})
    assert again.status_code == 409
    assert SandboxCharge.objects.count() == 1
    stopped = client.get(answer.request["PATH_INFO"] + "?look=stop")
    assert "Refresh" not in stopped.headers


def test_a_gateway_out_of_reach_ends_the_press_and_is_not_tried_again_at_night(account: Account) -> None:
    source = make_source(account, token="tok_timeout_before")
    attempt = pay_now(account, source, Decimal("100.00"), key="k")
    assert (attempt.state, attempt.code) == ("declined", "unavailable")


@pytest.mark.parametrize(("keep", "kept"), [(True, 1), (False, 0)])
def test_a_new_card_is_kept_only_if_asked_for(account: Account, keep: bool, kept: int) -> None:
    card = NewCard(source_token="tok_ok", brand="Visa", last4="4242", keep=keep)
    attempt = pay_now(account, card, Decimal("100.00"), key="k")
    assert attempt.payment is not None
    assert FundingSource.objects.filter(account=account).count() == kept
    assert (attempt.payment.funding_source is not None) is keep


def test_a_declined_new_card_is_not_kept(account: Account) -> None:
    pay_now(
        account,
        NewCard(source_token="tok_declined", brand="Visa", last4="0002", keep=True),
        Decimal("9.00"),
        key="k",
    )
    assert not FundingSource.objects.exists()


def test_the_new_card_goes_by_the_providers_page_and_only_with_a_pending_payment(
    client: Client, account: Account
) -> None:
    assert client.get(reverse("portal-sandbox")).headers["Location"] == reverse("portal-pay")
    sent = client.post(reverse("portal-pay"), {"amount": "100.00", "source": "new", "once": uuid.uuid4()})
    page = sent.headers["Location"]
    assert urlsplit(page).path == reverse("portal-sandbox")
    done = client.post(page, {"card": "tok_ok"}, follow=True)
    assert "Thank you. Your payment was received." in done.content.decode()
