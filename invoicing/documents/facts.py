"""What an invoice or a receipt says, as plain facts: no rows, no clock, no language."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

ZERO = Decimal("0.00")
# The columns of the ageing box: the last day late that each one takes in; the last column takes all above.
AGEING_BOUNDS = (0, 30, 60, 90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """The company that bills, as it is printed."""

    name: str
    address: str = ""
    phone: str = ""
    currency: str = "USD"
    paper: str = "us-letter"  # one of typst's names
    logo: str = ""  # a drawing (SVG), checked before
    portal_url: str = ""  # where customers ask for a link to log in


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Who is billed."""

    name: str
    number: str
    address: str = ""
    contact: str = ""
    language: str = "en"


@dataclass(frozen=True, slots=True)
class TaxShare:
    """What one tax adds: its name, its percentage as written, and the amount."""

    name: str
    percent: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedLine:
    """One line: amount = quantity × price − discount + tax."""

    description: str
    quantity: int = 1
    unit_price: Decimal
    discount: Decimal = ZERO
    tax: Decimal = ZERO
    taxes: tuple[TaxShare, ...] = ()

    @property
    def net(self) -> Decimal:
        """Return the line before tax."""
        return self.quantity * self.unit_price - self.discount


class Move(StrEnum):
    """What changed an invoice after it was issued."""

    PAYMENT = "payment"
    CREDIT = "credit"  # paid from credit of an earlier payment
    RETURNED = "returned"
    CREDIT_NOTE = "credit_note"
    RELEASED = "released"  # money taken off this invoice again and kept as credit
    WRITTEN_OFF = "written_off"
    VOIDED = "voided"
    ADJUSTED = "adjusted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """Money that moved on an invoice; negative lowers what is owed."""

    on: date
    kind: Move
    amount: Decimal
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceFacts:
    """Everything that is printed on an invoice."""

    operator: Operator
    customer: Customer
    number: str
    issued_on: date
    due_on: date
    period: tuple[date, date] | None = None
    lines: tuple[PrintedLine, ...]
    amount: Decimal
    remaining: Decimal
    state: str = "open"  # a state of the invoice: open, paid, void, written_off
    disputed: bool = False
    movements: tuple[Movement, ...] = ()
    ageing: tuple[Decimal, ...] = (ZERO,) * (len(AGEING_BOUNDS) + 1)
    stamp: int  # seconds since 1970: when the invoice was written, which is the document's date

    @property
    def paid(self) -> Decimal:
        """Return what was paid on it and not taken back."""
        kinds = (Move.PAYMENT, Move.CREDIT, Move.RETURNED, Move.RELEASED)
        return -sum((row.amount for row in self.movements if row.kind in kinds), ZERO)

    @property
    def credited(self) -> Decimal:
        """Return what was taken off it by credit notes, voiding or writing off."""
        return self.amount - self.paid - self.remaining


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a payment paid on one invoice."""

    number: str
    issued_on: date
    due_on: date
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptFacts:
    """Everything that is printed on a receipt."""

    operator: Operator
    customer: Customer
    reference: str
    received_at: datetime  # local to the account, naive
    amount: Decimal
    method: str  # a payment's method, such as card
    card: tuple[str, str] | None = None  # brand and last four figures
    settled: tuple[Settled, ...] = ()
    refunded: Decimal = ZERO
    credit_left: Decimal = ZERO
    balance_after: Decimal = ZERO  # what the account owed right after it; negative: it had credit
    returned_on: date | None = None
    stamp: int


def totals_by_tax(lines: Iterable[PrintedLine]) -> list[TaxShare]:
    """Add the taxes of lines up by name and percentage; what a line does not break down is a tax without a name."""
    sums: dict[tuple[str, str], Decimal] = {}
    for line in lines:
        unnamed = line.tax - sum((share.amount for share in line.taxes), ZERO)
        for share in (*line.taxes, TaxShare("", "", unnamed)):
            key = (share.name, share.percent)
            sums[key] = sums.get(key, ZERO) + share.amount
    return [TaxShare(name, percent, amount) for (name, percent), amount in sums.items() if amount]


def ageing_of(unpaid: Iterable[tuple[date, Decimal]], on: date) -> tuple[Decimal, ...]:
    """Sort unpaid amounts by how many days late they are on a day: not yet, 1–30, 31–60, 61–90, more.

    The due date itself is not late (A2).
    """
    sums = [ZERO] * (len(AGEING_BOUNDS) + 1)
    for due_on, amount in unpaid:
        sums[_column((on - due_on).days, AGEING_BOUNDS)] += amount
    return tuple(sums)


def _column(days_late: int, bounds: Sequence[int]) -> int:
    return next((place for place, bound in enumerate(bounds) if days_late <= bound), len(bounds))
