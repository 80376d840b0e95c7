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

    def __post_init__(self) -> None:
        """Work out what every look asks."""
        once = self.anchor != "delinquent" or self.action in (Do.LATE_FEE, Do.CHARGE)
        object.__setattr__(self, "per_invoice", once)

    @property
    def cuts(self) -> bool:
        """Tell whether the step takes service away."""
        return self.action in CUTTING

    @property
    def as_of_midnight(self) -> bool:
        """Tell whether the step is decided as of the end of the day before."""
        return self.after_day_of_month is not None

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

    def __post_init__(self) -> None:
        """Work out the whole ladder."""
        days = self.status_switch_days
        object.__setattr__(self, "ladder", self.steps if days is None else (*self.steps, switch_step(days)))

    @property
    def threshold(self) -> Decimal:
        """Return the least that must be unpaid for an invoice to be, or stay, delinquent (A18)."""
        return max(self.minimum_amount_due, CENT)

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
