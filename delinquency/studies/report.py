"""A study's result as its page shows it: rows with their difference, and what the charts draw. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from ..charts import Series, bars
from .days import Days, days_from

# Name in the result, words, whether it is money.
SUMMARY = (
    ("past_due_invoices", "Invoices past due", False),
    ("delinquent_invoices", "Invoices delinquent", False),
    ("episodes", "Delinquencies (accounts that became delinquent)", False),
    ("accounts_cut", "Accounts cut at least once", False),
    ("restrictions", "Lines restricted", False),
    ("status_switches", "Status switches", False),
    ("late_fees", "Late fees", False),
    ("late_fee_total", "Late fees, money", True),
    ("reconnection_fees", "Reconnection fees", False),
    ("reconnection_fee_total", "Reconnection fees, money", True),
    ("notices", "Notices", False),
    ("tickets", "Tickets", False),
    ("calls", "Calls by staff", False),
    ("flagged_accounts", "Accounts flagged", False),
    ("peak_delinquent_accounts", "Most accounts delinquent on one day", False),
)
DAYS = (
    ("cuts", "Lines restricted"),
    ("switches", "Status switches"),
    ("fees", "Fees"),
    ("fee_total", "Fees, money"),
    ("notices", "Notices"),
    ("calls", "Calls by staff"),
    ("bills", "Bills"),
    ("bill_total", "Bills, money"),
)
Number = int | Decimal


@dataclass(frozen=True, slots=True)
class Row:
    """A number under what is live and under the version, and what differs."""

    words: str
    live: str
    draft: str
    difference: str
    past: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart and the table beneath it: (label, numbers)."""

    key: str
    title: str
    svg: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def summary(result: dict[str, Any]) -> list[Row]:
    """Return the sums of a backtest, live beside draft."""
    live, draft = result["live"]["summary"], result["draft"]["summary"]
    rows = [
        _row(words, _number(live[name], is_money), _number(draft[name], is_money)) for name, words, is_money in SUMMARY
    ]
    one, two = live["mean_days_delinquent"], draft["mean_days_delinquent"]
    between = "–" if one is None or two is None else _signed(Decimal(str(two)) - Decimal(str(one)))
    rows.append(Row("Days delinquent, on average", _mean(one), _mean(two), between))
    return rows


def month_charts(result: dict[str, Any], version: str) -> list[Chart]:
    """Return the charts of a backtest: delinquencies, cuts, fees and fee money by month."""
    months = list(result["live"]["monthly"])
    found = []
    for key, title, names, is_money in (
        ("delinquencies", "Delinquencies by month", ("episodes",), False),
        ("cuts", "Cuts by month (lines restricted and status switches)", ("restrictions", "status_switches"), False),
        ("fees", "Late fees by month", ("late_fees",), False),
        (
            "money",
            "Fee money by month (late and reconnection fees)",
            ("late_fee_total", "reconnection_fee_total"),
            True,
        ),
    ):
        sides = [
            [
                sum((_number(result[side]["monthly"][month][name], is_money) for name in names), _zero(is_money))
                for month in months
            ]
            for side in ("live", "draft")
        ]
        series = [Series("live", "live", sides[0]), Series(version, "draft", sides[1])]
        words = f"Live {_text(sum(sides[0]))} in all, {version} {_text(sum(sides[1]))}; the table below has each month."
        found.append(_chart(key, title, words, months, series, "Month"))
    return found


def day_sums(result: dict[str, Any]) -> list[Row]:
    """Return the sums of thirty days: those that have been, live, and draft."""
    past, live, draft = (days_from(result[side]) for side in ("past", "live", "draft"))
    rows = []
    for name, words in DAYS:
        been, one, two = (_sum_of(days, name) for days in (past, live, draft))
        rows.append(_row(words, one, two, past=_text(been)))
    return rows


def day_charts(result: dict[str, Any], version: str) -> list[Chart]:
    """Return the charts of thirty days: each day beside the one as many days before."""
    past, live, draft = (days_from(result[side]) for side in ("past", "live", "draft"))
    labels = [f"{on:%m-%d}" for on in _days_of(live)]
    found = []
    for name, title in DAYS:
        series = [
            Series("last 30 days", "past", _values(past, name)),
            Series("next 30 days, live", "live", _values(live, name)),
            Series(f"next 30 days, {version}", "draft", _values(draft, name)),
        ]
        if not any(any(row.values) for row in series):
            continue
        sums = ", ".join(
            f"{row.words} {_text(sum(row.values, start=Decimal(0) if 'total' in name else 0))}" for row in series
        )
        found.append(_chart(name, f"{title} by day", f"In all: {sums}.", labels, series, "Day"))
    return found


def quiet_days(result: dict[str, Any]) -> list[str]:
    """Return what none of the thirty days has, in words: there is no chart of it."""
    sides = [days_from(result[side]) for side in ("past", "live", "draft")]
    return [words.lower() for name, words in DAYS if not any(any(_values(days, name)) for days in sides)]


def _chart(key: str, title: str, words: str, labels: Sequence[str], series: Sequence[Series], head: str) -> Chart:
    rows = tuple((label, tuple(_text(row.values[place]) for row in series)) for place, label in enumerate(labels))
    return Chart(
        key, title, bars(f"chart-{key}", title, words, labels, series), (head, *(row.words for row in series)), rows
    )


def _row(words: str, live: Number, draft: Number, past: str = "") -> Row:
    return Row(words, _text(live), _text(draft), _signed(draft - live), past)


def _number(value: Any, is_money: bool) -> Number:
    return Decimal(value) if is_money else int(value)


def _zero(is_money: bool) -> Number:
    return Decimal("0.00") if is_money else 0


def _text(value: Number) -> str:
    return f"{value:,.2f}" if isinstance(value, Decimal) else f"{value:,}"


def _mean(value: Any) -> str:
    return "–" if value is None else f"{Decimal(str(value)):.2f}"


def _signed(value: Number) -> str:
    if not value:
        return "same"
    return f"{value:+,.2f}" if isinstance(value, Decimal) else f"{value:+,}"


def _values(days: Days, name: str) -> Sequence[Number]:
    return days.totals[name] if name in days.totals else days.counts[name]


def _sum_of(days: Days, name: str) -> Number:
    return sum(days.totals[name], Decimal("0.00")) if name in days.totals else sum(days.counts[name])


def _days_of(days: Days) -> list[date]:
    return [days.from_on + timedelta(days=place) for place in range(days.length)]
