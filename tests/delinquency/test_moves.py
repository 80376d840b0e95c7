"""Accounts move to another policy version one by one, and never backwards in time (A36, X12, G21)."""

from datetime import date
from typing import Any

import pytest
from django.db import Error, connection, transaction

from accounts.models import Notice, User
from billing_project.kernel.errors import Refused
from delinquency.models import Case, Event, Policy, PolicyMove, PolicyVersion, Standing, StepRun
from delinquency.operations import (
    grant_grace,
    import_version,
    move_account,
    move_accounts,
    publish,
    reassess,
)
from netenforce.models import Hold
from tests.factories import instant
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db

SLOW = sonar()["steps"][2]
NOTICE = sonar()["steps"][1]


def published(story: Story, policy: str = "S", **changes: Any) -> PolicyVersion:
    """Publish a further version of a story's policy on 2026-01-18, with changes."""
    with story.now("2026-01-18 10:00"):
        return publish(import_version(sonar(**changes), policy=Policy.objects.get(name=policy)))


def moved(story: Story, local: str, version: PolicyVersion, reason: str = "asked for it") -> PolicyMove:
    """Move the story's account at a local time."""
    with story.now(local):
        return move_account(story.account, version=version, reason=reason)


def first_version(story: Story) -> PolicyVersion:
    """Return the version that the story's account began under."""
    return PolicyVersion.objects.get(policy__name=story.policy["name"], number=1)


def test_g21_publishing_moves_nobody() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-17")
    published(story, grace_days=10)
    assert ("2026-01-21", "account_delinquent") in story.days("2026-01-18", "2026-01-31")


def test_g21_one_account_moved_on_the_19th_becomes_delinquent_on_monday_the_26th() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    other = Story(sonar(), first_bill_on="2026-01-01", number="1002")
    story.days("2026-01-01", "2026-01-18")
    version = published(story, grace_days=10)
    moved(story, "2026-01-19 11:00", version)
    story.days("2026-01-19", "2026-02-03")
    assert story.story("account_delinquent", "status_switch") == [
        ("2026-01-26", "account_delinquent"),
        ("2026-02-02", "status_switch"),
    ]
    assert other.story("account_delinquent") == [("2026-01-21", "account_delinquent")]


def test_what_was_decided_under_the_old_version_stands() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-22")
    moved(story, "2026-01-22 12:00", published(story, grace_days=20))
    standing = Standing.objects.get(account=story.account)
    assert standing.delinquent_since == date(2026, 1, 21)
    assert ("2026-01-28", "status_switch") in story.days("2026-01-23", "2026-01-28")


def test_an_account_that_no_check_has_seen_for_days_is_first_decided_under_its_old_version() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-20")
    moved(story, "2026-01-22 12:00", published(story, grace_days=20))
    assert story.story("account_delinquent") == [("2026-01-21", "account_delinquent")]
    event = Event.objects.get(account=story.account, kind="account_delinquent")
    assert event.policy_version == first_version(story)


def test_a_date_of_the_new_version_that_has_passed_acts_at_the_next_check_and_not_at_once() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-18")
    with story.now("2026-01-19 10:00"):
        reassess(story.account.pk)
    before = Event.objects.count()
    moved(story, "2026-01-19 11:00", published(story, grace_days=1))
    assert Event.objects.count() == before
    assert Standing.objects.get().next_look_at == instant("2026-01-20 09:00")
    assert ("2026-01-20", "account_delinquent") in story.days("2026-01-19", "2026-01-21")


def test_a_step_of_the_same_key_is_not_repeated_within_the_episode_and_a_new_one_runs_once() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-22")
    wall = {"key": "wall", "action": "restrict", "anchor": "delinquent", "offset_days": 3, "level": "walled_garden"}
    moved(story, "2026-01-22 12:00", published(story, steps=[*sonar()["steps"], wall]))
    story.days("2026-01-22", "2026-01-26")
    assert story.story("notice", "restricted") == [
        ("2026-01-21", "notice"), ("2026-01-21", "restricted"), ("2026-01-24", "restricted"),
    ]  # fmt: skip


def test_a_throttle_in_force_stays_until_released_though_the_new_version_has_no_such_step() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-22")
    moved(story, "2026-01-22 12:00", published(story, steps=[NOTICE], status_switch_days=None))
    story.days("2026-01-22", "2026-01-24")
    assert StepRun.objects.get(account=story.account, step_key="slow").in_force
    assert Hold.objects.filter(account=story.account, lifted_at__isnull=True).count() == 1
    story.pays("2026-01-25 10:00", "100.00")
    story.days("2026-01-25", "2026-01-26")
    assert ("2026-01-25", "released") in story.story()
    assert not Hold.objects.filter(account=story.account, lifted_at__isnull=True).exists()
    assert Case.objects.get(account=story.account).stage == Case.Stage.CLOSED


def test_a_step_that_exists_no_more_never_runs() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-22")
    moved(story, "2026-01-22 12:00", published(story, status_switch_days=None))
    story.days("2026-01-22", "2026-02-05")
    assert story.story("status_switch") == []


