"""What a billing tick would issue, priced and not written: for whoever looks before it acts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from accounts.models import Account
from invoicing import queries
from invoicing.models import Invoice
from invoicing.rules import charges as pricing

from .issue import services_of
from .ledger import ZERO

CHUNK = 500
# How far back a regular invoice still says something about the next one.
LOOKS_BACK = timedelta(weeks=8)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBill:
    """A bill that a tick would issue, beside the account's last regular one if there was one lately."""

    account_id: int
    number: str
    bill_on: date
    amount: Decimal
    last_on: date | None = None
    last_amount: Decimal = ZERO


def preview(groups: Mapping[tuple[date, str], Sequence[int]]) -> list[PlannedBill]:
    """Price the bills of accounts by bill date and zone, without writing; a constant number of queries per chunk.

    An account with several bill dates to catch up on is priced for the one that comes first.
    """
    bills: list[PlannedBill] = []
    for (bill_on, _zone), ids in sorted(groups.items()):
        for start in range(0, len(ids), CHUNK):
            bills += _chunk(list(ids[start : start + CHUNK]), bill_on)
    return bills


def _chunk(ids: list[int], bill_on: date) -> list[PlannedBill]:
    services, waiting, last = services_of(ids), queries.waiting_charges(ids), _last_regular(ids, bill_on)
    bills = []
    for account_id, number in Account.objects.filter(pk__in=ids).order_by("pk").values_list("pk", "number"):
        lines = pricing.service_lines(services.get(account_id, ()), bill_on)
        lines += [pricing.charge_line(charge.description, charge.amount) for charge in waiting.get(account_id, ())]
        last_on, last_amount = last.get(account_id, (None, ZERO))
        bills.append(
            PlannedBill(
                account_id=account_id,
                number=number,
                bill_on=bill_on,
                amount=max(pricing.total(lines), ZERO),
                last_on=last_on,
                last_amount=last_amount,
            )
        )
    return bills


def _last_regular(ids: Iterable[int], bill_on: date) -> dict[int, tuple[date, Decimal]]:
    """Return the newest bill of each account that has one in the eight weeks before; imported ones are no measure."""
    rows = Invoice.objects.filter(
        account_id__in=list(ids),
        source=Invoice.Source.BILLING_RUN,
        issued_on__gte=bill_on - LOOKS_BACK,
        issued_on__lt=bill_on,
    ).exclude(state=Invoice.State.VOID)
    newest = rows.order_by("account_id", "-issued_on", "-pk").distinct("account_id")
    return {key: (on, amount) for key, on, amount in newest.values_list("account_id", "issued_on", "amount")}
