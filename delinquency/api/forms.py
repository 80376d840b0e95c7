"""What goes in and out: amounts are texts with two decimals, dates are ISO, instants carry their zone."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from ninja import Schema
from pydantic import Field, StringConstraints, model_validator

from billing_project.kernel import clock
from delinquency.glance import Glance, Step
from invoicing.models import Invoice, Payment

Reference = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Money = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,10}\.[0-9]{2}$"), Field(examples=["42.10"])]
Reason = Annotated[str, StringConstraints(min_length=3, max_length=200, strip_whitespace=True)]


class Asked(Schema):
    """What is asked for: no text in it holds a sign that no database keeps."""

    @model_validator(mode="after")
    def _writable(self) -> "Asked":
        for name, value in self:
            if isinstance(value, str) and ("\0" in value or any(0xD800 <= ord(sign) <= 0xDFFF for sign in value)):
                raise ValueError(f"{name} holds a NUL sign or half a sign; leave it out.")
        return self


class ContactOut(Schema):
    """Who letters about money go to."""

    name: str
    email: str
    phone: str


class AccountOut(Schema):
    """An account; ``unpaid`` is what is open on its invoices, ``delinquent_since`` a date or null."""

    number: str
    id: str
    name: str
    status: str
    billed: bool
    type: str
    company: str
    currency: str
    timezone: str
    opened_on: date | None
    closed_on: date | None
    unpaid: str
    delinquent_since: date | None
    contact: ContactOut | None


class AccountPage(Schema):
    """Some accounts; ``next`` is null at the end."""

    items: list[AccountOut]
    next: str | None


class AccountIn(Asked):
    """A new account, as a row of an import (docs/api.md)."""

    number: Reference
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    status: Annotated[str, StringConstraints(max_length=60)] = "Active"
    billing_default: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    timezone: Annotated[str, StringConstraints(max_length=64)]
    bill_day: Annotated[int, Field(ge=1, le=31)] = 1
    next_bill_on: date | None = None
    contact_name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    email: Annotated[str, StringConstraints(max_length=254)] = ""
    phone: Annotated[str, StringConstraints(max_length=40)] = ""
    address: Annotated[str, StringConstraints(max_length=500)] = ""
    ipv4: Annotated[str, StringConstraints(max_length=18)] = ""
    radius_username: Annotated[str, StringConstraints(max_length=64)] = ""
    monthly_charge: Money | None = None


class StatusIn(Asked):
    """Another status, and why."""

    status: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    reason: Reason


class ContactIn(Asked):
    """What changes of the billing contact; what is left out stays."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    email: Annotated[str, StringConstraints(max_length=254)] | None = None
    phone: Annotated[str, StringConstraints(max_length=40)] | None = None
    reason: Reason


class InvoiceOut(Schema):
    """An invoice; ``unpaid`` is what is open of it."""

    number: str
    id: str
    account: str
    issued_on: date
    due_on: date
    amount: str
    unpaid: str
    state: str
    disputed: bool
    description: str


class InvoicePage(Schema):
    """Some invoices; ``next`` is null at the end."""

    items: list[InvoiceOut]
    next: str | None


class InvoiceIn(Asked):
    """An invoice that another program issued; it never changes afterwards."""

    number: Reference
    account: Reference
    issued_on: date
    due_on: date
    amount: Money
    description: Annotated[str, StringConstraints(max_length=300)] = ""


class PaymentOut(Schema):
    """A payment; one that came back says when and why."""

    reference: str
    id: str
    account: str
    amount: str
    received_at: datetime
    method: str
    invoice: str | None
    reversed_at: datetime | None
    reversed_why: str


class PaymentPage(Schema):
    """Some payments; ``next`` is null at the end."""

    items: list[PaymentOut]
    next: str | None


