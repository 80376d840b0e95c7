"""What the linter has to say: one finding, with its dated counter-example and the way out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How bad it is.

    An *error* is harm that is certain: in every month played, or to everybody whom the step concerns, somebody is cut
    before being told or before being late, charged for nothing or twice, billed for service that is cut, or a step
    never happens at all. A policy with errors is not published. A *warning* is harm in some months, or something that
    an operator may well want but should have read; the switch after the next bill is one, because the Sonar article's
    own settings have it in one February out of three years (A14). A *note* says what was assumed, or how a blank is
    read.
    """

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found in a policy; `on` and `months` (YYYY-MM, of the bill dates) are its counter-examples."""

    code: str
    severity: Severity
    path: str
    words: str
    mend: str
    on: date | None = None
    months: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return the finding as the answer of `lint_policy` writes it."""
        return {
            "code": self.code,
            "severity": str(self.severity),
            "path": self.path,
            "on": self.on.isoformat() if self.on else None,
            "months": list(self.months),
            "words": self.words,
            "mend": self.mend,
        }


def by_weight(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings with the errors first, then by date of the counter-example; else in the order they came."""
    order = list(Severity)
    return sorted(findings, key=lambda found: (order.index(found.severity), found.on or date.max))


def day(on: date) -> str:
    """Return a date with its weekday, such as Mon 2026-03-02."""
    return f"{on:%a} {on}"


def month(on: date) -> str:
    """Return the month of a date, such as 2026-02."""
    return f"{on:%Y-%m}"


def days(count: int) -> str:
    """Return a number of days in words."""
    return "1 day" if count == 1 else f"{count} days"
