"""Exclusions: copied, taken back, and what opening or closing a day does to accounts that wait."""

from datetime import date
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.nudge import Nudge
from delinquency.models import Exclusion, HolidayCopy, Policy, Standing
from delinquency.operations import copy_holidays, remove_exclusions, save_exclusion, undo_copy
from delinquency.operations.exclusions import CopyOrder
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_exclusions(db: None) -> None:
    """Begin without those that a shipped policy brings."""
    Exclusion.objects.all().delete()
    Exclusion.history.all().delete()


US = CopyOrder(country="US", region="", categories=("public",), first_year=2026, last_year=2027)


def keys(order: CopyOrder) -> list[str]:
    """Return the keys of all holidays of an order."""
    return [row.key for row in order.wanted()]


def exclude(on: str, **fields: Any) -> Exclusion:
    """Add an exclusion of one date."""
    day = date.fromisoformat(on)
    row = Exclusion(name=f"Day {on}", month=day.month, day=day.day, year=day.year, **fields)
    save_exclusion(row)
    return row


@pytest.fixture
def story() -> Story:
    """Return a customer who would become delinquent on 21 January 2026."""
    return Story(sonar(), first_bill_on="2026-01-01")


def entry(story: Story) -> list[str]:
    """Return when the account became delinquent."""
    return [on for on, kind in story.story("account_delinquent") if kind]


def test_holidays_become_rows_with_who_copied_them_and_why() -> None:
    clerk = User.objects.create_user("casey")
    copy = copy_holidays(US, keys(US), by=clerk)
    assert copy is not None
    assert copy.dates_added == Exclusion.objects.count() == len(keys(US))
    christmas = Exclusion.objects.get(month=12, day=25)
    assert (christmas.name, christmas.year, christmas.policy, christmas.copied_in) == (
        "Christmas Day",
        None,
        None,
        copy,
    )
    assert Exclusion.objects.get(name="Thanksgiving Day", year=2027).day == 25
    record = christmas.history.get()
    assert record.history_user == clerk
    assert record.history_change_reason == "copied from the public holidays of United States, 2026–2027"


def test_copying_again_adds_nothing() -> None:
    copy_holidays(US, keys(US))
    before = list(Exclusion.objects.order_by("pk").values())
    assert copy_holidays(US, keys(US)) is None
    assert list(Exclusion.objects.order_by("pk").values()) == before
    assert HolidayCopy.objects.count() == 1


def test_only_what_is_chosen_and_missing_is_added() -> None:
    policy = Policy.objects.create(name="Residential")
    Exclusion.objects.create(name="Xmas", month=12, day=25)
    order = CopyOrder("US", "", ("public",), 2026, 2026, policy=policy)
    copy = copy_holidays(order, ["12-25", "2026-11-26"])
    assert copy is not None
    assert copy.dates_added == 1
    made = Exclusion.objects.get(copied_in=copy)
    assert (made.name, made.policy) == ("Thanksgiving Day", policy)
    assert Exclusion.objects.get(month=12, day=25).name == "Xmas", "what was there is left as it is"


def test_a_date_that_is_excluded_every_year_is_not_added_year_by_year() -> None:
    Exclusion.objects.create(name="Christmas Day", month=12, day=25)
    order = CopyOrder("US", "", ("public",), 2026, 2027, every_year=False)
    assert copy_holidays(order, ["2026-12-25", "2027-12-25"]) is None


@pytest.mark.parametrize(
    ("order", "chosen", "words"),
    [
        (US, [], "Tick at least one"),
        (US, ["2026-02-31"], "2026-02-31 is not among"),
        (CopyOrder("US", "", ("public",), 2027, 2026), ["12-25"], "before the first"),
        (CopyOrder("US", "", ("public",), 2026, 2046), ["12-25"], "at most 6 years"),
        (CopyOrder("ZZ", "", ("public",), 2026, 2026), ["12-25"], "country 'ZZ'"),
    ],
)
def test_what_cannot_be_copied_is_refused(order: CopyOrder, chosen: list[str], words: str) -> None:
    with pytest.raises(Refused, match=words):
        copy_holidays(order, chosen)
    assert not Exclusion.objects.exists()


def test_undoing_a_copy_removes_what_nobody_has_changed() -> None:
    Exclusion.objects.create(name="Our anniversary", month=6, day=1)
    copy = copy_holidays(US, keys(US))
    assert copy is not None
    changed = Exclusion.objects.get(name="Labor Day", year=2026)
    changed.day += 1
    save_exclusion(changed)
    clerk = User.objects.create_user("casey")
    assert undo_copy(copy, by=clerk) == (len(keys(US)) - 1, 1)
    assert sorted(Exclusion.objects.values_list("name", flat=True)) == ["Labor Day", "Our anniversary"]
    gone = Exclusion.history.get(name="Christmas Day", history_type="-")
    assert (gone.history_user, gone.history_change_reason) == (clerk, f"the copy of {copy} was undone")
    with pytest.raises(Refused, match="already"):
        undo_copy(copy)


def test_an_impossible_date_is_refused() -> None:
    with pytest.raises(Refused, match="02-29 2027"):
        save_exclusion(Exclusion(name="Leap day", month=2, day=29, year=2027))


