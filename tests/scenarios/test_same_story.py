"""Sweeps on the database give the very events that `timeline` gives for the same facts (D2, contract section 4).

Hypothesis draws policies and customers; all of them live in one database and are swept day by day, once. The usual
run is small and always the same. ``SAME_STORY_ACCOUNTS=1000`` plays the full number, ``SAME_STORY_SEED=7`` others.
"""

import json
import os

import pytest

from delinquency.history import run_days

from .worlds_at_random import START, UNTIL, drawn, enter, lived, told, under

ACCOUNTS = int(os.environ.get("SAME_STORY_ACCOUNTS") or 40)


@pytest.mark.django_db
def test_sweeps_day_by_day_tell_the_same_story_as_the_timeline() -> None:
    scenarios = drawn(ACCOUNTS)
    assert len(scenarios) == ACCOUNTS
    ids = []
    for index, scenario in enumerate(scenarios):
        default = under(scenario["policy"], f"Terms {index}")
        ids.append(enter(f"S{index}", scenario, default, scenario["policy"]["bill_day"]))
    history = run_days(START, UNTIL, outside=False)
    assert history.parked == []
    events, differ = 0, []
    for account_id, scenario in zip(ids, scenarios, strict=True):
        of_rules, of_rows = told(scenario), lived(account_id)
        events += len(of_rules)
        if of_rules != of_rows:
            first = next((pair for pair in zip(of_rules, of_rows, strict=False) if pair[0] != pair[1]), "the end")
            differ.append(f"told and lived differ at {first}:\n{json.dumps(scenario)}")
    print(f"{len(ids)} accounts, {events} events, {len(differ)} differences, {history.ticks} ticks")
    assert not differ, f"{len(differ)} of {len(ids)}\n" + "\n".join(differ[:3])
