"""The corners of the timeline: what is held, put off, returned, or falls on one and the same moment."""

from datetime import date, datetime
from decimal import Decimal

import pytest

from delinquency.rules.document import parse
from delinquency.rules.facts import AccountState
from delinquency.rules.scenario import parse_scenario
from delinquency.rules.timeline import advance
from delinquency.rules.when import LOOK
from invoicing.rules.allocation import Fact, Issued, replay
from tests.timelines import A, B, only, paid, play
from tests.worlds import WORKDAYS, exchange, sonar


def test_a_cut_before_the_notice_it_requires_is_held() -> None:
    steps = [
        {"key": "wall", "action": "restrict", "anchor": "delinquent", "offset_days": 1, "level": "walled_garden",
         "requires_notice": "note"},
        {"key": "note", "action": "notice", "anchor": "delinquent", "offset_days": 4, "channels": ["email"]},
    ]  # fmt: skip
    events = play(sonar(status_switch_days=None, steps=steps), A, until="2026-02-28")
    assert only(events, "held", "notice", "restricted") == [
        ("2026-01-22", "held"),
        ("2026-01-25", "notice"),
        ("2026-01-25", "restricted"),
    ]


def test_every_event_says_why_in_one_sentence() -> None:
    scenario = {"timezone": "Asia/Kathmandu", "policy": exchange(), "until": "2026-08-31", "invoices": [
        {"number": "A", "issued_on": "2026-05-01", "due_on": "2026-05-01", "amount": "100.00"}]}  # fmt: skip
    for event in parse_scenario(scenario).answer():
        assert event.why.endswith(".")
        assert len(event.why) > 20
        assert event.rule


def test_a_held_cut_is_made_at_the_first_check_after_its_notice_went_out() -> None:
    steps = [
        {"key": "t", "action": "notice", "anchor": "due", "offset_days": 9, "at": "10:30", "channels": ["email"]},
        {"key": "r", "action": "restrict", "level": "suspend", "anchor": "delinquent", "offset_days": 0,
         "requires_notice": "t"},
    ]  # fmt: skip
    events = play(sonar(due_days=0, status_switch_days=None, steps=steps), A, until="2026-03-01")
    assert only(events, "held", "notice", "restricted") == [
        ("2026-01-06", "held"),
        ("2026-01-10", "notice"),
        ("2026-01-11", "restricted"),
    ]


def test_a_reminder_of_the_due_date_keeps_its_hour_though_something_else_is_due_at_nine() -> None:
    steps = [
        {"key": "n", "action": "notice", "anchor": "due", "offset_days": 0, "at": "10:30", "channels": ["email"]},
        {"key": "m", "action": "notice", "anchor": "due", "offset_days": 0, "channels": ["email"]},
    ]
    events = play(sonar(due_days=0, status_switch_days=None, steps=steps), A, until="2026-01-03")
    assert only(events, "notice") == [("2026-01-01", "notice"), ("2026-01-01", "notice")]


@pytest.mark.parametrize(("offset", "fee_on"), [(0, "2026-01-21"), (1, "2026-01-22")])
def test_a_fee_counted_from_delinquency_may_fall_on_the_very_day(offset: int, fee_on: str) -> None:
    fee = {"key": "fee", "action": "late_fee", "anchor": "delinquent", "offset_days": offset, "flat": "10.00"}
    assert only(play(sonar(steps=[fee]), A, until="2026-03-01"), "late_fee") == [(fee_on, "late_fee")]


def test_fees_and_charges_wait_for_an_open_day_only_if_told_to() -> None:
    weekend = {"anchor": "due", "offset_days": 2, "honours_exclusions": True}
    steps = [
        {"key": "fee", "action": "late_fee", "flat": "10.00"} | weekend,
        {"key": "card", "action": "charge", "source": "primary"} | weekend,
    ]
    told = sonar(due_days=0, status_switch_days=None, check_weekdays=WORKDAYS, steps=steps)
    assert only(play(told, A, until="2026-01-31"), "late_fee", "charge") == [
        ("2026-01-05", "charge"),
        ("2026-01-05", "late_fee"),
    ]


def test_a9_the_last_grant_counts_for_a_deferred_fee_and_the_check_of_its_date_decides() -> None:
    fee = {"key": "fee", "action": "late_fee", "after_day_of_month": 5, "flat": "10.00"}
    policy = sonar(due_days=0, grace_days=60, status_switch_days=None, steps=[fee])
    grace = [{"granted": "2026-01-02", "until": "2026-01-20"}, {"granted": "2026-01-04", "until": "2026-01-12"}]
    assert only(play(policy, A, until="2026-02-15", grace=grace), "late_fee") == [("2026-01-12", "late_fee")]
    paid_before = [paid("2026-01-12T08:00", "100.00")]
    assert only(play(policy, A, until="2026-02-15", grace=grace, payments=paid_before), "late_fee") == []


def test_a32_a_ticket_closes_for_money_only() -> None:
    ticket = {"key": "t", "action": "ticket", "anchor": "due", "offset_days": 1}
    policy = sonar(due_days=0, minimum_amount_due="50.00", steps=[ticket])
    small = ("S", "2026-01-01", "40.00")
    assert only(play(policy, small, B, until="2026-02-01"), "ticket_closed") == []
    lifted = play(
        sonar(status_switch_days=None), A, B, until="2026-03-05", payments=[paid("2026-02-25", "100.00", "A")],
        grace=[{"granted": "2026-03-01", "until": "2026-03-10", "lift_now": True}],
    )  # fmt: skip
    assert only(lifted, "account_cured", "ticket_closed") == [("2026-03-01", "account_cured")]


