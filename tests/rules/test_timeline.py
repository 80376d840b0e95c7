"""The golden timelines of both policies through the pure timeline."""

from typing import Any

import pytest

from tests.timelines import A, B, only, paid, play
from tests.worlds import WORKDAYS, exchange, sonar

ENTRY = ("account_delinquent", "account_cured", "status_switch", "status_restored")


def test_g1_base() -> None:
    assert play(sonar(), A, until="2026-02-02") == [
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


@pytest.mark.parametrize(
    ("days", "issued", "entry", "switch"),
    [
        (WORKDAYS, "2026-11-01", "2026-11-23", "2026-11-30"),
        (WORKDAYS, "2026-02-01", "2026-02-23", "2026-03-02"),
        (WORKDAYS, "2027-02-01", "2027-02-22", "2027-03-01"),
        (WORKDAYS[:4], "2028-04-01", "2028-04-24", "2028-05-01"),
    ],
)
def test_g2_g3_weekends_put_the_entry_off(days: list[str], issued: str, entry: str, switch: str) -> None:
    events = play(sonar(check_weekdays=days), ("A", issued, "100.00"), until="2028-06-30")
    assert only(events, *ENTRY) == [(entry, "account_delinquent"), (switch, "status_switch")]


@pytest.mark.parametrize(
    ("issued", "entry", "switch"),
    [("2026-12-04", "2026-12-29", "2027-01-05"), ("2027-12-04", "2027-12-24", "2027-12-31")],
)
def test_g4_excluded_days_chain_and_a_year_limits_them(issued: str, entry: str, switch: str) -> None:
    exclusions = [
        {"name": "a", "month": 12, "day": 24, "year": 2026},
        {"name": "b", "month": 12, "day": 25, "year": None},
        {"name": "c", "month": 12, "day": 28, "year": 2026},
    ]
    policy = sonar(bill_day=4, check_weekdays=WORKDAYS, exclusions=exclusions)
    events = play(policy, ("A", issued, "100.00"), until="2028-02-01")
    assert only(events, *ENTRY) == [(entry, "account_delinquent"), (switch, "status_switch")]


def test_g5_an_annual_date_over_the_year_end() -> None:
    policy = sonar(bill_day=12, check_weekdays=WORKDAYS, exclusions=[{"name": "New Year", "month": 1, "day": 1}])
    events = play(policy, ("A", "2026-12-12", "100.00"), until="2027-02-01")
    assert only(events, *ENTRY) == [("2027-01-04", "account_delinquent"), ("2027-01-11", "status_switch")]


@pytest.mark.parametrize(
    ("until", "days", "entry"),
    [("2026-01-26", None, "2026-01-26"), ("2026-01-25", WORKDAYS, "2026-01-26"), ("2026-01-18", None, "2026-01-21")],
)
def test_g6_g7_grace_until_is_the_first_day_that_counts_and_never_shortens(
    until: str, days: list[str] | None, entry: str
) -> None:
    policy = sonar(check_weekdays=days) if days else sonar()
    grace = [{"granted": "2026-01-17T10:00", "until": until, "lift_now": False}]
    assert only(play(policy, A, until="2026-02-01", grace=grace), "account_delinquent") == [
        (entry, "account_delinquent")
    ]


def test_g7b_without_lift_now_a_grant_changes_nothing_while_delinquent() -> None:
    grace = [{"granted": "2026-01-23T10:00", "until": "2026-01-30", "lift_now": False}]
    assert play(sonar(), A, until="2026-02-02", grace=grace) == play(sonar(), A, until="2026-02-02")


@pytest.mark.parametrize(("minimum", "entered"), [("0.01", ["2026-01-21"]), ("50.00", [])])
def test_g8_a_part_payment_leaves_the_rest_and_the_last_cent_clears(minimum: str, entered: list[str]) -> None:
    payments = [paid("2026-01-19", "60.00"), paid("2026-01-24T14:10", "40.00", reference="P-2")]
    events = play(sonar(minimum_amount_due=minimum), A, until="2026-02-02", payments=payments)
    assert [on for on, kind in events if kind == "account_delinquent"] == entered
    assert only(events, "past_due") == [("2026-01-17", "past_due")]
    after = only(events, "released", "cured", "account_cured", "ticket_closed", "status_switch")
    kinds = ("released", "cured", "account_cured", "ticket_closed") if entered else ()
    assert after == [("2026-01-24", kind) for kind in kinds]


@pytest.mark.parametrize("received", ["2026-02-01T10:15", "2026-02-03", "2026-03-01T12:00"])
def test_g10_g12_payment_brings_the_status_back_whenever_it_comes(received: str) -> None:
    events = play(sonar(), A, until="2026-03-31", payments=[paid(received, "100.00")])
    assert only(events, "account_cured", "status_restored") == [
        (received[:10], "account_cured"),
        (received[:10], "status_restored"),
    ]


@pytest.mark.parametrize(
    ("bill_day", "issued", "entry", "switch"),
    [
        (31, "2026-01-31", "2026-02-20", "2026-02-27"),
        (9, "2028-02-09", "2028-03-01", "2028-03-08"),
        (9, "2027-02-09", "2027-03-01", "2027-03-08"),
    ],
)
def test_g13_month_ends_and_the_leap_day(bill_day: int, issued: str, entry: str, switch: str) -> None:
    leap_day = [{"name": "Leap day", "month": 2, "day": 29, "year": None}]
    events = play(sonar(bill_day=bill_day, exclusions=leap_day), ("A", issued, "100.00"), until="2028-12-31")
    assert only(events, *ENTRY) == [(entry, "account_delinquent"), (switch, "status_switch")]


@pytest.mark.parametrize(
    ("received", "entered"), [("2026-01-21T08:59", False), ("2026-01-21T09:00", False), ("2026-01-21T09:20", True)]
)
def test_g9_money_before_the_check_prevents_and_after_it_cures(received: str, entered: bool) -> None:
    events = play(sonar(), A, until="2026-02-02", payments=[paid(received, "100.00")])
    cured = [("2026-01-21", "account_delinquent"), ("2026-01-21", "account_cured")]
    assert only(events, *ENTRY) == (cured if entered else [])


def test_g14_each_overdue_invoice_keeps_its_own_clock() -> None:
    throttle = sonar(status_switch_days=None)
    early = play(throttle, A, B, until="2026-03-31", payments=[paid("2026-02-10", "100.00", "A")])
    assert only(early, *ENTRY) == [
        ("2026-01-21", "account_delinquent"),
        ("2026-02-10", "account_cured"),
        ("2026-02-21", "account_delinquent"),
    ]
    late = play(sonar(status_switch_days=40), A, B, until="2026-04-30", payments=[paid("2026-02-24", "100.00", "A")])
    assert only(late, "released", *ENTRY) == [("2026-01-21", "account_delinquent"), ("2026-04-02", "status_switch")]
    unpaid = play(sonar(status_switch_days=40), A, B, until="2026-04-30")
    assert only(unpaid, "status_switch") == [("2026-03-02", "status_switch")]


@pytest.mark.parametrize(
    ("granted", "fee_on"), [(None, "2026-01-19"), ("2026-01-18", "2026-01-26"), ("2026-01-19T10:00", "2026-01-19")]
)
def test_g16_only_a_grant_made_before_the_fee_defers_it(granted: str | None, fee_on: str) -> None:
    fee = {"key": "fee", "action": "late_fee", "anchor": "due", "offset_days": 3, "flat": "10.00"}
    grace = [{"granted": granted, "until": "2026-01-26"}] if granted else []
    events = play(sonar(steps=[fee]), ("A", "2026-01-01", "86.80"), until="2026-03-31", grace=grace)
    assert only(events, "late_fee") == [(fee_on, "late_fee")]


def test_g17_the_ladder_of_the_second_article() -> None:
    events = play(
        exchange(), ("A", "2026-05-01", "100.00"), until="2026-05-31", payments=[paid("2026-05-20T11:00", "100.00")]
    )
    assert only(events, "ticket_opened", "notice", "call_task", "late_fee", "restricted", *ENTRY) == [
        ("2026-05-02", "ticket_opened"),
        ("2026-05-02", "notice"),
        ("2026-05-02", "call_task"),
        ("2026-05-06", "late_fee"),
        ("2026-05-06", "account_delinquent"),
        ("2026-05-16", "status_switch"),
        ("2026-05-16", "restricted"),
        ("2026-05-20", "account_cured"),
        ("2026-05-20", "status_restored"),
    ]
    assert [on for on, kind in events if kind == "charge"] == [f"2026-05-0{day}" for day in (1, 1, 2, 2, 3, 3)]


def test_g17_a_suspension_waits_for_an_open_day_but_the_fee_and_the_switch_do_not() -> None:
    events = play(exchange(check_weekdays=WORKDAYS), ("A", "2026-05-01", "100.00"), until="2026-05-31")
    assert only(events, "late_fee", "status_switch", "restricted") == [
        ("2026-05-06", "late_fee"),
        ("2026-05-16", "status_switch"),
        ("2026-05-18", "restricted"),
    ]


def late_months(*months: str) -> list[tuple[str, str, str]]:
    """Return invoices of the first of some months, never paid in time."""
    return [(f"M-{month}", f"{month}-01", "100.00") for month in months]


def settled(*months: str) -> list[dict[str, Any]]:
    """Return payments on the 8th of those months."""
    return [paid(f"{month}-08", "100.00", f"M-{month}", f"P-{month}") for month in months]


@pytest.mark.parametrize(
    ("window", "months", "flagged"),
    [
        ("calendar_year", ("2026-01", "2026-03", "2026-06"), ["2026-06-06"]),
        ("calendar_year", ("2026-01", "2026-03"), []),
        ("calendar_year", ("2025-11", "2025-12", "2026-01"), []),
        ("rolling_12_months", ("2025-11", "2025-12", "2026-01"), ["2026-01-06"]),
    ],
)
def test_g18_the_third_seriously_late_invoice_flags(window: str, months: tuple[str, ...], flagged: list[str]) -> None:
    policy = exchange(seriously_late_window=window)
    events = play(policy, *late_months(*months), until="2026-12-31", payments=settled(*months))
    assert [on for on, kind in events if kind == "flagged"] == flagged


def test_a28_the_flag_drops_twelve_months_after_the_last_counted_invoice() -> None:
    months = ("2026-01", "2026-03", "2026-06")
    events = play(exchange(), *late_months(*months), until="2027-12-31", payments=settled(*months))
    assert only(events, "unflagged") == [("2027-06-05", "unflagged")]


def test_g19_a_flagged_account_that_was_asked_is_suspended_on_the_fourth() -> None:
    months = ("2026-01", "2026-03", "2026-06", "2026-07", "2026-08")
    events = play(exchange(), *late_months(*months), until="2026-08-10", payments=settled(*months[:4]))
    assert only(events, "flagged", "secondary_source_requested", "restricted") == [
        ("2026-06-06", "flagged"),
        ("2026-07-06", "secondary_source_requested"),
        ("2026-08-04", "restricted"),
        ("2026-08-06", "secondary_source_requested"),
    ]
    assert len([1 for on, kind in events if kind == "charge" and on.startswith("2026-08")]) == 6


def test_what_is_paid_after_midnight_is_recorded_delinquent_and_cured_but_nobody_is_written_to() -> None:
    events = play(
        exchange(), ("A", "2026-05-01", "100.00"), until="2026-05-31", payments=[paid("2026-05-06T08:00", "100.00")]
    )
    assert [event for event in events if event[0] >= "2026-05-06"] == [
        ("2026-05-06", "payment"),
        ("2026-05-06", "ticket_closed"),
        ("2026-05-06", "late_fee"),
        ("2026-05-06", "delinquent"),
        ("2026-05-06", "account_delinquent"),
        ("2026-05-06", "cured"),
        ("2026-05-06", "account_cured"),
    ]


def test_credit_pays_the_next_invoice_and_a_reversal_takes_it_back() -> None:
    payments = [paid("2026-01-10", "150.00")]
    reversals = [{"payment": "P-1", "recorded": "2026-02-10T08:00"}]
    invoices = (A, ("B", "2026-02-01", "50.00"))
    policy = sonar(status_switch_days=None)
    events = play(policy, *invoices, until="2026-02-28", payments=payments, reversals=reversals)
    assert only(events, "due", "past_due", "delinquent", "account_delinquent", "reversal") == [
        ("2026-02-10", "reversal"),
        ("2026-02-10", "past_due"),
        ("2026-02-10", "delinquent"),
        ("2026-02-10", "account_delinquent"),
        ("2026-02-16", "due"),
        ("2026-02-17", "past_due"),
        ("2026-02-21", "delinquent"),
    ]


def test_a35_the_reconnection_fee_is_due_once_for_an_episode_that_reached_a_switch() -> None:
    policy = sonar(reconnection_fee="25.00")
    cut = play(policy, A, until="2026-03-31", payments=[paid("2026-02-03", "100.00")])
    assert only(cut, "released", "cured", "account_cured", "status_restored", "reconnection_fee") == [
        ("2026-02-03", "released"),
        ("2026-02-03", "cured"),
        ("2026-02-03", "account_cured"),
        ("2026-02-03", "status_restored"),
        ("2026-02-03", "reconnection_fee"),
    ]
    slowed = play(policy, A, until="2026-03-31", payments=[paid("2026-01-25", "100.00")])
    assert only(slowed, "reconnection_fee") == []
