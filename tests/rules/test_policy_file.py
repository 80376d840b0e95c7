"""The policy file: read, written again, and refused with the path of what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from billing_project.kernel.errors import Refused
from delinquency.rules.document import dump, parse
from delinquency.rules.scenario import parse_scenario
from tests.worlds import exchange, sonar

SHIPPED = sorted((Path(__file__).parents[2] / "delinquency" / "shipped").glob("*.json"))


@pytest.mark.parametrize("document", [sonar(), exchange(), *(json.loads(path.read_text()) for path in SHIPPED)])
def test_what_is_written_is_read_back_the_same(document: dict[str, Any]) -> None:
    policy = parse(document)
    assert parse(dump(policy)) == policy


def step(**changes: Any) -> dict[str, Any]:
    """Return a policy whose only step is a notice, with changes to it."""
    notice = {"key": "n", "action": "notice", "anchor": "due", "offset_days": 1, "channels": ["email"]}
    return sonar(steps=[{k: v for k, v in (notice | changes).items() if v is not None}])


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (sonar(gracedays=5), "gracedays"),
        (sonar(grace_days=None), "grace_days"),
        (sonar(after_day_of_month=5), "grace_days"),
        (sonar(grace_days=-1), "grace_days"),
        (sonar(grace_days="5"), "grace_days"),
        (sonar(grace_days=True), "grace_days"),
        (sonar(minimum_amount_due="-1.00"), "minimum_amount_due"),
        (sonar(minimum_amount_due="0.001"), "minimum_amount_due"),
        (sonar(minimum_amount_due="NaN"), "minimum_amount_due"),
        (sonar(check_weekdays=[]), "check_weekdays"),
        (sonar(check_weekdays=["mon", "mon"]), "check_weekdays"),
        (sonar(check_weekdays=["monday"]), "check_weekdays[0]"),
        (sonar(exclusions=[{"name": "x", "month": 2, "day": 30}]), "exclusions[0]"),
        (sonar(exclusions=[{"name": "x", "month": 2, "day": 29, "year": 2027}]), "exclusions[0]"),
        (sonar(exclusions=[{"name": "x", "month": 2}]), "exclusions[0].day"),
        (sonar(window=["21:00", "09:00"]), "window"),
        (sonar(window=["9:00", "21:00"]), "window[0]"),
        (sonar(on_reversal="again"), "on_reversal"),
        (sonar(name=""), "name"),
        ({k: v for k, v in sonar().items() if k != "due_days"}, "due_days"),
        ({k: v for k, v in sonar().items() if k != "steps"}, "steps"),
        (step(channels=None), "steps[0].channels"),
        (step(channels=["fax"]), "steps[0].channels[0]"),
        (step(anchor=None), "steps[0].anchor"),
        (step(anchor="issued", offset_days=-1), "steps[0].offset_days"),
        (step(after_day_of_month=5), "steps[0].anchor"),
        (step(level="suspend"), "steps[0].level"),
        (step(action="restrict", channels=None), "steps[0].level"),
        (step(action="charge", channels=None), "steps[0].source"),
        (step(at="25:00"), "steps[0].at"),
        (step(colour="red"), "steps[0].colour"),
        (step(requires_notice="nobody"), "steps[0].requires_notice"),
        (sonar(steps=[*sonar()["steps"], sonar()["steps"][0]]), "steps[3].key"),
        (sonar(steps=[{"key": "s", "action": "status_switch", "anchor": "delinquent", "offset_days": 7}]), "steps[0]"),
        ([], "the policy"),
    ],
)
def test_a_mistake_is_refused_with_its_path(document: Any, path: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(document)
    assert str(refused.value).startswith(f"{path}: ")
    assert str(refused.value).endswith(".")


SCENARIO: dict[str, Any] = {
    "timezone": "America/New_York", "policy": sonar(), "until": "2026-03-31",
    "invoices": [{"number": "A", "issued_on": "2026-01-01", "due_on": "2026-01-16", "amount": "100.00"}],
    "payments": [{"reference": "P", "received": "2026-01-24", "amount": "40.00", "invoice": "A"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"policy": sonar(gracedays=1)}, "policy.gracedays"),
        ({"invoices": [SCENARIO["invoices"][0] | {"amount": "0.00"}]}, "invoices[0].amount"),
        ({"invoices": [SCENARIO["invoices"][0] | {"amount": "-1.00"}]}, "invoices[0].amount"),
        ({"invoices": [SCENARIO["invoices"][0], SCENARIO["invoices"][0]]}, "invoices[1].number"),
        ({"invoices": [SCENARIO["invoices"][0] | {"issued_on": "2026-02-30"}]}, "invoices[0].issued_on"),
        ({"payments": [SCENARIO["payments"][0] | {"invoice": "B"}]}, "payments[0].invoice"),
        ({"payments": [SCENARIO["payments"][0] | {"received": "24.1.2026"}]}, "payments[0].received"),
        ({"payments": [SCENARIO["payments"][0] | {"received": "2026-01-24T14:10Z"}]}, "payments[0].received"),
        ({"reversals": [{"payment": "Q", "recorded": "2026-01-29"}]}, "reversals[0].payment"),
        ({"reversals": [{"payment": "P", "recorded": "2026-01-02"}]}, "reversals[0].recorded"),
        ({"until": None}, "until"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_scenario_with_a_mistake_is_refused_with_its_path(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_scenario(SCENARIO | changes)
    assert str(refused.value).startswith(f"{path}: ")
