"""A gateway for the demo and for tests: it keeps its own book, in the table SandboxCharge.

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
"""

from decimal import Decimal

from django.db import transaction

from billing_project.kernel import clock
from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable
from invoicing.models import SandboxCharge

from .port import ChargeReceipt, ChargeRequest

CHARGED, DECLINED, REFUNDED = "charged", "declined", "refunded"

DECLINES = {
    "tok_declined": "card_declined",
    "tok_insufficient": "insufficient_funds",
    "tok_expired": "expired_card",
    "tok_stolen": "stolen_card",
}
LOST_ANSWER, TIMEOUT_BEFORE = "tok_lost_answer", "tok_timeout_before"


class SandboxGateway:
    """Charge test tokens; see the head of this module."""

    name = "sandbox"

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

    def lookup(self, key: str) -> ChargeReceipt | None:
        """Look a key up in the book; raises Rejected if it was declined."""
        row = SandboxCharge.objects.filter(key=key).first()
        return _receipt(row) if row else None

    def refund(self, *, key: str, provider_id: str, amount: Decimal) -> ChargeReceipt:
        """Give money of a charge back, once per key; raises Rejected for more than was charged."""
        with transaction.atomic():
            charged = SandboxCharge.objects.select_for_update().filter(pk=_row_id(provider_id), outcome=CHARGED).first()
            if charged is None:
                raise Rejected(f"The sandbox gateway knows no charge {provider_id}.", "unknown_charge")
            known = SandboxCharge.objects.filter(key=key).first()
            if known is not None:
                return ChargeReceipt(_provider_id(known), known.amount)
            given = SandboxCharge.objects.filter(source_token=provider_id, outcome=REFUNDED).values_list(
                "amount", flat=True
            )
            if amount <= 0 or sum(given, amount) > charged.amount:
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


def _receipt(row: SandboxCharge) -> ChargeReceipt:
    if row.outcome == DECLINED:
        raise Rejected(f"The card was declined: {row.code.replace('_', ' ')}.", row.code)
    return ChargeReceipt(_provider_id(row), row.amount)


def _provider_id(row: SandboxCharge) -> str:
    return f"sandbox-{row.pk}"


def _row_id(provider_id: str) -> int:
    digits = provider_id.removeprefix("sandbox-")
    return int(digits) if digits.isascii() and digits.isdigit() else 0
