"""The gateway's payouts beside our own books, day by day: what was paid out, what is missing, what is not ours."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.urls import reverse

from billing_project.kernel import clock
from billing_project.kernel.sheets import Cell
from invoicing.models import Payment, PayoutLine, RefundAttempt

from .kinds import Asked, Column, Line, Part, Report, Shape, Table

ZERO = Decimal("0.00")
LineKind = PayoutLine.Kind
# What each column is called; the first three are ours, the rest the gateway's.
NAMES = {
    "ours": "our payments", "missing": "not paid out yet", "back": "our refunds", "charges": "charges paid out",
    "refunds": "refunds taken off", "other": "disputes and other", "fees": "fees", "net": "net paid out",
    "unmatched": "not in our books",
}  # fmt: skip
LISTS = ("ours", "missing", "differs", "unmatched", "lines")


def make(asked: Asked) -> Table:
    """Return both books by day, and what differs; four queries."""
    days = _days(asked)
    lines, total = [], dict.fromkeys(NAMES, ZERO)
    for on in sorted(days):
        row = days[on]
        lines.append(Line((on, *_cells(row)), _parts(row, f":{on}")))
        for name in NAMES:
            total[name] += row[name]
    if lines:
        lines.append(Line(("all", *_cells(total)), _parts(total, ""), is_sum=True))
    differs = _differing(asked).count()
    shortcuts = ((f"Paid out with another amount than we recorded: {differs}", "differs"),) if differs else ()
    heads = (Column("day", Shape.DAY), *(Column(words, Shape.MONEY) for words in NAMES.values()))
    return Table(heads, lines, None, shortcuts)


def part(asked: Asked, name: str) -> Part | None:
    """Return our payments, or the gateway's lines, behind a figure."""
    kind, _, day = name.partition(":")
    if kind not in LISTS:
        return None
    try:
        on = date.fromisoformat(day) if day else None
    except ValueError:
        return None
    words = {"lines": "lines of payouts", "differs": "another amount than ours"}.get(kind) or NAMES[kind]
    title = f"{words[0].upper()}{words[1:]}, {on or asked.period.words}"
    if kind in ("ours", "missing"):
        rows = _payments(asked) if kind == "ours" else _payments(asked).filter(_not_paid_out())
        return _payment_part(title, rows.filter(day=on) if on else rows, asked)
    found = {"differs": _differing, "unmatched": _unmatched, "lines": _lines}[kind](asked)
    return _line_part(title, found.filter(day=on) if on else found)


def _days(asked: Asked) -> dict[date, dict[str, Decimal]]:
    found: dict[date, dict[str, Decimal]] = defaultdict(lambda: dict.fromkeys(NAMES, ZERO))
    missing = Sum("amount", filter=_not_paid_out())
    for row in _payments(asked).values("day").annotate(ours=Sum("amount"), missing=missing):
        found[row["day"]]["ours"] = row["ours"]
        found[row["day"]]["missing"] = row["missing"] or ZERO
    for row in _refunds(asked).values("day").annotate(back=Sum("amount")):
        found[row["day"]]["back"] = row["back"]
    is_other = Q(kind__in=(LineKind.DISPUTE, LineKind.OTHER))
    sums = _lines(asked).values("day").annotate(
        charges=Sum("gross", filter=Q(kind=LineKind.CHARGE)), refunds=Sum("gross", filter=Q(kind=LineKind.REFUND)),
        other=Sum("gross", filter=is_other), fees=Sum("fee"), sum_net=Sum("net"),
        unmatched=Sum("gross", filter=_not_ours()),
    )  # fmt: skip
    for row in sums:
        kept = found[row["day"]]
        for name in ("charges", "refunds", "other", "fees", "unmatched"):
            kept[name] = row[name] or ZERO
        kept["net"] = row["sum_net"] or ZERO
    return found


def _payments(asked: Asked) -> QuerySet[Any]:
    """Return what came in through the gateway by our books: what we charged, and what a payout brought."""
    brought = Exists(PayoutLine.objects.filter(payment=OuterRef("pk"), kind=LineKind.CHARGE))
    rows = Payment.objects.filter(Q(attempt__isnull=False) | brought)
    return _in_period(rows, asked, "received_at", "account__company")


def _not_paid_out() -> Q:
    return ~Q(Exists(PayoutLine.objects.filter(payment=OuterRef("pk"), kind=LineKind.CHARGE)))


def _refunds(asked: Asked) -> QuerySet[Any]:
    rows = RefundAttempt.objects.filter(state=RefundAttempt.State.DONE)
    return _in_period(rows, asked, "settled_at", "payment__account__company")


