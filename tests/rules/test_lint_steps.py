"""The linter's findings about steps: told before cut, late before charged, at a decent hour, and ever at all."""

from datetime import date
from typing import Any

import pytest

from delinquency.rules.lint import Severity
from tests.rules.test_lint import CUT, NOTICE, TICKET, codes, found, one
from tests.worlds import exchange, sonar

FEE = {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 5, "flat": "10.00"}
SLOW = CUT | {"key": "slow", "level": "throttle"}
FREE = {key: value for key, value in CUT.items() if key != "requires_notice"}


def ladder(*steps: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a policy of some steps, with the switch after 5 days, so that no bill comes in between."""
    return sonar(steps=list(steps), status_switch_days=5) | changes


def exchange_without(*keys: str, **changes: Any) -> dict[str, Any]:
    """Return the E policy without some steps."""
    return exchange(steps=[step for step in exchange()["steps"] if step["key"] not in keys], **changes)


def test_a_cut_before_its_notice_is_an_error_with_both_dates() -> None:
    early = one(ladder(FREE, NOTICE | {"offset_days": 3}), "cut-before-notice")
    assert (early.severity, early.path, early.on) == (Severity.ERROR, "steps[0].offset_days", date(2026, 1, 21))
    assert "Sat 2026-01-24" in early.words


def test_a_notice_at_the_same_check_comes_first_though_it_is_written_after_the_cut() -> None:
    assert "cut-before-notice" not in codes(ladder(FREE, NOTICE))
    assert "cut-before-notice" not in codes(ladder(FREE, TICKET))


def test_a_cut_whose_required_notice_comes_later_is_held_for_everybody() -> None:
    held = one(ladder(TICKET, CUT, NOTICE | {"offset_days": 2}), "cut-before-notice")
    assert (held.severity, held.path, held.on) == (Severity.ERROR, "steps[1].requires_notice", date(2026, 1, 21))
    assert "held back" in held.words
    assert "Fri 2026-01-23" in held.words


def test_a_cut_that_requires_a_notice_for_flagged_accounts_only_is_held_for_the_others() -> None:
    held = one(ladder(TICKET, CUT, NOTICE | {"only_flagged": True}), "cut-before-notice")
    assert "not written by then" in held.words


def test_slowing_without_a_word_is_a_warning_and_switching_without_a_word_an_error() -> None:
    free = SLOW | {"requires_notice": None}
    assert one(ladder(free, status_switch_days=None), "cut-before-notice").severity is Severity.WARNING
    assert one(ladder(free, NOTICE | {"offset_days": 3}), "cut-before-notice").severity is Severity.ERROR
    assert one(ladder(), "cut-before-notice").path == "status_switch_days"
    assert one(ladder(), "cut-before-notice").severity is Severity.ERROR


def test_a_fee_within_grace_is_a_warning_and_one_on_the_due_date_an_error() -> None:
    assert codes(ladder(NOTICE, FEE)) == []
    within = one(ladder(NOTICE, FEE | {"offset_days": 4}), "fee-before-grace-ends")
    assert (within.severity, within.on) == (Severity.WARNING, date(2026, 1, 20))
    at_once = one(ladder(NOTICE, FEE | {"offset_days": 0}), "fee-before-grace-ends")
    assert (at_once.severity, at_once.on) == (Severity.ERROR, date(2026, 1, 16))
    assert "fee-before-grace-ends" not in codes(exchange())  # both on the morning after the 5th


def test_a_cut_on_the_due_date_itself_is_an_error() -> None:
    early = one(ladder(NOTICE, SLOW, grace_days=0), "cut-before-late")
    assert (early.severity, early.on) == (Severity.ERROR, date(2026, 1, 16))
    assert "delinquent-on-due-date" in codes(ladder(NOTICE, SLOW, grace_days=0))
    assert codes(ladder(NOTICE, SLOW, grace_days=1)) == []


@pytest.mark.parametrize(
    ("at", "found_at"), [("07:59", True), ("08:00", False), ("20:59", False), ("21:00", True), ("00:00", True)]
)
def test_people_are_reached_from_eight_to_nine_in_the_evening(at: str, found_at: bool) -> None:
    assert ("quiet-hours" in codes(ladder(NOTICE | {"at": at}))) is found_at
    call = {"key": "call", "action": "call_task", "anchor": "due", "offset_days": 2, "at": at}
    assert ("quiet-hours" in codes(ladder(NOTICE, call))) is found_at


@pytest.mark.parametrize(("at", "found_at"), [("08:59", True), ("09:00", False), ("21:00", False), ("21:01", True)])
def test_cuts_belong_into_the_window(at: str, found_at: bool) -> None:
    assert ("quiet-hours" in codes(ladder(NOTICE, SLOW | {"at": at}))) is found_at


def test_the_switch_of_status_switch_days_is_measured_by_a_window_that_opens_later() -> None:
    assert one(ladder(NOTICE, window=["10:00", "20:00"]), "quiet-hours").path == "status_switch_days"


def test_a_fee_and_a_charge_may_be_made_at_night() -> None:
    charge = {"key": "card", "action": "charge", "anchor": "due", "offset_days": 0, "source": "primary", "at": "03:00"}
    assert codes(ladder(NOTICE, charge, FEE | {"at": "02:00"})) == []


def test_an_early_cut_that_nobody_is_asked_before_never_runs() -> None:
    never = one(exchange_without("second-source"), "never-runs")
    assert never.severity is Severity.ERROR
    assert never.path == "steps[10]"
    assert "asked for a second source" in never.words


def test_a_flag_that_twelve_bills_a_year_cannot_reach_is_told_of() -> None:
    assert codes(exchange(seriously_late_limit=11)) == []
    never = [f for f in found(exchange(seriously_late_limit=12)) if f.code == "never-runs"]
    assert [f.path for f in never] == ["steps[10]", "steps[11]"]
    assert "more than 12 times" in never[0].words


def test_a_charge_before_its_invoice_exists_never_runs() -> None:
    charge = {"key": "card", "action": "charge", "anchor": "due", "offset_days": 0, "source": "primary", "at": "00:01"}
    assert "does not exist yet" in one(ladder(NOTICE, charge, due_days=0), "never-runs").words
    assert codes(ladder(NOTICE, charge)) == []


def test_a_minimum_that_nobody_owes_keeps_a_step_from_running() -> None:
    dear = one(ladder(NOTICE, FEE | {"minimum_amount": "10000.01"}), "never-runs")
    assert (dear.severity, dear.path) == (Severity.WARNING, "steps[1].minimum_amount")
    assert codes(ladder(NOTICE, FEE | {"minimum_amount": "10000.00"})) == []


def test_slowing_after_suspending_changes_nothing() -> None:
    vain = one(ladder(NOTICE, CUT, SLOW | {"offset_days": 2}), "changes-nothing")
    assert (vain.path, vain.on) == ("steps[2]", date(2026, 1, 23))
    assert codes(ladder(NOTICE, CUT, CUT | {"key": "again", "offset_days": 2})) == ["changes-nothing"]
    assert codes(ladder(NOTICE, SLOW, CUT | {"offset_days": 2})) == []


def test_a_second_switch_changes_nothing() -> None:
    steps = [
        {"key": key, "action": "status_switch", "anchor": "delinquent", "offset_days": days}
        for key, days in (("one", 3), ("two", 5))
    ]
    assert one(ladder(NOTICE, *steps, status_switch_days=None), "changes-nothing").path == "steps[2]"


def test_a_second_source_that_is_asked_for_has_to_be_tried() -> None:
    without = exchange_without("charge-0-secondary", "charge-1-secondary", "charge-2-secondary")
    untried = one(without, "source-never-tried")
    assert untried.on is not None
    assert "source-never-tried" not in codes(exchange())
    lone = {"key": "card", "action": "charge", "anchor": "due", "offset_days": 0, "source": "secondary"}
    assert codes(ladder(NOTICE, lone)) == ["secondary-without-primary"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"percent": "0.001", "flat": "0"}, "fee-rounds-to-nothing"),
        ({"cap": "9.99"}, "cap-below-flat"),
        ({"percent": "10.5"}, "high-percentage"),
    ],
)
def test_odd_fees_are_told_of(changes: dict[str, str], code: str) -> None:
    assert codes(ladder(NOTICE, FEE | changes)) == [code]


def test_fees_that_are_just_not_odd_pass() -> None:
    assert codes(ladder(NOTICE, FEE | {"percent": "10", "cap": "10.00"})) == []


@pytest.mark.parametrize(
    ("policy", "code", "severity"),
    [
        (ladder(NOTICE, NOTICE | {"key": "again"}), "same-step-twice", Severity.ERROR),
        (ladder(TICKET, TICKET | {"key": "again"}), "same-step-twice", Severity.WARNING),
        (ladder(NOTICE, removal_status="Delinquent"), "switch-to-same-status", Severity.ERROR),
        (ladder(NOTICE, removal_status=None), "removal-status-blank", Severity.NOTE),
        (ladder(NOTICE, SLOW, reconnection_fee="5.00", status_switch_days=None), "fee-never-charged", Severity.WARNING),
        (ladder(NOTICE, FEE | {"requires_notice": "notice"}), "requires-notice-ignored", Severity.WARNING),
        (ladder(NOTICE, FREE), "notice-not-required", Severity.WARNING),
        (ladder(status_switch_days=None), "no-steps", Severity.WARNING),
        (ladder(NOTICE | {"anchor": "due", "offset_days": -16}), "before-issue", Severity.NOTE),
    ],
)
def test_what_is_odd_in_itself_is_told_of_and_nothing_else(
    policy: dict[str, Any], code: str, severity: Severity
) -> None:
    assert [(finding.code, finding.severity) for finding in found(policy)] == [(code, severity)]


def test_errors_come_first_and_every_finding_has_words_and_a_way_out() -> None:
    findings = found(ladder(NOTICE | {"at": "23:00", "offset_days": 2}, FREE, removal_status=None, bill_day=None))
    order = [list(Severity).index(finding.severity) for finding in findings]
    assert order == sorted(order)
    assert len(set(order)) == 3
    assert all(finding.words.endswith(".") and finding.mend.endswith(".") for finding in findings)
