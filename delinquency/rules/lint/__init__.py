"""The policy linter: what a policy does that nobody wanted, shown with dates before it goes live (D4)."""

from datetime import date

from ..policy import Policy
from .dates import lint_dates
from .finding import Finding, Severity, by_weight
from .never import lint_never
from .order import lint_order
from .plays import Plays
from .values import lint_values

__all__ = ["MONTHS", "MONTHS_MAX", "Finding", "Severity", "by_weight", "lint"]

MONTHS = 24
MONTHS_MAX = 120


def lint(policy: Policy, from_on: date, months: int = MONTHS) -> list[Finding]:
    """Return what is found in a policy, errors first, over the bills of so many months from a date on.

    Every date comes from playing accounts through the code that decides for real ones (D2): for each month an account
    that does not pay that month's invoice; and two that are flagged, one that always pays late and one that never pays.
    """
    plays = Plays(policy, from_on, months)
    found = list(lint_dates(plays))
    if not plays.never_open:
        for check in (lint_order, lint_never, lint_values):
            found.extend(check(plays))
    return by_weight(found)
