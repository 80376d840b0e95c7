"""Promises to pay in numbers: on one account, and over all of them by month and by member of staff. Reads only."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Aggregate, Count, DecimalField, F, FloatField, IntegerField, Q, QuerySet, Sum
from django.db.models.expressions import Func
from django.db.models.functions import Coalesce, TruncMonth

from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.together import Reading, in_turn
from invoicing.lateness import local_today

from .models import GraceGrant, Promise
from .rules.extensions import within_12_months

ZERO = Decimal("0.00")
MONEY = DecimalField(max_digits=14, decimal_places=2)
MONTHS_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Record:
    """The time an account was given, and its promises so far."""

    open: Promise | None
    kept: int
    broken: int
    given_count: int  # extensions of the last 12 months that were not taken back (A9)
    last: GraceGrant | None = None  # the newest of them

    @property
    def words(self) -> str:
        """Return the record in words; empty if it never promised."""
        return f"{self.kept} kept, {self.broken} broken" if self.kept or self.broken else ""


@dataclass(frozen=True, slots=True)
class Row:
    """The promises of one month, of one member of staff, or all of them."""

    label: str
    month: date | None
    open: int
    kept: int
    broken: int
    promised: Decimal  # of those that are decided
    came: Decimal  # what was paid of them in time
    days: float | None  # from the promise to the payment, the median of those kept

    @property
    def share(self) -> int | None:
        """Return how many of a hundred decided promises were kept."""
        decided = self.kept + self.broken
        return round(100 * self.kept / decided) if decided else None


def due_today(rows: QuerySet[Promise]) -> QuerySet[Promise]:
    """Narrow promises to the open ones whose last day is today, where the customer is."""
    return rows.filter(state=Promise.State.OPEN, pay_by_on=local_today())


def broken_lately(rows: QuerySet[Promise]) -> QuerySet[Promise]:
    """Narrow promises to those broken within the last seven days."""
    return rows.filter(state=Promise.State.BROKEN, decided_on__gt=clock.today() - timedelta(days=7))


def record_of(account: Account, today: date) -> Record:
    """Return an account's extensions and promises in brief; one query, as every promise came with a grant."""
    return in_turn(record_reading(account, today))


def record_reading(account: Account, today: date) -> Reading[Record]:
    """Read an account's extensions and promises in brief; one round."""
    (grants,) = yield (
        GraceGrant.objects.filter(account=account).select_related("promise", "granted_by").order_by("-pk"),
    )
    promises = [grant.promise for grant in grants if hasattr(grant, "promise")]
    states = [promise.state for promise in promises]
    taken_back = {grant.withdraws_id for grant in grants}
    given = [grant for grant in grants if grant.withdraws_id is None and grant.pk not in taken_back]
    days = [clock.local(grant.granted_at, account.timezone).date() for grant in given]
    return Record(
        open=next((promise for promise in promises if promise.state == Promise.State.OPEN), None),
        kept=states.count(Promise.State.KEPT),
        broken=states.count(Promise.State.BROKEN),
        given_count=len(within_12_months(days, today)),
        last=next(iter(given), None),
    )


def by_month(rows: QuerySet[Promise]) -> list[Row]:
    """Return promises by the month in which they were to be paid, the newest first."""
    months = rows.annotate(month=TruncMonth("pay_by_on")).order_by("-month").values("month")
    return [_row(f"{found['month']:%B %Y}", found) for found in _counted(months)[:MONTHS_SHOWN]]


def by_staff(rows: QuerySet[Promise]) -> list[Row]:
    """Return promises by who noted them, most promises first."""
    people = rows.order_by().values("made_by__username")
    found = sorted(_counted(people), key=lambda row: (-(row["kept"] + row["broken"] + row["open"]), str(row)))
    return [_row(row["made_by__username"] or "the program", row) for row in found]


def in_all(rows: QuerySet[Promise]) -> Row:
    """Return all promises as one row."""
    return _row("in all", rows.order_by().aggregate(**_sums()))


def _counted(rows: Any) -> Any:
    return rows.annotate(**_sums())


def _sums() -> dict[str, Any]:
    decided = Q(state__in=[Promise.State.KEPT, Promise.State.BROKEN])
    kept = Q(state=Promise.State.KEPT)
    return {
        "open": Count("pk", filter=Q(state=Promise.State.OPEN)),
        "kept": Count("pk", filter=kept),
        "broken": Count("pk", filter=Q(state=Promise.State.BROKEN)),
        "promised": Coalesce(Sum(Coalesce(F("amount"), F("owed")), filter=decided), ZERO, output_field=MONEY),
        "came": Coalesce(Sum("paid", filter=decided), ZERO, output_field=MONEY),
        "days": _Median(_DaysBetween(F("decided_on"), F("made_on")), filter=kept),
    }


def _row(label: str, found: dict[str, Any]) -> Row:
    names = ("open", "kept", "broken", "promised", "came", "days")
    return Row(label=label, month=found.get("month"), **{name: found[name] for name in names})


class _DaysBetween(Func):
    """PostgreSQL's date minus date, which is a number of days."""

    template = "(%(expressions)s)"
    arg_joiner = " - "
    output_field = IntegerField()


class _Median(Aggregate):
    """The median of a number."""

    function = "percentile_cont"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()
