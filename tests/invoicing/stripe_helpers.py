"""What the tests against the Stripe fake share: settings, rows, reports delivered in any order."""

import random
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from django.test import Client

from accounts.models import Account
from billing_project.kernel import clock
from invoicing.dispatch import dispatch_charges
from invoicing.models import Invoice, PaymentAttempt
from invoicing.operations import collect
from invoicing.operations.gateway_events import process_events
from tests.backoffice import make_invoice
from tests.factories import make_account, make_source
from tests.peers import stripe_fake

SETTINGS = {
    "PAYMENT_GATEWAY": "invoicing.gateways.stripe_gateway.StripeGateway", "STRIPE_SECRET_KEY": stripe_fake.KEY,
    "STRIPE_WEBHOOK_SECRET": stripe_fake.SECRET,
}  # fmt: skip
ADDRESS = "/callbacks/stripe/"


def owing(*tokens: str, amount: str = "40.00", number: str = "") -> Account:
    """Return an account that owes an amount, with these cards at Stripe in order."""
    account = make_account()
    make_invoice(account, number or f"I-{account.pk}", amount=amount)
    for rank, token in enumerate(tokens, 1):
        make_source(account, rank, token, gateway="stripe", customer_token=f"cus_{account.pk}")
    return account


def queue(account: Account, rank: int = 1, *, day: int = 1) -> PaymentAttempt:
    """Queue a charge of what an account owes."""
    invoice = Invoice.objects.get(account=account)
    attempt = collect.queue_charge(
        account=account, invoice=invoice, rank=rank, key=f"{invoice.number}:{day}:{rank}", amount=invoice.amount,
        due_at=clock.now(), why=f"day {day}",
    )  # fmt: skip
    assert attempt is not None
    return attempt


def charge(*accounts: Account) -> None:
    """Queue and charge the first card of accounts."""
    for account in accounts:
        queue(account)
    dispatch_charges(clock.now())


def deliver(
    events: Iterable[dict[str, Any]], *, times: int = 1, shuffled: int | None = None, client: Client | None = None
) -> list[int]:
    """Send events as Stripe does, so many times each and in an order drawn by a number; return the answers."""
    sent = [event for event in events for _ in range(times)]
    if shuffled is not None:
        random.Random(shuffled).shuffle(sent)
    return [post(*stripe_fake.signed(event), client=client) for event in sent]


def post(body: str | bytes, signature: str, client: Client | None = None) -> int:
    """Send one report and return the answer's status."""
    browser = client or Client(raise_request_exception=False)
    answer = browser.post(ADDRESS, body, "application/json", headers={"Stripe-Signature": signature})
    return answer.status_code


def handle() -> int:
    """Handle the reports that wait."""
    return process_events(clock.now())


def states(accounts: Sequence[Account] | Account) -> list[str]:
    """Return the states of the attempts of accounts, oldest first."""
    wanted = [accounts] if isinstance(accounts, Account) else accounts
    rows = PaymentAttempt.objects.filter(account__in=wanted).order_by("pk")
    return list(rows.values_list("state", flat=True))


def balance(account: Account) -> Decimal:
    """Return what an account owes now."""
    from invoicing.queries import account_position

    return account_position(account.pk).balance
