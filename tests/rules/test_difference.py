"""Two timelines side by side: pairs, what moves, what comes and goes, and what they come to."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest

from delinquency.rules.actions import Event, Kind
from delinquency.rules.difference import Mark, compare, milestones, next_step, shift
from delinquency.rules.policy import Do, Policy, Step

SLOW = Step("slow", Do.RESTRICT, "delinquent", level="throttle")
WALL = Step("wall", Do.RESTRICT, "delinquent", level="walled_garden")


def event(on: str, kind: Kind, **rest: object) -> Event:
    """Return an event at 09:00."""
    return Event(datetime.fromisoformat(f"{on}T09:00"), kind, {}, **rest)  # type: ignore[arg-type]


def told(before: list[Event], after: list[Event]) -> list[tuple[str, str, str]]:
    """Return the rows: day, mark, the other day."""
    return [(str(row.at.date()), str(row.mark), str(row.other_on or "")) for row in compare(before, after)]


ENTRY = event("2026-01-21", Kind.ACCOUNT_DELINQUENT)


def test_the_same_thing_on_the_same_day_is_one_row() -> None:
    assert told([ENTRY], [ENTRY]) == [("2026-01-21", "same", "")]


def test_what_comes_on_another_day_is_shown_on_both_days() -> None:
    later = event("2026-01-26", Kind.ACCOUNT_DELINQUENT)
    assert told([ENTRY], [later]) == [
        ("2026-01-21", "moved_to", "2026-01-26"), ("2026-01-26", "moved_from", "2026-01-21"),
    ]  # fmt: skip


def test_what_is_only_in_one_is_gone_or_added() -> None:
    assert told([ENTRY], []) == [("2026-01-21", "gone", "")]
    assert told([], [ENTRY]) == [("2026-01-21", "added", "")]


def test_another_amount_on_the_same_day_is_a_change() -> None:
    one = event("2026-01-19", Kind.LATE_FEE, amount=Decimal("10.00"), number="A-1")
    (row,) = compare([one], [one._replace(amount=Decimal("4.00"))])
    assert row.mark is Mark.CHANGED


def test_another_time_or_another_level_on_the_same_day_is_a_change() -> None:
    one = event("2026-01-21", Kind.RESTRICTED, step=SLOW)
    assert told([one], [one._replace(at=datetime(2026, 1, 21, 10))]) == [("2026-01-21", "changed", "")]
    assert told([one], [one._replace(step=replace(SLOW, level="suspend"))]) == [("2026-01-21", "changed", "")]


def test_events_of_two_invoices_and_of_two_steps_are_different_things() -> None:
    one, other = (event("2026-01-16", Kind.DUE, number=number) for number in ("A-1", "A-2"))
    assert told([one], [other]) == [("2026-01-16", "gone", ""), ("2026-01-16", "added", "")]
    slow, wall = (event("2026-01-21", Kind.RESTRICTED, step=step) for step in (SLOW, WALL))
    assert [mark for _on, mark, _other in told([slow], [wall])] == ["gone", "added"]


def test_of_two_of_a_kind_the_one_on_the_same_day_stays_and_the_other_moves() -> None:
    second = event("2026-02-21", Kind.ACCOUNT_DELINQUENT)
    third = event("2026-02-24", Kind.ACCOUNT_DELINQUENT)
    assert told([ENTRY, second], [ENTRY, third]) == [
        ("2026-01-21", "same", ""), ("2026-02-21", "moved_to", "2026-02-24"),
        ("2026-02-24", "moved_from", "2026-02-21"),
    ]  # fmt: skip


def test_rows_come_in_order_of_time_and_then_as_they_were_decided() -> None:
    first, second = event("2026-01-21", Kind.DELINQUENT, number="A-1"), ENTRY
    assert [row.event.kind for row in compare([first, second], [first, second])] == ["delinquent", "account_delinquent"]


def test_milestones_are_first_days_and_sums() -> None:
    found = milestones(
        [
            event("2026-01-19", Kind.LATE_FEE, amount=Decimal("10.00")),
            ENTRY,
            event("2026-01-21", Kind.RESTRICTED, step=SLOW),
            event("2026-01-24", Kind.RESTRICTED, step=WALL),
            event("2026-01-28", Kind.STATUS_SWITCH),
            event("2026-01-30", Kind.REVERSAL, amount=Decimal("50.00")),
            event("2026-02-01", Kind.ISSUED, amount=Decimal("100.00")),
            event("2026-02-21", Kind.ACCOUNT_DELINQUENT),
        ],
        Policy("S", nsf_fee=Decimal("30.00")),
    )
    assert (found.delinquent_on, found.slowed_on) == (date(2026, 1, 21), date(2026, 1, 21))
    assert (found.suspended_on, found.switched_on, found.cut_on) == (
        date(2026, 1, 24), date(2026, 1, 28), date(2026, 1, 21),
    )  # fmt: skip
    assert (found.bills, found.billed, found.fees) == (1, Decimal("100.00"), Decimal("40.00"))


@pytest.mark.parametrize(
    ("before", "after", "how"),
    [
        (None, None, ""), (1, 1, ""), (1, 2, "later"), (2, 1, "sooner"), (None, 1, "new"), (1, None, "never"),
    ],
)  # fmt: skip
def test_a_day_moves_sooner_later_never_or_anew(before: int | None, after: int | None, how: str) -> None:
    days = [date(2026, 1, day) if day else None for day in (before, after)]
    assert shift(days[0], days[1]) == how


def test_news_of_bills_and_money_is_no_next_step() -> None:
    bill, due = event("2026-01-01", Kind.ISSUED), event("2026-01-16", Kind.DUE)
    assert next_step([bill, due, ENTRY]) is ENTRY
    assert next_step([bill, due]) is None
