"""The year calendar: closed days of a policy, bill days, and where today's open invoices will land."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.dates import MONTHS, WEEKDAYS_ABBR

from accounts.admin.base import number_of
from accounts.admin.field_help import DeskForm
from accounts.models import Account, Company
from billing_project.kernel import clock
from delinquency.admin.closed import run_warnings
from delinquency.admin.ladder import weekdays_of
from delinquency.landing import Landing, account_ids_landing, landings
from delinquency.models import Exclusion, PolicyVersion
from delinquency.policy_file import policies_of
from delinquency.rules.calendar import date_exists
from delinquency.rules.policy import Policy
from delinquency.year import Day, closed_days, day_of, longest_run, weeks_of

FIRST_YEAR, LAST_YEAR = 1990, 2200


@dataclass(frozen=True, slots=True)
class Cell:
    """One day of the page."""

    day: Day
    today: bool
    landing: Landing | None

    @property
    def classes(self) -> str:
        """Return the classes that colour it."""
        kinds = {
            "desk-day-excluded": bool(self.day.excluded), "desk-day-unchecked": self.day.unchecked,
            "desk-day-today": self.today, "desk-day-landing": self.landing is not None,
        }  # fmt: skip
        return " ".join(["desk-day", *(name for name, holds in kinds.items() if holds)])

    @property
    def words(self) -> str:
        """Say what the day is, for a hover and for those who do not see the colour."""
        parts = [
            "today" if self.today else "",
            f"closed: {', '.join(self.day.excluded)}" if self.day.excluded else "",
            "this weekday is not checked" if self.day.unchecked else "",
            "bill day" if self.day.bill else "",
        ]
        return "; ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Month:
    """A month of the page, in weeks from Monday on."""

    name: str
    weeks: tuple[tuple[Cell | None, ...], ...]


@dataclass(frozen=True, slots=True)
class LandingRow:
    """A line of the table of landings."""

    landing: Landing
    url: str
    amounts: str
    put_off: tuple[str, ...]


class CalendarForm(DeskForm):
    """Which version's calendar, and which year."""

    version = forms.ChoiceField(label="Policy version")
    year = forms.IntegerField(min_value=FIRST_YEAR, max_value=LAST_YEAR)

    def __init__(self, versions: Sequence[PolicyVersion], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(str(version.pk), _choice(version)) for version in versions]
        self.fields["version"].choices = choices  # type: ignore[attr-defined]
        self.fields["version"].error_messages["invalid_choice"] = (
            "There is no such policy version; the most used one is shown."
        )


class LandsFilter(admin.SimpleListFilter):
    """Accounts that become delinquent on a day if nothing is paid; only the calendar links here."""

    title = "becomes delinquent"
    parameter_name = "lands"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Offer the one day that the address names, so that it can be taken off again."""
        asked = _asked(self.value())
        return [(str(self.value()), f"on {asked[1]:%Y-%m-%d}, if nothing is paid")] if asked else []

    def queryset(self, _request: HttpRequest, rows: QuerySet[Account]) -> QuerySet[Account]:
        """Narrow the list."""
        asked = _asked(self.value())
        return rows.filter(pk__in=account_ids_landing(*asked)) if asked else rows


def _asked(value: object) -> tuple[int, date] | None:
    """Return version and date of VERSION:DATE, or None if it is not that."""
    version, _, on = str(value or "").partition(":")
    try:
        day = date.fromisoformat(on)
    except ValueError:
        return None
    return (number_of(version), day) if PolicyVersion.objects.filter(pk=number_of(version)).exists() else None


def calendar_page(desk: Any, request: HttpRequest) -> HttpResponse:
    """Show a version's year; what the address asks for and is not there is said, and the usual is shown instead."""
    if not desk.has_view_permission(request):
        raise PermissionDenied
    versions = list(
        PolicyVersion.objects.select_related("policy")
        .annotate(accounts=Count("standings"))
        .order_by("-accounts", "-state", "policy__name", "-number")
    )
    today = _today()
    context = {
        **desk.admin_site.each_context(request),
        "opts": desk.opts, "title": "Calendar", "versions": versions,
        "policies_url": reverse("admin:delinquency_policy_changelist"),
        "exclusions_url": reverse("admin:delinquency_exclusion_changelist"),
        "copy_url": reverse("admin:delinquency_exclusion_copy_holidays"), "may_copy": desk.has_add_permission(request),
    }  # fmt: skip
    if versions:
        usual = {"version": str(versions[0].pk), "year": str(today.year)}
        form = CalendarForm(versions, usual | {name: request.GET[name] for name in usual if request.GET.get(name)})
        right = form.is_valid()
        chosen = number_of(form.cleaned_data.get("version", ""))
        version = next((row for row in versions if row.pk == chosen), versions[0])
        year = form.cleaned_data.get("year") or today.year
        context |= {
            "wrong": [] if right else [words for errors in form.errors.values() for words in errors],
            "form": CalendarForm(versions, initial={"version": version.pk, "year": year}),
            **year_facts(version, year, today),
        }
    return TemplateResponse(request, "admin/calendar.html", context)


