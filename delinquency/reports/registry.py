"""All reports, and what an address asks of one: the page, the file and the letter come from the same functions."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from urllib.parse import urlencode

from accounts.models import Company
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.sheets import Cell

from .ageing import AGEING
from .cases import CASES
from .kinds import Asked, Column, Line, Part, Report, Table
from .payouts import PAYOUTS
from .periods import Period, period_from
from .promises import PROMISES
from .revenue import REVENUE
from .scope import company_from

REPORTS: Mapping[str, Report] = {one.key: one for one in (AGEING, REVENUE, PAYOUTS, CASES, PROMISES)}


def asked_from(report: Report, given: Mapping[str, str]) -> Asked:
    """Return what an address asks; a wrong company or day is said in the period's words, and the usual is shown."""
    wrong = ""
    try:
        company, currency = company_from(given.get("company", ""))
    except Refused as refusal:
        company, currency = company_from("")
        wrong = refusal.words
    zone = company.timezone if company else _first_zone()
    period = _day_from(given, zone) if report.of_a_day else period_from(given, zone)
    if wrong and not period.wrong:
        period = replace(period, wrong=wrong)
    return Asked(period, company, currency)


def query_of(report: Report, asked: Asked, **more: str) -> str:
    """Return what asks for the same again, as part of an address."""
    kept = {"on": str(asked.day)} if report.of_a_day else dict(_pairs(asked.period.query()))
    if asked.company:
        kept["company"] = str(asked.company.pk)
    return urlencode(kept | more)


def words_of(report: Report, asked: Asked) -> str:
    """Return in words what was asked: the days and the company."""
    days = str(asked.day) if report.of_a_day else asked.period.words
    return f"{days}, {asked.company}" if asked.company else days


def sheet_of(found: Table | Part) -> tuple[list[str], Iterator[tuple[Cell, ...]]]:
    """Return a report, or the rows behind a figure, as the head and the rows of a file."""
    lines: Iterator[Line] = found.all_lines() if isinstance(found, Part) else iter(found.lines)
    columns: tuple[Column, ...] = found.columns
    return [column.words for column in columns], (line.cells for line in lines)


def _day_from(given: Mapping[str, str], zone: str) -> Period:
    today = clock.today(zone)
    text = given.get("on", "")
    if not text:
        return Period(today, today, zone)
    try:
        on = date.fromisoformat(text)
    except ValueError:
        return Period(today, today, zone, wrong="Write the day such as 2026-01-31. Shown is today.")
    if not 1990 <= on.year <= 2200 or on > today:
        return Period(today, today, zone, wrong="Choose a day that has begun. Shown is today.")
    return Period(on, on, zone)


def _pairs(query: str) -> Iterator[tuple[str, str]]:
    for one in query.split("&"):
        name, _, value = one.partition("=")
        yield name, value


def _first_zone() -> str:
    return Company.objects.order_by("pk").values_list("timezone", flat=True).first() or "UTC"
