"""Bill everybody who is due at one instant, beside the floor of the very same rows (contract section 6)."""

from datetime import UTC, date, datetime

from billing_project.kernel import clock
from invoicing.sweep import bill

from .crowd import make_crowd
from .saves import bill_by_saves

DUE_ON = date(2026, 3, 1)
# After 00:05 of that day in every zone of the crowd.
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def prepare(accounts: int, due: int, database: str) -> None:
    """Make a crowd of which some are billed at that instant."""
    make_crowd(accounts, due=due, due_on=DUE_ON, database=database)


def run() -> int:
    """Do the hourly tick, and return how many invoices it issued."""
    with clock.at(AT):
        return bill(AT, is_listed=False).invoices_issued


def by_saves() -> int:
    """Do some of it one object after the other, and return how many invoices that were."""
    return bill_by_saves(AT)