def test_a27_the_first_of_two_reversals_says_on_which_day_it_counts() -> None:
    policy = sonar(due_days=0, status_switch_days=None, seriously_late_limit=0, steps=[])
    payments = [paid("2026-01-02T10:00", "60.00", reference="P0"), paid("2026-01-03T10:00", "40.00")]
    reversals = [{"payment": "P-1", "recorded": "2026-02-21T14:10"}, {"payment": "P0", "recorded": "2026-02-22T08:59"}]
    events = play(policy, A, until="2026-03-31", payments=payments, reversals=reversals)
    assert only(events, "flagged") == [("2026-02-22", "flagged")]


def test_a18_what_is_left_below_the_minimum_is_cured_and_its_ticket_closed() -> None:
    policy = sonar(minimum_amount_due="50.00")
    events = play(policy, A, until="2026-03-31", payments=[paid("2026-01-24T14:10", "60.00")])
    assert only(events, "cured", "account_cured", "ticket_closed", "status_switch") == [
        ("2026-01-24", "cured"),
        ("2026-01-24", "account_cured"),
        ("2026-01-24", "ticket_closed"),
    ]


def test_d5_a_switch_on_a_bill_date_comes_before_the_invoice_of_that_date() -> None:
    invoices = (("A", "2027-02-01", "100.00"), ("B", "2027-03-01", "100.00"))
    events = play(sonar(check_weekdays=WORKDAYS), *invoices, until="2027-03-01")
    assert [event for event in events if event[0] == "2027-03-01"] == [
        ("2027-03-01", "status_switch"),
        ("2027-03-01", "issued"),
    ]


def test_a_reminder_that_a_payment_made_needless_is_not_sent_after_the_due_date() -> None:
    soon = {"key": "soon", "action": "notice", "anchor": "due", "offset_days": -3, "channels": ["email"]}
    reversals = [{"payment": "P-1", "recorded": "2026-01-18T08:00"}]
    policy = sonar(status_switch_days=None, steps=[soon])
    events = play(policy, A, until="2026-01-31", payments=[paid("2026-01-05", "100.00")], reversals=reversals)
    assert only(events, "notice", "past_due") == [("2026-01-18", "past_due")]


def test_in_the_hour_that_a_clock_change_repeats_money_counts_at_once() -> None:
    policy = parse(sonar())
    issued = replay([Issued("A", "A", date(2026, 10, 5), date(2026, 10, 20), Decimal("100.00"))], [], [])
    state, look = AccountState(), (datetime(2026, 11, 1, 1, 59), LOOK)
    advance(state, issued, policy, look)
    again = Fact(datetime(2026, 11, 1, 1, 10), "payment", Decimal("100.00"), "P", moves=(("A", Decimal("-100.00")),))
    events = advance(state, [again], policy, (datetime(2026, 11, 1, 1, 10), LOOK), after=look)
    assert [str(event.kind) for event in events][:2] == ["payment", "released"]


def test_a_switch_that_returns_keeps_its_place_after_the_letters_and_its_invoice() -> None:
    steps = [
        {"key": "switch", "action": "status_switch", "anchor": "due", "offset_days": 6},
        {"key": "letter", "action": "notice", "anchor": "due", "offset_days": 12, "channels": ["email"]},
    ]
    policy = sonar(due_days=0, status_switch_days=None, on_reversal="resume", steps=steps)
    payments, reversals = [paid("2026-01-08T12:00", "100.00")], [{"payment": "P-1", "recorded": "2026-01-20T12:00"}]
    events = play(policy, A, until="2026-01-21", payments=payments, reversals=reversals)
    assert [kind for on, kind in events if on == "2026-01-21"] == [
        "delinquent",
        "account_delinquent",
        "notice",
        "status_switch",
    ]


def test_d5_an_issue_date_is_a_bill_date_also_where_the_policy_names_another_day() -> None:
    invoices = (("A", "2026-11-15", "100.00"), ("B", "2026-12-15", "100.00"))
    events = play(sonar(status_switch_days=10), *invoices, until="2026-12-15")
    assert [kind for on, kind in events if on == "2026-12-15"] == ["status_switch", "issued"]


@pytest.mark.parametrize(("mode", "switch"), [("restart", "2026-02-05"), ("resume", "2026-01-29")])
def test_g15_a_return_restarts_or_resumes_the_episode(mode: str, switch: str) -> None:
    payments, reversals = [paid("2026-01-23T12:00", "100.00")], [{"payment": "P-1", "recorded": "2026-01-29T08:30"}]
    events = play(sonar(on_reversal=mode), A, until="2026-02-28", payments=payments, reversals=reversals)
    assert only(events, "account_delinquent", "status_switch") == [
        ("2026-01-21", "account_delinquent"),
        ("2026-01-29", "account_delinquent"),
        (switch, "status_switch"),
    ]


def test_a_return_that_lifts_an_invoice_over_the_minimum_counts_at_that_days_check_though_it_was_never_settled() -> (
    None
):
    policy = sonar(due_days=0, grace_days=None, after_day_of_month=5, minimum_amount_due="50.00",
                   status_switch_days=None, steps=[])  # fmt: skip
    events = play(
        policy, ("C", "2029-02-01", "80.00"), until="2029-05-31", payments=[paid("2029-04-10T00:03", "60.00")],
        reversals=[{"payment": "P-1", "recorded": "2029-04-27"}],
        grace=[{"granted": "2029-04-07T08:59", "until": "2029-04-26", "lift_now": True}],
    )  # fmt: skip
    assert only(events, "delinquent") == [("2029-02-06", "delinquent"), ("2029-04-27", "delinquent")]
