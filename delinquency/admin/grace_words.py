"""What more time does, in words: sentences and a table of dates now and then."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from delinquency.glance import EVENT_WORDS, LEVEL_WORDS
from delinquency.more_time import Effect
from delinquency.rules.actions import Kind
from delinquency.rules.effect import Change
from delinquency.rules.extensions import Allowance


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence, with its tone."""

    tone: str
    words: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what, when now, when then."""

    what: str
    now: str
    then: str
    differs: bool


def day(on: date) -> str:
    """Return a date as people say it, such as Sun 25 Jan 2026."""
    return f"{on:%a %d %b %Y}"


def left_words(allowance: Allowance, number: str) -> str:
    """Say how often the account got more time, and how often the one who asks may still give it (A9)."""
    if allowance.left == 0:
        return f"{allowance.refusal(number)} Nothing changes before."
    got = "Not given more time in the last 12 months"
    if allowance.used:
        days = ", ".join(str(on) for on in allowance.given_on)
        got = f"Given more time {_times(allowance.used)} in the last 12 months ({days})"
    if allowance.left is None:
        return f"{got}. For {allowance.who} there is no limit."
    at_once = f", up to {allowance.days_max} days at once" if allowance.days_max is not None else ""
    may = f"{allowance.who} may give {allowance.limit}{at_once}: {allowance.left} left"
    return f"{got}. {may}. Above that a second person is asked."


def lines_of(effect: Effect, currency: str) -> list[Line]:
    """Say what the days do, the most important first."""
    lines = [_headline(effect)]
    if effect.why_closed and effect.foretold and not effect.already:
        lines.append(
            Line(
                "note", f"{day(effect.until_on)} is no day for it ({effect.why_closed}), so {day(effect.opens_on)} is."
            )
        )
    lines += [
        Line("warn", f"This brings another bill on {day(bill.on)} ({_money(bill.amount, currency)}).")
        for bill in effect.extra
    ]
    if effect.lifts:
        words = (
            f"Lift now ends the case that runs since {_since(effect)}: the line opens and the status returns at once,"
            " without a reconnection fee. This cannot be undone."
        )
        lines.append(Line("warn", words))
    elif effect.lift_now:
        lines.append(Line("note", "Lift now does nothing: the account is not delinquent."))
    if effect.shortens and effect.running_until:
        words = f"It is sooner than now: grace runs until {day(effect.running_until)} already. The last date counts."
        lines.append(Line("warn", words))
    return lines


def table_of(effect: Effect, currency: str) -> list[Row]:
    """Return the dates now and then; of the bills that stay as they are only the next one."""
    rows, bills = [], 0
    for change in effect.rows:
        if change.kind is Kind.ISSUED and not change.differs:
            bills += 1
            if bills > 1:
                continue
        rows.append(
            Row(
                what=_what(change),
                now=_when(change, change.now, change.now_amount, currency, _already(effect, change)),
                then=_when(
                    change, change.then, change.then_amount, currency, "" if effect.lifts else _already(effect, change)
                ),
                differs=change.differs,
            )
        )
    return rows


def _headline(effect: Effect) -> Line:
    if not effect.foretold:
        return Line("warn", "No dates can be told: the account is closed, or under no policy.")
    if effect.already:
        words = f"The running case goes on: the account is delinquent already, since {_since(effect)}."
        if not effect.changed:
            words = f"Nothing changes: it is delinquent already, since {_since(effect)}."
        return Line("warn", f"{words} Tick “Lift now” to end the case at once.")
    if effect.nothing and effect.entry_now_on is not None:
        return Line(
            "warn", f"No effect: the account cannot become delinquent before {day(effect.entry_now_on)} anyway."
        )
    if effect.nothing:
        return Line("warn", "No effect: nothing that it owes would make the account delinquent in the months ahead.")
    return Line("good", f"Protected through {day(effect.through_on)}; may become delinquent on {day(effect.may_on)}.")


def _what(change: Change) -> str:
    words = str(EVENT_WORDS.get(str(change.kind), change.kind))
    if change.kind is Kind.RESTRICTED:
        return f"{words}: {LEVEL_WORDS.get(change.what, change.what)}"
    if change.kind is Kind.LATE_FEE:
        return f"{words}, {change.what}"
    return "Bill" if change.kind is Kind.ISSUED else words


def _when(change: Change, at: datetime | None, amount: Decimal | None, currency: str, already: str) -> str:
    if at is None:
        return already or ("no bill" if change.kind is Kind.ISSUED else "does not come")
    words = f"{day(at.date())} {at:%H:%M}"
    return f"{words}, {_money(amount, currency)}" if amount is not None else words


def _already(effect: Effect, change: Change) -> str:
    """Say of what lies behind us that it holds."""
    if change.kind is Kind.ACCOUNT_DELINQUENT and effect.delinquent_since:
        return f"since {_since(effect)}"
    key = str(change.kind) if change.kind is Kind.STATUS_SWITCH else change.what
    return "in force now" if change.kind in (Kind.RESTRICTED, Kind.STATUS_SWITCH) and key in effect.in_force else ""


def _since(effect: Effect) -> str:
    return day(effect.delinquent_since) if effect.delinquent_since else ""


def _money(amount: Decimal, currency: str) -> str:
    return f"{amount:,.2f} {currency}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
