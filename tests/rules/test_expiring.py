"""When a card's expiry begins to matter: at the first payment that it will not make any more."""

from datetime import date

import pytest

from invoicing.rules.expiring import next_payment_on, reminder

EXPIRES = date(2026, 11, 30)


@pytest.mark.parametrize(
    ("open_due", "next_bill", "bill_day", "due_days", "expected"),
    [
        (None, date(2026, 11, 1), 1, 0, date(2026, 12, 1)),
        (None, date(2026, 11, 15), 15, 0, date(2026, 12, 15)),
        (None, date(2026, 11, 30), 30, 0, date(2026, 12, 30)),  # on its last day the card is good
        (None, date(2026, 11, 20), 20, 15, date(2026, 12, 5)),  # billed before, due after
        (date(2026, 12, 3), date(2026, 12, 20), 20, 0, date(2026, 12, 3)),
        (None, date(2026, 9, 1), 1, 0, date(2026, 12, 1)),
        (date(2026, 12, 3), None, 1, 0, date(2026, 12, 3)),
        (None, None, 1, 0, None),
    ],
)
def test_the_first_payment_day_after_the_expiry_is_when_it_matters(
    open_due: date | None, next_bill: date | None, bill_day: int, due_days: int, expected: date | None
) -> None:
    found = next_payment_on(EXPIRES, open_due_on=open_due, next_bill_on=next_bill, bill_day=bill_day, due_days=due_days)
    assert found == expected


@pytest.mark.parametrize(
    ("days", "expected"), [(31, 0), (30, 1), (8, 1), (7, 2), (1, 2), (0, 0), (-1, 0)]
)  # fmt: skip
def test_it_is_said_thirty_and_seven_days_before_and_not_on_the_day(days: int, expected: int) -> None:
    assert reminder(date.fromordinal(EXPIRES.toordinal() + days), EXPIRES) == expected
