"""An account that the airbag holds: what waits, what does not, and how it is made up for on the same day."""

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from delinquency.rules.actions import Event
from delinquency.rules.document import parse
from delinquency.rules.facts import AccountState
from delinquency.rules.timeline import START, advance, look_late
from delinquency.rules.when import LOOK
from invoicing.rules.allocation import Issued, Received, Returned, replay
from tests.worlds import exchange, sonar

POLICY = parse(sonar())


def at(text: str) -> tuple[datetime, int]:
    return datetime.fromisoformat(text), LOOK


def kinds(events: list[Event]) -> list[str]:
    return [str(event.kind) for event in events]


def facts(**changes: Any) -> list[Any]:
    """Return the story of G15: entered on 21 January, paid on the 23rd, returned on the 29th."""
    issued = datetime(2026, 1, 1, 0, 5)
    invoice = Issued("A-1", "A-1", issued.date(), date(2026, 1, 16), Decimal("100.00"))
    paid = Received("P-1", datetime(2026, 1, 23, 12), invoice.amount, None)
    back = Returned("P-1", datetime.fromisoformat(changes.get("returned", "2026-01-29T08:30")))
    return list(replay([invoice], [paid], [back]))


def played(returned: str) -> tuple[AccountState, list[Event]]:
    """Play G15 under the airbag from the 24th on, up to the check of the 29th."""
    story = facts(returned=returned)
    state = AccountState(bill_day=1)
    early = [fact for fact in story if fact.at < datetime(2026, 1, 24)]
    advance(state, early, POLICY, at("2026-01-24T00:00"), after=START)
    state.grounded = True
    late = [fact for fact in story if fact.at >= datetime(2026, 1, 24)]
    return state, advance(state, late, POLICY, at("2026-01-29T10:30"), after=at("2026-01-24T00:00"))


def test_an_entry_that_would_bring_old_cuts_back_waits_with_them() -> None:
    state, events = played("2026-01-29T08:30")
    assert kinds(events) == ["reversal"]
    state.grounded = False
    again = look_late(POLICY, state, datetime(2026, 1, 29, 11))
    assert kinds(again)[:2] == ["delinquent", "account_delinquent"]
    assert {event.on for event in again} == {date(2026, 1, 29)}
    assert [cut.step_key for cut in state.cuts] == ["slow"]


def test_what_came_back_after_the_check_is_left_to_the_next_one() -> None:
    state, _ = played("2026-01-29T10:00")
    state.grounded = False
    assert look_late(POLICY, state, datetime(2026, 1, 29, 11)) == []
    tomorrow = advance(state, [], POLICY, at("2026-01-30T09:00"), after=at("2026-01-29T11:00"))
    assert kinds(tomorrow)[:2] == ["delinquent", "account_delinquent"]


@pytest.mark.parametrize(("hour", "charged"), [(11, True), (5, False)])
def test_a_charge_of_the_day_is_made_late_on_that_day_and_not_before_its_hour(hour: int, charged: bool) -> None:
    policy = parse(exchange())
    issued = Issued("A-1", "A-1", date(2026, 5, 1), date(2026, 5, 1), Decimal("100.00"))
    state = AccountState(bill_day=1, grounded=True)
    until = (datetime.combine(date(2026, 5, 1), time(hour)), LOOK)
    events = advance(state, list(replay([issued], [], [])), policy, until)
    assert "charge" not in kinds(events)
    state.grounded = False
    assert ("charge" in kinds(look_late(policy, state, until[0]))) is charged
