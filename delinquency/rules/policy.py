"""What a policy says, as plain frozen data."""

from dataclasses import dataclass, field
from datetime import date, time, timedelta
from decimal import Decimal
from enum import StrEnum

from billing_project.kernel import money

from .calendar import ONE_DAY, Calendar, day_of_month_from

CHECK_TIME = time(9, 0)
CHARGE_TIME = time(6, 0)
CENT = Decimal("0.01")
ZERO = Decimal("0.00")


class Do(StrEnum):
    """What a step does."""

    TICKET = "ticket"
    NOTICE = "notice"
    CALL_TASK = "call_task"
    LATE_FEE = "late_fee"
    CHARGE = "charge"
    REQUEST_SECONDARY = "request_secondary_source"
    RESTRICT = "restrict"
    STATUS_SWITCH = "status_switch"


CUTTING = frozenset({Do.RESTRICT, Do.STATUS_SWITCH})
# Restrictions after which a reconnection fee is due; throttling alone costs nothing (A35).
HARD_LEVELS = frozenset({"walled_garden", "suspend"})


@dataclass(frozen=True, slots=True)
class Step:
    """One rung of the ladder (D3, contract section 3)."""

    key: str
    action: Do
    anchor: str = ""  # "issued", "due", "delinquent"; empty with after_day_of_month
    offset_days: int = 0
    after_day_of_month: int | None = None
    at: time = CHECK_TIME
    channels: tuple[str, ...] = ()
    template: str = ""
    source: str = ""
    level: str = ""
    flat: Decimal = ZERO
    percent: Decimal = Decimal(0)
    cap: Decimal | None = None
    minimum_amount: Decimal = ZERO
    only_flagged: bool = False
    honours_exclusions: bool = False
    requires_notice: str = ""
    written: bool = True  # False for the step that status_switch_days stands for: the journal names no step then
    # Once for each invoice, rather than once for an episode (contract section 3).
    per_invoice: bool = field(init=False, compare=False, default=True)
    # Takes service away.
    cuts: bool = field(init=False, compare=False, default=False)
    # Decided as of the end of the day before.
    as_of_midnight: bool = field(init=False, compare=False, default=False)

    def __post_init__(self) -> None:
        """Work out what every look asks."""
        once = self.anchor != "delinquent" or self.action in (Do.LATE_FEE, Do.CHARGE)
        object.__setattr__(self, "per_invoice", once)
        object.__setattr__(self, "cuts", self.action in CUTTING)
        object.__setattr__(self, "as_of_midnight", self.after_day_of_month is not None)

    def date_for(self, *, issued_on: date, due_on: date, delinquent_on: date | None) -> date | None:
        """Return the step's own date for an invoice; None while it has none (not delinquent yet)."""
        if self.after_day_of_month is not None:
            return day_of_month_from(due_on, self.after_day_of_month) + ONE_DAY
        base = {"issued": issued_on, "due": due_on, "delinquent": delinquent_on}[self.anchor]
        if base is None:
            return None
        return max(base + timedelta(days=self.offset_days), issued_on)

    def fee(self, unpaid: Decimal) -> Decimal:
        """Return the late fee on an unpaid amount: flat plus percent, capped, half up to the cent."""
        amount = self.flat + money.percent(unpaid, self.percent)
        return amount if self.cap is None else min(amount, self.cap)