def _lines(asked: Asked) -> QuerySet[Any]:
    """Return the gateway's lines: by currency, and by company where we know whose they are."""
    rows = PayoutLine.objects.filter(payout__currency=asked.currency)
    rows = _in_period(rows, replace(asked, company=None), "happened_at", "")
    if asked.company is None:
        return rows
    ours = Q(payment__account__company=asked.company) | Q(refund__payment__account__company=asked.company)
    return rows.filter(ours | Q(payment=None, refund=None))


def _not_ours() -> Q:
    return Q(kind__in=(LineKind.CHARGE, LineKind.REFUND), payment=None, refund=None)


def _unmatched(asked: Asked) -> QuerySet[Any]:
    return _lines(asked).filter(_not_ours())


def _differing(asked: Asked) -> QuerySet[Any]:
    """Return the lines whose amount is not the one of our row."""
    return _lines(asked).filter(
        (Q(kind=LineKind.CHARGE, payment__isnull=False) & ~Q(gross=F("payment__amount")))
        | (Q(refund__isnull=False) & ~Q(gross=-F("refund__amount")))
    )


def _in_period(rows: QuerySet[Any], asked: Asked, moment: str, company: str) -> QuerySet[Any]:
    period = asked.period
    rows = rows.filter(**{f"{moment}__gte": period.begins_at, f"{moment}__lt": period.ends_at})
    if asked.company and company:
        rows = rows.filter(**{company: asked.company})
    found: QuerySet[Any] = rows.annotate(day=TruncDate(moment, tzinfo=clock.zone(period.zone))).order_by()
    return found


def _payment_part(title: str, rows: QuerySet[Payment], asked: Asked) -> Part:
    columns = (
        Column("received on", Shape.DAY), Column("account"), Column("name"), Column("reference"),
        Column("amount", Shape.MONEY), Column("reversed on", Shape.DAY),
    )  # fmt: skip

    def lines(chunk: Sequence[Any]) -> list[Line]:
        return [
            Line(
                (
                    row.day, row.account.number, row.account.name, row.reference, row.amount,
                    clock.local(row.reversed_at, asked.period.zone).date() if row.reversed_at else None,
                ),
                url=reverse("admin:invoicing_payment_change", args=[row.pk]),
            )
            for row in chunk
        ]  # fmt: skip

    return Part(title, columns, rows.select_related("account").order_by("received_at", "pk"), lines)


def _line_part(title: str, rows: QuerySet[PayoutLine]) -> Part:
    columns = (
        Column("day", Shape.DAY), Column("payout"), Column("arrives on", Shape.DAY), Column("what"),
        Column("about"), Column("gross", Shape.MONEY), Column("fee", Shape.MONEY), Column("net", Shape.MONEY),
        Column("our amount", Shape.MONEY), Column("account"),
    )  # fmt: skip

    def lines(chunk: Sequence[Any]) -> list[Line]:
        found = []
        for row in chunk:
            ours = row.payment.amount if row.payment else -row.refund.amount if row.refund else None
            account = row.payment.account if row.payment else row.refund.payment.account if row.refund else None
            cells: tuple[Cell, ...] = (
                row.day, row.payout.provider_id, row.payout.arrives_on, row.get_kind_display(), row.about, row.gross,
                row.fee, row.net, ours, account.number if account else "",
            )  # fmt: skip
            found.append(Line(cells, url=reverse("admin:invoicing_payout_change", args=[row.payout_id])))
        return found

    related = ("payout", "payment__account", "refund__payment__account")
    return Part(title, columns, rows.select_related(*related).order_by("happened_at", "pk"), lines)


def _cells(row: Mapping[str, Decimal]) -> tuple[Cell, ...]:
    return tuple(row[name] for name in NAMES)


def _parts(row: Mapping[str, Decimal], rest: str) -> tuple[str, ...]:
    own = {"ours", "missing", "unmatched"}
    return ("", *((f"{name if name in own else 'lines'}{rest}" if row[name] and name != "back" else "")
                  for name in NAMES))  # fmt: skip


PAYOUTS = Report(
    key="payouts", title="Payouts of the gateway",
    words="What the gateway paid out beside our payments and refunds, day by day, with every difference.",
    make=make, part=part,
    definition=(
        ("Our payments are those that were charged through the gateway, on the day they were received; a line of a"
        " payout stands on the day of its charge or refund there, and is matched with one payment or refund of ours by"
        " the gateway's own reference, once."),
        ("Not paid out yet: no payout has brought it so far; after a week ask the gateway. Not in our books: the"
        " gateway paid out a charge, or took off a refund, that nothing of ours names; find out whose it is. Net is"
        " what arrives at the bank: charges less refunds, disputes and fees."),
        "Payouts are fetched every six hours. Days are the company's.",
    ),
)  # fmt: skip
