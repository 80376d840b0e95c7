"""From which day an invoice is past due: told from its money, as the looks of a timeline tell it."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest

from delinquency.rules.actions import Event, Kind
from delinquency.rules.document import parse
from delinquency.rules.tally import Tally
from delinquency.rules.timeline import Scenario, countable_timeline, timeline
from invoicing.rules.allocation import Issued, Received, Returned
from tests.worlds import exchange, sonar

UNTIL = date(2026, 6, 30)
# Around the looks of a day, where the order of what happens in one minute decides.
TIMES = ("00:00", "00:05", "08:59", "09:00", "09:01", "15:00", "23:59")


def drawn(dice: Random) -> Scenario:
    """Draw a few invoices, and money that comes about when it matters, goes back and comes again."""

    def moment() -> datetime:
        on = date(2026, 1, 10) + timedelta(days=dice.randrange(60))
        return datetime.fromisoformat(f"{on}T{dice.choice(TIMES)}")

    invoices, payments, returns = [], [], []
    for number in "ABC"[: dice.randint(1, 3)]:
        issued_on = date(2026, 1, 1) + timedelta(days=dice.randrange(20))
        due_on = issued_on + timedelta(days=dice.choice([0, 1, 15]))
        invoices.append(Issued(number, number, issued_on, due_on, Decimal("100.00"), dice.random() < 0.1))
    for index in range(dice.randint(0, 6)):
        payment = Received(str(index), moment(), Decimal(dice.choice(["30.00", "100.00", "99.99"])))
        payments.append(payment)
        if dice.random() < 0.5:
            returns.append(Returned(str(index), max(moment(), payment.at)))
    return Scenario(tuple(invoices), tuple(payments), tuple(returns))


def past_due(events: list[Event]) -> list[tuple[str | None, date]]:
    """Return which invoices were past due from which day on."""
    return sorted((event.number, event.on) for event in events if event.kind is Kind.PAST_DUE)


@pytest.mark.parametrize("raw", [sonar(due_days=None), exchange(due_days=None), sonar(due_days=None, grace_days=0)])
def test_the_money_alone_tells_the_very_days_that_the_looks_tell(raw: dict[str, object]) -> None:
    policy, dice, seen = parse(raw), Random(8), 0
    for _ in range(400):
        scenario = drawn(dice)
        looked = timeline(scenario, policy, UNTIL)
        told, quiet = countable_timeline(scenario, policy, UNTIL)
        assert past_due(told) == past_due(looked), scenario
        seen += len(past_due(looked))
        counts = [Tally(date(2026, 1, 1), UNTIL), Tally(date(2026, 1, 1), UNTIL)]
        counts[0].take("N", looked)
        counts[1].take("N", told, quiet)
        assert counts[0].document() == counts[1].document(), scenario
    assert seen > 300


def test_what_lies_after_the_last_day_is_not_told() -> None:
    invoice = Issued("A", "A", date(2026, 6, 1), date(2026, 6, 30), Decimal("1.00"))
    told, _ = countable_timeline(Scenario((invoice,)), parse(sonar(due_days=None)), UNTIL)
    assert past_due(told) == []
    assert past_due(countable_timeline(Scenario((invoice,)), parse(sonar(due_days=None)), date(2026, 7, 1))[0]) == [
        ("A", date(2026, 7, 1))
    ]


@pytest.mark.parametrize("again", ["00:00", "00:30", "09:30", None])
def test_what_is_reopened_after_the_check_is_past_due_with_the_midnight_of_another_invoice(again: str | None) -> None:
    assert ("A", date(2026, 1, 21)) in reopened("2026-01-20", again)


@pytest.mark.parametrize(("again", "found"), [("00:30", False), ("09:00", False), ("09:01", True)])
def test_and_otherwise_with_the_next_check(again: str, found: bool) -> None:
    assert (("A", date(2026, 1, 21)) in reopened("2026-01-25", again)) is found


def reopened(other_due_on: str, again: str | None) -> list[tuple[str | None, date]]:
    """Return what is past due where A is paid in time and reopened on 20 January at 15:00, perhaps paid again next day.

    B stays unpaid.
    """
    day = date(2026, 1, 1)
    invoices = (
        Issued("A", "A", day, date(2026, 1, 16), Decimal("100.00")),
        Issued("B", "B", day, date.fromisoformat(other_due_on), Decimal("100.00")),
    )
    payments = [Received("1", datetime(2026, 1, 10, 12), Decimal("100.00"), "A")]
    if again is not None:
        payments.append(Received("2", datetime.fromisoformat(f"2026-01-21T{again}"), Decimal("100.00"), "A"))
    scenario = Scenario(invoices, tuple(payments), (Returned("1", datetime(2026, 1, 20, 15)),))
    policy = parse(sonar(due_days=None))
    told = past_due(countable_timeline(scenario, policy, UNTIL)[0])
    assert told == past_due(timeline(scenario, policy, UNTIL))
    return told
