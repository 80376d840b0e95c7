"""Stripe behind the port: off-session PaymentIntents, refunds, Checkout pages.

Our key is the Idempotency-Key, and is kept in the PaymentIntent's metadata as ``attempt``. A charge whose answer was
lost is looked up by listing the customer's PaymentIntents since it was first asked for and reading that mark: the list
shows a new one at once (the search does not), and asking can never charge. Repeating the request would be safe for a
day only, since Stripe forgets keys after 24 hours, and would charge where the first one never arrived.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import stripe

from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable
from invoicing.rules.minor_units import from_minor, to_minor

from . import stripe_pages, stripe_payouts
from .port import (
    ChargeFacts,
    ChargeReceipt,
    ChargeRequest,
    ChargeTrace,
    Page,
    PageFacts,
    PageRequest,
    PayoutFacts,
    Pending,
    SourceFacts,
    Stage,
)  # fmt: skip
from .stripe_client import client, is_missing, translated
from .stripe_declines import words_of
from .stripe_facts import PENDING_WORDS, STUCK, charge_from, source_from

Thing = Mapping[str, Any]

EXPANDED = ["latest_charge", "payment_method"]
# Clocks differ; and without a customer to ask for, this is how far one looks.
SKEW, WINDOW = timedelta(hours=1), timedelta(days=2)
LISTED_MAX = 100
_ORDER = [Stage.CHARGED, Stage.PENDING, Stage.DECLINED]


class StripeGateway:
    """Charge through Stripe; see the head of this module."""

    name = "stripe"
    reports = True
    page_origin = "https://checkout.stripe.com"
    # Any kind of stored source, but none that would send the payer to another page: nobody is there.
    methods: Mapping[str, Any] = {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}

    def charge(self, request: ChargeRequest) -> ChargeReceipt:
        """Charge a stored card or bank account once per key, without the payer; raises as the port says."""
        params: Any = {
            "amount": _units(request.amount, request.currency),
            "currency": request.currency.lower(),
            "customer": request.customer_token,
            "payment_method": request.source_token,
            "confirm": True,
            "off_session": True,
            "metadata": {"attempt": request.key, "account": request.account_ref, "invoices": request.invoices[:500]},
            "expand": EXPANDED,
            **self.methods,
        }
        if not request.customer_token:
            del params["customer"]
        with translated(writes=True):
            made = client().v1.payment_intents.create(params, {"idempotency_key": request.key})
            intent = made.to_dict()
            facts = charge_from(intent, [])
        return self._receipt(intent, facts)

    def lookup(self, trace: ChargeTrace) -> ChargeReceipt | None:
        """Find a charge by its id or by our mark in it; see the head of this module."""
        with translated(writes=False):
            found = [intent for intent in self._candidates(trace) if _mark(intent) == trace.key]
            stands = [(charge_from(intent, []), intent) for intent in found]
        if not stands:
            return None
        # A second one with the same mark could only be a repeat of one that was declined.
        facts, intent = min(stands, key=lambda pair: _ORDER.index(pair[0].stage))
        return self._receipt(intent, facts)

    def refund(self, *, key: str, provider_id: str, amount: Decimal) -> ChargeReceipt:
        """Give back part or all of a charge, once per key for good: an earlier refund of the key is found first."""
        intent = _retrieved(provider_id)
        if intent is None:
            raise Rejected(f"Stripe knows no charge {provider_id}.", "unknown_charge")
        currency = str(intent["currency"])
        with translated(writes=False):
            given = client().v1.refunds.list({"payment_intent": provider_id, "limit": LISTED_MAX}).to_dict()["data"]
        again = [row for row in given if (row.get("metadata") or {}).get("refund") == key]
        if again:
            row = again[0]
        else:
            with translated(writes=True):
                params: Any = {
                    "payment_intent": provider_id, "amount": _units(amount, currency), "metadata": {"refund": key},
                }  # fmt: skip
                row = client().v1.refunds.create(params, {"idempotency_key": key}).to_dict()
        if row.get("status") in ("failed", "canceled"):
            raise Rejected("Stripe could not give the money back; pay it out another way.", "refund_failed")
        return ChargeReceipt(str(row["id"]), from_minor(int(row["amount"]), currency))

    def charge_facts(self, provider_id: str) -> ChargeFacts | None:
        """Return how a PaymentIntent stands now, its refunds and disputes included."""
        intent = _retrieved(provider_id)
        if intent is None:
            return None
        with translated(writes=False):
            disputes = []
            charge = intent.get("latest_charge")
            if isinstance(charge, Mapping) and charge.get("disputed"):
                disputes = client().v1.disputes.list({"payment_intent": provider_id}).to_dict()["data"]
            return charge_from(intent, disputes)

    def charged_since(self, since: datetime) -> list[str]:
        """Return the PaymentIntents of ours created since an instant that have succeeded."""
        params: Any = {"limit": LISTED_MAX, "created": {"gte": int(since.timestamp())}}
        with translated(writes=False):
            rows = [row.to_dict() for row in client().v1.payment_intents.list(params).auto_paging_iter()]
            return [str(row["id"]) for row in rows if row.get("status") == "succeeded" and _mark(row)]

    def source_facts(self, token: str) -> SourceFacts | None:
        """Return a PaymentMethod as it is now, or None if it belongs to no customer any more."""
        with translated(writes=False):
            try:
                method = client().v1.payment_methods.retrieve(token).to_dict()
            except stripe.InvalidRequestError as error:
                if is_missing(error):
                    return None
                raise
            return source_from(method) if method.get("customer") else None

    def page_to_pay(self, request: PageRequest) -> Page:
        """Make a Checkout page in payment mode."""
        return stripe_pages.make(request)

    def page_to_add_source(self, request: PageRequest) -> Page:
        """Make a Checkout page in setup mode."""
        return stripe_pages.make(request)

    def page_facts(self, page_id: str) -> PageFacts | None:
        """Return what became of a Checkout page."""
        return stripe_pages.facts_of(page_id, self.charge_facts)

    def payouts_since(self, since: datetime) -> list[PayoutFacts]:
        """Return the payouts made since an instant."""
        return stripe_payouts.payouts_since(since)

    def close_page(self, page_id: str) -> None:
        """Expire a Checkout page; one that has ended stays as it is."""
        stripe_pages.close(page_id)

    def _candidates(self, trace: ChargeTrace) -> list[Thing]:
        if trace.provider_id:
            intent = _retrieved(trace.provider_id)
            return [intent] if intent is not None else []
        params: Any = {"limit": LISTED_MAX, "expand": [f"data.{name}" for name in EXPANDED]}
        if trace.since is not None:
            params["created"] = {"gte": int((trace.since - SKEW).timestamp())}
            if not trace.customer_token:
                params["created"]["lte"] = int((trace.since + WINDOW).timestamp())
        if trace.customer_token:
            params["customer"] = trace.customer_token
        return [row.to_dict() for row in client().v1.payment_intents.list(params).auto_paging_iter()]

    def _receipt(self, intent: Thing, facts: ChargeFacts) -> ChargeReceipt:
        """Return what was charged; raises as the port says where nothing was, or not yet."""
        if intent.get("status") in STUCK:
            self._withdraw(str(intent["id"]))
        if facts.stage is Stage.PENDING:
            raise Pending(PENDING_WORDS, facts.provider_id)
        if facts.stage is Stage.DECLINED:
            raise Rejected(facts.words, facts.code)
        return ChargeReceipt(facts.provider_id, facts.amount, facts.source.kind if facts.source else "card")

    def _withdraw(self, provider_id: str) -> None:
        """Cancel a payment that waits for somebody who is not there, so that it cannot go through behind our back."""
        try:
            with translated(writes=True):
                client().v1.payment_intents.cancel(provider_id)
        except (Rejected, Unavailable, OutcomeUnknown) as error:
            raise OutcomeUnknown(f"The payment waits at Stripe and could not be cancelled: {error}") from None


def _retrieved(provider_id: str) -> Thing | None:
    """Return a PaymentIntent, or None if there is none of that id; raises Unavailable."""
    with translated(writes=False):
        try:
            return client().v1.payment_intents.retrieve(provider_id, {"expand": EXPANDED}).to_dict()
        except stripe.InvalidRequestError as error:
            if is_missing(error):
                return None
            raise


def _mark(intent: Thing) -> str:
    return str((intent.get("metadata") or {}).get("attempt", ""))


def _units(amount: Decimal, currency: str) -> int:
    try:
        return to_minor(amount, currency)
    except ValueError as error:
        raise Rejected(f"{error} {words_of('amount_too_small')}", "amount_too_small") from None
