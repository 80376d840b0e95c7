"""Seriously late and the flag: what counts, what is left out, what comes back (E6 to E8, A27, A28, G18)."""

from datetime import date

import pytest

from billing_project.kernel.errors import Refused
from delinquency.flagging import FlagState, flag_state
from delinquency.models import Event, InvoiceStanding, Standing
from delinquency.operations import count_again, do_not_count, unflag
from delinquency.rules.flags import flag_day
from delinquency.rules.policy import Policy
from invoicing.models import Charge
from invoicing.operations.charges import waive_charge
from tests.factories import make_clerk, make_staff
from tests.worlds import Story, exchange

pytestmark = pytest.mark.django_db


def late_in(*months: str, until: str, **changes: object) -> Story:
    """Return a customer who did not pay the invoices of some months, played to a day."""
    story = Story(exchange(due_days=None, **changes), first_bill_on=None)
    for month in months:
        story.owes(f"M-{month}", f"{month}-01")
    story.days(f"{months[0]}-01", until)
    return story


def row_of(number: str) -> InvoiceStanding:
    """Return what the policy made of an invoice."""
    return InvoiceStanding.objects.get(invoice__number=number)


def standing(story: Story) -> Standing:
    """Return where the account stands."""
    return Standing.objects.select_related("policy_version").get(account=story.account)


def shown(story: Story, today: str) -> FlagState:
    """Return what the account's page tells."""
    found = flag_state(standing(story), date.fromisoformat(today))
    assert found is not None
    return found


G18 = ("2026-01", "2026-03", "2026-06")


def test_g18_one_of_three_left_out_as_our_error_takes_the_flag_off_and_the_others_go_on_counting() -> None:
    story = late_in(*G18, until="2026-06-06")
    assert str(standing(story).flagged_on) == "2026-06-06"
    with story.now("2026-06-08 12:00"):
        do_not_count(row_of("M-2026-03"), "our bank was down", make_clerk())
    now = standing(story)
    assert (now.flagged_on, now.unflagged_on, now.second_source_asked_on) == (None, None, None)
    assert story.story("flagged", "unflagged") == [("2026-06-06", "flagged"), ("2026-06-08", "unflagged")]
    event = Event.objects.get(kind="unflagged")
    assert (event.rule, event.why) == (
        "A27", "Without M-2026-03 it was not seriously late too often: our bank was down",
    )  # fmt: skip
    assert row_of("M-2026-03").not_counted_why == "our bank was down (casey)"
    story.owes("M-2026-07", "2026-07-01")
    story.days("2026-06-09", "2026-07-06")
    assert ("2026-07-06", "flagged") in story.story("flagged")


def test_g18_left_out_before_the_third_there_is_no_flag() -> None:
    story = late_in("2026-01", "2026-03", until="2026-03-06")
    with story.now("2026-03-10 12:00"):
        do_not_count(row_of("M-2026-03"), "our error")
    story.owes("M-2026-06", "2026-06-01")
    story.days("2026-03-11", "2026-06-06")
    assert story.story("flagged") == []


def test_g18_a_waived_late_fee_leaves_its_invoice_out_by_itself() -> None:
    story = late_in(*G18, until="2026-06-06")
    fee = Charge.objects.get(kind="late_fee", about_invoice__number="M-2026-03")
    with story.now("2026-06-08 12:00"):
        waive_charge(fee, "provider error", make_staff("casey", is_superuser=True))
    assert standing(story).flagged_on is None
    assert row_of("M-2026-03").not_counted_why == "its late fee was waived: provider error (casey)"


def test_one_left_out_of_four_keeps_the_flag() -> None:
    story = late_in(*G18, "2026-07", until="2026-07-06")
    with story.now("2026-07-08 12:00"):
        do_not_count(row_of("M-2026-03"), "our error")
    assert str(standing(story).flagged_on) == "2026-06-06"


def test_counted_again_the_flag_is_back_as_of_the_day_it_was_raised() -> None:
    story = late_in(*G18, until="2026-06-06")
    with story.now("2026-06-08 12:00"):
        do_not_count(row_of("M-2026-03"), "our error")
        with pytest.raises(Refused, match="does not count already"):
            do_not_count(row_of("M-2026-03"), "again")
    with story.now("2026-06-08 12:05"):
        count_again(row_of("M-2026-03"), "it was not our error")
        with pytest.raises(Refused, match="counts already"):
            count_again(row_of("M-2026-03"), "again")
    assert str(standing(story).flagged_on) == "2026-06-06"
    assert story.story("flagged", "unflagged")[-1] == ("2026-06-08", "flagged")
    assert "A27" in row_of("M-2026-03").invoice.events.filter(kind="flagged").values_list("rule", flat=True)


