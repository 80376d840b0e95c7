"""What a backtest counts, and what it may leave out because no count can tell."""

import random
from datetime import date
from typing import Any

import pytest

from delinquency.rules.policy import Do
from delinquency.rules.scenario import parse_scenario
from delinquency.rules.tally import Tally, countable
from delinquency.rules.timeline import timeline
from tests.scenarios.test_same_story import START, UNTIL, some_facts, some_policy
from tests.worlds import exchange, sonar


def question(policy: dict[str, Any], dice: random.Random, name: str) -> Any:
    """Return a random customer's scenario under a policy."""
    return parse_scenario(some_facts(dice, name) | {"timezone": "America/New_York", "policy": policy})


@pytest.mark.parametrize("seed", range(25))
def test_what_a_backtest_leaves_out_of_a_policy_changes_no_count(seed: int) -> None:
    dice = random.Random(seed)
    policy = some_policy(dice)
    whole, less = Tally(START, UNTIL), Tally(START, UNTIL)
    for index in range(6):
        asked = question(policy, dice, f"{seed}-{index}")
        whole.take(str(index), timeline(asked.scenario, asked.policy, UNTIL))
        less.take(str(index), timeline(asked.scenario, countable(asked.policy), UNTIL))
    assert less.document() == whole.document()


def test_only_steps_that_nothing_hangs_on_are_left_out() -> None:
    asked = question(exchange(), random.Random(1), "A")
    assert [step.key for step in countable(asked.policy).steps] == [
        "notice", "late-fee", "second-source", "early-suspend", "disconnect", "switch",
    ]  # fmt: skip
    asked = question(sonar(), random.Random(1), "A")
    assert [step.action for step in countable(asked.policy).ladder] == [Do.RESTRICT, Do.STATUS_SWITCH]


def test_tallies_of_some_accounts_add_up_to_the_tally_of_all() -> None:
    dice = random.Random(3)
    span = (date(2027, 11, 15), date(2028, 10, 3))
    whole, parts = Tally(*span), [Tally(*span), Tally(*span)]
    for index in range(40):
        asked = question(exchange(), dice, f"{index}")
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
