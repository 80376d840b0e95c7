"""Promises to pay that fell due in a period: kept, broken, taken back, or still open (D7)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.urls import reverse

from billing_project.kernel.sheets import Cell
from delinquency.charts import Series, bars
from delinquency.models import Promise
from delinquency.studies.report import Chart

from .kinds import Asked, Column, Line, Part, Report, Shape, Table
from .scope import of_company

ZERO = Decimal("0.00")
State, Channel = Promise.State, Promise.Channel
MADE = "made"


def make(asked: Asked) -> Table:
    """Return the numbers by the way in which the promise was made; one query."""
    counts = {state: Count("pk", filter=Q(state=state)) for state in State.values}
    rows = (
        _rows(asked)
        .values("channel")
        .annotate(
            made=Count("pk"), **counts, word=Sum(Coalesce("amount", "owed")),
            in_time=Coalesce(Sum("paid", filter=Q(state=State.KEPT)), ZERO),
        )
    )  # fmt: skip
    names = (MADE, *State.values, "word", "in_time")
    total: dict[str, Any] = {**dict.fromkeys((MADE, *State.values), 0), "word": ZERO, "in_time": ZERO}
    lines = []
    for row in rows.order_by("channel"):
        lines.append(Line((Channel(row["channel"]).label, *_cells(row)), _parts(row, f":{row['channel']}")))
        for name in names:
            total[name] += row[name]
    if lines:
        lines.append(Line(("all", *_cells(total)), _parts(total, ""), is_sum=True))
    heads = (
        Column("made"), Column("promises", Shape.COUNT), *(Column(label, Shape.COUNT) for label in State.labels),
        Column("kept of decided", Shape.SHARE), Column("promised", Shape.MONEY), Column("paid on kept", Shape.MONEY),
    )  # fmt: skip
    return Table(heads, lines, _chart(asked) if lines else None)


def part(asked: Asked, name: str) -> Part | None:
    """Return the promises behind a figure."""
    state, _, channel = name.partition(":")
    if state not in (MADE, *State.values) or (channel and channel not in Channel.values):
        return None
    rows = _rows(asked) if state == MADE else _rows(asked).filter(state=state)
    rows = rows.filter(channel=channel) if channel else rows
    columns = (
        Column("account"), Column("name"), Column("made on", Shape.DAY), Column("pay by", Shape.DAY),
        Column("promised", Shape.MONEY), Column("paid", Shape.MONEY), Column("state"), Column("how"), Column("why"),
    )  # fmt: skip
    words = "all" if state == MADE else State(state).label
    found = rows.select_related("account").order_by("pay_by_on", "pk")
    return Part(f"Promises: {words}, {asked.period.words}", columns, found, _lines)


def _lines(chunk: Sequence[Any]) -> list[Line]:
    return [
        Line(
            (
                row.account.number, row.account.name, row.made_on, row.pay_by_on, row.promised, row.paid,
                row.get_state_display(), row.get_channel_display(), row.decided_why,
            ),
            url=reverse("admin:delinquency_promise_change", args=[row.pk]),
        )
        for row in chunk
    ]  # fmt: skip


def _rows(asked: Asked) -> QuerySet[Any]:
    rows: QuerySet[Any] = Promise.objects.filter(pay_by_on__gte=asked.period.first, pay_by_on__lte=asked.period.last)
    return of_company(rows, asked).order_by()


def _cells(row: Mapping[str, Any]) -> tuple[Cell, ...]:
    decided = row[State.KEPT] + row[State.BROKEN]
    share = f"{100 * row[State.KEPT] / decided:.1f} %" if decided else None
    return (row[MADE], *(row[state] for state in State.values), share, row["word"], row["in_time"])


def _parts(row: Mapping[str, Any], rest: str) -> tuple[str, ...]:
    return ("", *(f"{name}{rest}" if row[name] else "" for name in (MADE, *State.values)), "", "", "")


def _chart(asked: Asked) -> Chart:
    places = list(asked.period.bars())
    counts = {state: dict.fromkeys(places, 0) for state in (State.KEPT, State.BROKEN)}
    rows = _rows(asked).filter(state__in=counts).values_list("state", F("pay_by_on")).annotate(count=Count("pk"))
    for state, on, count in rows:
        counts[State(state)][max(asked.period.bar_of(on), places[0])] += count
    labels = [bar.strftime("%Y-%m" if asked.period.grain == "month" else "%m-%d") for bar in places]
    looks = ((State.KEPT, "live"), (State.BROKEN, "draft"))
    series = [Series(str(state.label), look, list(counts[state].values())) for state, look in looks]
    title = f"Kept and broken by {asked.period.grain}"
    said = ", ".join(f"{one.words} {sum(one.values)}" for one in series)
    table = tuple((bar.isoformat(), tuple(str(counts[state][bar]) for state, _look in looks)) for bar in places)
    svg = bars("promises", title, said, labels, series)
    return Chart("promises", title, svg, (asked.period.grain.capitalize(), *(one.words for one in series)), table)


PROMISES = Report(
    key="promises", title="Promises kept",
    words="Promises to pay that fell due in a period: kept, broken, taken back or still open.",
    make=make, part=part,
    definition=(
        ("A promise counts in the period in which its last day falls. Kept: what was promised was paid by the end of"
        " that day, the account's time. Kept of decided leaves out those that are open or were taken back."),
        ("Promised is the amount that was named, or else all that was owed; paid on kept is what came in time on the"
        " promises that were kept."),
    ),
)  # fmt: skip