def test_a_cut_that_waits_for_a_notice_does_not_wait_on_under_a_version_without_it() -> None:
    needy = sonar(steps=[NOTICE, SLOW | {"requires_notice": "notice"}], status_switch_days=None)
    story = Story(needy, first_bill_on="2026-01-01", sends=True)
    story.days("2026-01-01", "2026-01-21")
    assert StepRun.objects.get(step_key="slow").outcome == StepRun.Outcome.WAITING
    moved(story, "2026-01-21 12:00", published(story, steps=[NOTICE], status_switch_days=None))
    story.posts("2026-01-21 12:05")
    with story.now("2026-01-21 12:10"):
        reassess(story.account.pk)
    assert story.story("restricted") == []
    assert Notice.objects.get().state == "accepted"
    standing = Standing.objects.get(account=story.account)
    assert standing.next_look_at is None or standing.next_look_at.date() > date(2026, 1, 21)


def test_moved_there_and_back_it_goes_on_as_if_nothing_had_been() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-18")
    moved(story, "2026-01-19 11:00", published(story, grace_days=10), "a promise")
    back = moved(story, "2026-01-20 11:00", first_version(story), "the promise was taken back")
    assert (back.from_version.number, back.to_version.number) == (2, 1)
    assert ("2026-01-21", "account_delinquent") in story.days("2026-01-19", "2026-01-22")
    rows = PolicyMove.objects.filter(account=story.account).order_by("pk")
    assert [row.reason for row in rows] == ["a promise", "the promise was taken back"]


def test_a_second_move_to_the_same_version_is_refused_and_leaves_no_trace() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-18")
    version = published(story, grace_days=10)
    moved(story, "2026-01-19 11:00", version)
    with pytest.raises(Refused, match="under S v2 already"):
        moved(story, "2026-01-19 11:05", version)
    assert PolicyMove.objects.count() == 1


def test_a_move_keeps_who_did_it_and_why_with_the_standing() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-18")
    clerk = User.objects.create(username="casey")
    version = published(story, grace_days=10)
    with story.now("2026-01-19 11:00"):
        move_account(story.account, version=version, reason="Longer grace for the valley", by=clerk)
    row = Standing.history.filter(account=story.account).latest("pk")
    assert (row.history_user, row.history_change_reason, row.policy_version_id) == (
        clerk, "Longer grace for the valley", version.pk,
    )  # fmt: skip


@pytest.mark.parametrize("reason", ["", "   "])
def test_a_move_without_a_reason_is_refused(reason: str) -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    with pytest.raises(Refused, match="Say why"):
        move_account(story.account, version=published(story), reason=reason)


def test_nobody_is_moved_to_a_draft() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    draft = import_version(sonar(grace_days=10), policy=Policy.objects.get(name="S"))
    with pytest.raises(Refused, match="publish it first"):
        move_account(story.account, version=draft, reason="too early")


def test_a_closed_account_and_one_without_a_policy_are_left_out_by_name_and_the_others_move() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    closed = Story(sonar(), first_bill_on="2026-01-01", number="1002")
    closed.account.closed_on = date(2026, 1, 3)
    closed.account.save()
    bare = Story(sonar(), first_bill_on="2026-01-01", number="1003")
    Standing.objects.filter(account=bare.account).delete()
    version = published(story)
    ids = [story.account.pk, closed.account.pk, bare.account.pk]
    found = move_accounts(ids, version=version, reason="all of the valley")
    assert [move.account_id for move in found.moves] == [story.account.pk]
    assert [(number, refusal.code) for number, refusal in found.left_out] == [("1002", "closed"), ("1003", "no_policy")]


def test_a_parked_account_moves_without_being_looked_at() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-20")
    with story.now("2026-01-20 12:00") as at:
        story.account.parked_at, story.account.parked_why = at, "cannot be decided"
        story.account.save()
    moved(story, "2026-01-22 12:00", published(story, grace_days=10))
    assert Standing.objects.get(account=story.account).policy_version.number == 2
    assert story.story("account_delinquent") == []


def test_the_record_of_a_move_cannot_be_rewritten() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    row = moved(story, "2026-01-19 11:00", published(story, grace_days=10))
    with pytest.raises(Error, match="append-only"), transaction.atomic():
        PolicyMove.objects.filter(pk=row.pk).update(reason="something else")
    with pytest.raises(Error, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM delinquency_policymove")


def test_grace_given_before_a_move_still_protects_after_it() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-18")
    with story.now("2026-01-18 12:00"):
        grant_grace(account=story.account, until_on=date(2026, 1, 30), reason="asked")
    moved(story, "2026-01-19 11:00", published(story, grace_days=1))
    story.days("2026-01-19", "2026-01-31")
    assert story.story("account_delinquent") == [("2026-01-30", "account_delinquent")]


def test_an_account_can_move_to_another_policy_altogether() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-18")
    other = publish(import_version(sonar(name="Easy", grace_days=30), policy=Policy.objects.create(name="Easy")))
    moved(story, "2026-01-19 11:00", other)
    story.days("2026-01-19", "2026-02-20")
    assert story.story("account_delinquent") == [("2026-02-15", "account_delinquent")]
