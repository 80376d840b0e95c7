"""What a billing tick would issue, priced and not written: for whoever looks before it acts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from invoicing import queries
from invoicing.models import Invoice

from .issue import recurring, services_of
from .ledger import ZERO

# How far back a regular invoice still says something about the next one.
LOOKS_BACK = timedelta(weeks=8)


@dataclass(slots=True, kw_only=True)
class PlannedBill:
    """A bill that a tick would issue, beside the account's last regular one if there was one lately."""

    account_id: int
    bill_on: date
    amount: Decimal
    last_on: date | None = None
    last_amount: Decimal = ZERO


def preview(account_ids: Sequence[int], bill_on: date) -> list[PlannedBill]:
    """Price the bills of a chunk of accounts for one bill date, without writing; a constant number of queries."""
    services, waiting = services_of(account_ids), queries.waiting_charges(account_ids)
    last = _last_regular(account_ids, bill_on)
    bills = []
    for account_id in account_ids:
        _, amount = recurring(tuple(services.get(account_id, ())), bill_on)
        amount += sum((charge.amount for charge in waiting.get(account_id, ())), ZERO)
        last_on, last_amount = last.get(account_id, (None, ZERO))
        bills.append(
            PlannedBill(
                account_id=account_id, bill_on=bill_on, amount=max(amount, ZERO), last_on=last_on,
                last_amount=last_amount,
            )
        )  # fmt: skip
    return bills


def _last_regular(ids: Sequence[int], bill_on: date) -> dict[int, tuple[date, Decimal]]:
    """Return the newest bill of each account that has one in the eight weeks before; imported ones are no measure."""
    rows = Invoice.objects.filter(
        account_id__among=ids,
        source=Invoice.Source.BILLING_RUN,
        issued_on__gte=bill_on - LOOKS_BACK,
        issued_on__lt=bill_on,
    ).exclude(state=Invoice.State.VOID)
    newest = rows.order_by("account_id", "-issued_on", "-pk").distinct("account_id")
    return {key: (on, amount) for key, on, amount in newest.values_list("account_id", "issued_on", "amount")}
