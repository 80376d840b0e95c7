"""Accounts on hold: nothing follows while it lasts, and after it the policy goes on as was chosen."""

from datetime import date
from typing import Any

import pytest

from billing_project.kernel.errors import Refused
from delinquency.extensions import allowance_of
from delinquency.models import AccountHold, Standing
from delinquency.operations.holds import end_hold, hold_account
from delinquency.queries import cut_proofs
from tests.factories import make_support
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db
FEE = {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 3, "flat": "10.00"}


def january(last: str = "2026-01-18") -> Story:
    """Return a customer billed on 2026-01-01 who is delinquent on the 21st, unless held."""
    policy = sonar()
    story = Story(policy | {"steps": [FEE, *policy["steps"]]}, first_bill_on="2026-01-01")
    story.days("2026-01-01", last)
    return story


def hold(story: Story, local: str, until: str, **more: Any) -> AccountHold:
    """Put the customer on hold at a local time."""
    with story.now(local):
        return hold_account(story.account, until_on=date.fromisoformat(until), reason="Storm", **more)


def test_no_fee_no_entry_and_no_notice_come_before_the_day_and_all_of_it_at_its_check() -> None:
    story = january()
    hold(story, "2026-01-18 12:00", "2026-01-26")
    assert story.days("2026-01-19", "2026-01-25") == []
    after = story.days("2026-01-26")
    assert ("2026-01-26", "late_fee") in after
    assert ("2026-01-26", "account_delinquent") in after
    assert ("2026-01-26", "restricted") in after


def test_a_running_case_stands_still_and_its_switch_comes_at_the_check_after_the_hold() -> None:
    story = january("2026-01-22")
    hold(story, "2026-01-22 12:00", "2026-01-30")
    assert story.days("2026-01-23", "2026-01-29") == []  # the switch would have been on the 28th
    assert story.days("2026-01-30") == [("2026-01-30", "status_switch")]


def test_grace_anew_counts_its_days_from_the_end_of_the_hold() -> None:
    story = january()
    hold(story, "2026-01-18 12:00", "2026-01-26", resume="anew", anew_days=5)
    assert "account_delinquent" not in dict(map(reversed, story.days("2026-01-19", "2026-01-30")))  # type: ignore[arg-type]
    assert ("2026-01-31", "account_delinquent") in story.days("2026-01-31")


def test_a_running_case_waits_for_the_days_of_grace_as_well_where_it_starts_anew() -> None:
    story = january("2026-01-22")
    held = hold(story, "2026-01-22 12:00", "2026-01-30", resume="anew", anew_days=5)
    assert held.until_on == date(2026, 2, 4)
    assert ("status_switch") not in [kind for _on, kind in story.days("2026-01-23", "2026-02-03")]


def test_freeing_the_lines_ends_the_case_at_once_and_it_comes_back_after_the_hold() -> None:
    story = january("2026-01-22")
    held = hold(story, "2026-01-22 12:00", "2026-01-30", free_now=True)
    assert held.freed
    assert Standing.objects.get().delinquent_since is None
    story.days("2026-01-23", "2026-01-29")
    assert Standing.objects.get().delinquent_since is None
    assert ("2026-01-30", "account_delinquent") in story.days("2026-01-30")
    with story.now("2026-01-22 12:05"), pytest.raises(Refused, match="cannot be undone"):
        end_hold(held, why="a mistake")


def test_an_order_to_cut_that_waits_for_the_device_waits_for_the_end_of_the_hold() -> None:
    story = january("2026-01-22")
    hold(story, "2026-01-22 12:00", "2026-01-30")
    with story.now("2026-01-22 12:01"):
        proof = cut_proofs([story.account.pk])[story.account.pk]
    assert str(proof.held_until_at) == "2026-01-30 05:00:00+00:00"
    with story.now("2026-01-30 09:00"):
        assert cut_proofs([story.account.pk])[story.account.pk].held_until_at is None


def test_a_hold_that_is_ended_lets_what_fell_into_it_follow_at_the_next_check() -> None:
    story = january()
    held = hold(story, "2026-01-18 12:00", "2026-01-30", resume="anew", anew_days=9)
    story.days("2026-01-19", "2026-01-22")
    with story.now("2026-01-22 12:00"):
        end_hold(held, why="the lines are up")
    assert Standing.objects.get().held_until is None
    assert ("2026-01-23", "account_delinquent") in story.days("2026-01-23")
    with story.now("2026-01-23 12:00"), pytest.raises(Refused, match="over already"):
        end_hold(held, why="again")


def test_a_hold_is_no_extension_in_the_sense_of_a9() -> None:
    story, sandy = january(), make_support()
    hold(story, "2026-01-18 12:00", "2026-01-26", resume="anew", anew_days=5, by=sandy)
    assert allowance_of(story.account, sandy, date(2026, 1, 18)).used == 0


@pytest.mark.parametrize(
    ("until", "words"),
    [("2026-01-18", "not after today"), ("2026-03-20", "more than 60 days")],
)
def test_a_day_that_is_not_ahead_or_too_far_is_refused(until: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        hold(january(), "2026-01-18 12:00", until)


def test_a_longer_hold_is_not_shortened() -> None:
    story = january()
    hold(story, "2026-01-18 12:00", "2026-01-30")
    with pytest.raises(Refused, match="until 2026-01-30 already"):
        hold(story, "2026-01-18 13:00", "2026-01-25")
