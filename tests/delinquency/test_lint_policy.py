"""`lint_policy`, the linter on a draft's page, and what keeps a draft from being published."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command, load_command_class
from django.urls import reverse

from billing_project.kernel.errors import Refused
from delinquency.models import Exclusion, Policy, PolicyVersion
from delinquency.operations import import_version, lint_version, publish, shipped
from tests.backoffice import staff_client
from tests.factories import make_status
from tests.worlds import WORKDAYS, sonar

pytestmark = pytest.mark.django_db

CUT = {"key": "cut", "action": "restrict", "anchor": "delinquent", "offset_days": 0, "level": "suspend"}
LATE_NOTICE = {"key": "notice", "action": "notice", "anchor": "delinquent", "offset_days": 3, "channels": ["email"]}


@pytest.fixture(autouse=True)
def _statuses() -> None:
    make_status("Active")
    make_status("Delinquent", activates=False)


def lint_file(tmp_path: Path, policy: Any, *arguments: str) -> int:
    """Run the command on a policy file, and return its exit code."""
    file = tmp_path / "policy.json"
    file.write_text(policy if isinstance(policy, str) else json.dumps(policy))
    try:
        load_command_class("delinquency", "lint_policy").run_from_argv(
            ["manage.py", "lint_policy", str(file), *arguments]
        )
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def draft_of(**changes: Any) -> PolicyVersion:
    """Make a draft of the S policy with changes."""
    return import_version(sonar(**changes))


def page(draft: PolicyVersion) -> str:
    """Return the page of a draft."""
    return staff_client().get(reverse("admin:delinquency_policyversion_change", args=[draft.pk])).content.decode()


def test_the_answer_for_programs_names_the_months(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = sonar(check_weekdays=WORKDAYS)
    assert lint_file(tmp_path, policy, "--from", "2026-01-01", "--months", "36", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert {key: answer[key] for key in ("policy", "from", "to")} == {
        "policy": "S", "from": "2026-01-01", "to": "2028-12-31",
    }  # fmt: skip
    (only,) = answer["findings"]
    assert set(only) == {"code", "severity", "path", "on", "months", "words", "mend"}
    assert (only["code"], only["severity"], only["months"]) == ("switch-after-bill", "warning", ["2026-02"])


def test_an_error_ends_with_one_and_is_told_with_its_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lint_file(tmp_path, sonar(steps=[CUT, LATE_NOTICE]), "--from", "2026-01-01") == 1
    said = capsys.readouterr().out
    assert "error  cut-before-notice  steps[0].offset_days" in said
    assert "Way out: " in said
    assert lint_file(tmp_path, sonar()) == 0
    assert "nothing found" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("policy", "arguments", "code", "words"),
    [
        (sonar(), ["--months", "0"], 2, "--months 0"),
        (sonar(), ["--months", "121"], 2, "--months 121"),
        (sonar(), ["--from", "soon"], 2, "soon"),
        (sonar(gracedays=5), [], 1, "policy.json: gracedays: is not a key that a policy has"),
        ('{"name": "a", "name": "b"}', [], 1, "policy.json: 'name' stands twice"),
        ("{", [], 1, "policy.json: line 1, column 2: not JSON"),
    ],
)
def test_bad_arguments_and_bad_files_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], policy: Any, arguments: list[str], code: int, words: str
) -> None:
    assert lint_file(tmp_path, policy, *arguments) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("timeline", [], "policy.json: timezone: is required."),
        ("backtest", ["--from", "2026-01-01", "--to", "2026-01-31", "--policy"], "policy.json: due_days: is required"),
    ],
)
def test_every_command_names_the_file_it_refuses(tmp_path: Path, name: str, arguments: list[str], words: str) -> None:
    file = tmp_path / "policy.json"
    file.write_text("{}")
    with pytest.raises(Refused) as refused:
        call_command(name, *arguments, str(file))
    assert words in refused.value.words


def test_no_weekday_at_all_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lint_file(tmp_path, sonar(check_weekdays=[]), "--json") == 1
    (only,) = json.loads(capsys.readouterr().out)["findings"]
    assert (only["code"], only["severity"], only["path"]) == ("no-weekday", "error", "check_weekdays")


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_shipped_policy_has_nothing_to_be_told_of(name: str) -> None:
    assert lint_version(import_version(shipped()[name])) == []


def test_both_articles_and_a_lenient_policy_are_shipped_and_loaded() -> None:
    assert sorted(shipped()) == ["ExchangeDefender", "Lenient", "Sonar example"]


def test_a_draft_with_errors_is_not_published_and_the_paths_are_named() -> None:
    draft = draft_of(steps=[CUT, LATE_NOTICE])
    with pytest.raises(Refused) as refused:
        publish(draft)
    assert refused.value.code == "lint_errors"
    assert "steps[0].offset_days: Step cut takes effect on" in refused.value.words
    draft.refresh_from_db()
    assert draft.state == PolicyVersion.State.DRAFT


def test_a_status_that_is_not_there_or_bills_is_an_error() -> None:
    draft = draft_of()
    PolicyVersion.objects.filter(pk=draft.pk).update(delinquency_status="Asleep")
    assert [(f.code, f.path) for f in lint_version(draft)] == [("unknown-status", "delinquency_status")]
    PolicyVersion.objects.filter(pk=draft.pk).update(delinquency_status="Active", removal_status="Delinquent")
    draft.refresh_from_db()
    assert [(f.code, f.path) for f in lint_version(draft)] == [
        ("switch-still-bills", "delinquency_status"), ("return-does-not-bill", "removal_status"),
    ]  # fmt: skip


def test_a_letter_that_the_post_room_does_not_have_is_an_error() -> None:
    steps = [LATE_NOTICE | {"offset_days": 0, "template": "dunning"}]
    (only,) = lint_version(draft_of(steps=steps))
    assert (only.code, only.path) == ("unknown-template", "steps[0].template")


def test_a_draft_that_no_file_could_say_shows_what_is_wrong() -> None:
    draft = draft_of()
    PolicyVersion.objects.filter(pk=draft.pk).update(grace_days=400)
    draft.refresh_from_db()
    (only,) = lint_version(draft)
    assert (only.code, only.path) == ("bad-policy", "grace_days")
    assert "from 0 to 366" in page(draft)


def test_the_page_of_a_draft_shows_the_findings_and_that_of_a_good_one_that_there_are_none() -> None:
    shown = page(draft_of(steps=[CUT, LATE_NOTICE], removal_status="Active"))
    assert "Checked before it goes live" in shown
    assert "cannot be published before the errors are mended" in shown
    assert "steps[0].offset_days" in shown


def test_the_page_of_a_good_draft_says_that_nothing_was_found_and_a_published_one_says_nothing() -> None:
    draft = draft_of()
    client = staff_client()
    address = reverse("admin:delinquency_policyversion_change", args=[draft.pk])
    assert "Nothing found" in client.get(address).content.decode()
    publish(draft)
    assert "Checked before it goes live" not in client.get(address).content.decode()


def test_warnings_are_read_before_a_draft_is_published_and_the_tick_is_for_those_on_the_page() -> None:
    draft, client = draft_of(status_switch_days=40), staff_client()
    address = reverse("admin:delinquency_policyversion_publish", args=[draft.pk])
    shown = client.get(address).content.decode()
    assert "I have read the warning" in shown
    assert "after the bill of" in shown
    tick = re.search(r'name="(read-[0-9a-f]+)"', shown)
    assert tick
    assert "tick the box" in client.post(address, {}).content.decode()
    PolicyVersion.objects.filter(pk=draft.pk).update(status_switch_days=41)
    assert client.post(address, {tick[1]: "on"}).status_code == 200
    PolicyVersion.objects.filter(pk=draft.pk).update(status_switch_days=40)
    assert client.post(address, {tick[1]: "on"}).status_code == 303
    draft.refresh_from_db()
    assert draft.state == PolicyVersion.State.PUBLISHED


def test_publishing_a_draft_with_errors_on_its_page_says_why_not() -> None:
    draft, client = draft_of(steps=[], removal_status="Active"), staff_client()
    address = reverse("admin:delinquency_policyversion_publish", args=[draft.pk])
    assert "This draft has 1 error and cannot go live." in client.post(address, {}).content.decode()


def test_a_shipped_policy_becomes_a_draft_in_a_database_that_is_in_use() -> None:
    client, policy = staff_client(), Policy.objects.create(name="Our lenient one")
    address = reverse("admin:delinquency_policy_import_json", args=[policy.pk])
    assert "one of the three" in client.post(address, {}).content.decode()
    assert client.post(address, {"shipped": "Lenient"}).status_code == 303
    draft = policy.versions.get()
    assert draft.grace_days == 14
    assert draft.steps.get(key="late-fee").cap == Decimal("10.00")
    assert policy.exclusions.count() == 4


def test_a_file_that_gives_one_date_two_names_imports_it_once() -> None:
    closed = [{"name": name, "month": 12, "day": 25} for name in ("Christmas", "Founders' Day")]
    draft = draft_of(exclusions=closed)
    assert Exclusion.objects.filter(policy=draft.policy).count() == 1


def test_an_uploaded_file_with_a_key_twice_is_refused_in_words() -> None:
    client, policy = staff_client(), Policy.objects.create(name="Any")
    address = reverse("admin:delinquency_policy_import_json", args=[policy.pk])
    said = client.post(address, {"document": '{"name": "a", "name": "b"}'}).content.decode()
    assert "stands twice" in said
