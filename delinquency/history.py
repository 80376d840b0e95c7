"""Every tick between two dates, in order: the way to catch up, and to make history (contract section 2)."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Min

from accounts.models import Account
from billing_project.kernel import clock, money
from invoicing.models import BillingParameters
from invoicing.operations.issue import issue_instant
from invoicing.sweep import bill

from .models import Standing
from .sweep import sweep

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TICK_MINUTE = 5


@dataclass(slots=True)
class History:
    """What the ticks between two dates did."""

    invoices_issued: int = 0
    amount_issued: Decimal = Decimal("0.00")
    ticks: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    parked: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return the answer for programs."""
        return {
            "ticks": self.ticks,
            "invoices_issued": self.invoices_issued,
            "amount_issued": money.text(self.amount_issued),
            "events": dict(sorted(self.counts.items())),
            "parked": sorted(set(self.parked)),
        }


def run_days(
    from_on: date, to_on: date, *, outside: bool | None = None, each_day: Callable[[date], None] | None = None
) -> History:
    """Do every hourly billing tick and daily check of the days from one date to another, in order.

    Hours at which nothing is due are skipped, which changes nothing. Past days send nothing outside; `outside` says
    otherwise. `each_day` is called once for each day that is done.
    """
    history = History()
    present = clock.now()
    zones = sorted(set(Account.objects.order_by().values_list("timezone", flat=True)))
    if not zones:
        return history
    at = _grid(min(clock.instant(datetime.combine(from_on, time.min), zone) for zone in zones))
    end = max(clock.instant(datetime.combine(to_on, time.max), zone) for zone in zones)
    day = from_on
    while at <= end:
        today = {zone for zone in zones if from_on <= clock.local(at, zone).date() <= to_on}
        sends = (
            clock.local(at, zones[0]).date() >= clock.local(present, zones[0]).date() if outside is None else outside
        )
        with clock.at(at):
            _tick(at, today, sends, history)
        # At least one tick a day: it also finds what waits for a clerk, such as a bill date nobody may run.
        at = max(at + HOUR, min(_grid(_next_due(zones) or end), at + DAY))
        while each_day is not None and day <= to_on and datetime.combine(day, time.max) < at.replace(tzinfo=None):
            each_day(day)
            day += timedelta(days=1)
    return history


def _tick(at: datetime, zones: set[str], outside: bool, history: History) -> None:
    history.ticks += 1
    again = True
    while again:
        billed = bill(at, zones=zones, guarded=outside, is_listed=False)
        looked = sweep(at, outside=outside, zones=zones, is_listed=False)
        history.invoices_issued += billed.invoices_issued
        history.amount_issued += billed.amount
        history.counts.update(looked.counts)
        history.parked += [*billed.parked, *looked.parked]
        # Who returned by a payment of the last hour is billed at this tick, not an hour later (S25).
        again = looked.counts["status_restored"] > 0


def _grid(at: datetime) -> datetime:
    """Return the first hourly tick at or after an instant."""
    tick = at.replace(minute=TICK_MINUTE, second=0, microsecond=0)
    return tick if tick >= at else tick + HOUR


def _next_due(zones: list[str]) -> datetime | None:
    """Return the next instant at which anything is to be billed or decided; past ones are due at the next tick."""
    look = Standing.objects.filter(account__parked_at__isnull=True).aggregate(at=Min("next_look_at"))["at"]
    moments = [] if look is None else [look]
    dates = BillingParameters.objects.filter(
        account__parked_at__isnull=True,
        account__closed_on__isnull=True,
        account__status__activates_billing=True,
        daily_billing=True,
        next_bill_on__isnull=False,
        account__timezone__in=zones,
    )
    for zone, first_on in dates.values_list("account__timezone").annotate(on=Min("next_bill_on")).order_by():
        moments.append(issue_instant(first_on, zone))
    return min(moments, default=None)
