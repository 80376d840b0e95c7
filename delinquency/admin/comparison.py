"""Two futures of an account in words: the table that "what if" and the move to another version share."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.utils.functional import Promise
from django.utils.safestring import SafeString

from accounts.admin.base import BAD, GOOD, NOTE, QUIET, WARN, badge
from delinquency.comparing import Comparison
from delinquency.glance import EVENT_WORDS, LEVEL_WORDS
from delinquency.rules.actions import Event, Kind
from delinquency.rules.difference import Mark, Row, shift

from .journal import event_badge

DAY = "%a %d %b %Y"
# A bill that is still to come is named by its date: "of 2026-02-01", which wants a noun wherever it has none.
# Whether it is better for the customer that something is there; the rest is neither.
GOOD_NEWS = {Kind.RELEASED, Kind.CURED, Kind.ACCOUNT_CURED, Kind.STATUS_RESTORED, Kind.PAYMENT, Kind.UNFLAGGED}


@dataclass(frozen=True, slots=True)
class Cell:
    """One event in words."""

    what: SafeString
    time: str
    detail: str | Promise
    amount: Decimal | None
    why: str


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table."""

    on: date
    before: Cell | None
    after: Cell | None
    both: Cell | None  # the same in both: said once
    mark: SafeString
    tone: str


@dataclass(frozen=True, slots=True)
class SumLine:
    """One line of what the two futures come to."""

    words: str
    before: str
    after: str
    difference: SafeString


@dataclass(frozen=True, slots=True)
class Shown:
    """What the template shows."""

    title: str
    now: datetime
    until: date
    currency: str
    sums: tuple[SumLine, ...]
    lines: tuple[Line, ...]
    differs: bool
    differences: int


def shown(found: Comparison, *, title: str) -> Shown:
    """Return a comparison as the template shows it; `title` heads the column of what is supposed."""
    return Shown(
        title=title,
        now=found.now,
        until=found.until,
        currency=found.account.company.currency,
        sums=tuple(_sums(found)),
        lines=tuple(_line(row) for row in found.rows),
        differs=found.differs,
        differences=sum(1 for row in found.rows if row.mark not in (Mark.SAME, Mark.MOVED_FROM)),
    )


def day(on: date | None) -> str:
    """Return a day in words, or that it does not come."""
    return "not in this time" if on is None else on.strftime(DAY)


def _line(row: Row) -> Line:
    before, after = (_cell(event) if event is not None else None for event in (row.before, row.after))
    words, tone = _mark(row)
    alike = row.mark is Mark.SAME and before is not None and after is not None and before.why == after.why
    return Line(
        on=row.at.date(),
        before=None if alike else before,
        after=None if alike else after,
        both=before if alike else None,
        mark=badge(words, tone) if row.mark is not Mark.SAME else SafeString("same"),
        tone=str(row.mark),
    )


def _cell(event: Event) -> Cell:
    level = event.step.level if event.step is not None else ""
    number = str(event.number or "")
    step = f"step {event.step_key}" if event.step_key else ""
    words = str(LEVEL_WORDS.get(level, "")) if event.kind is Kind.RESTRICTED else ""
    return Cell(
        what=event_badge(str(event.kind)),
        time=event.at.strftime("%H:%M"),
        detail=", ".join(part for part in (words, number, step) if part),
        amount=event.amount,
        why=event.why,
    )


def _mark(row: Row) -> tuple[str, str]:
    good = row.event.kind in GOOD_NEWS
    match row.mark:
        case Mark.SAME:
            return "same", QUIET
        case Mark.CHANGED:
            return f"changed: {_change(row)}", NOTE
        case Mark.ADDED:
            return "added", GOOD if good else WARN
        case Mark.GONE:
            return "gone", BAD if good else GOOD
        case Mark.MOVED_TO:
            return f"moved to {day(row.other_on)}", NOTE
        case Mark.MOVED_FROM:
            return f"moved from {day(row.other_on)}", NOTE


def _change(row: Row) -> str:
    assert row.before is not None
    assert row.after is not None
    if row.before.amount != row.after.amount:
        return f"{row.before.amount or 0:,.2f} → {row.after.amount or 0:,.2f}"
    if row.before.at != row.after.at:
        return f"{row.before.at:%H:%M} → {row.after.at:%H:%M}"
    levels = [str(LEVEL_WORDS.get(e.step.level if e.step else "", "")) for e in (row.before, row.after)]
    return " → ".join(levels)


def _sums(found: Comparison) -> list[SumLine]:
    one, other = found.before, found.after
    return [
        _day_line("Delinquent on", one.delinquent_on, other.delinquent_on, found.delinquent_since),
        _day_line("No longer delinquent on", one.cured_on, other.cured_on, welcome=True),
        _day_line("Line slowed on", one.slowed_on, other.slowed_on),
        _day_line("Line blocked on", one.suspended_on, other.suspended_on),
        _day_line(str(EVENT_WORDS["status_switch"]) + " on", one.switched_on, other.switched_on, found.switched_since),
        _count_line("Invoices issued", one.bills, other.bills),
        _money_line("Invoiced", one.billed, other.billed),
        _money_line("Fees", one.fees, other.fees),
        _money_line(f"Balance on {found.until.strftime(DAY)}", found.owed_before, found.owed_after),
    ]


def _day_line(
    words: str, before: date | None, after: date | None, since: date | None = None, *, welcome: bool = False
) -> SumLine:
    """Return the line of a day that is feared or, if so said, welcome; `since` is when it came about already."""
    good, bad = (BAD, GOOD) if welcome else (GOOD, BAD)
    said = _same()
    match shift(before, after):
        case "sooner" | "later" as how:
            assert before is not None
            assert after is not None
            days = abs((after - before).days)
            said = badge(f"{days} day{'s' if days != 1 else ''} {how}", good if how == "later" else bad)
        case "never":
            said = badge("gone", good)
        case "new":
            said = badge("added", bad)
    ends = [f"already, since {since.strftime(DAY)}" if since and on is None else day(on) for on in (before, after)]
    return SumLine(words, ends[0], ends[1], said)


def _count_line(words: str, before: int, after: int) -> SumLine:
    return SumLine(words, str(before), str(after), badge(f"{after - before:+d}", NOTE) if after != before else _same())


def _money_line(words: str, before: Decimal, after: Decimal) -> SumLine:
    said = badge(f"{after - before:+,.2f}", NOTE) if after != before else _same()
    return SumLine(words, f"{before:,.2f}", f"{after:,.2f}", said)


def _same() -> SafeString:
    return SafeString("same")
