"""What a backtest counts, and what it may leave out because no count can tell."""

from datetime import date
from typing import Any

import pytest

from delinquency.rules.document import parse
from delinquency.rules.policy import Do
from delinquency.rules.scenario import parse_scenario
from delinquency.rules.tally import Tally, countable
from delinquency.rules.timeline import countable_timeline, timeline
from tests.scenarios.worlds_at_random import START, UNTIL, drawn
from tests.worlds import exchange, sonar


@pytest.fixture(scope="module")
def scenarios() -> list[dict[str, Any]]:
    """Return random customers, each with a random policy."""
    return drawn(150)


def test_what_a_backtest_leaves_out_of_a_policy_changes_no_count(scenarios: list[dict[str, Any]]) -> None:
    for scenario in scenarios:
        asked = parse_scenario(scenario)
        whole, less = Tally(START, UNTIL), Tally(START, UNTIL)
        whole.take("A", timeline(asked.scenario, asked.policy, UNTIL))
        less.take("A", *countable_timeline(asked.scenario, countable(asked.policy), UNTIL))
        assert less.document() == whole.document(), scenario


def test_only_steps_that_nothing_hangs_on_are_left_out() -> None:
    assert [step.key for step in countable(parse(exchange())).steps] == [
        "notice", "late-fee", "second-source", "early-suspend", "disconnect", "switch",
    ]  # fmt: skip
    assert [step.action for step in countable(parse(sonar())).ladder] == [Do.RESTRICT, Do.STATUS_SWITCH]


def test_tallies_of_some_accounts_add_up_to_the_tally_of_all(scenarios: list[dict[str, Any]]) -> None:
    span = (date(2027, 11, 15), date(2028, 10, 3))
    whole, parts = Tally(*span), [Tally(*span), Tally(*span)]
    for index, scenario in enumerate(scenarios):
        asked = parse_scenario(scenario | {"policy": exchange()})
        events = timeline(asked.scenario, asked.policy, span[1])
        whole.take(f"{index}", events)
        parts[index % 2].take(f"{index}", events)
    sum_of_parts = Tally(*span)
    for part in parts:
        sum_of_parts.add(part)
    counted = whole.document()
    assert sum_of_parts.document() == counted
    assert len(counted["flagged"]) > 1
    assert counted["summary"]["late_fees"] > 1