@dataclass(frozen=True, slots=True)
class Agenda:
    """The dates that a policy sets for an invoice from the start: they follow from its own two dates alone."""

    entry_on: date
    serious_on: date
    # The steps for each invoice with their own date, earliest first; those counted from delinquency have none yet.
    steps: tuple[tuple[date, Step], ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy version, with the calendar it is read with."""

    name: str
    due_days: int | None = None
    bill_day: int | None = None
    grace_days: int | None = None
    after_day_of_month: int | None = None
    calendar: Calendar = field(default_factory=Calendar)
    minimum_amount_due: Decimal = CENT
    status_switch_days: int | None = None
    delinquency_status: str = "Delinquent"
    removal_status: str = ""
    grace_until_defers_fees: bool = True
    on_reversal: str = "restart"
    seriously_late_after_days: int = 14
    seriously_late_limit: int = 2
    seriously_late_window: str = "calendar_year"
    reconnection_fee: Decimal = ZERO
    nsf_fee: Decimal = ZERO
    full_balance_clears: bool = False
    hold_invoices_while_delinquent: bool = False
    window: tuple[time, time] = (time(9, 0), time(21, 0))
    steps: tuple[Step, ...] = ()
    # The steps, with the one that the status switch days stand for (S11, S12).
    ladder: tuple[Step, ...] = field(init=False, compare=False, default=())
    # The least that must be unpaid for an invoice to be, or stay, delinquent (A18).
    threshold: Decimal = field(init=False, compare=False, default=CENT)
    # Steps that run once for an episode, and steps for each invoice that are counted from its delinquency: what both
    # have no date of before somebody is delinquent, by key.
    for_episode: tuple[Step, ...] = field(init=False, compare=False, default=())
    from_delinquency: tuple[Step, ...] = field(init=False, compare=False, default=())
    undated: frozenset[str] = field(init=False, compare=False, default=frozenset())
    # The least that must be unpaid for each step to run, by key; cuts also obey the policy's minimum (I9).
    least: dict[str, Decimal] = field(init=False, compare=False, default_factory=dict)
    # A policy never changes, so what is worked out from it and its argument alone is worked out once.
    _agendas: dict[tuple[date, date], Agenda] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Work out the whole ladder."""
        days = self.status_switch_days
        ladder = self.steps if days is None else (*self.steps, switch_step(days))
        object.__setattr__(self, "ladder", ladder)
        object.__setattr__(self, "threshold", max(self.minimum_amount_due, CENT))
        undated = [step for step in ladder if step.anchor == "delinquent"]
        object.__setattr__(self, "for_episode", tuple(step for step in undated if not step.per_invoice))
        object.__setattr__(self, "from_delinquency", tuple(step for step in undated if step.per_invoice))
        object.__setattr__(self, "undated", frozenset(step.key for step in undated))
        for step in ladder:
            self.least[step.key] = max(CENT, step.minimum_amount, self.minimum_amount_due if step.cuts else CENT)

    def agenda(self, issued_on: date, due_on: date) -> Agenda:
        """Return the dates that the policy sets for invoices issued and due on two dates."""
        found = self._agendas.get((issued_on, due_on))
        if found is None:
            dated = [
                (on, step)
                for step in self.ladder
                if step.per_invoice
                and (on := step.date_for(issued_on=issued_on, due_on=due_on, delinquent_on=None)) is not None
            ]
            dated.sort(key=lambda item: item[0])
            serious_on = due_on + timedelta(days=self.seriously_late_after_days)
            found = Agenda(self.natural_entry_on(due_on), serious_on, tuple(dated))
            self._agendas[issued_on, due_on] = found
        return found

    @property
    def resumes(self) -> bool:
        """Tell whether a reversal resumes the episode rather than starting a new one (A23)."""
        return self.on_reversal == "resume"

    def due_on(self, issued_on: date, own_due_on: date) -> date:
        """Return the due date that counts: issued + due days, or the invoice's own."""
        return own_due_on if self.due_days is None else issued_on + timedelta(days=self.due_days)

    def natural_entry_on(self, due_on: date) -> date:
        """Return the first date on which an unpaid invoice is delinquent, before exclusions and grace (A3, A24)."""
        if self.after_day_of_month is not None:
            return day_of_month_from(due_on, self.after_day_of_month) + ONE_DAY
        return due_on + timedelta(days=self.grace_days or 0)


def switch_step(days: int) -> Step:
    """Return the step that the policy's status switch days stand for (S11, S12)."""
    return Step(key=":switch", action=Do.STATUS_SWITCH, anchor="delinquent", offset_days=days, written=False)
