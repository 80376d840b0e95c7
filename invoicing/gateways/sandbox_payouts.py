"""What the sandbox gateway pays out: each day's charges and refunds as one payout on the next, less its fees."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from billing_project.kernel import clock, money
from invoicing.models import SandboxCharge

from .port import PayoutFacts, PayoutLineFacts

CHARGED, REFUNDED = "charged", "refunded"
FEE_PERCENT, FEE_FLAT = Decimal("2.9"), Decimal("0.30")
ARRIVES_AFTER = timedelta(days=2)
DAY = timedelta(days=1)


def payouts_since(since: datetime) -> list[PayoutFacts]:
    """Return the payouts made since an instant, of whole days (UTC) that are over."""
    first = since.astimezone(UTC).date()
    begins, ends = _midnight(first), _midnight(clock.today("UTC"))
    rows = SandboxCharge.objects.filter(outcome__in=(CHARGED, REFUNDED), at__gte=begins, at__lt=ends).order_by("pk")
    days: dict[tuple[date, str], list[SandboxCharge]] = defaultdict(list)
    for row in rows:
        days[row.at.astimezone(UTC).date(), row.currency].append(row)
    return [_payout(on, currency, found) for (on, currency), found in sorted(days.items(), key=lambda one: one[0])]


def _payout(on: date, currency: str, rows: Sequence[SandboxCharge]) -> PayoutFacts:
    lines = tuple(_line(row) for row in rows)
    return PayoutFacts(
        provider_id=f"sandbox_po_{on:%Y%m%d}_{currency.lower()}", currency=currency,
        amount=sum((line.gross - line.fee for line in lines), money.ZERO), made_at=_midnight(on + DAY),
        arrives_on=on + ARRIVES_AFTER, lines=lines,
    )  # fmt: skip


def _line(row: SandboxCharge) -> PayoutLineFacts:
    charged = row.outcome == CHARGED
    return PayoutLineFacts(
        provider_id=f"sandbox_txn_{row.pk}", kind="charge" if charged else "refund", about=f"sandbox-{row.pk}",
        gross=row.amount if charged else -row.amount,
        fee=money.percent(row.amount, FEE_PERCENT) + FEE_FLAT if charged else money.ZERO, happened_at=row.at,
    )  # fmt: skip


def _midnight(on: date) -> datetime:
    return datetime.combine(on, time(), UTC)
