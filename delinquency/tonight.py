"""What the coming day brings if nobody pays: account by account, before it happens. Reads only."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from accounts.models import Account
from billing_project.kernel import clock, money
from invoicing.models import BillingParameters
from invoicing.operations.issue import services_of
from invoicing.queries import positions as money_positions
from invoicing.rules.charges import service_lines, total

from .ahead import prospects
from .rules.actions import Event, Kind
from .studies.differences import WORDS, what_of
from .studies.forecast import due_by

AHEAD = timedelta(hours=24)
CHUNK = 500
# So many accounts are played while somebody waits; for more, a worker does it each hour, and its last word is shown.
AT_ONCE = 300
BILL_TIME = time(0, 5)
# In the order in which people ask about them.
ORDER = (
    Kind.RESTRICTED, Kind.STATUS_SWITCH, Kind.ACCOUNT_DELINQUENT, Kind.LATE_FEE, Kind.RECONNECTION_FEE, Kind.NOTICE,
    Kind.CALL_TASK, Kind.TICKET_OPENED, Kind.CHARGE, Kind.SECONDARY_SOURCE_REQUESTED, Kind.FLAGGED, Kind.HELD,
    Kind.ISSUED,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Coming:
    """One thing that is to come for one account."""

    account_id: int
    number: str
    name: str
    kind: str
    what: str
    local_at: str  # the account's own time
    at: str  # the same instant in UTC
    invoice: str
    amount: str
    currency: str
    why: str

    def document(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Total:
    """How often one kind of thing is to come: for how many accounts, about how much."""

    kind: str
    words: str
    count: int
    accounts: int
    amounts: tuple[str, ...]


def due_ids(now: datetime) -> list[int]:
    """Return the accounts at which anything may be due within a day."""
    return due_by((now + AHEAD).date() + timedelta(days=1))


def coming(account_ids: list[int], *, progress: Callable[[int, int], None] | None = None) -> list[Coming]:
    """Return what the next 24 hours bring to accounts, in order of time; a constant number of queries per chunk."""
    now, found = clock.now(), list[Coming]()
    for start in range(0, len(account_ids), CHUNK):
        chunk = account_ids[start : start + CHUNK]
        played = prospects(chunk, (now + AHEAD).date() + timedelta(days=1))
        for prospect in played.values():
            end = prospect.now + AHEAD
            found += [
                _row(prospect.account, event) for event in prospect.events if event.kind in WORDS and event.at <= end
            ]
        found += _other_bills(set(chunk) - played.keys(), now)
        if progress is not None:
            progress(start + len(chunk), len(account_ids))
    return sorted(found, key=lambda row: (row.at, row.number))


def totals(rows: Iterable[Coming]) -> list[Total]:
    """Return the rows counted by kind, the gravest first."""
    counts: Counter[str] = Counter()
    accounts: dict[str, set[int]] = {}
    amounts: dict[str, dict[str, Decimal]] = {}
    for row in rows:
        counts[row.kind] += 1
        accounts.setdefault(row.kind, set()).add(row.account_id)
        if row.amount:
            sums = amounts.setdefault(row.kind, {})
            sums[row.currency] = sums.get(row.currency, money.ZERO) + Decimal(row.amount)
    return [
        Total(
            str(kind), WORDS[kind], counts[kind], len(accounts[kind]),
            tuple(f"{amount:,.2f} {currency}" for currency, amount in sorted(amounts.get(kind, {}).items())),
        )
        for kind in ORDER
        if counts[kind]
    ]  # fmt: skip


def _row(account: Account, event: Event) -> Coming:
    return Coming(
        account_id=account.pk, number=account.number, name=account.name, kind=str(event.kind), what=what_of(event),
        local_at=f"{event.at:%Y-%m-%d %H:%M}", at=f"{clock.instant(event.at, account.timezone):%Y-%m-%d %H:%M}",
        invoice=event.number or "", amount="" if event.amount is None else money.text(event.amount),
        currency=account.company.currency, why=event.why,
    )  # fmt: skip


def _other_bills(account_ids: set[int], now: datetime) -> list[Coming]:
    """Return the bills of accounts that are under no policy."""
    terms = BillingParameters.objects.filter(
        account__in=account_ids, daily_billing=True, next_bill_on__isnull=False, account__closed_on__isnull=True,
        account__status__activates_billing=True,
    ).select_related("account__company")  # fmt: skip
    rows = list(terms)
    if not rows:
        return []
    ids = {row.account_id for row in rows}
    services, owed, found = services_of(ids), money_positions(ids), []
    for row in rows:
        assert row.next_bill_on is not None  # the question asked for it
        local = datetime.combine(row.next_bill_on, BILL_TIME)
        amount = total(service_lines(services.get(row.account_id, ()), row.next_bill_on))
        amount += owed[row.account_id].uninvoiced
        if amount > 0 and clock.instant(local, row.account.timezone) <= now + AHEAD:
            event = Event(at=local, kind=Kind.ISSUED, facts={}, amount=amount)
            found.append(_row(row.account, event))
    return found