def test_a_copy_that_added_nothing_or_ends_before_it_begins_is_refused_by_the_database() -> None:
    for wrong in ({"dates_added": 0}, {"last_year": 2025}):
        with pytest.raises(IntegrityError), transaction.atomic():
            HolidayCopy.objects.create(
                **{"country": "US", "place": "United States", "first_year": 2026, "last_year": 2026, "dates_added": 1}
                | wrong
            )


@pytest.mark.django_db(transaction=True)
def test_two_people_cannot_change_exclusions_at_the_same_moment() -> None:
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('delinquency.exclusions', 0))")
        with pytest.raises(StaleState, match="try again"):
            copy_holidays(US, keys(US))
        cursor.execute("ROLLBACK")
    other.close()
    assert copy_holidays(US, keys(US)) is not None


def test_an_entry_that_was_put_off_happens_on_its_day_when_the_exclusion_is_removed_before(
    story: Story, nudges: list[Nudge], django_capture_on_commit_callbacks: Any
) -> None:
    row = exclude("2026-01-21")
    story.days("2026-01-01", "2026-01-19")
    with story.now("2026-01-20 12:00"), django_capture_on_commit_callbacks(execute=True):
        assert remove_exclusions([row]) == 1
    assert ("delinquency.reassess_accounts", ([story.account.pk],)) in nudges
    story.days("2026-01-20", "2026-01-21")  # and no further: a look on the 22nd would date it the 21st as well
    assert entry(story) == ["2026-01-21"]


def test_moving_an_exclusion_opens_its_old_date(story: Story) -> None:
    row = exclude("2026-01-21")
    story.days("2026-01-01", "2026-01-19")
    row.day = 22
    with story.now("2026-01-20 12:00"):
        assert save_exclusion(row) == 1
    story.days("2026-01-20", "2026-01-21")  # and no further: a look on the 22nd would date it the 21st as well
    assert entry(story) == ["2026-01-21"]


def test_removing_a_date_that_has_passed_makes_nobody_delinquent_in_the_past(story: Story) -> None:
    rows = [exclude(f"2026-01-{day}") for day in (21, 22, 23)]
    story.days("2026-01-01", "2026-01-21")
    with story.now("2026-01-22 12:00"):
        assert remove_exclusions(rows[:1]) == 0, "nothing ahead opens"
    story.days("2026-01-22", "2026-01-26")
    assert entry(story) == ["2026-01-24"]


def test_opening_today_after_the_check_counts_from_tomorrow(story: Story) -> None:
    rows = [exclude("2026-01-21"), exclude("2026-01-22")]
    story.days("2026-01-01", "2026-01-20")
    with story.now("2026-01-21 12:00"):
        assert remove_exclusions(rows) == 1
    story.days("2026-01-21", "2026-01-22")
    assert entry(story) == ["2026-01-22"]


def test_closing_a_day_before_its_check_puts_the_entry_off_and_after_it_undoes_nothing(story: Story) -> None:
    story.days("2026-01-01", "2026-01-20")
    with story.now("2026-01-21 08:00"):
        exclude("2026-01-21")
    story.days("2026-01-21", "2026-01-22")
    assert entry(story) == ["2026-01-22"]
    with story.now("2026-01-22 10:00"):
        exclude("2026-01-22")
    story.days("2026-01-23", "2026-01-24")
    assert story.story("account_delinquent", "account_cured") == [("2026-01-22", "account_delinquent")]


def test_what_waits_is_decided_by_the_calendar_as_it_was(story: Story) -> None:
    rows = [exclude("2026-01-21"), exclude("2026-01-22")]
    story.days("2026-01-01", "2026-01-20")
    Standing.objects.filter(account=story.account).update(next_look_at=Standing.objects.get().looked_until_at)
    with story.now("2026-01-21 12:00"):
        remove_exclusions(rows)
    story.days("2026-01-21", "2026-01-23")
    assert entry(story) == ["2026-01-22"]


def test_an_exclusion_of_one_policy_leaves_the_accounts_of_others_alone(story: Story) -> None:
    other = Policy.objects.create(name="Another")
    row = exclude("2026-01-21", policy=other)
    own = exclude("2026-01-21", policy=Policy.objects.get(name="S"))
    story.days("2026-01-01", "2026-01-20")
    with story.now("2026-01-20 12:00"):
        assert remove_exclusions([row]) == 0
        assert remove_exclusions([own]) == 1


def test_a_change_of_name_looks_at_nobody(story: Story) -> None:
    row = exclude("2026-01-21")
    story.days("2026-01-01", "2026-01-19")
    before = Standing.objects.values().get()
    row.name = "Inventory"
    with story.now("2026-01-20 12:00"):
        assert save_exclusion(row) == 0
    assert Standing.objects.values().get() == before


def test_a_removed_every_year_date_opens_on_its_next_day(story: Story) -> None:
    row = Exclusion(name="St Agnes", month=1, day=21)
    save_exclusion(row)
    story.days("2026-01-01", "2026-01-19")
    with story.now("2026-01-20 12:00"):
        assert remove_exclusions([row]) == 1
    story.days("2026-01-20", "2026-01-21")
    assert entry(story) == ["2026-01-21"]
