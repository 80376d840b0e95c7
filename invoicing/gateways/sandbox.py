"""A gateway for the demo and for tests: it keeps its own book, in the tables SandboxCharge and SandboxPage.

What a source does is in its token:

=======================  ==============================================================================
``tok_ok``               is charged, and so is every token not named here
``tok_declined``         is declined (``card_declined``); another day it may be tried again
``tok_insufficient``     is declined (``insufficient_funds``); another day it may be tried again
``tok_expired``          is declined for good (``expired_card``)
``tok_stolen``           is declined for good (``stolen_card``)
``tok_lost_answer``      is charged, but the answer is lost on the way: the outcome is unknown until looked up
``tok_timeout_before``   is never reached: the gateway is unavailable, nothing happened
=======================  ==============================================================================

Its own page, on which a customer would enter a card, is invoicing/portal/sandbox.py: test cards only, chosen by name.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.urls import reverse

from billing_project.kernel import clock, money
from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable
from invoicing.models import SandboxCharge, SandboxPage

from . import sandbox_payouts
from .port import (
    ChargeFacts,
    ChargeReceipt,
    ChargeRequest,
    ChargeTrace,
    Page,
    PageFacts,
    PageRequest,
    PageState,
    PayoutFacts,
    SourceFacts,
    Stage,
)  # fmt: skip

CHARGED, DECLINED, REFUNDED = "charged", "declined", "refunded"

DECLINES = {
    "tok_declined": "card_declined",
    "tok_insufficient": "insufficient_funds",
    "tok_expired": "expired_card",
    "tok_stolen": "stolen_card",
}
LOST_ANSWER, TIMEOUT_BEFORE = "tok_lost_answer", "tok_timeout_before"
# The last four digits of the cards on its page; every other token has Visa's test number.
LAST4 = {
    "tok_declined": "0002", "tok_insufficient": "9995", "tok_expired": "0069", LOST_ANSWER: "3220",
    TIMEOUT_BEFORE: "0119",
}  # fmt: skip
PAGE_OPEN_FOR = timedelta(minutes=31)

_OPEN, _DONE, _LEFT = SandboxPage.State.OPEN, SandboxPage.State.DONE, SandboxPage.State.LEFT


class SandboxGateway:
    """Charge test tokens; see the head of this module."""

    name = "sandbox"
    reports = False
    page_origin = ""

    def charge(self, request: ChargeRequest) -> ChargeReceipt:
        """Charge once per key; raises as the token says."""
        if request.source_token == TIMEOUT_BEFORE:
            raise Unavailable("The sandbox gateway did not answer in time; nothing was charged.")
        with transaction.atomic():
            code = DECLINES.get(request.source_token, "")
            row, made = SandboxCharge.objects.get_or_create(
                key=request.key,
                defaults={
                    "source_token": request.source_token,
                    "amount": request.amount,
                    "currency": request.currency,
                    "outcome": DECLINED if code else CHARGED,
                    "code": code,
                    "at": clock.now(),
                },
            )
        if made and request.source_token == LOST_ANSWER:
            raise OutcomeUnknown("The connection to the sandbox gateway broke before its answer came.")
        return _receipt(row)

    def lookup(self, trace: ChargeTrace) -> ChargeReceipt | None:
        """Look a key up in the book; raises Rejected if it was declined."""
        row = SandboxCharge.objects.filter(key=trace.key).first()
        return _receipt(row) if row else None

    def refund(self, *, key: str, provider_id: str, amount: Decimal) -> ChargeReceipt:
        """Give money of a charge back, once per key; raises Rejected for more than was charged."""
        with transaction.atomic():
            rows = SandboxCharge.objects.select_for_update()
            charged = rows.filter(pk=_row_id(provider_id), outcome=CHARGED).first()
            if charged is None:
                raise Rejected(f"The sandbox gateway knows no charge {provider_id}.", "unknown_charge")
            known = SandboxCharge.objects.filter(key=key).first()
            if known is not None:
                return ChargeReceipt(_provider_id(known), known.amount)
            if amount <= 0 or _given_back(provider_id) + amount > charged.amount:
                raise Rejected(f"Only {charged.amount} was charged as {provider_id}.", "amount_too_large")
            row = SandboxCharge.objects.create(
                key=key,
                source_token=provider_id,
                amount=amount,
                currency=charged.currency,
                outcome=REFUNDED,
                at=clock.now(),
            )
        return ChargeReceipt(_provider_id(row), amount)

    def charge_facts(self, provider_id: str) -> ChargeFacts | None:
        """Return how a charge stands in the book."""
        row = SandboxCharge.objects.filter(pk=_row_id(provider_id)).exclude(outcome=REFUNDED).first()
        if row is None:
            return None
        declined = row.outcome == DECLINED
        return ChargeFacts(
            provider_id=provider_id,
            key=row.key,
            stage=Stage.DECLINED if declined else Stage.CHARGED,
            amount=row.amount,
            currency=row.currency,
            code=row.code,
            words=_words(row) if declined else "",
            refunded=_given_back(provider_id),
            source=_facts(row.source_token),
        )

    def charged_since(self, since: datetime) -> list[str]:
        """Return what the book says was charged since an instant."""
        rows = SandboxCharge.objects.filter(outcome=CHARGED, at__gte=since).order_by("pk")
        return [_provider_id(row) for row in rows]

    def source_facts(self, token: str) -> SourceFacts | None:
        """Return a test card; all of them exist."""
        return _facts(token)

    def page_to_pay(self, request: PageRequest) -> Page:
        """Make a page to pay on; the same key again returns the same page."""
        return _page(request)

    def page_to_add_source(self, request: PageRequest) -> Page:
        """Make a page to add a test card on; the same key again returns the same page."""
        return _page(request)

    def page_facts(self, page_id: str) -> PageFacts | None:
        """Return what became of a page."""
        row = find_page(page_id)
        if row is None:
            return None
        past = row.state == _OPEN and row.open_until <= clock.now()
        state = PageState.LEFT if past else PageState(row.state)
        charged = SandboxCharge.objects.filter(key=row.key).first() if row.amount is not None else None
        keeps = state is PageState.DONE and (row.amount is None or row.keep)
        return PageFacts(
            page_id=page_id, state=state, key=row.key, account_ref=row.account_ref, rank=row.rank,
            charge=self.charge_facts(_provider_id(charged)) if charged else None,
            source=_facts(row.source_token) if keeps else None,
        )  # fmt: skip

    def payouts_since(self, since: datetime) -> list[PayoutFacts]:
        """Return the payouts made since an instant."""
        return sandbox_payouts.payouts_since(since)

    def close_page(self, page_id: str) -> None:
        """Close an open page."""
        row = find_page(page_id)
        if row is not None:
            SandboxPage.objects.filter(pk=row.pk, state=_OPEN).update(state=_LEFT)

    def use_page(self, page_id: str, token: str) -> SandboxPage:
        """Do what a customer does on the page: pay with a test card, or add it. The page ends with it.

        Raises Unavailable if the card is the one that cannot be reached, and Rejected if the page has ended.
        """
        with transaction.atomic():
            row = find_page(page_id, lock=True)
            if row is None or row.state != _OPEN or row.open_until <= clock.now():
                raise Rejected("This page has ended.", "page_left")
            if row.amount is not None:
                request = ChargeRequest(
                    key=row.key, amount=row.amount, currency=row.currency, customer_token="", source_token=token,
                    description="paid on the sandbox gateway's page",
                )  # fmt: skip
                try:
                    self.charge(request)
                except (Rejected, OutcomeUnknown):
                    # The book has it; here nobody waits for an answer that could be lost.
                    row.keep = row.keep and token not in DECLINES
            row.state, row.source_token = _DONE, token
            row.save(update_fields=["state", "source_token", "keep"])
        return row


def _receipt(row: SandboxCharge) -> ChargeReceipt:
    if row.outcome == DECLINED:
        raise Rejected(_words(row), row.code)
    return ChargeReceipt(_provider_id(row), row.amount)


def _words(row: SandboxCharge) -> str:
    return f"The card was declined: {row.code.replace('_', ' ')}."


def _given_back(provider_id: str) -> Decimal:
    rows = SandboxCharge.objects.filter(source_token=provider_id, outcome=REFUNDED)
    return rows.aggregate(all=Sum("amount"))["all"] or money.ZERO


def _page(request: PageRequest) -> Page:
    row, _ = SandboxPage.objects.get_or_create(
        key=request.key,
        defaults={
            "account_ref": request.account_ref, "amount": request.amount, "currency": request.currency,
            "keep": request.keep, "rank": request.rank, "return_url": request.return_url,
            "leave_url": request.leave_url, "open_until": clock.now() + PAGE_OPEN_FOR,
        },
    )  # fmt: skip
    address = f"{settings.PUBLIC_BASE_URL}{reverse('portal-sandbox')}?page={row.public_id}"
    return Page(str(row.public_id), address, row.open_until)


def find_page(page_id: str, *, lock: bool = False) -> SandboxPage | None:
    """Return the page of an id, or None if there is none."""
    try:
        public_id = UUID(page_id)
    except ValueError:
        return None
    rows = SandboxPage.objects.select_for_update() if lock else SandboxPage.objects.all()
    return rows.filter(public_id=public_id).first()


def _facts(token: str) -> SourceFacts:
    return SourceFacts(token=token, brand="Visa", last4=LAST4.get(token, "4242"))


def _provider_id(row: SandboxCharge) -> str:
    return f"sandbox-{row.pk}"


def _row_id(provider_id: str) -> int:
    digits = provider_id.removeprefix("sandbox-")
    return int(digits) if digits.isascii() and digits.isdigit() else 0
