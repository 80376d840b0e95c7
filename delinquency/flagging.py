"""How close an account is to the flag for being seriously late, and why (E6, A27 to A29). Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from accounts.models import FundingSource

from .models import InvoiceStanding, Standing
from .rules.calendar import months_later
from .rules.flags import counting, in_window
from .second_source import SECONDARY, second_source_of


@dataclass(frozen=True, slots=True)
class LateInvoice:
    """An invoice that was seriously late, or was left out in advance."""

    row: InvoiceStanding
    counts: bool
    why_not: str  # empty if it counts

    @property
    def left_out(self) -> bool:
        """Tell whether a person left it out."""
        return bool(self.row.not_counted_why)


@dataclass(frozen=True, slots=True)
class FlagState:
    """What the account's page tells about the flag."""

    standing: Standing
    invoices: tuple[LateInvoice, ...]  # newest first
    counted: int  # in the window as of today
    window_words: str
    after_days: int
    limit: int
    drops_on: date | None
    second_source: str

    @property
    def flagged_on(self) -> date | None:
        """Return since when it is flagged."""
        return self.standing.flagged_on

    @property
    def more(self) -> int:
        """Return how many more seriously late invoices of this window raise the flag."""
        return max(self.limit + 1 - self.counted, 1)


def flag_state(standing: Standing | None, today: date, sources: Sequence[FundingSource] = ()) -> FlagState | None:
    """Return the state of the flag of an account; None under no policy. One query (the policy version is loaded)."""
    if standing is None:
        return None
    version = standing.policy_version
    window = str(version.seriously_late_window)
    rows = list(
        InvoiceStanding.objects.filter(account=standing.account_id)
        .exclude(seriously_late_on__isnull=True, not_counted_why="")
        .select_related("invoice")
        .order_by("-seriously_late_on", "-pk")
    )
    late = [row.seriously_late_on for row in rows if row.seriously_late_on and not row.not_counted_why]
    able = counting(late, standing.unflagged_on)
    now = in_window(able, window, today)
    flagged_by = in_window(able, window, standing.flagged_on - timedelta(days=1)) if standing.flagged_on else []
    told = tuple(_invoice(row, standing, set(now) | set(flagged_by), window) for row in rows)
    return FlagState(
        standing=standing,
        invoices=told,
        counted=len(now),
        window_words=f"in {today.year}" if window == "calendar_year" else f"since {months_later(today, -12)}",
        after_days=version.seriously_late_after_days,
        limit=version.seriously_late_limit,
        drops_on=months_later(max(late, default=standing.flagged_on), 12) if standing.flagged_on else None,
        second_source=_second_source(standing, sources),
    )


def _invoice(row: InvoiceStanding, standing: Standing, counted: set[date], window: str) -> LateInvoice:
    why = ""
    if row.not_counted_why:
        why = f"Left out: {row.not_counted_why}"
    elif standing.unflagged_on and row.seriously_late_on and row.seriously_late_on <= standing.unflagged_on:
        why = f"From before the flag was taken off on {standing.unflagged_on}."
    elif row.seriously_late_on not in counted:
        why = "In an earlier year." if window == "calendar_year" else "More than 12 months ago."
    return LateInvoice(row, counts=not why, why_not=why)


def _second_source(standing: Standing, sources: Sequence[FundingSource]) -> str:
    """Say how it stands with the second source that a flagged account is asked for (E7)."""
    if standing.flagged_on is None:
        return ""
    asked = second_source_of(standing.account_id)
    if asked is not None:
        return asked.words
    given = any(source.rank == SECONDARY for source in sources)
    return "One is on file; it was not asked for." if given else "Not asked for yet: after the next missed day."
