"""What a payment gateway must do, and the three ways in which it may fail."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRequest:
    """A charge to make: the key makes it once at the gateway, however often it is asked for."""

    key: str
    amount: Decimal
    currency: str
    customer_token: str
    source_token: str
    description: str


@dataclass(frozen=True, slots=True)
class ChargeReceipt:
    """A charge, or a refund, that the gateway made; its id is the payment's reference."""

    provider_id: str
    amount: Decimal


class Gateway(Protocol):
    """A payment gateway. Adapters translate the vendor's dialect and hold no policy."""

    # The name that a funding source's `gateway` field says: a token is good at its own gateway only.
    name: str

    def charge(self, request: ChargeRequest) -> ChargeReceipt:
        """Charge once per request.key.

        Raises Rejected (final; its code is one of ours where `rules.collection` knows it), Unavailable (it
        did not happen; retry) or OutcomeUnknown (it may have happened; look it up, never retry blindly).
        """

    def lookup(self, key: str) -> ChargeReceipt | None:
        """Say what became of the charge of a key: its receipt, or None if the gateway never took it.

        Raises Rejected if it was declined, Unavailable or OutcomeUnknown if that cannot be told now.
        """

    def refund(self, *, key: str, provider_id: str, amount: Decimal) -> ChargeReceipt:
        """Give back part or all of a charge, once per key; raises as `charge` does."""
