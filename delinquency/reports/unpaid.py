"""What is unpaid, by how late it is: a chart for each currency, with the table beneath it."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db.models import Count, Sum

from billing_project.kernel import clock, money
from invoicing.lateness import BUCKETS
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
    # By zone and due date first: how late that is need not be asked for each of many thousand invoices.
    rows = (
        Invoice.objects.filter(state="open")
        .order_by()
        .values_list("account__company__currency", "account__timezone", "due_on")
        .annotate(Sum("remaining"), Count("pk"))
    )
    todays: dict[str, date] = {}
    found: dict[str, tuple[list[Decimal], list[int]]] = {}
    for currency, zone, due_on, amount, count in rows:
        if zone not in todays:
            todays[zone] = clock.today(zone)
        sums, counts = found.setdefault(currency, ([money.ZERO] * len(BUCKETS), [0] * len(BUCKETS)))
        place = _bucket((todays[zone] - due_on).days)
        sums[place] += amount
        counts[place] += count
    return [_chart(currency, *found[currency], page) for currency in sorted(found)]


def _bucket(days_late: int) -> int:
    """Return the place of the bucket that a number of days belongs to."""
    return next(
        place
        for place, (_name, _words, low, high) in enumerate(BUCKETS)
        if (low is None or days_late >= low) and (high is None or days_late <= high)
    )


def _chart(currency: str, sums: list[Decimal], counts: list[int], page: str) -> Ageing:
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
    return Ageing(currency, tuple(bars), sum(sums, money.ZERO), sum(counts))
