"""Studies: a version replayed beside what is live, looked ahead with, in turns that survive whatever happens."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection, transaction

from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.nudge import Nudge
from delinquency.backtest import backtest
from delinquency.models import Event, PolicyVersion, Study, StudyFinding
from delinquency.operations import studies
from delinquency.operations.policies import import_version, publish
from delinquency.policy_file import policy_of
from delinquency.studies import tables
from delinquency.studies.compare import Compare
from tests.factories import instant, make_account
from tests.worlds import Story, in_force, sonar

pytestmark = pytest.mark.django_db

FEE = {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 3, "flat": "15.00"}
SUSPEND = {"key": "off", "action": "restrict", "anchor": "delinquent", "offset_days": 0, "level": "suspend"}
FIRST, LAST = date(2026, 1, 1), date(2026, 3, 31)


def draft_of(story: Story, **changes: Any) -> PolicyVersion:
    """Make a draft of a story's policy, with changes."""
    return import_version(story.policy | changes, policy=story.account.standing.policy_version.policy)


def run(study: Study) -> Study:
    """Let a worker take turns until nothing waits."""
    for _ in range(50):
        studies.run_studies()
        study.refresh_from_db()
        if not study.is_open:
            return study
    raise AssertionError("the study never ended")


def replayed(version: PolicyVersion, **options: Any) -> Study:
    """Run a backtest of the first quarter, looked at in April."""
    with at("2026-04-10 12:00"):
        return run(studies.start_backtest(version, **({"from_on": FIRST, "to_on": LAST} | options)))


def at(local: str) -> Any:
    """Return a context in which it is a local time in New York."""
    return clock.at(instant(local))


def owing(number: str, paid_on: str | None, **policy: Any) -> Story:
    """Return a customer with an invoice of January, due on the 16th, paid at noon of a day or never."""
    story = Story(sonar(**policy), number=number)
    story.owes(f"A-{number}", "2026-01-01", "100.00")
    if paid_on:
        story.pays(f"{paid_on} 12:00", "100.00", reference=f"P-{number}")
    return story


def findings(study: Study) -> dict[str, list[str]]:
    """Return what was found, in words, by account."""
    rows = study.findings.select_related("account")
    return {row.account.number: tables.lines(study.kind, row) for row in rows}


def test_a_backtest_gives_the_same_numbers_as_the_command_for_both_sides() -> None:
    story = owing("1001", "2026-01-24")
    owing("1002", None)
    draft = draft_of(story, grace_days=1, steps=[*story.policy["steps"], FEE])
    study = replayed(draft)
    assert study.state == "done", study.error
    for side, version in (("live", story.account.standing.policy_version), ("draft", draft)):
        told = backtest(policy_of(version), FIRST, LAST)
        found = study.result[side]
        assert {name: found["summary"][name] for name in told["summary"]} == told["summary"], side
        assert {
            month: {n: found["monthly"][month][n] for n in counts} for month, counts in told["monthly"].items()
        } == (told["monthly"])
    assert (study.result["live"]["summary"]["late_fees"], study.result["draft"]["summary"]["late_fees"]) == (0, 2)


def test_what_differs_is_said_in_words_and_dates() -> None:
    story = owing("1001", "2026-01-19")
    found = findings(replayed(draft_of(story, grace_days=1, steps=[*story.policy["steps"], SUSPEND, FEE])))
    assert found == {
        "1001": [
            "Cut (line slowed) on 2026-01-17 instead of never",
            "Cut (line suspended) on 2026-01-17 instead of never",
            "Delinquent on 2026-01-17 instead of never",
            "Notice on 2026-01-17 instead of never",
            "Ticket on 2026-01-17 instead of never",
            "Late fee of 15.00 for A-1001 on 2026-01-19 instead of never",
        ]
    }


def test_a_later_entry_is_the_same_thing_moved_and_what_is_spared_is_told() -> None:
    story = owing("1001", None)
    found = findings(replayed(draft_of(story, grace_days=10)))["1001"]
    assert "Delinquent on 2026-01-26 instead of 2026-01-21" in found
    assert "Status switch on 2026-02-02 instead of 2026-01-28" in found
    owing("1002", "2026-01-24")
    study = replayed(draft_of(story, grace_days=10))
    spared = study.findings.get(account__number="1002")
    assert (spared.spared, spared.newly_cut) == (True, False)
    assert "Cut (line slowed) never instead of on 2026-01-21" in findings(study)["1002"]
    assert study.result["numbers"]["spared"] == 1


