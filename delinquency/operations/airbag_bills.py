"""The airbag and billing: bills that look unlike the last ones wait until a person has decided (R-15)."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from accounts.models import Account
from billing_project.kernel import money
from invoicing.operations.preview import PlannedBill

from ..models import AirbagStep, AirbagTrip
from ..rules.airbag import Bill, judge_bills
from .airbag import describe, desk_day, open_trip, trips_in_force

KIND = "invoice"


def hold_bills(plan: Callable[[], Iterator[list[PlannedBill]]], at: datetime) -> dict[str, Any] | None:
    """Compare a billing tick with the last bills, before any is issued; return which wait and why, or None.

    While bills are held all others that come due wait with them. Those that were released are never held again.
    """
    trips = trips_in_force(at, [AirbagTrip.Kind.INVOICES])
    if not trips:
        verdict = judge_bills(
            Bill(bill_on=bill.bill_on, amount=bill.amount, last_on=bill.last_on, last_amount=bill.last_amount)
            for bills in plan()
            for bill in _not_released(bills)
        )
        if verdict is None:
            return None
        trips = [open_trip(AirbagTrip.Kind.INVOICES, verdict, desk_day(at)[0], at)]
    hold: set[tuple[int, date]] = set()
    held: list[dict[str, Any]] = []
    for bills in plan():
        waiting = _not_released(bills)
        AirbagStep.objects.bulk_create([_step(trips[0], bill, at) for bill in waiting], ignore_conflicts=True)
        accounts = Account.objects.filter(pk__among=[bill.account_id for bill in waiting])
        numbers = dict(accounts.values_list("pk", "number"))
        hold |= {(bill.account_id, bill.bill_on) for bill in waiting}
        held += [_shown(bill, numbers[bill.account_id]) for bill in waiting]
    return {"hold": hold, "held": held, "airbag": describe(trips)}


def _shown(bill: PlannedBill, number: str) -> dict[str, Any]:
    return {
        "account": number,
        "kind": KIND,
        "step": None,
        "invoice": None,
        "amount": money.text(bill.amount),
        "why": _why(bill),
    }


def _not_released(bills: Sequence[PlannedBill]) -> list[PlannedBill]:
    rows = AirbagStep.objects.filter(
        account__among=[bill.account_id for bill in bills], kind=KIND, trip__state=AirbagTrip.State.RELEASED
    )
    released = set(rows.values_list("account_id", "on"))
    return [bill for bill in bills if (bill.account_id, bill.bill_on) not in released]


def _step(trip: AirbagTrip, bill: PlannedBill, at: datetime) -> AirbagStep:
    return AirbagStep(
        trip=trip,
        account_id=bill.account_id,
        kind=KIND,
        anchor_key=f"bill:{bill.bill_on}",
        on=bill.bill_on,
        amount=bill.amount,
        why=_why(bill),
        held_at=at,
    )


def _why(bill: PlannedBill) -> str:
    if bill.last_on is None:
        return f"The bill of {bill.bill_on} comes to {bill.amount}; there was none in the eight weeks before."
    return f"The bill of {bill.bill_on} comes to {bill.amount}; that of {bill.last_on} came to {bill.last_amount}."
