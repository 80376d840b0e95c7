"""What was owed at the end of a day, by how late it was: the sum of the ledger up to then, cut by its pots (I2)."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q, Sum
from django.db.models.functions import Coalesce
from django.urls import reverse

from accounts.models import Account, Contact
from billing_project.kernel.sheets import Cell
from delinquency.charts import Series, bars
from delinquency.studies.report import Chart

from .kinds import Asked, Column, Line, Part, Report, Shape, Table
from .scope import entries

ZERO = Decimal("0.00")
BUCKETS = {
    "current": "not due yet", "late_30": "1–30 days late", "late_60": "31–60 days late", "late_90": "61–90 days late",
    "late_more": "over 90 days late", "waiting": "fees not invoiced yet", "credit": "credit",
}  # fmt: skip
LATE = ("late_30", "late_60", "late_90", "late_more")
# Lists that no single column shows.
MORE = {"over_60": ("late_90", "late_more"), "late": LATE}
MORE_WORDS = {"over_60": "over 60 days late", "late": "late", "total": "balance"}
CONTACT_COLUMNS = (Column("billing contact"), Column("e-mail"), Column("phone"), Column("address"))
NO_CONTACT: tuple[Cell, ...] = ("", "", "", "")


def make(asked: Asked) -> Table:
    """Return what was owed by account type and lateness; one query."""
    rows = entries(asked, last=asked.day).values("account__account_type__name").annotate(**_sums(asked.day))
    lines, total = [], dict.fromkeys((*BUCKETS, "total"), ZERO)
    for row in rows.order_by("account__account_type__name"):
        lines.append(Line((row["account__account_type__name"], *(row[name] for name in total))))
        for name in total:
            total[name] += row[name]
    if lines:
        parts = ("", *(name if total[name] else "" for name in total))
        lines.append(Line(("all", *total.values()), parts, is_sum=True))
    heads = (Column("account type"), *(Column(words, Shape.MONEY) for words in (*BUCKETS.values(), "balance")))
    over = total["late_90"] + total["late_more"]
    shortcuts = ((f"Over 60 days late: {over:,.2f} {asked.currency}", "over_60"),) if over else ()
    return Table(heads, lines, _chart(total, asked) if lines else None, shortcuts)


def part(asked: Asked, name: str) -> Part | None:
    """Return the accounts behind a figure, most owed first."""
    names = MORE.get(name, (name,))
    if not set(names) <= {*BUCKETS, "total"}:
        return None
    wanted = sum((Coalesce(_sum(one, asked.day), ZERO) for one in names[1:]), Coalesce(_sum(names[0], asked.day), ZERO))
    rows = (
        entries(asked, last=asked.day)
        .values("account_id", "account__number", "account__name", "account__status__name")
        .annotate(**_sums(asked.day), wanted=wanted)
        .exclude(wanted=0)
        .order_by("wanted" if name == "credit" else "-wanted", "account__number")
    )
    columns = (
        Column("account"), Column("name"), Column("status now"), Column("oldest unpaid due on", Shape.DAY),
        *(Column(words, Shape.MONEY) for words in (*BUCKETS.values(), "balance")), Column("currency"),
        *(CONTACT_COLUMNS if asked.contacts else ()),
    )  # fmt: skip
    title = f"Accounts: {MORE_WORDS.get(name) or BUCKETS[name]} at the end of {asked.day}"
    return Part(title, columns, rows, lambda chunk: _account_lines(chunk, asked), has_contacts=True)


def _account_lines(chunk: Sequence[Mapping[str, Any]], asked: Asked) -> list[Line]:
    ids = [row["account_id"] for row in chunk]
    oldest = _oldest_due(ids, asked)
    people = _contacts(ids) if asked.contacts else {}
    currencies = dict(Account.objects.filter(pk__in=ids).values_list("pk", "company__currency"))
    return [
        Line(
            (
                row["account__number"], row["account__name"], row["account__status__name"],
                oldest.get(row["account_id"]), *(row[name] for name in (*BUCKETS, "total")),
                currencies[row["account_id"]],
                *(people.get(row["account_id"], NO_CONTACT) if asked.contacts else ()),
            ),
            url=reverse("admin:accounts_account_change", args=[row["account_id"]]),
        )
        for row in chunk
    ]  # fmt: skip


def _oldest_due(ids: list[int], asked: Asked) -> dict[int, date]:
    """Return the earliest due date among what was unpaid then; one query."""
    rows = (
        entries(asked, last=asked.day)
        .filter(account__in=ids, invoice__isnull=False)
        .values("account_id", "invoice__due_on")
        .annotate(left=Sum("amount"))
        .filter(left__gt=0)
        .order_by("-invoice__due_on")
    )
    return {row["account_id"]: row["invoice__due_on"] for row in rows}


def _contacts(ids: list[int]) -> dict[int, tuple[Cell, ...]]:
    people = Contact.objects.filter(account__in=ids, is_billing_contact=True).select_related("account")
    return {one.account_id: (one.name, one.email, one.phone, " ".join(one.account.address.split())) for one in people}


def _sums(on: date) -> dict[str, Any]:
    return {name: Coalesce(_sum(name, on), ZERO) for name in (*BUCKETS, "total")}


def _sum(name: str, on: date) -> Sum:
    return Sum("amount", filter=_which(name, on))


def _which(name: str, on: date) -> Q:
    """Return which entries belong to a bucket: those of one pot, of an invoice by how late it was then."""
    due = "invoice__due_on"
    match name:
        case "credit":
            return Q(invoice__isnull=True, charge__isnull=True)
        case "waiting":
            return Q(charge__isnull=False)
        case "current":
            return Q(**{f"{due}__gte": on})
        case "late_more":
            return Q(**{f"{due}__lt": on - timedelta(days=90)})
        case "total":
            return Q(amount__isnull=False)
    last = int(name.removeprefix("late_"))
    return Q(**{f"{due}__gte": on - timedelta(days=last), f"{due}__lt": on - timedelta(days=last - 30)})


def _chart(total: Mapping[str, Decimal], asked: Asked) -> Chart:
    names = ("current", *LATE)
    values = [total[name] for name in names]
    labels = [BUCKETS[name].removesuffix(" late") for name in names]
    title = f"Unpaid invoices by lateness, {asked.day}"
    said = "; ".join(f"{BUCKETS[name]}: {total[name]:,.2f} {asked.currency}" for name in names)
    svg = bars("ageing", title, said, labels, [Series(f"unpaid, {asked.currency}", "draft", values)])
    rows = tuple((BUCKETS[name], (f"{total[name]:,.2f}",)) for name in names)
    return Chart("ageing", title, svg, ("How late", asked.currency or "amount"), rows)


AGEING = Report(
    key="ageing", title="Ageing",
    words="What was owed at the end of any day, by how late it was.",
    of_a_day=True, make=make, part=part,
    definition=(
        ("Worked out anew from the ledger as it stood at the end of the day, by each account's own clock: the balance"
        " column is the sum of every entry that counted by then, to the cent."),
        ("Days late are counted from the day after the due date; an invoice that is due on the day itself is not late"
        " (A2). What was paid, credited, voided, written off or reversed later does not change a day before it; a"
        " payment that was recorded late counts from when it counts for the account."),
        ("Credit is money received that no invoice has needed, shown with a minus. Fees not invoiced yet are in the"
        " balance and on no invoice."),
    ),
)  # fmt: skip
