"""What each member of staff gave away or took back in a week: read from the ledger, where every act stands (SEC-21)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from django.db.models import Count, Q, QuerySet, Sum

from accounts.models import Company
from billing_project.kernel import clock
from billing_project.kernel.money import ZERO

from .models import Approval, LedgerEntry

Kind = LedgerEntry.Kind
# Of a credit note and a void only the entry that lowers the invoice counts, not the money that it frees.
GIVEN = (Kind.WAIVER, Kind.CREDIT_NOTE, Kind.WRITE_OFF, Kind.VOID)
BACK = (Kind.REFUND, Kind.REVERSAL, Kind.ADJUSTMENT)
WEEKS = 8


@dataclass(frozen=True, slots=True)
class Week:
    """Seven days from a Monday on, in a zone."""

    first: date
    zone: str

    @property
    def last(self) -> date:
        """Return its Sunday."""
        return self.first + timedelta(days=6)

    def bounds(self) -> tuple[datetime, datetime]:
        """Return the instants from and before which it lasts."""
        return (
            clock.instant(datetime.combine(self.first, time()), self.zone),
            clock.instant(datetime.combine(self.first + timedelta(days=7), time()), self.zone),
        )


@dataclass(frozen=True, slots=True)
class Line:
    """What one person did by one kind of act in a week, and how much it was in the week before."""

    person: str
    user_id: int
    kind: str
    words: str
    currency: str
    times: int
    amount: Decimal
    undone: Decimal
    before: Decimal


def zone_of_report() -> str:
    """Return the zone in which weeks begin: the first company's."""
    return Company.objects.order_by("pk").values_list("timezone", flat=True).first() or "UTC"


def weeks(zone: str) -> list[Week]:
    """Return this week and those before it, this one first."""
    today = clock.today(zone)
    monday = today - timedelta(days=today.weekday())
    return [Week(monday - timedelta(days=7 * number), zone) for number in range(WEEKS)]


def lines(week: Week) -> list[Line]:
    """Return who did what in a week, each person's largest first; acts of the program itself are not in it."""
    before = {key: amount for key, (_, _, amount, _) in _sums(Week(week.first - timedelta(days=7), week.zone)).items()}
    found = [
        Line(name, user_id, kind, str(Kind(kind).label), currency, times, amount, undone,
             before.get((user_id, kind, currency), ZERO))
        for (user_id, kind, currency), (name, times, amount, undone) in _sums(week).items()
    ]  # fmt: skip
    return sorted(found, key=lambda line: (line.person, -line.amount, line.kind))


def approved(week: Week) -> QuerySet[Approval]:
    """Return the requests that were decided in a week, latest first."""
    first, end = week.bounds()
    rows = Approval.objects.filter(decided_at__gte=first, decided_at__lt=end).exclude(decided_by=None)
    return rows.select_related("account__company", "asked_by", "decided_by", "charge", "invoice", "payment").order_by(
        "-decided_at"
    )


def csv_rows(week: Week) -> Iterator[list[str]]:
    """Yield the week as rows of a file, its header first."""
    yield ["week from", "person", "what", "times", "amount", "taken back", "week before", "currency"]
    for line in lines(week):
        yield [
            str(week.first), line.person, line.words, str(line.times), f"{line.amount:.2f}", f"{line.undone:.2f}",
            f"{line.before:.2f}", line.currency,
        ]  # fmt: skip


def _sums(week: Week) -> dict[tuple[int, str, str], tuple[str, int, Decimal, Decimal]]:
    """Return by person, kind and currency: the name, how often, how much, and how much of it was taken back."""
    first, end = week.bounds()
    done = LedgerEntry.objects.filter(recorded_at__gte=first, recorded_at__lt=end, actor__isnull=False)
    given = Q(kind__in=GIVEN, payment__isnull=True) | Q(kind__in=BACK, payment__isnull=False)
    rows = (
        done.filter(given)
        .order_by()
        .values("actor_id", "actor__username", "kind", "account__company__currency")
        .annotate(
            down=Sum("amount", filter=Q(amount__lt=0)), up=Sum("amount", filter=Q(amount__gt=0)),
            downs=Count("pk", filter=Q(amount__lt=0)), ups=Count("pk", filter=Q(amount__gt=0)),
            payments=Count("payment", distinct=True),
        )
    )  # fmt: skip
    found = {}
    for row in rows:
        is_given = row["kind"] in GIVEN
        down, up = -(row["down"] or ZERO), row["up"] or ZERO
        times = row["downs"] if is_given else row["ups"] if row["kind"] == Kind.REFUND else row["payments"]
        amount, undone = (down, up) if is_given else (up, down)
        key = (row["actor_id"], row["kind"], row["account__company__currency"])
        found[key] = (row["actor__username"], times, amount, undone)
    return found
