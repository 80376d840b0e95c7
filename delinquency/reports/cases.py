"""Delinquency by policy, account type and area: who entered, was cured, is still in it, or was lost."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse

from billing_project.kernel.sheets import Cell
from delinquency.charts import Series, bars
from delinquency.models import Case
from delinquency.studies.report import Chart
from netenforce.models import LinePlacement

from .kinds import Asked, Column, Line, Part, Report, Shape, Table
from .scope import of_company

FATES = {"entered": "entered", "cured": "cured", "lifted": "ended by a grant", "lost": "lost", "still": "still in it"}
NO_POLICY, NO_DEVICE = "no policy", "no device"
GROUPS = ("policy", "account type", "device")


@dataclass(slots=True)
class _Sum:
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FATES, 0))
    days: list[int] = field(default_factory=list)


def make(asked: Asked) -> Table:
    """Return the numbers of each policy, account type and device; two queries."""
    cases = list(_cases(asked))
    devices = _devices(case.account_id for case in cases)
    sums: dict[tuple[int, str], _Sum] = defaultdict(_Sum)
    whole = _Sum()
    for case in cases:
        places = [(0, _policy(case)), (1, str(case.account.account_type))]
        places += [(2, name) for name in devices.get(case.account_id, [NO_DEVICE])]
        for fate in _fates(case, asked):
            for kept in (whole, *(sums[place] for place in places)):
                kept.counts[fate] += 1
                if fate == "cured" and case.closed_on is not None:
                    kept.days.append((case.closed_on - case.opened_on).days)
    lines = [
        Line((GROUPS[group], name, *_cells(one)), _parts(one, f":{group}:{name}"))
        for (group, name), one in sorted(sums.items())
    ]
    if lines:
        lines.append(Line(("all", "", *_cells(whole)), _parts(whole, ""), is_sum=True))
    heads = (
        Column("by"), Column("name"), *(Column(words, Shape.COUNT) for words in FATES.values()),
        Column("mean days to cure", Shape.SHARE),
    )  # fmt: skip
    return Table(heads, lines, _chart(cases, asked) if lines else None)


def part(asked: Asked, name: str) -> Part | None:
    """Return the cases behind a figure."""
    fate, _, rest = name.partition(":")
    group, _, value = rest.partition(":")
    if fate not in FATES or (rest and group not in ("0", "1", "2")):
        return None
    cases = list(_cases(asked))
    devices = _devices(case.account_id for case in cases) if group == "2" else {}
    found: dict[str, Callable[[Case], list[str]]] = {
        "0": lambda case: [_policy(case)], "1": lambda case: [str(case.account.account_type)],
        "2": lambda case: devices.get(case.account_id, [NO_DEVICE]),
    }  # fmt: skip
    wanted = [case.pk for case in cases if fate in _fates(case, asked) and (not rest or value in found[group](case))]
    columns = (
        Column("account"), Column("name"), Column("entered on", Shape.DAY), Column("ended on", Shape.DAY),
        Column("why it ended"), Column("account closed on", Shape.DAY), Column("policy now"),
    )  # fmt: skip
    rows = Case.objects.filter(pk__in=wanted).select_related(*_RELATED).order_by("opened_on", "pk")
    return Part(f"Cases: {FATES[fate]}{f', {value}' if value else ''}, {asked.period.words}", columns, rows, _lines)


_RELATED = ("account__account_type", "account__standing__policy_version__policy")


def _lines(chunk: Sequence[Any]) -> list[Line]:
    return [
        Line(
            (
                case.account.number, case.account.name, case.opened_on, case.closed_on, case.closed_why,
                case.account.closed_on, _policy(case),
            ),
            url=reverse("admin:delinquency_case_change", args=[case.pk]),
        )
        for case in chunk
    ]  # fmt: skip


def _cases(asked: Asked) -> QuerySet[Case]:
    """Return the cases that were open on some day of the period."""
    first, last = asked.period.first, asked.period.last
    rows = Case.objects.filter(Q(closed_on__isnull=True) | Q(closed_on__gte=first), opened_on__lte=last)
    return of_company(rows.select_related(*_RELATED), asked).order_by("pk")


def _fates(case: Case, asked: Asked) -> list[str]:
    """Return what became of a case in the period; it has exactly one end, or is still open when the period ends."""
    first, last = asked.period.first, asked.period.last
    found = ["entered"] if case.opened_on >= first else []
    left = case.account.closed_on
    if left is not None and first <= left <= last and case.opened_on <= left and not _ended_before(case, left):
        return [*found, "lost"]
    if case.closed_on is None or case.closed_on > last:
        # Whoever left before the period was lost then.
        return found if left is not None and left < first else [*found, "still"]
    return [*found, "lifted" if case.lifted else "cured"]


def _ended_before(case: Case, on: date) -> bool:
    return case.closed_on is not None and case.closed_on < on


def _policy(case: Case) -> str:
    standing = getattr(case.account, "standing", None)
    return standing.policy_version.policy.name if standing is not None else NO_POLICY


def _devices(accounts: Iterable[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    rows = LinePlacement.objects.filter(line__account__in=set(accounts)).order_by("device__name")
    for account_id, name in rows.values_list("line__account_id", "device__name").distinct():
        found[account_id].append(name)
    return found


def _cells(one: _Sum) -> tuple[Cell, ...]:
    return (*one.counts.values(), f"{sum(one.days) / len(one.days):.1f}" if one.days else None)


def _parts(one: _Sum, rest: str) -> tuple[str, ...]:
    return ("", "", *(f"{fate}{rest}" if count else "" for fate, count in one.counts.items()), "")


def _chart(cases: Sequence[Case], asked: Asked) -> Chart:
    places = list(asked.period.bars())
    entered, cured = dict.fromkeys(places, 0), dict.fromkeys(places, 0)
    for case in cases:
        for fate, on, counts in (("entered", case.opened_on, entered), ("cured", case.closed_on, cured)):
            if on is not None and fate in _fates(case, asked):
                counts[max(asked.period.bar_of(on), places[0])] += 1
    labels = [bar.strftime("%Y-%m" if asked.period.grain == "month" else "%m-%d") for bar in places]
    series = [Series("entered", "draft", list(entered.values())), Series("cured", "live", list(cured.values()))]
    title = f"Entered and cured by {asked.period.grain}"
    said = f"Entered {sum(entered.values())}, cured {sum(cured.values())}."
    rows = tuple((bar.isoformat(), (str(entered[bar]), str(cured[bar]))) for bar in places)
    svg = bars("cases", title, said, labels, series)
    return Chart("cases", title, svg, (asked.period.grain.capitalize(), "entered", "cured"), rows)


CASES = Report(
    key="delinquency", title="Delinquency by policy and area",
    words="Who became delinquent, was cured, is still in it or was lost, and how long a cure took.",
    make=make, part=part,
    definition=(
        ("A case runs from the day an account becomes delinquent to the day nothing of it is delinquent any more."
        " Entered: it began in the period. Cured: it ended in the period, by payment, credit or write-off. Ended by a"
        " grant: a clerk lifted it. Lost: the account was closed in the period while the case was open. Still in it:"
        " open at the end of the last day."),
        ("Mean days to cure: from entry to cure, of those cured in the period. The policy is the one the account has"
        " now. An account with lines on two devices counts on both, so that column does not add up to all."),
    ),
)  # fmt: skip
