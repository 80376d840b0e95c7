"""What is unpaid, by how late it is: a chart for each currency, with the table beneath it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Sum

from invoicing.lateness import BUCKETS, bucket, with_days_late
from invoicing.models import Invoice

CHART_HEIGHT, BAR_STEP, BAR_FOOT = 120, 92, 150
TONES = ("good", "warn", "warn", "bad", "bad")


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the ageing chart, in the chart's own units."""

    words: str
    amount: Decimal
    count: int
    url: str
    x: int
    y: int
    height: int
    tone: str


@dataclass(frozen=True, slots=True)
class Ageing:
    """What is unpaid in one currency, by how late it is."""

    currency: str
    bars: tuple[Bar, ...]
    total: Decimal
    count: int


def ageing(page: str) -> list[Ageing]:
    """Return what is unpaid by currency and lateness, in one query; the sums are those of the ledger's invoices.

    ``page`` is where the invoices are listed.
    """
    rows = (
        with_days_late(Invoice.objects.filter(state="open"))
        .order_by()
        .values(currency=F("account__company__currency"))
        .annotate(
            **{
                f"sum_{place}": Sum("remaining", filter=bucket(low, high))
                for place, (_n, _w, low, high) in enumerate(BUCKETS)
            },
            **{
                f"count_{place}": Count("pk", filter=bucket(low, high))
                for place, (_n, _w, low, high) in enumerate(BUCKETS)
            },
        )
        .order_by("currency")
    )
    return [_chart(row, page) for row in rows]


def _chart(row: dict[str, Any], page: str) -> Ageing:
    sums = [row[f"sum_{place}"] or Decimal("0.00") for place in range(len(BUCKETS))]
    counts = [row[f"count_{place}"] for place in range(len(BUCKETS))]
    tallest = max(sums) or Decimal(1)
    bars = []
    for place, (name, words, _low, _high) in enumerate(BUCKETS):
        # One unit at least for an amount that is there, so that no bar is hidden.
        height = max(int(sums[place] / tallest * CHART_HEIGHT), 1 if sums[place] else 0)
        bars.append(
            Bar(
                words, sums[place], counts[place], f"{page}?late={name.replace('+', '%2B')}",
                x=place * BAR_STEP + 12, y=BAR_FOOT - height, height=height, tone=TONES[place],
            )
        )  # fmt: skip
    return Ageing(row["currency"], tuple(bars), sum(sums, Decimal("0.00")), sum(counts))
