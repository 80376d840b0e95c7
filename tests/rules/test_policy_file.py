"""The policy file: read, written again, and refused with the path of what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from billing_project.kernel.errors import Refused
from delinquency.rules import json_text
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


def fee(**changes: Any) -> dict[str, Any]:
    """Return a policy whose only step is a late fee of what is given."""
    return sonar(steps=[{"key": "f", "action": "late_fee", "anchor": "due", "offset_days": 5} | changes])


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
        (sonar(format=2, grace_days="soon", colour="red"), "format"),
        (sonar(format=0), "format"),
        (sonar(format="1"), "format"),
        (sonar(name="x\x00y"), "name"),
        (sonar(removal_status="x" * 61), "removal_status"),
        (step(template="x" * 61), "steps[0].template"),
        (step(requires_notice="n"), "steps[0].requires_notice"),
        (fee(), "steps[0].flat"),
        (fee(flat="0.00", percent="0"), "steps[0].flat"),
        (fee(flat="5.00", cap="0.00"), "steps[0].cap"),
        (fee(percent="0.00001"), "steps[0].percent"),
    ],
)
def test_a_mistake_is_refused_with_its_path(document: Any, path: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(document)
    assert str(refused.value).startswith(f"{path}: ")
    assert str(refused.value).endswith(".")


def test_a_file_may_say_that_it_is_of_the_present_format_and_is_written_without() -> None:
    policy = parse(sonar(format=1))
    assert policy == parse(sonar())
    assert "format" not in dump(policy)


def test_a_file_of_a_newer_format_is_refused_for_that_and_nothing_else() -> None:
    with pytest.raises(Refused) as refused:
        parse(sonar(format=2, steps=[{"action": "teleport"}]))
    assert "format 2, but this program reads up to 1" in str(refused.value)


@pytest.mark.parametrize(
    "fees", [{"flat": "5.00"}, {"percent": "1.5"}, {"flat": "5.00", "percent": "1.5", "cap": "9.00"}]
)
def test_a_late_fee_is_flat_or_percent_or_both_with_a_cap(fees: dict[str, str]) -> None:
    assert dump(parse(fee(**fees)))["steps"][0].items() >= fees.items()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "a": 1}', "'a' stands twice"),
        ('{"steps": [{"key": "n", "at": "09:00", "at": "10:00"}]}', "whose key is 'n'"),
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "-Infinity"),
        ("[" * 100_000, "too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "thousands of digits"),
        ('{"a": 1,}', "line 1, column"),
        ("", "line 1, column 1"),
    ],
)
def test_text_that_is_not_quite_json_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(Refused) as refused:
        json_text.read(text)
    assert refused.value.code == "bad_json"
    assert words in refused.value.words


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


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"colour": "red"}, "colour: is not a key that a scenario has"),
        (
            {"invoices": [SCENARIO["invoices"][0] | {"colour": "red"}]},
            "invoices[0].colour: is not a key that an invoice",
        ),
        (
            {"payments": [SCENARIO["payments"][0] | {"colour": "red"}]},
            "payments[0].colour: is not a key that a payment",
        ),
        ({"policy": sonar(colour="red")}, "policy.colour: is not a key that a policy has"),
        ({"policy": step(colour="red")}, "policy.steps[0].colour: is not a key that a step has"),
        ({"policy": []}, "policy: must be an object, not a list"),
        ({"policy": sonar(format=2)}, "policy.format: this file is of format 2"),
    ],
)
def test_an_unknown_key_is_said_to_be_unknown_where_it_stands(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_scenario(SCENARIO | changes)
    assert str(refused.value).startswith(words)


def test_a_scenario_that_is_no_object_is_not_called_a_policy() -> None:
    with pytest.raises(Refused, match=r"^the scenario: must be an object, not a text"):
        parse_scenario("SCENARIO")
