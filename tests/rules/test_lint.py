"""The linter's dates: the bill, the calendar, and what they do to each other (D4, G3, G3b, G4, G5, A14)."""

from datetime import date, timedelta
from typing import Any

import pytest

from delinquency.rules.document import parse
from delinquency.rules.lint import Finding, Severity, lint
from tests.worlds import WORKDAYS, exchange, sonar

TICKET = {"key": "ticket", "action": "ticket", "anchor": "delinquent", "offset_days": 0}
NOTICE = {"key": "notice", "action": "notice", "anchor": "delinquent", "offset_days": 0, "channels": ["email"]}
CUT = {"key": "cut", "action": "restrict", "anchor": "delinquent", "offset_days": 0, "level": "suspend",
       "requires_notice": "notice"}  # fmt: skip


def found(policy: dict[str, Any], from_on: str = "2026-01-01", months: int = 36) -> list[Finding]:
    """Lint a policy."""
    return lint(parse(policy), date.fromisoformat(from_on), months)


def one(policy: dict[str, Any], code: str, **where: Any) -> Finding:
    """Return the only finding of a code."""
    findings = [finding for finding in found(policy, **where) if finding.code == code]
    assert len(findings) == 1, findings
    return findings[0]


def codes(policy: dict[str, Any], **where: Any) -> list[str]:
    """Return the codes of what is found."""
    return [finding.code for finding in found(policy, **where)]


def test_the_articles_as_they_stand_have_no_finding() -> None:
    assert found(sonar()) == []
    assert found(exchange()) == []


def test_with_weekends_unchecked_the_switch_misses_the_bill_in_february_2026_alone() -> None:
    late = one(sonar(check_weekdays=WORKDAYS), "switch-after-bill")
    assert late.months == ("2026-02",)
    assert late.severity is Severity.WARNING
    assert late.on == date(2026, 3, 2)
    for said in ("Sun 2026-02-01", "Mon 2026-02-23", "Mon 2026-03-02", "Sun 2026-03-01", "one more bill is issued"):
        assert said in late.words
    assert "status_switch_days to 6 or less" in late.mend
    assert codes(sonar(check_weekdays=WORKDAYS, status_switch_days=6)) == []


def test_a_tie_with_the_bill_date_passes_also_with_fridays_unchecked() -> None:
    assert one(sonar(check_weekdays=WORKDAYS[:4]), "switch-after-bill").months == ("2026-02",)
    assert codes(sonar(check_weekdays=WORKDAYS), from_on="2027-02-01", months=1) == []


def test_holidays_that_chain_make_december_2026_break_and_not_2027() -> None:
    closed = [
        {"name": "Eve", "month": 12, "day": 24, "year": 2026}, {"name": "Christmas", "month": 12, "day": 25},
        {"name": "Bridge", "month": 12, "day": 28, "year": 2026},
    ]  # fmt: skip
    late = one(sonar(bill_day=4, check_weekdays=WORKDAYS, exclusions=closed), "switch-after-bill")
    assert late.months == ("2026-12",)
    for said in ("Tue 2026-12-29", "Tue 2027-01-05", "Mon 2027-01-04"):
        assert said in late.words


def test_new_year_that_puts_the_entry_off_leaves_the_switch_a_day_before_the_bill() -> None:
    closed = [{"name": "New Year", "month": 1, "day": 1}]
    assert codes(sonar(bill_day=12, check_weekdays=WORKDAYS, exclusions=closed), from_on="2026-12-01", months=1) == []


def test_a_bill_day_that_february_lacks_is_its_last_day() -> None:
    late = one(sonar(bill_day=31, check_weekdays=WORKDAYS), "switch-after-bill")
    assert late.months == ("2027-01",)
    assert "Sun 2027-02-28" in late.words


def test_a_switch_that_is_months_late_counts_every_bill_before_it() -> None:
    late = one(sonar(status_switch_days=40), "switch-after-bill")
    assert len(late.months) == 36
    assert "2 more bills are issued" in one(sonar(status_switch_days=45), "switch-after-bill").words
    assert "in every month" in late.words


