"""Which invoices a backtest need not play."""

from datetime import date
from typing import Any

import pytest

from delinquency.rules.scenario import parse_scenario
from delinquency.rules.timeline import countable_timeline
from tests.worlds import exchange, sonar

FEE = {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 1, "flat": "5.00"}


def quiet(policy: dict[str, Any], received: str, amount: str = "100.00", **facts: Any) -> list[str]:
    """Return the issue dates of an invoice of 2026-01-01 if it is quiet."""
    scenario = {
        "timezone": "America/New_York", "policy": policy, "until": "2026-12-31",
        "invoices": [{"number": "A", "issued_on": "2026-01-01", "due_on": "2026-01-16", "amount": "100.00"}],
        "payments": [{"reference": "P", "received": received, "amount": amount, "invoice": None}],
    }  # fmt: skip
    asked = parse_scenario(scenario | facts)
    events, dates = countable_timeline(asked.scenario, asked.policy, date(2026, 12, 31))
    assert not dates or {event.kind for event in events} <= {"payment"}
    return [str(day) for day in dates]


@pytest.mark.parametrize(
    ("received", "found"),
    [("2026-01-16T23:59:59", ["2026-01-01"]), ("2026-01-17", []), ("2025-12-24", ["2026-01-01"])],
)
def test_paid_by_the_end_of_the_due_date_it_is_quiet(received: str, found: list[str]) -> None:
    assert quiet(sonar(), received) == found


def test_a_step_before_the_due_date_sees_it_and_so_does_an_entry_without_grace() -> None:
    early = sonar(steps=[*sonar()["steps"], FEE | {"offset_days": -5}])
    assert quiet(early, "2026-01-11T00:00:01") == []
    assert quiet(early, "2026-01-10T23:59:59") == ["2026-01-01"]
    assert quiet(sonar(grace_days=0), "2026-01-16T12:00") == []
    assert quiet(exchange(), "2026-01-01T12:00") == []  # its cards are charged that very morning


def test_a_part_a_return_or_a_policy_that_wants_the_whole_balance_makes_it_matter() -> None:
    assert quiet(sonar(), "2026-01-05", "99.99") == []
    assert quiet(sonar(), "2026-01-05", reversals=[{"payment": "P", "recorded": "2026-03-01"}]) == []
    assert quiet(sonar(full_balance_clears=True), "2026-01-05") == []