@pytest.mark.parametrize(
    ("paid_on", "by_itself"),
    [("2026-01-18", True), ("2026-01-24", True), ("2026-01-25", False), (None, False)],
)
def test_newly_cut_accounts_that_paid_within_seven_days_are_counted(paid_on: str | None, by_itself: bool) -> None:
    """The cut is of the 17th, so the seventh day after it is the 24th, to its end."""
    story = owing("1001", paid_on)
    steps = [step for step in story.policy["steps"] if step["action"] != "restrict"]
    live = import_version(
        story.policy | {"steps": steps, "status_switch_days": None},
        policy=story.account.standing.policy_version.policy,
    )
    live = publish(live)
    study = replayed(draft_of(story, grace_days=1, status_switch_days=None), against=live)
    numbers = study.result["numbers"]
    assert (numbers["newly_cut"], numbers["paid_by_itself"]) == (1, int(by_itself))
    assert study.findings.get().paid_by_itself is by_itself


def test_slowed_and_now_suspended_counts_as_newly_cut_and_the_other_way_round_does_not() -> None:
    story = owing("1001", "2026-01-24")
    harder = replayed(draft_of(story, steps=[SUSPEND]))
    assert harder.result["numbers"]["newly_cut"] == 1
    suspends = draft_of(story, steps=[SUSPEND])
    suspends = in_force(suspends)
    assert replayed(draft_of(story), against=suspends).result["numbers"]["newly_cut"] == 0


def test_while_the_seven_days_run_nobody_is_said_not_to_have_paid() -> None:
    story = owing("1001", None)
    draft = draft_of(story, grace_days=1, steps=[SUSPEND])
    with at("2026-01-20 12:00"):
        study = run(studies.start_backtest(draft, from_on=FIRST, to_on=date(2026, 1, 20)))
    assert study.result["numbers"] | {"differ": 1} == {
        "differ": 1, "newly_cut": 1, "paid_by_itself": 0, "not_known_yet": 1, "spared": 0,
    }  # fmt: skip


def test_only_accounts_under_the_policy_are_played_if_so_asked_and_those_under_none_are_left_out() -> None:
    story = owing("1001", None)
    other = Story(sonar(name="T"), number="2001")
    make_account(number="3001")
    draft = draft_of(story, grace_days=1)
    assert replayed(draft, scope="policy").total == 1
    whole = replayed(draft)
    assert (whole.total, whole.result["left_out"]) == (2, 1)
    assert replayed(draft, against=other.account.standing.policy_version).total == 3


def test_thirty_days_ahead_are_counted_by_day_beside_the_thirty_before_and_next_steps_compared() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-18")
    draft = draft_of(story, grace_days=10, steps=[*story.policy["steps"], FEE])
    with story.now("2026-01-18 12:00"):
        study = run(studies.start_thirty_days(draft))
    assert (study.state, study.error) == ("done", "")
    result = study.result
    days = [str(date(2026, 1, 18) + timedelta(days=place)) for place in range(30)]
    assert (result["live"]["from"], result["past"]["from"]) == ("2026-01-18", "2025-12-19")

    def on(side: str, name: str) -> list[str]:
        return [day for day, count in zip(days, result[side]["counts"][name], strict=True) if count]

    assert (on("live", "cuts"), on("live", "switches"), on("live", "bills")) == (["2026-01-21"], ["2026-01-28"], [])
    assert (on("draft", "cuts"), on("draft", "switches")) == (["2026-01-26"], ["2026-02-02"])
    assert (on("draft", "bills"), on("draft", "fees")) == (["2026-02-01"], ["2026-01-19"])
    assert result["draft"]["totals"]["fee_total"][1] == "15.00"
    assert sum(result["past"]["counts"]["bills"]) == Event.objects.filter(kind="issued").count() == 1
    assert findings(study) == {
        "1001": [
            "2026-01-19 09:00 late fee of 15.00 instead of "
            "2026-01-21 09:00 delinquent, ticket, notice, status switch, cut (line slowed)".replace(
                " status switch,", ""
            )
        ]
    }


