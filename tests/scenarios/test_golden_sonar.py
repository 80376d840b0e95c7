"""The golden timelines of the first article's policy, on the real sweeps."""

import pytest

from delinquency.models import Ticket
from netenforce.models import Hold
from tests.worlds import WORKDAYS, Story, sonar

pytestmark = pytest.mark.django_db

ENTRY = ("delinquent", "account_delinquent", "status_switch", "account_cured")


def test_g1_entry_on_the_21st_switch_on_the_28th_and_no_february_bill() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-02-02")
    assert story.story() == [
        ("2026-01-01", "issued"),
        ("2026-01-16", "due"),
        ("2026-01-17", "past_due"),
        ("2026-01-21", "delinquent"),
        ("2026-01-21", "account_delinquent"),
        ("2026-01-21", "ticket_opened"),
        ("2026-01-21", "notice"),
        ("2026-01-21", "restricted"),
        ("2026-01-28", "status_switch"),
    ]
    assert (story.status, story.next_bill_on, story.invoices()) == (
        "Delinquent",
        "2026-02-01",
        [("2026-01-01", "100.00")],
    )


def test_g2_unchecked_weekend_puts_entry_off_to_monday_and_the_switch_is_still_in_time() -> None:
    story = Story(sonar(check_weekdays=WORKDAYS), first_bill_on="2026-11-01")
    story.days("2026-11-01", "2026-12-02")
    assert story.story(*ENTRY) == [
        ("2026-11-23", "delinquent"),
        ("2026-11-23", "account_delinquent"),
        ("2026-11-30", "status_switch"),
    ]
    assert story.invoices() == [("2026-11-01", "100.00")]


def test_g3_in_february_the_switch_comes_after_the_next_bill() -> None:
    story = Story(sonar(check_weekdays=WORKDAYS), first_bill_on="2026-02-01")
    story.days("2026-02-01", "2026-03-02")
    assert story.story("status_switch") == [("2026-03-02", "status_switch")]
    assert [on for on, _ in story.invoices()] == ["2026-02-01", "2026-03-01"]


def test_g3b_a_switch_on_the_bill_date_comes_before_the_bill() -> None:
    story = Story(sonar(check_weekdays=WORKDAYS), first_bill_on="2027-02-01")
    story.days("2027-02-01", "2027-03-02")
    assert story.story("account_delinquent", "status_switch") == [
        ("2027-02-22", "account_delinquent"),
        ("2027-03-01", "status_switch"),
    ]
    assert [on for on, _ in story.invoices()] == ["2027-02-01"]


def test_g7b_lifting_releases_at_once_and_the_counter_starts_anew() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-22")
    story.gets_grace("2026-01-23 10:00", "2026-01-30", lift_now=True)
    story.days("2026-01-23", "2026-02-07")
    assert story.story("released", "account_delinquent", "status_switch") == [
        ("2026-01-21", "account_delinquent"),
        ("2026-01-23", "released"),
        ("2026-01-30", "account_delinquent"),
        ("2026-02-06", "status_switch"),
    ]
    assert [on for on, _ in story.invoices()] == ["2026-01-01", "2026-02-01"]


def test_g8_a_part_payment_leaves_the_rest_delinquent_and_the_last_cent_clears_at_once() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-18")
    story.pays("2026-01-19 12:00", "60.00")
    story.days("2026-01-19", "2026-01-23")
    assert story.story("account_delinquent") == [("2026-01-21", "account_delinquent")]
    story.pays("2026-01-24 14:10", "40.00")
    after = story.days("2026-01-24", "2026-02-01")
    assert after == [
        ("2026-01-24", "payment"),
        ("2026-01-24", "released"),
        ("2026-01-24", "cured"),
        ("2026-01-24", "account_cured"),
        ("2026-01-24", "ticket_closed"),
        ("2026-02-01", "issued"),
    ]
    assert (story.status, [on for on, _ in story.invoices()]) == ("Active", ["2026-01-01", "2026-02-01"])
    assert not Ticket.objects.exclude(state="closed").exists()
    assert not Hold.objects.filter(lifted_at=None).exists()


def test_g8_below_the_minimum_the_account_is_never_delinquent_though_it_is_past_due() -> None:
    story = Story(sonar(minimum_amount_due="50.00"), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-18")
    story.pays("2026-01-19 12:00", "60.00")
    story.days("2026-01-19", "2026-01-31")
    assert story.story("past_due", *ENTRY) == [("2026-01-17", "past_due")]


def test_g9_paid_a_minute_before_the_check_is_never_delinquent() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-20")
    story.pays("2026-01-21 08:59", "100.00")
    story.days("2026-01-21", "2026-01-31")
    assert story.story("notice", *ENTRY) == []


def test_g9_paid_twenty_minutes_after_the_check_the_episode_lasts_zero_days_and_the_notice_stays_on_record() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-20")
    story.pays("2026-01-21 09:20", "100.00")
    assert story.days("2026-01-21", "2026-01-31") == [
        ("2026-01-21", "delinquent"),
        ("2026-01-21", "account_delinquent"),
        ("2026-01-21", "ticket_opened"),
        ("2026-01-21", "notice"),
        ("2026-01-21", "restricted"),
        ("2026-01-21", "payment"),
        ("2026-01-21", "released"),
        ("2026-01-21", "cured"),
        ("2026-01-21", "account_cured"),
        ("2026-01-21", "ticket_closed"),
    ]
    assert not Hold.objects.filter(lifted_at=None).exists()


def test_g13_an_anchor_of_31_bills_at_month_ends_without_drifting() -> None:
    story = Story(sonar(), first_bill_on="2028-01-31", bill_day=31)
    for day in ("2028-02-01", "2028-03-01", "2028-04-01"):
        story.days(story.next_bill_on, day)
        story.pays(f"{day} 12:00", "100.00")
    story.days("2028-04-02", "2028-05-01")
    assert [on for on, _ in story.invoices()] == ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]


def test_g13_the_short_february_still_switches_before_the_bill() -> None:
    story = Story(sonar(), first_bill_on="2026-01-31", bill_day=31)
    story.days("2026-01-31", "2026-03-01")
    assert story.story("account_delinquent", "status_switch") == [
        ("2026-02-20", "account_delinquent"),
        ("2026-02-27", "status_switch"),
    ]
    assert [on for on, _ in story.invoices()] == ["2026-01-31"]


@pytest.mark.parametrize(
    ("year", "entry", "switch"), [("2028", "2028-03-01", "2028-03-08"), ("2027", "2027-03-01", "2027-03-08")]
)
def test_g13_an_exclusion_on_29_february_counts_in_leap_years_only(year: str, entry: str, switch: str) -> None:
    leap_day = [{"name": "Leap day", "month": 2, "day": 29, "year": None}]
    story = Story(sonar(bill_day=9, exclusions=leap_day), first_bill_on=f"{year}-02-09", bill_day=9)
    story.days(f"{year}-02-09", f"{year}-03-10")
    assert story.story("account_delinquent", "status_switch") == [
        (entry, "account_delinquent"),
        (switch, "status_switch"),
    ]
    assert [on for on, _ in story.invoices()] == [f"{year}-02-09"]
