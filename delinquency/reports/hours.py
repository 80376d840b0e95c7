"""Staff hours saved: what late accounts took before, less what they still take by hand (E10)."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from accounts.models import Company

from ..charts import Series, bars
from ..models import ActMinutes
from ..rules.calendar import months_later
from .panels import Month, Panel

MEANS = (
    "The baseline is what the company says late accounts took a month before. Taken off is what staff still did by"
    " hand: counted from the journal, times the minutes that one such piece of work is assumed to take. What the"
    " program did by itself is counted too, as a check: so long the same work would have taken people. Only the counts"
    " are measured; baseline and minutes are assumptions that you set. A month that is not over,"
    " or without any work on record, is left open."
)


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours of one month; what was saved is known once it is over, and only if any work is on record."""

    baseline: Decimal
    by_hand: Decimal
    by_itself: Decimal
    is_known: bool = True

    @property
    def saved(self) -> Decimal:
        """Return the baseline less what was done by hand; negative if that was more."""
        return self.baseline - self.by_hand


class Baselines:
    """What each company gave as its baseline, and from when on; one query for all of them."""

    def __init__(self, companies: Sequence[Company]) -> None:
        """Read what the companies' baselines were."""
        self.now = {company.pk: company.staff_hours_baseline for company in companies}
        rows = Company.history.filter(id__in=list(self.now)).order_by("history_date", "history_id")
        self.told: dict[int, list[tuple[object, Decimal]]] = {}
        for pk, at, hours in rows.values_list("id", "history_date", "staff_hours_baseline"):
            self.told.setdefault(pk, []).append((at.date(), hours))

    def of(self, month: Month) -> Decimal:
        """Return the baseline at the end of a month; before any was written down, the first."""
        told = self.told.get(month.row.company_id, [])
        if not told:
            return Decimal(self.now[month.row.company_id])
        place = bisect_left([at for at, _hours in told], months_later(month.on, 1))  # type: ignore[type-var]
        return told[max(place - 1, 0)][1]


def hours_of(month: Month, minutes: Sequence[ActMinutes], baseline: Decimal) -> Hours:
    """Return the hours of a month."""
    by_hand = sum((row.minutes * month.acts(row.key) for row in minutes if row.by_hand), Decimal(0))
    by_itself = sum((row.minutes * month.acts(row.key) for row in minutes if not row.by_hand), Decimal(0))
    return Hours(
        Decimal(baseline), by_hand / 60, by_itself / 60, is_known=month.is_over and bool(month.row.figures.get("acts"))
    )


def hours(months: Sequence[Month], minutes: Sequence[ActMinutes], baselines: Baselines, key: str) -> Panel:
    """Return the hours saved by month."""
    found = [(month, hours_of(month, minutes, baselines.of(month))) for month in months]
    chart = bars(
        f"{key}-hours", "Staff hours saved by month", "Saved, and still worked by hand; the table has the numbers.",
        [month.label for month in months],
        [
            Series("hours saved", "live", [max(round(one.saved), 0) if one.is_known else 0 for _month, one in found]),
            Series("still by hand", "draft", [round(one.by_hand) for _month, one in found]),
        ],
    )  # fmt: skip
    rows = [
        [month.words, *(f"{value:.1f} h" for value in (one.baseline, one.by_hand, one.saved, one.by_itself))]
        if one.is_known
        else [month.words, f"{one.baseline:.1f} h", "–", "–", "–"]
        for month, one in reversed(found)
    ]
    heads = ["Month", "Baseline", "Still by hand", "Saved", "Done by the program, as if by hand"]
    return Panel("hours", "Staff hours saved", MEANS, chart, heads, rows)


def arithmetic(month: Month, minutes: Sequence[ActMinutes], baseline: Decimal) -> list[tuple[str, str, bool]]:
    """Return a month's sum line by line: words, value, and whether the line is a total."""
    one = hours_of(month, minutes, baseline)
    if not one.is_known:
        return []
    lines = [("Baseline, as the company says", f"{one.baseline:.1f} h", False)]
    lines += [_line(row, month, "− ") for row in minutes if row.by_hand and month.acts(row.key)]
    lines.append(("Still done by hand", f"− {one.by_hand:.1f} h", False))
    lines.append(("Saved", f"{one.saved:.1f} h", True))
    lines += [_line(row, month, "") for row in minutes if not row.by_hand and month.acts(row.key)]
    lines.append(("Done by the program, as if by hand", f"{one.by_itself:.1f} h", True))
    return lines


def _line(row: ActMinutes, month: Month, sign: str) -> tuple[str, str, bool]:
    count = month.acts(row.key)
    taken = row.minutes * count
    words = f"{row.words}: {count:,} × {row.minutes:.1f} min (assumed)"
    return words, f"{sign}{taken:,.0f} min", False
