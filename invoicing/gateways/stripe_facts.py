"""Pure: what Stripe's objects say, in our words."""

from calendar import monthrange
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from billing_project.kernel import money
from invoicing.rules.collection import NEEDS_PAYER
from invoicing.rules.minor_units import from_minor

from .port import ChargeFacts, Dispute, SourceFacts, Stage
from .stripe_declines import code_of, words_of

Thing = Mapping[str, Any]

PENDING_WORDS = "The bank debit is under way; the bank answers within days."
# Where a payment waits that will never go on by itself, because nobody is there to take the next step.
STUCK = frozenset({"requires_action", "requires_confirmation", "requires_capture"})
_INQUIRY = frozenset({"warning_needs_response", "warning_under_review"})
_NOTHING_TAKEN = frozenset({"warning_closed", "prevented"})
BRANDS = {
    "amex": "American Express", "cartes_bancaires": "Cartes Bancaires", "diners": "Diners Club", "eftpos_au": "eftpos",
    "jcb": "JCB", "link": "Link", "mastercard": "Mastercard", "unionpay": "UnionPay", "visa": "Visa",
}  # fmt: skip


def charge_from(intent: Thing, disputes: list[Thing]) -> ChargeFacts:
    """Return how a PaymentIntent (with its latest charge and payment method) stands."""
    currency = str(intent["currency"]).upper()
    stage, code = _stage(intent)
    charge = _thing(intent.get("latest_charge"))
    marks = _thing(intent.get("metadata"))
    taken = intent.get("amount_received") if stage is Stage.CHARGED else intent["amount"]
    dispute, words, disputed, dispute_id = _dispute(disputes, currency)
    return ChargeFacts(
        provider_id=str(intent["id"]),
        key=str(marks.get("attempt", "")),
        stage=stage,
        amount=from_minor(int(taken or intent["amount"]), currency),
        currency=currency,
        code=code,
        words=words_of(code) if code else PENDING_WORDS if stage is Stage.PENDING else "",
        account_ref=str(marks.get("account", "")),
        refunded=from_minor(int(charge.get("amount_refunded") or 0), currency),
        dispute=dispute,
        dispute_id=dispute_id,
        disputed=disputed,
        dispute_words=words,
        source=source_from(_thing(intent.get("payment_method")), customer=_id(intent.get("customer"))),
    )


def source_from(method: Thing, *, customer: str = "") -> SourceFacts | None:
    """Return what a PaymentMethod is recognised by, or None where there is none."""
    if not method.get("id"):
        return None
    kind = str(method.get("type", ""))
    own = _thing(method.get(kind))
    brand = str(own.get("brand") or own.get("bank_name") or kind.replace("_", " "))
    last4 = str(own.get("last4") or "")
    return SourceFacts(
        token=str(method["id"]),
        customer_token=_id(method.get("customer")) or customer,
        brand=BRANDS.get(brand, brand[:1].upper() + brand[1:])[:30],
        last4=last4 if len(last4) == 4 and last4.isascii() and last4.isdigit() else "",
        expires_on=_last_day(own.get("exp_year"), own.get("exp_month")),
        kind="card" if kind in ("card", "link") else "bank",
    )


def _stage(intent: Thing) -> tuple[Stage, str]:
    """Return how far a PaymentIntent has come, and why it went no further."""
    match intent.get("status"):
        case "succeeded":
            return Stage.CHARGED, ""
        case "processing":
            return Stage.PENDING, ""
        case "canceled":
            return Stage.DECLINED, "canceled"
        case "requires_action":
            return Stage.DECLINED, NEEDS_PAYER
        case _:
            error = _thing(intent.get("last_payment_error"))
            return Stage.DECLINED, code_of(error) if error else "canceled"


def _dispute(disputes: list[Thing], currency: str) -> tuple[Dispute, str, Decimal, str]:
    """Return how the disputes of a charge stand together: money that is gone weighs most."""
    found = (Dispute.NONE, "", money.ZERO, "")
    weight = [Dispute.NONE, Dispute.ASKED, Dispute.WON, Dispute.TAKEN]
    for row in disputes:
        status = str(row.get("status", ""))
        if status in _NOTHING_TAKEN:
            continue
        stands = Dispute.WON if status == "won" else Dispute.ASKED if status in _INQUIRY else Dispute.TAKEN
        if weight.index(stands) > weight.index(found[0]):
            amount = from_minor(int(row["amount"]), str(row.get("currency") or currency))
            found = (stands, str(row.get("reason") or "").replace("_", " "), amount, str(row["id"]))
    return found


def _last_day(year: Any, month: Any) -> date | None:
    """Return the last day on which a card is good."""
    if not (isinstance(year, int) and isinstance(month, int) and 1 <= month <= 12 and 2000 <= year < 9999):
        return None
    return date(year, month, monthrange(year, month)[1])


def _thing(value: Any) -> Thing:
    return value if isinstance(value, Mapping) else {}


def _id(value: Any) -> str:
    """Return the id of an object that may be expanded or not."""
    return str(_thing(value).get("id") or "") if isinstance(value, Mapping) else str(value or "")