def test_a_step_whose_day_lies_behind_under_the_draft_runs_at_the_next_check() -> None:
    """Account delinquent since the 21st, switch after 2 days rather than 7, asked on the 26th."""
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-25")
    with story.now("2026-01-26 08:00"):
        study = run(studies.start_thirty_days(draft_of(story, status_switch_days=2)))
    assert findings(study) == {"1001": ["2026-01-26 09:00 status switch instead of 2026-01-28 09:00 status switch"]}


def test_nothing_but_the_study_is_written() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-25")
    draft = draft_of(story, grace_days=1)
    before = _fingerprint()
    with story.now("2026-01-26 08:00"):
        run(studies.start_thirty_days(draft))
        run(studies.start_backtest(draft, from_on=FIRST, to_on=date(2026, 1, 25)))
    assert StudyFinding.objects.count() > 0
    assert _fingerprint() == before


def _fingerprint() -> dict[str, str]:
    """Return a hash of every table but those of studies."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        names = sorted(row[0] for row in cursor.fetchall() if not row[0].startswith("delinquency_study"))
        found = {}
        for name in names:
            cursor.execute(f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {name} t")
            found[name] = cursor.fetchone()[0]
    return found


def test_a_study_goes_on_where_its_worker_died(monkeypatch: pytest.MonkeyPatch) -> None:
    stories = [owing(str(1001 + place), None) for place in range(5)]
    draft = draft_of(stories[0], grace_days=1, steps=[FEE])
    whole = replayed(draft).result
    monkeypatch.setattr(studies, "CHUNK", 2)
    with at("2026-04-10 12:00") as now:
        study = studies.start_backtest(draft, from_on=FIRST, to_on=LAST)
        _die_after(monkeypatch, chunks=1)
        assert (study.refresh_from_db(), study.state, study.done) == (None, "running", 2)
        assert studies.run_studies() == 0, "while the lease runs nobody else takes it"
    with clock.at(now + studies.LEASE + timedelta(seconds=1)):
        assert studies.run_studies() == 3
    study.refresh_from_db()
    assert (study.state, study.done, study.turn) == ("done", 5, 2)
    assert study.result == whole
    assert study.findings.count() == 5


def test_what_kills_every_worker_is_given_up_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    draft = draft_of(owing("1001", None), grace_days=1)
    with at("2026-04-10 12:00") as now:
        study = studies.start_backtest(draft, from_on=FIRST, to_on=LAST)
    for place in range(studies.TRIES_MAX):
        with clock.at(now + (studies.LEASE + timedelta(seconds=1)) * place):
            _die_after(monkeypatch, chunks=0)
    with clock.at(now + (studies.LEASE + timedelta(seconds=1)) * studies.TRIES_MAX):
        studies.run_studies()
    study.refresh_from_db()
    assert (study.state, study.error[:24]) == ("failed", "Every worker that tried ")


def _die_after(monkeypatch: pytest.MonkeyPatch, *, chunks: int) -> None:
    """Let a worker die in the middle, as if its process were killed."""
    kept: Callable[..., Any] = Compare.take
    left = [chunks]

    def take(self: Compare, account_ids: list[int]) -> Any:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return kept(self, account_ids)

    with monkeypatch.context() as patched:
        patched.setattr(Compare, "take", take)
        with pytest.raises(KeyboardInterrupt):
            studies.run_studies()


def test_a_turn_is_short_and_rings_for_the_next(
    monkeypatch: pytest.MonkeyPatch, nudges: list[Nudge], django_capture_on_commit_callbacks: Any
) -> None:
    stories = [owing(str(1001 + place), None) for place in range(3)]
    monkeypatch.setattr(studies, "CHUNK", 1)
    draft = draft_of(stories[0], grace_days=1)
    with at("2026-04-10 12:00"):
        study = studies.start_backtest(draft, from_on=FIRST, to_on=LAST)
        with django_capture_on_commit_callbacks(execute=True):
            assert studies.run_studies(seconds_max=0) == 1
        assert nudges[-1] == (studies.TASK, ())
        study.refresh_from_db()
        assert (study.state, study.lease_until_at) == ("running", None)
        assert run(study).done == 3


def test_what_goes_wrong_is_written_on_the_study_and_stops_no_other() -> None:
    story = owing("1001", None)
    bad, good = draft_of(story, grace_days=1), draft_of(story, grace_days=2)
    with at("2026-04-10 12:00"):
        first = studies.start_backtest(bad, from_on=FIRST, to_on=LAST)
        second = studies.start_backtest(good, from_on=FIRST, to_on=LAST)
        with patch.object(Compare, "take", side_effect=ZeroDivisionError("by nought")):
            studies.run_studies()
        run(second)
    first.refresh_from_db()
    assert (first.state, "ZeroDivisionError: by nought" in first.error) == ("failed", True)
    assert second.state == "done"


def test_a_cancelled_study_stops_its_worker_and_keeps_nothing() -> None:
    story = owing("1001", None)
    with at("2026-04-10 12:00"):
        study = studies.start_backtest(draft_of(story, grace_days=1), from_on=FIRST, to_on=LAST)
        taken: Callable[..., Any] = Compare.take

        def cancelled_meanwhile(self: Compare, account_ids: list[int]) -> Any:
            studies.cancel_study(study.pk)
            return taken(self, account_ids)

        with patch.object(Compare, "take", cancelled_meanwhile):
            studies.run_studies()
        study.refresh_from_db()
        assert (study.state, study.done, study.findings.count()) == ("cancelled", 0, 0)
        with pytest.raises(Refused, match="cancelled already"):
            studies.cancel_study(study.pk)
        assert studies.run_studies() == 0


def test_the_same_study_is_not_started_twice_and_impossible_dates_are_refused() -> None:
    draft = draft_of(owing("1001", None), grace_days=1)
    with at("2026-04-10 12:00"):
        studies.start_backtest(draft, from_on=FIRST, to_on=LAST)
        for words, dates in (
            ("running already", (FIRST, LAST)),
            ("give the earlier first", (LAST, FIRST)),
            ("still to come", (FIRST, date(2026, 4, 12))),
            ("at most 10 years", (date(2010, 1, 1), LAST)),
        ):
            with transaction.atomic(), pytest.raises(Refused, match=words):
                studies.start_backtest(draft, from_on=dates[0], to_on=dates[1])
        with pytest.raises(Refused, match="is a draft"):
            studies.start_backtest(draft, from_on=FIRST, to_on=LAST, against=draft)


def test_a_study_outlives_the_draft_it_was_about_and_says_what_it_said() -> None:
    draft = draft_of(owing("1001", None), grace_days=1)
    study = replayed(draft)
    draft.delete()
    study.refresh_from_db()
    assert (study.version, study.policy_file["grace_days"], study.name) == (None, 1, "S v2")


def test_a_chunk_of_many_accounts_needs_as_many_queries_as_one_of_few(django_assert_max_num_queries: Any) -> None:
    stories = [owing(str(1001 + place), None) for place in range(20)]
    draft = draft_of(stories[0], grace_days=1)
    with at("2026-04-10 12:00"):
        study = studies.start_backtest(draft, from_on=FIRST, to_on=LAST)
        with django_assert_max_num_queries(9):
            assert len(Compare(study).take([story.account.pk for story in stories])) == 20


def test_what_differs_of_two_months_is_not_taken_for_one_thing_moved() -> None:
    """January is cut under the draft alone, February under both: the second is moved, the first is new."""
    story = owing("1001", "2026-01-19")
    story.owes("B-1001", "2026-02-01", "100.00")
    story.pays("2026-02-24 12:00", "100.00", reference="P-B")
    found = findings(replayed(draft_of(story, grace_days=1, status_switch_days=None)))["1001"]
    assert "Cut (line slowed) on 2026-01-17 instead of never" in found
    assert "Cut (line slowed) on 2026-02-17 instead of 2026-02-21" in found
    assert "Delinquent on 2026-01-17 instead of never" in found
    assert "Delinquent on 2026-02-17 instead of 2026-02-21" in found