def year_facts(version: Any, year: int, today: date) -> dict[str, Any]:
    """Return what the page shows of a version's year."""
    policy = policies_of([version.pk])[version.pk]
    lands = landings(version.pk)
    closed = closed_days(policy, year)
    rows = [_row(version.pk, policy, landing) for on, landing in lands.items() if on.year == year]
    return {
        "version": version, "year": year, "weekdays": weekdays_of(version), "headings": list(WEEKDAYS_ABBR.values()),
        "months": [_month(policy, year, month, today, lands) for month in MONTHS],
        "summary": summary(policy, year, closed), "warnings": run_warnings([version], {version.pk: policy.calendar}),
        "excluded": _excluded(version, year),
        "rows": rows, "elsewhere": _elsewhere(lands, year), "switches": any(row.landing.switches for row in rows),
        "before": year - 1 if year > FIRST_YEAR else None, "after": year + 1 if year < LAST_YEAR else None,
        "bill_day": version.bill_day,
    }  # fmt: skip


def summary(policy: Policy, year: int, closed: list[Day]) -> str:
    """Say in a sentence how much of a year is closed."""
    run = longest_run(policy.calendar, year, year)
    if not closed or run is None:
        return f"No day of {year} is closed: accounts may become delinquent on any day."
    excluded = sum(1 for day in closed if day.excluded)
    both = sum(1 for day in closed if day.excluded and day.unchecked)
    unchecked = sum(1 for day in closed if day.unchecked)
    overlap = f", {both} of them on an unchecked weekday" if both else ""
    longest = f"{run.words} ({run.days} day{'s' if run.days != 1 else ''})"
    return (
        f"{len(closed)} day{'s' if len(closed) != 1 else ''} of {year} {'are' if len(closed) != 1 else 'is'} closed: "
        f"{excluded} excluded{overlap}, {unchecked} on unchecked weekdays. The longest closed run is {longest}."
    )


def _month(policy: Policy, year: int, month: int, today: date, lands: dict[date, Landing]) -> Month:
    weeks = tuple(
        tuple(None if day is None else Cell(day, day.on == today, lands.get(day.on)) for day in week)
        for week in weeks_of(policy, year, month)
    )
    return Month(f"{MONTHS[month]} {year}", weeks)


def _row(version_id: int, policy: Policy, landing: Landing) -> LandingRow:
    put_off = [
        f"{count} from {natural:%a} {natural.day} {natural:%b} ({'; '.join(_why(day_of(policy, natural)))})"
        for natural, count in sorted(landing.put_off.items())
    ]
    if landing.graced:
        put_off.append(f"{landing.graced} by Grace Until")
    url = f"{reverse('admin:accounts_account_changelist')}?lands={version_id}:{landing.on}"
    amounts = ", ".join(f"{amount:,.2f} {currency}" for currency, amount in sorted(landing.amounts.items()))
    return LandingRow(landing, url if landing.accounts else "", amounts, tuple(put_off))


def _why(day: Day) -> list[str]:
    return [*day.excluded, *([f"{day.on:%A}s are not checked"] if day.unchecked else [])]


def _elsewhere(lands: dict[date, Landing], year: int) -> list[tuple[int, int]]:
    """Return (year, accounts) of what lands in other years."""
    counts: dict[int, int] = {}
    for on, landing in lands.items():
        if on.year != year and landing.accounts:
            counts[on.year] = counts.get(on.year, 0) + landing.accounts
    return sorted(counts.items())


def _excluded(version: PolicyVersion, year: int) -> list[dict[str, Any]]:
    """Return the exclusions of a year in order, with their dates."""
    rows = Exclusion.objects.filter(policy__isnull=True) | Exclusion.objects.filter(policy=version.policy_id)
    return [
        {"row": row, "on": date(year, row.month, row.day)}
        for row in rows.select_related("policy").order_by("month", "day")
        if row.year in (None, year) and date_exists(row.month, row.day, year)
    ]


def _today() -> date:
    zone = Company.objects.order_by("pk").values_list("timezone", flat=True).first()
    return clock.today(zone or "UTC")


def _choice(version: Any) -> str:
    accounts = f"{version.accounts} account{'s' if version.accounts != 1 else ''}"
    return f"{version} ({accounts if version.state == PolicyVersion.State.PUBLISHED else 'draft'})"
