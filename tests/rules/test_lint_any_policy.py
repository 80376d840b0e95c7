"""Whatever policy the file can say, the linter answers: it never fails, and it does not take long."""

import time
from datetime import date
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from delinquency.rules.calendar import WEEKDAYS
from delinquency.rules.document import parse
from delinquency.rules.lint import Severity, lint
from tests.worlds import exchange

AMOUNTS = st.sampled_from(["0.00", "0.01", "25.00", "9999999999.99"])
DAYS = st.one_of(st.integers(0, 40), st.sampled_from([0, 366]))
TIMES = st.sampled_from(["00:00", "00:04", "00:05", "06:00", "08:59", "09:00", "09:01", "21:00", "23:59"])
KINDS: dict[str, dict[str, Any]] = {
    "ticket": {},
    "notice": {"channels": st.just(["email"])},
    "call_task": {},
    "late_fee": {"flat": st.just("5.00"), "percent": st.sampled_from(["0", "0.001", "100"])},
    "charge": {"source": st.sampled_from(["primary", "secondary"])},
    "request_secondary_source": {},
    "restrict": {"level": st.sampled_from(["throttle", "walled_garden", "suspend"])},
    "status_switch": {},
}


@st.composite
def steps(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a step that the policy file allows."""
    action = draw(st.sampled_from(sorted(KINDS)))
    step: dict[str, Any] = {"action": action, "at": draw(TIMES), "minimum_amount": draw(AMOUNTS)}
    step |= {key: draw(values) for key, values in KINDS[action].items()}
    step |= {"only_flagged": draw(st.booleans()), "honours_exclusions": draw(st.booleans())}
    anchor = draw(st.sampled_from(["issued", "due", "delinquent", "day"]))
    if anchor == "day":
        return step | {"after_day_of_month": draw(st.integers(1, 31))}
    offset = draw(st.one_of(DAYS, st.integers(-40, -1))) if anchor == "due" else draw(DAYS)
    return step | {"anchor": anchor, "offset_days": offset}


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a policy that the policy file allows."""
    ladder = draw(st.lists(steps(), max_size=8))
    for index, step in enumerate(ladder):
        step["key"] = f"step-{index}"
    words = [step["key"] for step in ladder if step["action"] in ("notice", "ticket")]
    for step in ladder:
        others = [key for key in words if key != step["key"]]
        if others and draw(st.booleans()):
            step["requires_notice"] = draw(st.sampled_from(others))
    by_grace = draw(st.booleans())
    switches = any(step["action"] == "status_switch" for step in ladder)
    dates = st.dates(date(2026, 1, 1), date(2028, 12, 31))
    years = st.booleans()
    closed = {
        (on.month, on.day, on.year if draw(years) and (on.month, on.day) != (2, 29) else None)
        for on in draw(st.lists(dates, max_size=40))
    }
    return {
        "name": "Any",
        "bill_day": draw(st.one_of(st.none(), st.integers(1, 31))),
        "due_days": draw(st.one_of(st.none(), DAYS)),
        "grace_days": draw(DAYS) if by_grace else None,
        "after_day_of_month": None if by_grace else draw(st.integers(1, 31)),
        "check_weekdays": sorted(draw(st.sets(st.sampled_from(WEEKDAYS), min_size=1))),
        "exclusions": [{"name": "x", "month": m, "day": d, "year": y} for m, d, y in sorted(closed, key=str)],
        "minimum_amount_due": draw(AMOUNTS),
        "status_switch_days": None if switches else draw(st.one_of(st.none(), st.sampled_from([0, 7, 90, 3660]))),
        "removal_status": draw(st.sampled_from([None, "Active", "Delinquent"])),
        "on_reversal": draw(st.sampled_from(["restart", "resume"])),
        "seriously_late_after_days": draw(DAYS),
        "seriously_late_limit": draw(st.sampled_from([0, 2, 11, 1000])),
        "seriously_late_window": draw(st.sampled_from(["calendar_year", "rolling_12_months"])),
        "hold_invoices_while_delinquent": draw(st.booleans()),
        "full_balance_clears": draw(st.booleans()),
        "steps": ladder,
    }


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(policies(), st.dates(date(2026, 1, 1), date(2028, 12, 31)), st.integers(1, 6))
def test_no_policy_that_can_be_read_makes_the_linter_fail(policy: dict[str, Any], from_on: date, months: int) -> None:
    read = parse(policy)
    for found in lint(read, from_on, months):
        assert found.severity in Severity
        assert found.path
        assert found.words.endswith(".")
        assert found.mend.endswith(".")


def test_three_years_of_the_longest_ladder_take_less_than_two_seconds() -> None:
    policy = parse(exchange(check_weekdays=["tue"], seriously_late_limit=11))
    before = time.process_time()
    lint(policy, date(2026, 1, 1), 36)
    assert time.process_time() - before < 2
