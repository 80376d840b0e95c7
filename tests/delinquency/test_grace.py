"""More time: how often, who may, what was shown before, and what takes it back (A7 to A9, G6, G7, U20)."""

from datetime import date
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import User
from billing_project.kernel.errors import Refused, StaleState
from delinquency.extensions import allowance_of
from delinquency.models import GraceGrant, Standing
from delinquency.more_time import Effect, effect_of
from delinquency.operations import grant_grace, undo_grant
from tests.factories import allow_grace, make_clerk, make_staff, make_support
from tests.worlds import WORKDAYS, Story, sonar

pytestmark = pytest.mark.django_db


def january(**changes: Any) -> Story:
    """Return a customer billed on 2026-01-01, on the day after."""
    story = Story(sonar(**changes), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-02")
    return story


def give(story: Story, local: str, until: str, by: User | None = None, **more: Any) -> GraceGrant:
    """Give more time at a local time."""
    with story.now(local):
        return grant_grace(account=story.account, until_on=date.fromisoformat(until), reason="asked", by=by, **more)


def effect(story: Story, local: str, until: str, *, lift_now: bool = False) -> Effect:
    """Return what would be shown at a local time."""
    with story.now(local):
        return effect_of(story.account, date.fromisoformat(until), lift_now=lift_now)


# --- limits (A9) -------------------------------------------------------------------------------------------------


def test_a9_support_may_give_two_in_12_months_and_is_told_who_may_give_more() -> None:
    story, sandy = january(), make_support()
    give(story, "2026-01-05 12:00", "2026-01-22", sandy)
    give(story, "2026-01-06 12:00", "2026-01-23", sandy)
    with pytest.raises(Refused) as refusal:
        give(story, "2026-01-07 12:00", "2026-01-24", sandy)
    assert refusal.value.words == (
        "Account 1001 got 2 extensions since 2026-01-05; sandy may give 2 in 12 months. Ask for it on the"
        " account's page: a second person then decides. The next one is free on 2027-01-05."
    )
    assert GraceGrant.objects.count() == 2


def test_a9_the_limit_is_of_who_asks_but_every_grant_counts_whoever_gave_it() -> None:
    story, casey = january(), make_clerk()
    for day in (5, 6, 7):
        give(story, f"2026-01-0{day} 12:00", "2026-01-22")
    give(story, "2026-01-08 12:00", "2026-01-23", casey)
    with pytest.raises(Refused, match=r"casey may give 4 in 12 months"):
        give(story, "2026-01-09 12:00", "2026-01-24", casey)
    give(story, "2026-01-10 12:00", "2026-01-25", make_staff("boss", is_superuser=True))
    give(story, "2026-01-11 12:00", "2026-01-26", allow_grace(make_staff("lena", "grant_grace"), times=6))
    give(story, "2026-01-12 12:00", "2026-01-27")


def test_a9_the_twelve_months_roll_by_the_accounts_own_days() -> None:
    story, sandy = january(), make_support()
    give(story, "2026-01-05 23:30", "2026-01-22", sandy)
    give(story, "2026-03-01 12:00", "2026-03-22", sandy)
    with story.now("2027-01-04 23:59"):
        assert allowance_of(story.account, sandy, date(2027, 1, 4)).left == 0
    with story.now("2027-01-05 00:00"):
        found = allowance_of(story.account, sandy, date(2027, 1, 5))
        assert (found.left, found.given_on) == (1, (date(2026, 3, 1),))


def test_a9_without_a_limit_of_ones_role_nobody_gives_any_alone() -> None:
    story, nobody = january(), make_staff("nelly", "grant_grace")
    with pytest.raises(Refused, match="got none yet; nelly may give 0"):
        give(story, "2026-01-05 12:00", "2026-01-22", nobody)


def test_the_days_at_once_are_limited_and_the_highest_role_counts() -> None:
    story, sandy = january(), allow_grace(make_staff("sandy", "grant_grace"), times=2, days=14)
    with pytest.raises(Refused, match=r"15 days at once is more than sandy may give: 14\."):
        give(story, "2026-01-05 12:00", "2026-01-20", sandy)
    assert give(story, "2026-01-05 12:00", "2026-01-19", sandy).until_on == date(2026, 1, 19)
    allow_grace(sandy, times=1, days=30)
    give(story, "2026-01-06 12:00", "2026-02-05", sandy)
    with pytest.raises(Refused, match="sandy may give 2 in 12 months"):
        give(story, "2026-01-07 12:00", "2026-01-22", sandy)


# --- taken back --------------------------------------------------------------------------------------------------


def test_a_mistake_is_taken_back_within_ten_minutes_and_does_not_count() -> None:
    story, sandy = january(), make_support()
    mistake = give(story, "2026-01-18 12:00", "2026-02-26", sandy)
    with story.now("2026-01-18 12:09"):
        undo_grant(mistake, sandy)
        assert allowance_of(story.account, sandy, date(2026, 1, 18)).left == 2
    happened = story.days("2026-01-18", "2026-01-21")
    assert ("2026-01-21", "account_delinquent") in happened


def test_taking_back_restores_the_grace_that_ran_before() -> None:
    story, sandy = january(), make_support()
    give(story, "2026-01-10 12:00", "2026-01-26", sandy)
    mistake = give(story, "2026-01-18 12:00", "2026-03-26", sandy)
    with story.now("2026-01-18 12:05"):
        undo_grant(mistake, sandy)
    assert Standing.objects.get(account=story.account).grace_until == date(2026, 1, 26)
    assert ("2026-01-26", "account_delinquent") in story.days("2026-01-19", "2026-01-26")


@pytest.mark.parametrize(
    ("given", "undone", "words"),
    [
        ("2026-01-18 12:00", "2026-01-18 12:11", "ten minutes"),
        ("2026-01-18 23:58", "2026-01-19 00:01", "midnight"),
    ],
)
def test_too_late_to_take_back_says_what_to_do_instead(given: str, undone: str, words: str) -> None:
    story, sandy = january(), make_support()
    mistake = give(story, given, "2026-02-26", sandy)
    with story.now(undone), pytest.raises(Refused, match=f"{words}.*Grace until"):
        undo_grant(mistake, sandy)


def test_only_who_gave_it_takes_it_back_and_only_once_and_only_the_last() -> None:
    story, sandy, casey = january(), make_support(), make_clerk()
    first = give(story, "2026-01-18 12:00", "2026-01-26", sandy)
    with story.now("2026-01-18 12:01"):
        with pytest.raises(Refused, match="Only sandy"):
            undo_grant(first, casey)
        undo_grant(first, sandy)
        with pytest.raises(Refused, match="already"):
            undo_grant(first, sandy)
    second = give(story, "2026-01-18 12:02", "2026-01-27", sandy)
    give(story, "2026-01-18 12:03", "2026-01-28", casey)
    with story.now("2026-01-18 12:04"), pytest.raises(Refused, match="another date since"):
        undo_grant(second, sandy)


def test_a_lifted_case_cannot_be_undone() -> None:
    story, sandy = january(), make_support()
    story.days("2026-01-03", "2026-01-23")
    lifted = give(story, "2026-01-23 12:00", "2026-01-30", sandy, lift_now=True)
    with story.now("2026-01-23 12:01"), pytest.raises(Refused, match="cannot be undone"):
        undo_grant(lifted, sandy)


def test_the_database_itself_takes_a_grant_back_only_once() -> None:
    story, sandy = january(), make_support()
    mistake = give(story, "2026-01-18 12:00", "2026-01-26", sandy)
    rows = {"account": story.account, "until_on": date(2026, 1, 17), "reason": "x", "withdraws": mistake}
    GraceGrant.objects.create(**rows)
    with pytest.raises(IntegrityError), transaction.atomic():
        GraceGrant.objects.create(**rows)


# --- nothing unseen is overwritten (U20) -------------------------------------------------------------------------


def test_u20_a_grant_made_meanwhile_is_not_overwritten_unseen() -> None:
    story, sandy, casey = january(), make_support(), make_clerk()
    give(story, "2026-01-18 12:00:00", "2026-01-26", casey)
    with pytest.raises(StaleState, match="casey gave this account more time 20 s ago: Grace Until is 2026-01-26"):
        give(story, "2026-01-18 12:00:20", "2026-01-24", sandy, seen=0)
    assert GraceGrant.objects.count() == 1


# --- what is shown before confirming (G6, G7) --------------------------------------------------------------------


def dates(found: Effect) -> dict[str, tuple[str, str]]:
    """Return what is shown by kind: (now, then)."""
    return {str(row.kind) + row.what: (_on(row.now), _on(row.then)) for row in found.rows}


def _on(at: Any) -> str:
    return str(at.date()) if at else ""


def test_g6_the_new_dates_and_the_extra_bill_are_shown() -> None:
    found = effect(january(), "2026-01-20 12:00", "2026-01-26")
    assert (found.through_on, found.may_on) == (date(2026, 1, 25), date(2026, 1, 26))
    shown = dates(found)
    assert shown["account_delinquent"] == ("2026-01-21", "2026-01-26")
    assert shown["restrictedthrottle"] == ("2026-01-21", "2026-01-26")
    assert shown["status_switch"] == ("2026-01-28", "2026-02-02")
    assert [(str(bill.on), str(bill.amount)) for bill in found.extra] == [("2026-02-01", "100.00")]


def test_g6_what_was_shown_is_what_happens() -> None:
    story = january()
    shown = dates(effect(story, "2026-01-20 12:00", "2026-01-26"))
    story.days("2026-01-03", "2026-01-20")
    give(story, "2026-01-20 12:00", "2026-01-26")
    happened = {kind: on for on, kind in story.days("2026-01-21", "2026-02-02")}
    assert happened["account_delinquent"] == shown["account_delinquent"][1]
    assert happened["status_switch"] == shown["status_switch"][1]
    assert happened["issued"] == shown["issued2026-02-01"][1]


def test_g6_with_weekends_unchecked_a_date_on_a_sunday_means_monday() -> None:
    found = effect(january(check_weekdays=WORKDAYS), "2026-01-20 12:00", "2026-01-25")
    assert (found.opens_on, found.may_on, found.through_on) == (date(2026, 1, 26), date(2026, 1, 26), date(2026, 1, 25))
    assert found.why_closed == "Sundays are not checked"


def test_g7_before_the_natural_date_it_has_no_effect() -> None:
    found = effect(january(), "2026-01-10 12:00", "2026-01-18")
    assert found.nothing
    assert found.entry_now_on == date(2026, 1, 21)


def test_g7b_while_delinquent_nothing_changes_without_lift_now_and_all_does_with_it() -> None:
    story = january()
    story.days("2026-01-03", "2026-01-23")
    plain = effect(story, "2026-01-23 12:00", "2026-01-30")
    assert (plain.already, plain.changed) == (True, ())
    lifted = effect(story, "2026-01-23 12:00", "2026-01-30", lift_now=True)
    assert lifted.lifts
    shown = dates(lifted)
    assert shown["account_delinquent"] == ("", "2026-01-30")
    assert shown["status_switch"] == ("2026-01-28", "2026-02-06")
    assert [str(bill.on) for bill in lifted.extra] == ["2026-02-01"]


def test_a9_a_late_fee_that_waits_is_shown_even_where_the_entry_does_not_move() -> None:
    fee = {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 3, "flat": "10.00"}
    found = effect(january(steps=[*sonar()["steps"], fee]), "2026-01-18 12:00", "2026-01-20")
    assert not found.nothing
    assert [(_on(row.now), _on(row.then)) for row in found.changed] == [("2026-01-19", "2026-01-20")]


def test_a_sooner_date_than_the_grace_that_runs_is_pointed_out() -> None:
    story = january()
    give(story, "2026-01-10 12:00", "2026-02-10")
    assert effect(story, "2026-01-11 12:00", "2026-01-26").shortens


def test_looking_at_the_effect_writes_nothing() -> None:
    story = january()
    before = list(Standing.objects.values())
    effect(story, "2026-01-20 12:00", "2026-01-26", lift_now=True)
    assert (list(Standing.objects.values()), GraceGrant.objects.count()) == (before, 0)


def test_a_bill_that_comes_anyway_is_not_called_another_one() -> None:
    found = effect(january(status_switch_days=None), "2026-01-20 12:00", "2026-01-26")
    assert found.extra == ()
    assert [str(row.kind) for row in found.changed] == ["account_delinquent", "restricted"]
