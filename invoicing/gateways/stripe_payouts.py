"""Stripe's payouts, line by line, from its balance transactions."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from invoicing.rules.minor_units import from_minor

from .port import PayoutFacts, PayoutLineFacts
from .stripe_client import client, translated

Thing = Mapping[str, Any]

LISTED_MAX = 100
CHARGES, REFUNDS = ("charge", "payment"), ("refund", "payment_refund")
# What Stripe calls money that a payer's bank took, or gave again.
DISPUTES = ("du_", "dp_")


def payouts_since(since: datetime) -> list[PayoutFacts]:
    """Return the payouts made since an instant that have been paid; raises Unavailable."""
    params: Any = {"limit": LISTED_MAX, "status": "paid", "created": {"gte": int(since.timestamp())}}
    with translated(writes=False):
        found = [row.to_dict() for row in client().v1.payouts.list(params).auto_paging_iter()]
        return [_payout(row) for row in found]


def _payout(row: Thing) -> PayoutFacts:
    asked: Any = {"limit": LISTED_MAX, "payout": row["id"], "expand": ["data.source"]}
    lines = [one.to_dict() for one in client().v1.balance_transactions.list(asked).auto_paging_iter()]
    currency = str(row["currency"])
    return PayoutFacts(
        provider_id=str(row["id"]), currency=currency.upper(), amount=from_minor(int(row["amount"]), currency),
        made_at=_instant(row["created"]), arrives_on=_instant(row["arrival_date"]).date(),
        # The payout itself is in its own list, as the money that leaves.
        lines=tuple(_line(one) for one in lines if one.get("type") != "payout"),
    )  # fmt: skip


def _line(row: Thing) -> PayoutLineFacts:
    source = row.get("source")
    source = source if isinstance(source, Mapping) else {"id": source or ""}
    kind, about = "other", str(source.get("id") or "")
    if row["type"] in CHARGES:
        # Our reference of a charge is its PaymentIntent.
        kind, about = "charge", str(source.get("payment_intent") or about)
    elif row["type"] in REFUNDS:
        kind = "refund"
    elif about.startswith(DISPUTES):
        kind = "dispute"
    currency = str(row["currency"])
    return PayoutLineFacts(
        provider_id=str(row["id"]), kind=kind, about=about, gross=from_minor(int(row["amount"]), currency),
        fee=from_minor(int(row["fee"]), currency), happened_at=_instant(row["created"]),
        words=str(row.get("description") or ""),
    )  # fmt: skip


def _instant(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
