"""What is true about one account: its invoices, its episode, what was done, what holds.

All times are naive local times of the account's zone; keys of invoices are ids in the database and numbers in a
scenario. The state is what the sweeps keep in rows between two looks, and what `timeline` keeps in memory.
"""

from collections.abc import Callable, Hashable, Iterable
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

Key = Hashable
ZERO = Decimal("0.00")
CENT = Decimal("0.01")


class Proof(StrEnum):
    """Whether a required notice reached the provider, or a required ticket was opened (A30)."""

    ACCEPTED = "accepted"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Grant:
    """Grace until a date, granted at a local time (A7, A8)."""

    at: datetime
    until: date
    lift_now: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Cut:
    """A restriction or status switch: which step made it, over which invoices."""

    step_key: str
    anchor: str
    action: str
    level: str
    causes: frozenset[Key]


@dataclass(slots=True)
class InvoiceState:
    """An issued invoice, and what the policy has made of it so far (A1)."""

    key: Key
    number: str
    issued_on: date
    due_on: date
    amount: Decimal
    remaining: Decimal
    frozen: bool = False
    due_noted: bool = False
    past_due_on: date | None = None
    delinquent_on: date | None = None
    first_delinquent_on: date | None = None
    may_enter: bool = True
    reopened_at: datetime | None = None
    seriously_late_on: date | None = None
    counts: bool = True
    day: date | None = None
    opening: Decimal = ZERO
    # What its steps are keyed by.
    anchor: str = field(init=False)

    def __post_init__(self) -> None:
        """Work out the anchor once: every look asks for it."""
        self.anchor = f"invoice:{self.key}"

    def move(self, at: datetime, change: Decimal) -> None:
        """Change what remains at a local time; a rise reopens the invoice (A18, A23)."""
        if self.day != at.date():
            self.day, self.opening = at.date(), self.remaining
        settled = self.remaining < CENT or not self.may_enter
        self.remaining += change
        if change > 0:
            self.may_enter = True
            if settled:
                self.reopened_at = at

    def unpaid_at_midnight(self, on: date) -> Decimal:
        """Return what was unpaid when a day began; after a reversal on that day, what is unpaid now."""
        if self.day != on or (self.reopened_at is not None and self.reopened_at.date() == on):
            return self.remaining
        return max(self.opening, self.remaining)  # what rose since then rose by a reversal, and counts (A23)


@dataclass(slots=True)
class AccountState:
    """One account under its policy."""

    invoices: dict[Key, InvoiceState] = field(default_factory=dict)
    settled: dict[Key, InvoiceState] = field(default_factory=dict)
    bill_day: int | None = None
    bill_dates: frozenset[date] = frozenset()
    grace_until: date | None = None
    grace_day: date | None = None
    grace_opening: date | None = None
    # On hold: nothing follows from what is owed at looks before this day.
    held_until: date | None = None
    episode: int | None = None
    episodes_count: int = 0
    resumable: bool = False
    delinquent_since: date | None = None
    reached_cut: bool = False
    fee_for_episode: int | None = None
    cuts: list[Cut] = field(default_factory=list)
    released_cuts: list[Cut] = field(default_factory=list)
    switched: bool = False
    may_switch: bool = True
    ticket: frozenset[Key] | None = None
    ticket_paid: frozenset[Key] | None = None  # what the last ticket was about that payment closed
    flagged_on: date | None = None
    unflagged_on: date | None = None
    asked_on: date | None = None
    seriously_late: list[date] = field(default_factory=list)
    done: set[tuple[str, str]] = field(default_factory=set)
    held: set[tuple[str, str]] = field(default_factory=set)
    waiting: dict[tuple[str, str], date] = field(default_factory=dict)
    proof: Callable[[str, str], Proof] | None = None
    # Messages of this playing forward, by day: those of the day on which letters leave are still on their way.
    said: dict[tuple[str, str], date] = field(default_factory=dict)
    leaves_on: date | None = None
    unsettled: bool = False
    # Whether looks tell of due dates and of what is past due; a count knows that from the money (`overdue`).
    tells_due: bool = True
    # Held by the airbag: nothing harmful is done to the account until a person has decided.
    grounded: bool = False

    def copy(self) -> "AccountState":
        """Return a state that can be played ahead without changing this one; a tenth of what deepcopy takes."""
        other = replace(
            self,
            invoices={key: copy(invoice) for key, invoice in self.invoices.items()},
            settled={key: copy(invoice) for key, invoice in self.settled.items()},
        )
        other.cuts, other.released_cuts = self.cuts.copy(), self.released_cuts.copy()
        other.seriously_late, other.done, other.held = self.seriously_late.copy(), self.done.copy(), self.held.copy()
        other.waiting, other.said = self.waiting.copy(), self.said.copy()
        return other

    def is_held(self, on: date) -> bool:
        """Tell whether the account is on hold on a day."""
        return self.held_until is not None and on < self.held_until

    @property
    def case_anchor(self) -> str:
        """Return what the steps of the running episode are keyed by."""
        return f"case:{self.episode}"

    def put_by(self, keys: Iterable[Key]) -> None:
        """Take invoices that are settled out of every look; a reversal brings them back."""
        for key in keys:
            self.settled[key] = self.invoices.pop(key)

    def touch(self, key: Key) -> InvoiceState | None:
        """Return an invoice that money moves on, brought back if it was put by."""
        if key in self.settled:
            self.invoices[key] = self.settled.pop(key)
        return self.invoices.get(key)

    def delinquent(self) -> list[InvoiceState]:
        """Return the invoices that are delinquent now, oldest due first."""
        return in_order(invoice for invoice in self.invoices.values() if invoice.delinquent_on is not None)

    def grant(self, grant: Grant) -> None:
        """Put a grant in force; the last one counts."""
        if self.grace_day != grant.at.date():
            self.grace_day, self.grace_opening = grant.at.date(), self.grace_until
        self.grace_until = grant.until

    def grace_at_midnight(self, on: date) -> date | None:
        """Return the Grace Until that was in force when a day began."""
        return self.grace_opening if self.grace_day == on else self.grace_until


def in_order(invoices: Iterable[InvoiceState]) -> list[InvoiceState]:
    """Return invoices oldest due first (A21)."""
    return sorted(invoices, key=lambda i: (i.due_on, i.issued_on, i.number))
