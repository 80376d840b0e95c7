"""Pure: Stripe's reasons for a decline in our own words (rules/collection.py says what follows from each)."""

from collections.abc import Mapping
from typing import Any

from invoicing.rules.collection import NEEDS_PAYER

GENERIC = "card_declined"

# Where ours differs from theirs. What is in neither list is passed on as it is: a reason for today, not for good.
OURS = {
    "authentication_not_handled": NEEDS_PAYER,
    "payment_intent_authentication_failure": NEEDS_PAYER,
    "bank_account_closed": "closed_account",
    "account_closed": "closed_account",
    "debit_not_authorized": "revoked",
    "generic_decline": GENERIC,
    "do_not_try_again": "not_permitted",
    "highest_risk_level": "fraudulent",
    "merchant_blacklist": "fraudulent",
    "incorrect_number": "invalid_source",
    "invalid_number": "invalid_source",
    "invalid_account": "invalid_source",
    "invalid_expiry_month": "expired_card",
    "invalid_expiry_year": "expired_card",
    "no_account": "invalid_source",
    "bank_account_unusable": "invalid_source",
    "payment_method_invalid_parameter": "invalid_source",
    "restricted_card": "not_permitted",
    "card_not_supported": "not_permitted",
    "currency_not_supported": "not_permitted",
    "transaction_not_allowed": "not_permitted",
    "service_not_allowed": "not_permitted",
    "security_violation": "not_permitted",
    "revocation_of_authorization": "revoked",
    "revocation_of_all_authorizations": "revoked",
    "stop_payment_order": "revoked",
}

# What may be said aloud. That a card is reported lost, stolen or fraudulent is nobody's to tell but the bank's.
WORDS = {
    NEEDS_PAYER: "The bank wants its customer to confirm this payment; they can pay it by hand.",
    "expired_card": "The card has expired.",
    "insufficient_funds": "The bank says there is not enough money for it.",
    "invalid_source": "The card or bank account does not exist any more.",
    "closed_account": "The bank account is closed.",
    "revoked": "The customer has told the bank not to allow these payments.",
    "not_permitted": "The card does not allow this kind of payment.",
    "amount_too_small": "The amount is smaller than the gateway charges.",
    "amount_too_large": "The amount is larger than the gateway charges.",
    "page_left": "The payment page was left without paying.",
    "canceled": "The payment was cancelled at the gateway.",
}


def code_of(error: Mapping[str, Any]) -> str:
    """Return our code for a Stripe error of a declined charge; the bank's own reason goes before Stripe's."""
    for name in (error.get("decline_code"), error.get("code")):
        if isinstance(name, str) and name and name != GENERIC:
            return OURS.get(name, name)[:60]
    return GENERIC


def words_of(code: str) -> str:
    """Return a sentence about a decline that anybody may read."""
    return WORDS.get(code, "The card was declined by its bank.")
