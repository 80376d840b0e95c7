"""From the bill to the money: how far the invoices of each month went, and what late ones still brought."""

from collections.abc import Sequence
from decimal import Decimal

from ..charts import Series, bars
from .panels import Month, Panel, money_text

STAGES = (
    ("billed", "Billed"), ("reminded", "Reminded"), ("fee", "Late fee"), ("delinquent", "Delinquent"), ("cut", "Cut"),
    ("recovered", "Recovered"), ("lost", "Lost"),
)  # fmt: skip
MEANS = (
    "Each invoice counts in the month of its date, and in every stage that it has reached until today: reminded, a"
    " reminder was sent about it; late fee, one was charged over it; delinquent, its grace had ended unpaid; cut, a"
    " line was restricted or the status switched over it. The money is what those invoices came to. Recovered is what"
    " was paid on them after they had become delinquent, less what came back; lost is what was written off. Voided"
    " invoices are left out."
)
RECOVERED = (
    "Paid in each month, by any means, on invoices that had become delinquent before, whenever they were issued; less"
    " what came back."
)


def funnel(months: Sequence[Month], key: str, currency: str) -> Panel:
    """Return how far the invoices of each month went."""
    shown = [
        Series(words.lower(), look, [month.stage(name)[0] for month in months])
        for (name, words), look in zip((STAGES[1], STAGES[3], STAGES[4]), ("past", "live", "draft"), strict=True)
    ]
    chart = bars(
        f"{key}-funnel", "Accounts by stage and month", "Accounts reminded, delinquent, cut; the table has all stages.",
        [month.label for month in months], shown,
    )  # fmt: skip
    rows = []
    for month in reversed(months):
        cells = [month.words]
        for name, _words in STAGES:
            accounts, amount = month.stage(name)
            cells.append(f"{accounts:,} · {money_text(amount, currency)}" if accounts or amount else "–")
        rows.append(cells)
    heads = ["Invoices of", *(f"{words}: accounts · money" for _name, words in STAGES)]
    return Panel("funnel", "From the bill to the money", MEANS, chart, heads, rows)


def recovered(months: Sequence[Month], key: str, currency: str) -> Panel:
    """Return what was paid in each month on invoices that had become delinquent."""
    found = [month.row.figures.get("came", {}) for month in months]
    amounts = [Decimal(row.get("amount", "0.00")) for row in found]
    chart = bars(
        f"{key}-recovered", "Money recovered by month", "The table below has the amounts.",
        [month.label for month in months], [Series(f"recovered, {currency}", "live", amounts)],
    )  # fmt: skip
    rows = [
        [month.words, f"{row.get('accounts', 0):,}", f"{row.get('invoices', 0):,}", money_text(amount, currency)]
        for month, row, amount in reversed(list(zip(months, found, amounts, strict=True)))
    ]
    rows.append(["All of it", "", "", money_text(sum(amounts, Decimal("0.00")), currency)])
    heads = ["Paid in", "Accounts", "Invoices", "Recovered"]
    return Panel("recovered", "Money recovered", RECOVERED, chart, heads, rows)
