"""Fetch what the gateway paid out, and match each line with one payment or refund of ours, once."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from invoicing.gateways.port import PayoutFacts
from invoicing.gateways.registry import gateway
from invoicing.models import Payment, Payout, PayoutLine, RefundAttempt

# How far back payouts are asked for; one that was kept before is not kept again.
LOOK_BACK = timedelta(days=35)
Kind = PayoutLine.Kind


def fetch_payouts(now: datetime) -> int:
    """Keep the payouts that the gateway has made lately, and match their lines; return how many were new.

    Raises Unavailable if the gateway cannot be asked.
    """
    provider = gateway()
    new = sum(_keep(provider.name, facts) for facts in provider.payouts_since(now - LOOK_BACK))
    match_lines()
    return new


@transaction.atomic
def match_lines() -> int:
    """Match lines that name a payment or refund of ours which no line has yet; return how many were matched."""
    loose = PayoutLine.objects.filter(payment=None, refund=None, kind__in=(Kind.CHARGE, Kind.REFUND)).exclude(about="")
    lines = list(loose.select_for_update().order_by("pk"))
    charges = [line.about for line in lines if line.kind == Kind.CHARGE]
    refunds = [line.about for line in lines if line.kind == Kind.REFUND]
    taken = PayoutLine.objects.filter(kind=Kind.CHARGE, payment__isnull=False).values("payment")
    payments = {row.reference: row for row in Payment.objects.filter(reference__in=charges).exclude(pk__in=taken)}
    used = PayoutLine.objects.filter(refund__isnull=False).values("refund")
    given = {
        row.provider_id: row
        for row in RefundAttempt.objects.filter(provider_id__in=refunds).exclude(provider_id="").exclude(pk__in=used)
    }
    matched = 0
    for line in lines:
        # Popped, so that a second line about the same charge stays loose and is shown.
        if line.kind == Kind.CHARGE:
            line.payment = payments.pop(line.about, None)
        else:
            line.refund = given.pop(line.about, None)
        if line.payment or line.refund:
            line.save(update_fields=["payment", "refund"])
            matched += 1
    return matched


@transaction.atomic
def _keep(provider: str, facts: PayoutFacts) -> bool:
    row, new = Payout.objects.get_or_create(
        provider=provider, provider_id=facts.provider_id,
        defaults={
            "currency": facts.currency, "amount": facts.amount, "made_at": facts.made_at,
            "arrives_on": facts.arrives_on,
        },
    )  # fmt: skip
    if new:
        PayoutLine.objects.bulk_create(_lines(row, facts))
    return new


def _lines(row: Payout, facts: PayoutFacts) -> Iterable[PayoutLine]:
    return [
        PayoutLine(
            payout=row, provider_id=one.provider_id, kind=one.kind, about=one.about, gross=one.gross, fee=one.fee,
            net=one.gross - one.fee, happened_at=one.happened_at, words=one.words[:300],
        )
        for one in facts.lines
    ]  # fmt: skip
