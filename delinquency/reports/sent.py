"""What was sent by which channel and step, what became of it, and what it cost."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import TruncDate

from accounts.models import Notice
from accounts.models.notice import Channel
from delinquency.charts import Series, bars
from delinquency.studies.report import Chart

from .periods import Period

State = Notice.State
ZERO = Decimal(0)
# The columns, each with the states that it counts; every state is in exactly one of them but the first two.
COLUMNS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("written", "Written", tuple(State.values)),
    ("sent", "Sent", tuple(Notice.TAKEN)),
    ("delivered", "Delivered", (State.DELIVERED,)),
    ("accepted", "No word since", (State.ACCEPTED,)),
    ("bounced", "Bounced", (State.BOUNCED,)),
    ("failed", "Failed", (State.FAILED, State.REJECTED)),
    ("ambiguous", "Ambiguous", (State.AMBIGUOUS,)),
    ("parked", "Parked", (State.PARKED,)),
    ("waiting", "Waiting", (State.QUEUED, State.CLAIMED, State.SENDING)),
    ("kept", "Not sent", (State.NOT_SENT, State.CANCELLED)),
)
BAD = {"bounced", "failed", "ambiguous", "parked"}
LOOKS = (("sent", "live"), ("delivered", "past"), ("lost", "draft"))


@dataclass(slots=True)
class Row:
    """The numbers of one channel and step, or of all of a channel."""

    channel: str
    step: str
    states: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    cost: Decimal = ZERO

    def count(self, column: str) -> int:
        """Return the number of a column."""
        return sum(self.states[state] for state in STATES_OF[column])

    def share(self, *columns: str) -> str:
        """Return columns as a share of what providers were asked to send, such as 97.5 %; a dash if nothing was."""
        asked = self.count("sent") + self.states[State.REJECTED]
        return f"{100 * sum(map(self.count, columns)) / asked:.1f} %" if asked else "–"


STATES_OF: Mapping[str, tuple[str, ...]] = {name: states for name, _words, states in COLUMNS}


@dataclass(frozen=True, slots=True)
class Cell:
    """A number, and the list of exactly the notices that it counts."""

    count: int
    url: str
    bad: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A row as it is shown."""

    channel: str
    step: str
    cells: tuple[Cell, ...]
    delivered: str
    failed: str
    cost: str
    is_sum: bool


def rows_of(period: Period) -> list[Row]:
    """Return the numbers by channel and step; one query, whatever the number of notices."""
    found: dict[tuple[str, str], Row] = {}
    rows = _notices(period).values("channel", "step_key", "state").annotate(count=Count("pk"), cost=Sum("cost"))
    for row in rows.order_by("channel", "step_key"):
        place = row["channel"], row["step_key"]
        kept = found.setdefault(place, Row(*place))
        kept.states[row["state"]] += row["count"]
        if row["state"] in (*Notice.TAKEN, State.AMBIGUOUS):
            kept.cost += row["cost"] or ZERO
    return list(found.values())


def sums(rows: list[Row]) -> list[Row]:
    """Return the sums of each channel, and of all."""
    found: dict[str, Row] = {}
    for row in rows:
        for name in (row.channel, ""):
            kept = found.setdefault(name, Row(name, ""))
            kept.cost += row.cost
            for state, count in row.states.items():
                kept.states[state] += count
    return sorted(found.values(), key=lambda row: (not row.channel, row.channel))


def lines(period: Period, list_url: str) -> list[Line]:
    """Return the table: each channel's steps and sum, and the sum of all at the end."""
    rows = rows_of(period)
    found: list[Line] = []
    for total in sums(rows):
        if total.channel:
            found += [_line(row, period, list_url) for row in rows if row.channel == total.channel]
        found.append(_line(total, period, list_url, is_sum=True))
    return found


def chart(period: Period) -> Chart:
    """Return what was sent, delivered and lost by day, week or month; one query."""
    places = list(period.bars())
    counts: dict[str, dict[date, int]] = {name: defaultdict(int) for name, _look in LOOKS}
    rows = (
        _notices(period)
        .annotate(day=TruncDate("created_at", tzinfo=ZoneInfo(period.zone)))
        .values("day", "state")
        .annotate(count=Count("pk"))
    )
    for row in rows.order_by("day"):
        bar = period.bar_of(row["day"])
        if row["state"] in Notice.TAKEN:
            counts["sent"][bar] += row["count"]
        if row["state"] == State.DELIVERED:
            counts["delivered"][bar] += row["count"]
        if row["state"] in (State.BOUNCED, State.FAILED, State.REJECTED, State.PARKED):
            counts["lost"][bar] += row["count"]
    words = {"sent": "sent", "delivered": "delivered", "lost": "bounced, failed or parked"}
    series = [Series(words[name], look, [counts[name][bar] for bar in places]) for name, look in LOOKS]
    labels = [bar.strftime("%Y-%m" if period.grain == "month" else "%m-%d") for bar in places]
    said = ", ".join(f"{row.words} {sum(row.values):,}" for row in series)
    title = f"Notices by {period.grain}"
    return Chart(
        "sent", title, bars("sent", title, f"In all: {said}.", labels, series),
        (period.grain.capitalize(), *(row.words for row in series)),
        tuple(
            (bar.isoformat(), tuple(f"{row.values[place]:,}" for row in series)) for place, bar in enumerate(places)
        ),
    )  # fmt: skip


def csv_rows(period: Period) -> Iterator[list[str]]:
    """Return the table as rows of a file."""
    yield ["channel", "step", *(name for name, _words, _states in COLUMNS), "cost"]
    for row in rows_of(period):
        counts = [str(row.count(name)) for name, _words, _states in COLUMNS]
        yield [row.channel, row.step, *counts, f"{row.cost:.4f}"]


def _notices(period: Period) -> QuerySet[Notice]:
    return Notice.objects.filter(created_at__gte=period.begins_at, created_at__lt=period.ends_at).order_by()


def _line(row: Row, period: Period, list_url: str, *, is_sum: bool = False) -> Line:
    cells = []
    for name, _words, states in COLUMNS:
        count = row.count(name)
        cells.append(
            Cell(count, f"{list_url}?{_query(row, states, period)}" if count else "", name in BAD and count > 0)
        )
    channel = Channel(row.channel).label if row.channel else "all"
    return Line(
        channel, "in all" if is_sum else row.step, tuple(cells), row.share("delivered"),
        row.share("bounced", "failed"),
        f"{row.cost:,.2f}", is_sum,
    )  # fmt: skip


def _query(row: Row, states: tuple[str, ...], period: Period) -> str:
    """Return the filter of the list of notices that shows exactly what a number counts."""
    asked = {"created_at__gte": period.begins_at.isoformat(), "created_at__lt": period.ends_at.isoformat()}
    if row.channel:
        asked["channel__exact"] = row.channel
    if row.step:
        asked["step_key__exact"] = row.step
    if len(states) < len(State.values):
        asked["state__in"] = ",".join(states)
    return urlencode(asked)