def test_what_a_clerk_removed_stays_removed_when_an_invoice_counts_again() -> None:
    story = late_in(*G18, until="2026-06-06")
    with story.now("2026-06-08 12:00"):
        do_not_count(row_of("M-2026-01"), "our error")
    story.owes("M-2026-07", "2026-07-01")
    story.days("2026-06-09", "2026-07-06")
    with story.now("2026-07-07 12:00"):
        unflag(story.account, "a new owner")
        count_again(row_of("M-2026-01"), "it was not our error")
    assert standing(story).flagged_on is None


def test_reasons_are_asked_for() -> None:
    story = late_in(*G18, until="2026-06-06")
    with story.now("2026-06-08 12:00"):
        with pytest.raises(Refused, match="Say why"):
            do_not_count(row_of("M-2026-03"), " ")
        do_not_count(row_of("M-2026-03"), "our error")
        with pytest.raises(Refused, match="Say why"):
            count_again(row_of("M-2026-03"), " ")


def test_who_left_an_invoice_out_is_kept_in_its_history() -> None:
    story, casey = late_in(*G18, until="2026-06-06"), make_clerk()
    with story.now("2026-06-08 12:00"):
        do_not_count(row_of("M-2026-03"), "our error", casey)
        count_again(row_of("M-2026-03"), "it was not", casey)
    kept = row_of("M-2026-03").history.order_by("history_date", "history_id")
    assert [(row.history_change_reason, row.history_user) for row in kept] == [
        ("does not count: our error", casey), ("counts again: it was not", casey),
    ]  # fmt: skip


def test_the_page_tells_how_many_more_raise_the_flag_and_what_does_not_count() -> None:
    story = late_in("2025-12", "2026-01", "2026-03", until="2026-03-06")
    with story.now("2026-03-10 12:00"):
        do_not_count(row_of("M-2026-03"), "our error")
    told = shown(story, "2026-03-10")
    assert (told.flagged_on, told.counted, told.more, told.window_words) == (None, 1, 2, "in 2026")
    assert [(late.row.invoice.number, late.counts, late.why_not) for late in told.invoices] == [
        ("M-2026-03", False, "Left out: our error"),
        ("M-2026-01", True, ""),
        ("M-2025-12", False, "In an earlier year."),
    ]


def test_the_page_tells_when_the_flag_drops_and_whether_a_second_source_was_asked_for() -> None:
    story = late_in(*G18, until="2026-06-06")
    told = shown(story, "2026-06-08")
    assert (str(told.drops_on), told.second_source) == (
        "2027-06-05", "Not asked for yet: after the next missed day.",
    )  # fmt: skip
    story.owes("M-2026-07", "2026-07-01")
    story.days("2026-06-09", "2026-07-06")
    told = shown(story, "2026-07-06")
    assert told.second_source.startswith("Asked for on Mon 06 Jul 2026; none was given yet.")
    assert str(told.drops_on) == "2027-07-05"
    assert all(late.counts for late in told.invoices)


def test_the_day_told_is_the_day_on_which_the_flag_drops() -> None:
    story = late_in(*G18, until="2026-06-06")
    drops_on = shown(story, "2026-06-08").drops_on
    story.days("2027-06-03", "2027-06-06")
    assert (str(drops_on), "unflagged") in story.story("unflagged")


@pytest.mark.parametrize(
    ("days", "window", "unflagged", "flagged"),
    [
        (["2026-01-05", "2026-03-05", "2026-06-05"], "calendar_year", None, "2026-06-06"),
        (["2026-01-05", "2026-03-05"], "calendar_year", None, None),
        (["2025-11-05", "2025-12-05", "2026-01-05"], "calendar_year", None, None),
        (["2025-11-05", "2025-12-05", "2026-01-05"], "rolling_12_months", None, "2026-01-06"),
        (["2025-01-05", "2025-12-05", "2026-01-05"], "rolling_12_months", None, None),
        (["2026-01-05", "2026-03-05", "2026-06-05"], "calendar_year", "2026-01-05", None),
        (["2026-06-05", "2026-01-05", "2026-03-05", "2026-07-05"], "calendar_year", None, "2026-06-06"),
    ],
)
def test_g18_the_day_that_raises_the_flag(days: list[str], window: str, unflagged: str | None, flagged: str) -> None:
    policy = Policy("E", grace_days=0, seriously_late_window=window)
    found = flag_day(
        [date.fromisoformat(day) for day in days], date.fromisoformat(unflagged) if unflagged else None, policy
    )
    assert found == (date.fromisoformat(flagged) if flagged else None)
