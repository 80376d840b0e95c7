"""Findings about the calendar and the bill: delays, and bills for service that is cut (S12, S15, S18, D4, A14)."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from ..actions import Event, Kind
from ..calendar import ONE_DAY
from ..policy import HARD_LEVELS, Do, Step
from ..when import ISSUE_TIME
from .finding import Finding, Severity, day, days, month
from .plays import BILL_DAY_ASSUMED, DUE_DAYS_ASSUMED, Play, Plays

# An entry that weekends and holidays may put off by more days than this is worth a word.
DELAY_DAYS_MAX = 5


def lint_dates(plays: Plays) -> Iterator[Finding]:
    """Yield what the calendar does to the policy."""
    yield from _assumed(plays)
    if plays.never_open:
        yield _no_open_day(plays)
        return
    yield from _long_delays(plays)
    if not plays.policy.hold_invoices_while_delinquent:  # then nobody is billed again before paying (A15)
        for step in plays.policy.ladder:
            if step.action is Do.STATUS_SWITCH:
                yield from _switch_after_bill(plays, step)
        yield from _suspended_still_billed(plays)


def _assumed(plays: Plays) -> Iterator[Finding]:
    if plays.policy.bill_day is None:
        yield Finding(
            "assumed", Severity.NOTE, "bill_day",
            f"The policy names no bill day; everything here was worked out for bills on day {BILL_DAY_ASSUMED}.",
            "Set bill_day to the day on which most of its accounts are billed.",
        )  # fmt: skip
    if plays.policy.due_days is None:
        yield Finding(
            "assumed", Severity.NOTE, "due_days",
            f"Each invoice brings its own due date; everything here was worked out for {DUE_DAYS_ASSUMED} days.",
            "Nothing has to be done; look at the findings with your own due dates in mind.",
        )  # fmt: skip


def _no_open_day(plays: Plays) -> Finding:
    first = next(on for on, length in plays.closed_runs if on + timedelta(days=length) == date.max)
    return Finding(
        "no-weekday", Severity.ERROR, "check_weekdays",
        f"From {day(first)} on no day is left on which an account could become delinquent: every checked weekday "
        "is excluded for more than a year.",
        "Check at least one more weekday, or take exclusions out.",
        on=first,
    )  # fmt: skip


def _long_delays(plays: Plays) -> Iterator[Finding]:
    long = [(length, first) for first, length in plays.closed_runs if length > DELAY_DAYS_MAX]
    if not long:
        return
    length, first = max(long, key=lambda run: (run[0], -run[1].toordinal()))
    calendar, reasons = plays.policy.calendar, []
    for number in range(length):
        reason = calendar.why_closed(first + number * ONE_DAY)
        if reason not in reasons:
            reasons.append(reason)
    named = "; ".join(reasons[:8]) + ("; …" if len(reasons) > 8 else "")
    yield Finding(
        "long-delay", Severity.WARNING, "exclusions" if calendar.exclusions else "check_weekdays",
        f"An account that would become delinquent on {day(first)} does so only on {day(first + length * ONE_DAY)}, "
        f"{days(length)} later, because {named}.",
        f"Take one of these out, or check one more weekday, so that no run of closed days is over {DELAY_DAYS_MAX}.",
        on=first, months=tuple(sorted({month(start) for _, start in long})),
    )  # fmt: skip


def _switch_after_bill(plays: Plays, step: Step) -> Iterator[Finding]:
    """Find the months in which the switch comes after the next bill: no fact but a promise that may break (D4, A14)."""
    broken: list[tuple[Play, Event, Event, date]] = []
    room: list[int] = []  # days from the entry, or from the switch, to the next bill
    for play in plays.ordinary:
        entered, switched = play.first(Kind.ACCOUNT_DELINQUENT), play.first(Kind.STATUS_SWITCH, step)
        if entered is None or switched is None:
            continue
        bill_on = plays.next_bill(entered.on)
        room.append((bill_on - (entered.on if step.anchor == "delinquent" else switched.on)).days)
        if switched.at > datetime.combine(bill_on, ISSUE_TIME):  # on the bill date itself the switch comes first (A13)
            broken.append((play, entered, switched, bill_on))
    if not broken:
        return
    play, entered, switched, bill_on = broken[0]
    more, on = 0, bill_on
    while datetime.combine(on, ISSUE_TIME) < switched.at:
        more, on = more + 1, plays.next_bill(on)
    bills = "one more bill is" if more == 1 else f"{more} more bills are"
    path = plays.when_path(step) if step.written else "status_switch_days"
    if step.anchor == "delinquent":
        way = f"Set {path} to {min(room)} or less, so that the switch falls on a bill date at the latest"
    else:
        way = f"Bring {path} forward by at least {days(-min(room))}"
    yield Finding(
        "switch-after-bill", Severity.WARNING, path,
        f"The invoice of {day(play.bill_on)} makes the account delinquent on {day(entered.on)}; its status switches "
        f"on {day(switched.on)}, after the bill of {day(bill_on)}: {bills} issued{_and_when(plays, broken)}.",
        f"{way}; or check more weekdays, take exclusions out, or hold invoices while delinquent.",
        on=switched.on, months=tuple(month(found[0].bill_on) for found in broken),
    )  # fmt: skip


def _and_when(plays: Plays, broken: list[tuple[Play, Event, Event, date]]) -> str:
    if len(broken) == len(plays.ordinary) > 1:
        return ", and so it is in every month looked at"
    others = [month(found[0].bill_on) for found in broken[1:]]
    if not others:
        return ""
    return ", and likewise in " + ", ".join(others[:6]) + (f" and {len(others) - 6} more" if len(others) > 6 else "")


def _suspended_still_billed(plays: Plays) -> Iterator[Finding]:
    """Find months in which the line is cut and the next bill comes all the same (S1, S18)."""
    flagged = any(step.only_flagged and step.level in HARD_LEVELS for step in plays.policy.steps)
    for stories in (plays.ordinary, [plays.late_payer] if flagged else []):
        broken = [(play, *found) for play in stories if (found := _billed_while_cut(plays, play))]
        if broken:
            break
    else:
        return
    play, cut, bill_on = broken[0]
    assert cut.step is not None
    switched = next((e for e in play.events if e.kind is Kind.STATUS_SWITCH and e.at > cut.at), None)
    then = f"its status switches only on {day(switched.on)}" if switched else "its status never switches"
    always = len(broken) == len(stories)
    yield Finding(
        "suspended-still-billed", Severity.ERROR if always else Severity.WARNING, plays.path(cut.step),
        f"{plays.called(cut.step)} cuts the line on {day(cut.on)}; on {day(bill_on)} the account is billed for service "
        f"that it cannot use, because {then}.",
        "Add a status switch that falls on the next bill date at the latest, or hold invoices while delinquent.",
        on=bill_on, months=tuple(month(found[0].bill_on) for found in broken),
    )  # fmt: skip


def _billed_while_cut(plays: Plays, play: Play) -> tuple[Event, date] | None:
    """Return the first cut that a bill follows with the status still active, and that bill's date."""
    cut: Event | None = None
    switched = False
    end = Event(datetime.max, Kind.STEP_DONE, {})
    for event in (*play.events, end):
        if cut is not None and not switched and event.at > datetime.combine(plays.next_bill(cut.on), ISSUE_TIME):
            return cut, plays.next_bill(cut.on)
        if event.kind is Kind.RESTRICTED and event.step is not None and event.step.level in HARD_LEVELS:
            cut = cut or event
        elif event.kind is Kind.RELEASED:
            cut = None
        elif event.kind in (Kind.STATUS_SWITCH, Kind.STATUS_RESTORED):
            switched = event.kind is Kind.STATUS_SWITCH
    return None
