"""What was issued, taken back and given up in a period, and the tax in it: from the ledger and the invoices' lines."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.urls import reverse

from billing_project.kernel import clock
from billing_project.kernel.sheets import Cell
from delinquency.charts import Series, bars
from delinquency.studies.report import Chart
from invoicing.models import InvoiceLine, LedgerEntry

from .kinds import Asked, Column, Line, Part, Report, Shape, Table
from .scope import entries

ZERO = Decimal("0.00")
Kind = LedgerEntry.Kind
# Of a void and a credit note only the entry that lowers the invoice: the money that it frees is no revenue.
KINDS: dict[str, tuple[str, Q]] = {
    "issued": ("issued", Q(kind=Kind.INVOICE)),
    "voided": ("voided", Q(kind=Kind.VOID, payment__isnull=True)),
    "credited": ("credit notes", Q(kind=Kind.CREDIT_NOTE, payment__isnull=True)),
    "written_off": ("written off", Q(kind=Kind.WRITE_OFF, payment__isnull=True)),
}
NET = "net"
UNKNOWN = "tax not split (imported invoices)"


def make(asked: Asked) -> Table:
    """Return revenue by day, week or month, then the tax of what was issued and of what was voided; three queries."""
    sums = _by_bar(asked)
    lines, total = [], _zero()
    for bar in asked.period.bars():
        row = sums.get(bar, _zero())
        lines.append(Line((_label(bar, asked), *_cells(row)), _parts(row, f":{bar}")))
        for name in total:
            total[name] += row[name]
    has_rows = any(total.values())
    lines.append(Line(("all", *_cells(total)), _parts(total, ""), is_sum=True))
    lines += _tax_lines(asked, "issued") + _tax_lines(asked, "voided")
    heads = (
        Column(asked.period.grain), Column("invoices", Shape.COUNT),
        *(Column(words, Shape.MONEY) for words, _which in KINDS.values()), Column("net", Shape.MONEY),
        Column("tax", Shape.MONEY), Column("taxed amount", Shape.MONEY),
    )  # fmt: skip
    return Table(heads, lines if has_rows else (), _chart(sums, asked) if has_rows else None)


def part(asked: Asked, name: str) -> Part | None:
    """Return the ledger entries behind a figure."""
    kind, _, bar = name.partition(":")
    if kind not in (*KINDS, NET):
        return None
    rows = _rows(asked) if kind == NET else _rows(asked).filter(KINDS[kind][1])
    if bar:
        try:
            first = date.fromisoformat(bar)
        except ValueError:
            return None
        days = [on for on in _days(asked) if asked.period.bar_of(on) == first]
        if not days:
            return None
        rows = rows.filter(day__gte=days[0], day__lte=days[-1])
    words = NET if kind == NET else KINDS[kind][0]
    title = f"Ledger: {words}, {bar or asked.period.words}"
    columns = (
        Column("day", Shape.DAY), Column("account"), Column("invoice"), Column("what"), Column("amount", Shape.MONEY),
        Column("reason"), Column("by"),
    )  # fmt: skip
    found = rows.select_related("account", "invoice", "actor").order_by("effective_at", "pk")
    return Part(title, columns, found, _entry_lines)


def _entry_lines(chunk: Sequence[Any]) -> list[Line]:
    return [
        Line(
            (
                clock.local(row.effective_at, row.account.timezone).date(), row.account.number,
                row.invoice.number if row.invoice else "", row.get_kind_display(), row.amount, row.reason,
                str(row.actor or "the program"),
            ),
            url=reverse("admin:invoicing_ledgerentry_change", args=[row.pk]),
        )
        for row in chunk
    ]  # fmt: skip


def _rows(asked: Asked) -> QuerySet[Any]:
    some = Q()
    for _words, which in KINDS.values():
        some |= which
    return entries(asked, first=asked.period.first, last=asked.period.last).filter(some)


def _by_bar(asked: Asked) -> dict[date, dict[str, Any]]:
    found: dict[date, dict[str, Any]] = defaultdict(_zero)
    sums = {name: Coalesce(Sum("amount", filter=which), ZERO) for name, (_words, which) in KINDS.items()}
    counted = Count("pk", filter=Q(kind=Kind.INVOICE))
    for row in _rows(asked).values("day").annotate(**sums, invoices=counted):
        kept = found[asked.period.bar_of(row["day"]) if row["day"] > asked.period.first else _first_bar(asked)]
        for name in (*KINDS, "invoices"):
            kept[name] += row[name]
    return found


def _first_bar(asked: Asked) -> date:
    return next(asked.period.bars())


def _zero() -> dict[str, Any]:
    return {"invoices": 0, **dict.fromkeys(KINDS, ZERO)}


def _cells(row: Mapping[str, Any]) -> tuple[Cell, ...]:
    net = sum((row[name] for name in KINDS), ZERO)
    return (row["invoices"], *(row[name] for name in KINDS), net, None, None)


def _parts(row: Mapping[str, Any], bar: str) -> tuple[str, ...]:
    return (
        "", f"issued{bar}" if row["invoices"] else "", *(f"{name}{bar}" if row[name] else "" for name in KINDS),
        f"{NET}{bar}" if any(row.values()) else "", "", "",
    )  # fmt: skip


def _label(bar: date, asked: Asked) -> str:
    # A week or month that began before the period is named by its first day in it.
    return bar.strftime("%Y-%m") if asked.period.grain == "month" else max(bar, asked.period.first).isoformat()


def _days(asked: Asked) -> list[date]:
    first = asked.period.first.toordinal()
    return [date.fromordinal(first + place) for place in range(asked.period.days)]


def _tax_lines(asked: Asked, name: str) -> list[Line]:
    """Return the tax by name and rate on the invoices that were issued, or voided, in the period; one query."""
    rows = entries(asked, first=asked.period.first, last=asked.period.last).filter(KINDS[name][1], amount__lt=0)
    if name == "issued":
        rows = entries(asked, first=asked.period.first, last=asked.period.last).filter(KINDS[name][1])
    sign = 1 if name == "issued" else -1
    taxes: dict[tuple[str, Decimal], list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    lines = InvoiceLine.objects.filter(invoice__in=rows.values("invoice_id")).exclude(tax=0, taxes=[]).order_by()
    fields = ("taxes", "tax", "quantity", "unit_price", "discount")
    for parts, tax, quantity, price, discount in lines.values_list(*fields).iterator():
        known = ZERO
        for title, percent, amount in parts:
            kept = taxes[str(title), Decimal(percent)]
            kept[0] += Decimal(amount)
            kept[1] += quantity * price - discount
            known += Decimal(amount)
        if tax != known:
            taxes[UNKNOWN, ZERO][0] += tax - known
    blanks: tuple[Cell, ...] = (None,) * 6
    return [
        Line((_tax_words(title, percent, name), *blanks, sign * tax, sign * base if title != UNKNOWN else None))
        for (title, percent), (tax, base) in sorted(taxes.items())
    ]


def _tax_words(title: str, percent: Decimal, name: str) -> str:
    rate = "" if title == UNKNOWN else f" {percent.normalize():f} %"
    return f"{title}{rate}, {'of invoices issued' if name == 'issued' else 'of invoices voided'}"


def _chart(sums: Mapping[date, Mapping[str, Any]], asked: Asked) -> Chart:
    places = list(asked.period.bars())
    issued = [sums[bar]["issued"] if bar in sums else ZERO for bar in places]
    less = [-sum((sums[bar][name] for name in KINDS if name != "issued"), ZERO) if bar in sums else ZERO
            for bar in places]  # fmt: skip
    labels = [bar.strftime("%Y-%m" if asked.period.grain == "month" else "%m-%d") for bar in places]
    title = f"Issued, and taken back, by {asked.period.grain}"
    said = f"Issued {sum(issued, ZERO):,.2f} {asked.currency}, taken back {sum(less, ZERO):,.2f}."
    series = [Series("issued", "live", issued), Series("voided, credited, written off", "draft", less)]
    rows = tuple((_label(bar, asked), (f"{issued[at]:,.2f}", f"{less[at]:,.2f}")) for at, bar in enumerate(places))
    svg = bars("revenue", title, said, labels, series)
    return Chart("revenue", title, svg, (asked.period.grain.capitalize(), *(row.words for row in series)), rows)


REVENUE = Report(
    key="revenue", title="Revenue and tax",
    words="What was issued, voided, credited and written off in a period, and the tax in it by rate.",
    make=make, part=part,
    definition=(
        ("Issued is the sum of the invoices whose date falls in the period; voided, credit notes and written off are"
        " what lowered invoices in the period, whenever those were issued, less what was taken back of it. Net is"
        " their sum: to the cent the ledger's entries of these kinds."),
        ("Tax is what stands on the lines, by name and rate, of the invoices issued and of those voided in the period."
        " A credit note names no tax, so it changes none here. The taxed amount is price less discount."),
        "Days are counted by each account's own clock. Money received is not revenue and is not in it.",
    ),
)  # fmt: skip
