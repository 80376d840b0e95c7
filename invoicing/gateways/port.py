"""What a payment gateway must do, and the ways in which it may fail."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from billing_project.kernel.errors import OutcomeUnknown


class Pending(OutcomeUnknown):
    """Say that the gateway took the charge and cannot tell yet how it ends: a bank debit, or a page that is open."""

    def __init__(self, words: str, provider_id: str = "") -> None:
        super().__init__(words)
        self.provider_id = provider_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRequest:
    """A charge to make: the key makes it once at the gateway, however often it is asked for.

    ``account_ref`` and ``invoices`` are what the gateway keeps beside it; nothing of a person.
    """

    key: str
    amount: Decimal
    currency: str
    customer_token: str
    source_token: str
    description: str
    account_ref: str = ""
    invoices: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeTrace:
    """What is known of a charge that was begun: enough to find it at the gateway without charging again."""

    key: str
    provider_id: str = ""
    customer_token: str = ""
    page_id: str = ""
    since: datetime | None = None  # nothing of this key was asked for before


@dataclass(frozen=True, slots=True)
class ChargeReceipt:
    """A charge, or a refund, that the gateway made; its id is the payment's reference."""

    provider_id: str
    amount: Decimal
    method: str = "card"  # a Payment.Method: card or bank


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """A card or bank account as the gateway knows it: tokens, and what a person recognises it by."""

    token: str
    customer_token: str = ""
    brand: str = ""
    last4: str = ""
    expires_on: date | None = None
    kind: str = "card"  # a Payment.Method: card or bank


class Stage(StrEnum):
    """How far a charge has come at the gateway."""

    CHARGED = "charged"
    PENDING = "pending"
    DECLINED = "declined"


class Dispute(StrEnum):
    """How a payer's dispute of a charge stands."""

    NONE = "none"
    ASKED = "asked"  # an inquiry: no money has moved
    TAKEN = "taken"  # the money was taken back, for now or for good
    WON = "won"  # it was taken back and given to us again


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeFacts:
    """How a charge stands at the gateway now, whatever was said about it before."""

    provider_id: str
    key: str
    stage: Stage
    amount: Decimal
    currency: str
    code: str = ""
    words: str = ""
    account_ref: str = ""
    refunded: Decimal = Decimal("0.00")
    dispute: Dispute = Dispute.NONE
    dispute_id: str = ""
    disputed: Decimal = Decimal("0.00")
    dispute_words: str = ""
    source: SourceFacts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """A page of the gateway's own to be made, to pay on it or to add a card on it.

    ``amount`` is None on a page that only adds a card; ``keep`` asks for the card to be kept for later.
    """

    key: str
    account_ref: str
    currency: str
    description: str
    return_url: str
    leave_url: str
    customer_token: str = ""
    amount: Decimal | None = None
    keep: bool = False
    rank: int = 0
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the gateway's, open until an instant."""

    page_id: str
    url: str
    open_until: datetime


class PageState(StrEnum):
    """What became of a page."""

    OPEN = "open"
    DONE = "done"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFacts:
    """What came of a page: the charge made on it, or the card added on it."""

    page_id: str
    state: PageState
    key: str = ""
    account_ref: str = ""
    rank: int = 0
    charge: ChargeFacts | None = None
    source: SourceFacts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutLineFacts:
    """One line of a payout; `kind` is a PayoutLine.Kind, `about` the charge or refund it is about."""

    provider_id: str
    kind: str
    gross: Decimal  # negative for money that went back
    fee: Decimal
    happened_at: datetime
    about: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutFacts:
    """A transfer of the gateway's to our bank account, with all its lines."""

    provider_id: str
    currency: str
    amount: Decimal
    made_at: datetime
    arrives_on: date
    lines: tuple[PayoutLineFacts, ...]


class Gateway(Protocol):
    """A payment gateway. Adapters translate the vendor's dialect and hold no policy."""

    # The name that a funding source's `gateway` field says: a token is good at its own gateway only.
    name: str
    # Whether it reports by itself what happens there, so that its silence means something.
    reports: bool
    # Where its pages are, such as https://pay.example; empty for pages of our own server.
    page_origin: str

    def charge(self, request: ChargeRequest) -> ChargeReceipt:
        """Charge once per request.key, without the payer.

        Raises Rejected (final; its code is one of ours where `rules.collection` knows it), Unavailable (it did not
        happen; retry), OutcomeUnknown (it may have happened; look it up, never retry blindly), of which Pending says
        that it has begun and takes days.
        """

    def lookup(self, trace: ChargeTrace) -> ChargeReceipt | None:
        """Say what became of a charge: its receipt, or None if the gateway never took it; never charges.

        Raises Rejected if it was declined, Pending while it is under way, Unavailable or OutcomeUnknown if that
        cannot be told now.
        """

    def refund(self, *, key: str, provider_id: str, amount: Decimal) -> ChargeReceipt:
        """Give back part or all of a charge, once per key; raises as `charge` does."""

    def charge_facts(self, provider_id: str) -> ChargeFacts | None:
        """Return how a charge stands now, or None if there is none of that id; raises Unavailable."""

    def charged_since(self, since: datetime) -> list[str]:
        """Return the ids of our payments that were begun since an instant and have been made; raises Unavailable."""

    def source_facts(self, token: str) -> SourceFacts | None:
        """Return a card or bank account as it is now, or None if it was removed; raises Unavailable."""

    def page_to_pay(self, request: PageRequest) -> Page:
        """Make a page on which the payer pays an amount with any card; raises as `charge` does."""

    def page_to_add_source(self, request: PageRequest) -> Page:
        """Make a page on which the payer adds a card or bank account; raises as `charge` does."""

    def page_facts(self, page_id: str) -> PageFacts | None:
        """Return what became of a page, or None if there is none of that id; raises Unavailable."""

    def payouts_since(self, since: datetime) -> list[PayoutFacts]:
        """Return the payouts made since an instant, each with all its lines; raises Unavailable."""

    def close_page(self, page_id: str) -> None:
        """Close a page, so that nobody can pay on it any more; one that has ended stays as it is."""
