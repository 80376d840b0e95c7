"""The lines of an invoice, their tax and totals, and proration (S13, A20). Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from billing_project.kernel import money

from .periods import last_bill_on_before

ZERO = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class TaxRate:
    """A tax by its name, in percent."""

    percent: Decimal
    name: str = ""


@dataclass(frozen=True, slots=True)
class TaxPart:
    """What one tax adds to a line, rounded by itself."""

    rate: TaxRate
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Service:
    """A recurring service as billing sees it."""

    description: str
    quantity: int
    unit_price: Decimal
    discount_percent: Decimal = ZERO
    discount_amount: Decimal = ZERO
    taxes: tuple[TaxRate, ...] = ()
    starts_on: date | None = None
    ends_on: date | None = None

    def runs_on(self, day: date) -> bool:
        """Tell whether the service is had on a day."""
        return (self.starts_on is None or self.starts_on <= day) and (self.ends_on is None or day <= self.ends_on)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an invoice: amount = quantity × unit price − discount + tax, and the taxes that this is made of."""

    description: str
    quantity: int
    unit_price: Decimal
    discount: Decimal
    tax: Decimal
    taxes: tuple[TaxPart, ...] = ()

    @property
    def amount(self) -> Decimal:
        """Return what the line adds to the invoice."""
        return self.quantity * self.unit_price - self.discount + self.tax


def service_line(service: Service) -> Line:
    """Price one service: percentage off, then the amount, never below zero; each tax rounded by itself."""
    full = service.quantity * service.unit_price
    discount = money.percent(full, service.discount_percent) + service.discount_amount
    discount = money.quantize(min(discount, full))
    net = full - discount
    taxes = tuple(TaxPart(rate, money.percent(net, rate.percent)) for rate in service.taxes)
    tax = sum((part.amount for part in taxes), ZERO)
    return Line(service.description, service.quantity, service.unit_price, discount, tax, taxes)


def service_lines(services: Iterable[Service], bill_on: date) -> list[Line]:
    """Return the lines of the services that are had on a bill date; one that costs nothing has none."""
    lines = (service_line(service) for service in services if service.runs_on(bill_on))
    return [line for line in lines if line.amount]


def charge_line(description: str, amount: Decimal) -> Line:
    """Return the line that carries a waiting charge; a credit has a negative one."""
    return Line(description, 1, amount, ZERO, ZERO)


def total(lines: Iterable[Line]) -> Decimal:
    """Add lines up."""
    return sum((line.amount for line in lines), ZERO)


def days_between(first: date, last: date) -> int:
    """Count the days from first to last, both included; none if they are the wrong way round."""
    return max(0, (last - first).days + 1)


def share_of_days(amounts: Iterable[Decimal], days: int, of_days: int) -> Decimal:
    """Return what so many days of a period are worth, each line rounded by itself."""
    return sum((money.share(amount, days, of_days) for amount in amounts), ZERO)


def credit_for_switch(amounts: Sequence[Decimal], switch_on: date, start_on: date, end_on: date) -> Decimal:
    """Return what is given back of a billed period from the day of the switch to its last day (A20, G12b).

    Each line is rounded by itself. A switch outside the period gives nothing back.
    """
    if not start_on <= switch_on <= end_on:
        return ZERO
    days, of_days = days_between(switch_on, end_on), days_between(start_on, end_on)
    return share_of_days(amounts, days, of_days)


def debit_for_return(amounts: Sequence[Decimal], return_on: date, next_bill_on: date, bill_day: int) -> Decimal:
    """Return what is owed from the day of the return to the day before the next bill date (A20, G12b).

    The days are a share of the billing period that ends there. A return on the bill date itself owes nothing:
    the bill of that day covers it.
    """
    start_on = last_bill_on_before(next_bill_on, bill_day)
    days = (next_bill_on - max(return_on, start_on)).days
    if days <= 0:
        return ZERO
    return share_of_days(amounts, days, (next_bill_on - start_on).days)
