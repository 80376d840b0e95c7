"""Stripe's own pages (Checkout): the customer enters a card there, by full redirect, and never here (SEC-13)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import stripe

from billing_project.kernel import clock
from billing_project.kernel.errors import Rejected
from invoicing.rules.minor_units import to_minor

from .port import ChargeFacts, Page, PageFacts, PageRequest, PageState
from .stripe_client import client, is_missing, translated
from .stripe_facts import source_from

# Stripe's shortest life of a page is 30 minutes; a minute more, since its clock is not ours.
OPEN_FOR = timedelta(minutes=31)
FactsOf = Callable[[str], ChargeFacts | None]


def make(request: PageRequest) -> Page:
    """Make a page: to pay the amount, or without one to add a card; raises as the port says."""
    marks = {
        "attempt": request.key, "account": request.account_ref, "rank": str(request.rank),
        "keep": "1" if request.keep else "",
    }  # fmt: skip
    until = clock.now() + OPEN_FOR
    params: Any = {
        "client_reference_id": request.account_ref,
        "metadata": marks,
        "success_url": request.return_url,
        "cancel_url": request.leave_url,
        "locale": request.language if request.language in ("en", "es") else "auto",
    }
    adds = request.amount is None
    if adds or request.keep:
        params["customer"] = request.customer_token or _customer(request.account_ref)
    elif request.customer_token:
        params["customer"] = request.customer_token
    if request.amount is None:
        params |= {
            "mode": "setup", "currency": request.currency.lower(),
            "setup_intent_data": {"metadata": marks, "description": request.description},
        }  # fmt: skip
    else:
        params |= _to_pay(request, marks) | {"expires_at": int(until.timestamp())}
    with translated(writes=True):
        made = client().v1.checkout.sessions.create(params, {"idempotency_key": f"page:{request.key}"}).to_dict()
        return Page(str(made["id"]), str(made["url"]), datetime.fromtimestamp(int(made["expires_at"]), UTC))


def facts_of(page_id: str, charge_facts: FactsOf) -> PageFacts | None:
    """Return what became of a page, asking for its charge or card as it is now; raises Unavailable."""
    with translated(writes=False):
        try:
            expanded: Any = {"expand": ["setup_intent.payment_method"]}
            session = client().v1.checkout.sessions.retrieve(page_id, expanded).to_dict()
        except stripe.InvalidRequestError as error:
            if is_missing(error):
                return None
            raise
        marks = session.get("metadata") or {}
        rank = str(marks.get("rank") or "0")
        intent, added = session.get("payment_intent"), session.get("setup_intent") or {}
        states = {"open": PageState.OPEN, "complete": PageState.DONE}
        state = states.get(str(session.get("status")), PageState.LEFT)
        method = added.get("payment_method") if isinstance(added, dict) else None
        source = source_from(method, customer=str(session.get("customer") or "")) if isinstance(method, dict) else None
    charge = charge_facts(str(intent)) if intent and state is not PageState.OPEN else None
    if charge is not None and marks.get("keep"):
        source = charge.source
    return PageFacts(
        page_id=page_id, state=state, key=str(marks.get("attempt", "")), account_ref=str(marks.get("account", "")),
        rank=int(rank) if rank.isascii() and rank.isdigit() else 0, charge=charge, source=source,
    )  # fmt: skip


def close(page_id: str) -> None:
    """Expire a page; one that has ended stays as it is. Raises Unavailable or OutcomeUnknown."""
    with translated(writes=True):
        try:
            client().v1.checkout.sessions.expire(page_id)
        except stripe.InvalidRequestError:
            # It has ended already, or never was; which of them is asked for next.
            return


def _to_pay(request: PageRequest, marks: dict[str, str]) -> dict[str, Any]:
    assert request.amount is not None
    try:
        units = to_minor(request.amount, request.currency)
    except ValueError as error:
        raise Rejected(str(error), "amount_too_small") from None
    intent: dict[str, Any] = {"metadata": marks, "description": request.description}
    if request.keep:
        intent["setup_future_usage"] = "off_session"
    item = {
        "quantity": 1,
        "price_data": {
            "currency": request.currency.lower(), "unit_amount": units, "product_data": {"name": request.description},
        },
    }  # fmt: skip
    return {"mode": "payment", "submit_type": "pay", "line_items": [item], "payment_intent_data": intent}


def _customer(account_ref: str) -> str:
    """Return a new customer at Stripe for an account: only its reference is told, nothing of a person."""
    with translated(writes=True):
        params: Any = {"metadata": {"account": account_ref}}
        return str(client().v1.customers.create(params, {"idempotency_key": f"customer:{account_ref}"}).id)
