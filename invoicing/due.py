"""Whose bill date has come, walked in chunks: the cost grows with what is due, not with how many accounts there are.

A bill date is billed at 00:05 in the account's zone (X11), so which dates have come differs by zone, by a day or two.
The dates that have come everywhere are walked by the index on the bill date alone; the newest ones only for the zones
that are there already.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache

from django.db.models import QuerySet

from accounts.queries import zones_in_use

from .models import BillingParameters
from .operations.issue import issue_instant

# A chunk is one transaction, so that nobody who pays waits for more than so many accounts.
CHUNK = 250
PAGE = 5000
# The bill date and the zone: each such group has one instant at which it is billed.
Group = tuple[date, str]
Chunk = tuple[Group, list[int]]

_instant = lru_cache(maxsize=4096)(issue_instant)


@dataclass(frozen=True)
class Due:
    """What a billing tick has to do as of an instant; for one account, or for those of some zones, if so named."""

    at: datetime
    account_number: str | None = None
    zones: Collection[str] | None = None

    def chunks(self, size: int | None = None) -> Iterator[Chunk]:
        """Walk the accounts to bill, in chunks (of CHUNK unless said) of one bill date and zone, oldest date first.

        It goes on while others bill: what is billed meanwhile is not met again, and an account that missed several
        dates is met once for each, in order.
        """
        for rows, bill_on in self._dates():
            yield from _of_date(rows, bill_on, size or CHUNK)

    def count(self) -> int:
        """Return how many bills there are; of an account with several dates only the first is known as yet."""
        return sum(rows.count() for rows, _ in self._dates())

    def waiting(self) -> Iterator[tuple[int, str, date]]:
        """Yield account, number and the bill date that has come, where daily billing is off: a clerk decides (G10)."""
        rows = self._rows().filter(daily_billing=False, next_bill_on__lte=self.at.date() + timedelta(days=1))
        if self.zones is not None:
            rows = rows.filter(account__timezone__in=self.zones)
        fields = ("account_id", "account__number", "next_bill_on", "account__timezone")
        for account_id, number, bill_on, zone in rows.order_by("account_id").values_list(*fields):
            if bill_on is not None and _instant(bill_on, zone) <= self.at:
                yield account_id, number, bill_on

    @cached_property
    def newest(self) -> dict[str, date]:
        """Return the newest bill date that has come, by zone."""
        return {zone: newest_date(self.at, zone) for zone in (zones_in_use() if self.zones is None else self.zones)}

    def _rows(self) -> "QuerySet[BillingParameters]":
        return billable() if self.account_number is None else billable().filter(account__number=self.account_number)

    def _dates(self) -> Iterator[tuple["QuerySet[BillingParameters]", date]]:
        """Yield each bill date that has come for somebody, with the terms of those for whom it has.

        Each is looked up when it is its turn: what was billed for one may be due for the next.
        """
        rows, newest, after = self._rows().filter(daily_billing=True), self.newest, date.min
        while newest and (bill_on := _next_date(rows, after, max(newest.values()))) is not None:
            own = rows.filter(next_bill_on=bill_on)
            if self.zones is not None or bill_on > min(newest.values()):
                own = own.filter(account__timezone__in=[zone for zone, last in newest.items() if last >= bill_on])
            yield own, bill_on
            after = bill_on


def billable() -> "QuerySet[BillingParameters]":
    """Return the terms of accounts that are billed at all: not parked, not closed, in a status that activates it."""
    return BillingParameters.objects.filter(
        account__parked_at__isnull=True, account__closed_on__isnull=True, account__status__activates_billing=True
    )


def newest_date(at: datetime, zone: str) -> date:
    """Return the newest bill date that is billed by an instant in a zone."""
    day = at.date() + timedelta(days=1)
    while _instant(day, zone) > at:
        day -= timedelta(days=1)
    return day


def _next_date(rows: "QuerySet[BillingParameters]", after: date, until: date) -> date | None:
    """Return the first bill date after one, and not after another, that somebody has."""
    dates = rows.filter(next_bill_on__gt=after, next_bill_on__lte=until)
    return dates.order_by("next_bill_on").values_list("next_bill_on", flat=True).first()


def _of_date(rows: "QuerySet[BillingParameters]", bill_on: date, size: int) -> Iterator[Chunk]:
    # Few zones, each with less than a chunk at any time: this stays small however many are due.
    gathered: dict[str, list[int]] = defaultdict(list)
    for account_id, zone in _in_order(rows):
        gathered[zone].append(account_id)
        if len(gathered[zone]) == size:
            yield (bill_on, zone), gathered.pop(zone)
    for zone in sorted(gathered):
        yield (bill_on, zone), gathered[zone]


def _in_order(rows: "QuerySet[BillingParameters]") -> Iterator[tuple[int, str]]:
    """Yield account and zone, page by page, each page from after the last: no statement stays open."""
    last_id = 0
    while True:
        page = rows.filter(account_id__gt=last_id).order_by("account_id")
        found = list(page.values_list("account_id", "account__timezone")[:PAGE])
        yield from found
        if len(found) < PAGE:
            return
        last_id = found[-1][0]
