"""How long it takes until an invoice is paid: half of them, and nine of ten, by month."""

from collections.abc import Sequence

from ..charts import Series, bars
from .months import SPANS
from .panels import Month, Panel

MEANS = (
    "Days from the date of an invoice to the day on which the last of it was paid, of all invoices that were paid off"
    " in the month. Half of them took no longer than the median, nine of ten no longer than the second number."
)


def days_to_pay(months: Sequence[Month], key: str) -> Panel:
    """Return median and ninetieth percentile by month, and how the days are spread."""
    found = [month.row.figures.get("days", {}) for month in months]
    chart = bars(
        f"{key}-days", "Days to pay by month", "Median and ninetieth percentile; the table below has the numbers.",
        [month.label for month in months],
        [
            Series("median", "live", [round(row.get("median", 0)) for row in found]),
            Series("nine of ten", "draft", [round(row.get("ninetieth", 0)) for row in found]),
        ],
    )  # fmt: skip
    rows = []
    for month, row in reversed(list(zip(months, found, strict=True))):
        count = row.get("count", 0)
        spread = row.get("spread", [0] * len(SPANS))
        cells = [month.words, f"{count:,}"]
        cells += [f"{row['median']:.1f}", f"{row['ninetieth']:.1f}"] if count else ["–", "–"]
        rows.append([*cells, *(f"{100 * part / count:.0f} %" if count else "–" for part in spread)])
    heads = ["Paid off in", "Invoices", "Median", "Nine of ten", *(f"{words} days" for words, _low, _high in SPANS)]
    return Panel("days", "Days to pay", MEANS, chart, heads, rows)