def test_a_switch_counted_from_the_due_date_is_told_by_how_much_to_come_forward() -> None:
    switch = {"key": "switch", "action": "status_switch", "anchor": "due", "offset_days": 20}
    policy = sonar(steps=[TICKET, switch], status_switch_days=None)
    late = one(policy, "switch-after-bill", from_on="2026-01-01", months=12)
    assert late.path == "steps[1].offset_days"
    worst = int(late.mend.split("at least ")[1].split()[0])
    switch["offset_days"] = 20 - worst
    assert codes(policy, from_on="2026-01-01", months=12) == []
    switch["offset_days"] = 21 - worst
    assert "switch-after-bill" in codes(policy, from_on="2026-01-01", months=12)


def test_holding_invoices_while_delinquent_leaves_nobody_billed() -> None:
    policy = sonar(check_weekdays=WORKDAYS, hold_invoices_while_delinquent=True, steps=[NOTICE, CUT])
    assert codes(policy) == []


def test_a_line_that_is_cut_with_no_switch_is_billed_every_month() -> None:
    billed = one(sonar(steps=[NOTICE, CUT], status_switch_days=None), "suspended-still-billed")
    assert billed.severity is Severity.ERROR
    assert billed.on == date(2026, 2, 1)
    assert "Wed 2026-01-21" in billed.words
    assert len(billed.months) == 36
    slowed = sonar(steps=[NOTICE, CUT | {"level": "throttle"}], status_switch_days=None)
    assert codes(slowed) == []


def test_a_line_that_is_cut_before_a_late_switch_is_billed_in_that_month() -> None:
    billed = one(sonar(steps=[NOTICE, CUT], check_weekdays=WORKDAYS), "suspended-still-billed")
    assert (billed.severity, billed.months) == (Severity.WARNING, ("2026-02",))


def test_a_flagged_account_that_is_cut_early_and_never_switched_is_found_too() -> None:
    steps = [step for step in exchange()["steps"] if step["key"] not in ("switch", "disconnect")]
    billed = one(exchange(steps=steps), "suspended-still-billed")
    assert billed.path == f"steps[{len(steps) - 1}]"


def test_a_flagged_account_that_paid_before_is_not_covered_by_a_switch_of_then() -> None:
    """One that never paid has been switched long ago; one that pays late each time is cut again, and billed."""
    steps = [step for step in exchange()["steps"] if step["key"] not in ("switch", "disconnect")]
    switch = {"key": "switch", "action": "status_switch", "anchor": "due", "offset_days": 40}
    billed = one(exchange(steps=[*steps, switch]), "suspended-still-billed")
    assert "its status switches only on" in billed.words


def test_five_closed_days_pass_and_six_are_named_with_what_closes_them() -> None:
    def closed(*days: int) -> dict[str, Any]:
        rows = [{"name": f"Feast {day}", "month": 12, "day": day, "year": 2026} for day in days]
        return sonar(check_weekdays=WORKDAYS, exclusions=rows, status_switch_days=None)

    assert codes(closed(24, 25, 28)) == []  # Thu to Mon
    long = one(closed(24, 25, 28, 29), "long-delay")
    assert long.on == date(2026, 12, 24)
    assert long.months == ("2026-12",)
    for said in ("Wed 2026-12-30", "6 days", "Feast 24", "Saturdays", "Feast 29"):
        assert said in long.words


def test_a_calendar_with_no_day_left_is_an_error_and_nothing_else_is_said() -> None:
    year = [date(2028, 1, 1) + timedelta(days=number) for number in range(366)]
    every = [{"name": "Closed", "month": on.month, "day": on.day} for on in year]
    assert codes(sonar(exclusions=every)) == ["no-weekday"]
    assert codes(sonar(exclusions=every[1:])) == ["long-delay"]  # 1 January is left


def test_what_the_policy_leaves_open_is_assumed_and_said() -> None:
    notes = [f for f in found(sonar(bill_day=None, due_days=None)) if f.code == "assumed"]
    assert [(f.path, f.severity) for f in notes] == [("bill_day", Severity.NOTE), ("due_days", Severity.NOTE)]


@pytest.mark.parametrize("bill_day", [1, 28, 29, 30, 31])
@pytest.mark.parametrize("from_on", ["2026-01-31", "2026-02-01", "2028-02-29"])
def test_any_first_day_and_bill_day_give_a_bill_to_look_at(from_on: str, bill_day: int) -> None:
    late = one(sonar(bill_day=bill_day, status_switch_days=40), "switch-after-bill", from_on=from_on, months=1)
    assert len(late.months) == 1