class PaymentIn(Asked):
    """Money that was received; ``keep_rest`` allows more than is owed, which then waits as credit."""

    reference: Reference
    account: Reference
    amount: Money
    received_at: datetime | None = None
    method: Annotated[str, StringConstraints(pattern="^(card|bank|cash|cheque|transfer)$")] = "transfer"
    invoice: Reference | None = None
    keep_rest: bool = False


class StepOut(Schema):
    """What happens next; with ``if_unpaid`` paying stops it."""

    at: datetime
    what: str
    if_unpaid: bool
    amount: str | None
    invoice: str | None
    why: str


class LineOut(Schema):
    """A line: how it should be, and how its device says it is."""

    name: str
    wanted: str
    observed: str


class StandingOut(Schema):
    """Where an account stands: what is owed, what restores service, what comes next and on what condition."""

    account: str
    currency: str
    balance: str
    unpaid: str
    past_due: str
    pay_to_restore: str
    days_late: int
    oldest_unpaid: str | None
    delinquent_since: date | None
    grace_until: date | None
    status: str
    lines: list[LineOut]
    next_steps: list[StepOut]


class HoldOut(Schema):
    """A restriction, or the grace that runs."""

    id: int
    kind: str
    cause: str
    level: str | None
    why: str
    until: str | None
    since: datetime


class HoldsOut(Schema):
    """What is in force for an account."""

    items: list[HoldOut]


class GraceIn(Asked):
    """More time: the account becomes delinquent on ``until_on`` at the earliest (D7)."""

    until_on: date
    reason: Reason
    lift_now: bool = False


class RestrictIn(Asked):
    """A restriction for abuse or at the customer's request; never for money, which the policy decides."""

    cause: Annotated[str, StringConstraints(pattern="^(abuse|request)$")]
    level: Annotated[str, StringConstraints(pattern="^(throttle|walled_garden|suspend)$")]
    until_at: datetime | None = None
    reason: Reason


class LiftIn(Asked):
    """Why a restriction is lifted."""

    reason: Reason


class ReverseIn(Asked):
    """Why a payment is taken back."""

    reason: Reason


def two(amount: Decimal | None) -> str:
    """Return an amount as it is written here."""
    return f"{amount or Decimal(0):.2f}"


def invoice_out(row: Invoice) -> dict[str, Any]:
    """Return an invoice as it is shown."""
    return {
        "number": row.number, "id": str(row.public_id), "account": row.account.number, "issued_on": row.issued_on,
        "due_on": row.due_on, "amount": two(row.amount), "unpaid": two(row.remaining), "state": row.state,
        "disputed": row.frozen, "description": row.description,
    }  # fmt: skip


def payment_out(row: Payment) -> dict[str, Any]:
    """Return a payment as it is shown."""
    return {
        "reference": row.reference, "id": str(row.public_id), "account": row.account.number, "amount": two(row.amount),
        "received_at": row.received_at, "method": row.method, "invoice": row.invoice.number if row.invoice else None,
        "reversed_at": row.reversed_at, "reversed_why": row.reversed_why,
    }  # fmt: skip


def standing_out(seen: Glance, steps: list[Step]) -> dict[str, Any]:
    """Return where an account stands."""
    return {
        "account": seen.account.number, "currency": seen.currency, "balance": two(seen.position.balance),
        "unpaid": two(seen.position.invoiced), "past_due": two(seen.past_due), "pay_to_restore": two(seen.restore),
        "days_late": seen.days_late, "oldest_unpaid": seen.oldest.number if seen.oldest else None,
        "delinquent_since": seen.delinquent_since, "grace_until": seen.grace_until,
        "status": seen.account.status.name,
        "lines": [{"name": line.name, "wanted": line.desired, "observed": line.observed} for line in seen.lines],
        "next_steps": [
            {
                "at": clock.instant(step.at, seen.account.timezone), "what": step.kind,
                "if_unpaid": step.if_unpaid, "amount": None if step.amount is None else two(step.amount),
                "invoice": step.number, "why": step.why,
            }
            for step in steps
        ],
    }  # fmt: skip
