"""Copy public holidays: choose a place and years, look at every date, copy those that are ticked. No scripts needed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.admin.base import staff_user
from accounts.admin.field_help import DeskForm
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.admin.closed import run_warnings, versions_in_use, with_more
from delinquency.holiday_dates import PUBLIC, Wanted, categories, countries, country_name, regions
from delinquency.landing import Move, moves
from delinquency.models import Exclusion, Policy, PolicyVersion
from delinquency.operations import exclusions
from delinquency.operations.exclusions import CopyOrder
from delinquency.policy_file import policies_of
from delinquency.rules.calendar import ExcludedDate
from delinquency.year import day_of

YEARS_AHEAD = 5


class CountryForm(DeskForm):
    """Step 1: the country."""

    country = forms.ChoiceField(help_text="Its regions and kinds of holidays come with it.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["country"].choices = [("", "Choose a country"), *countries()]  # type: ignore[attr-defined]


class CopyForm(DeskForm):
    """Step 2: region, kinds, years, and whose exclusions they become."""

    country = forms.CharField(widget=forms.HiddenInput)
    region = forms.ChoiceField(required=False, help_text="Holidays of that region come in addition to national ones.")
    categories = forms.MultipleChoiceField(
        label="Kinds",
        widget=forms.CheckboxSelectMultiple,
        help_text="Public holidays are days off for everybody; the others are kept by some, such as banks or schools.",
        error_messages={"required": "Tick at least one kind of holidays.", "invalid_choice": "There is no such kind."},
    )
    first_year = forms.TypedChoiceField(coerce=int, label="From year")
    last_year = forms.TypedChoiceField(coerce=int, label="To year")
    policy = forms.ModelChoiceField(
        Policy.objects.all(), required=False, empty_label="all policies", help_text="Whose accounts they are for."
    )
    every_year = forms.BooleanField(
        required=False,
        label="Store fixed dates once, for every year",
        help_text="Such as 25 December. Moving holidays, and days off that stand in for one (“observed”), are stored "
        "year by year.",
    )

    def __init__(self, country: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        years = year_choices()
        self.fields["region"].choices = [("", "nationwide only"), *regions(country)]  # type: ignore[attr-defined]
        self.fields["categories"].choices = list(categories(country))  # type: ignore[attr-defined]
        for name in ("first_year", "last_year"):
            self.fields[name].choices = [(str(year), str(year)) for year in years]  # type: ignore[attr-defined]
            self.fields[name].error_messages["invalid_choice"] = (
                f"Choose a year from {years[0]} to {years[-1]}; %(value)s is not one."
            )
        self.fields["region"].error_messages["invalid_choice"] = (
            f"{country_name(country)} has no region %(value)s; choose one from the list."
        )

    def clean(self) -> dict[str, Any]:
        """Refuse years in the wrong order."""
        cleaned = super().clean() or self.cleaned_data
        first, last = cleaned.get("first_year"), cleaned.get("last_year")
        if first and last and last < first:
            self.add_error("last_year", f"{last} is before {first}; choose a later year.")
        return cleaned

    def order(self) -> CopyOrder:
        """Return what was asked for; the form must be valid."""
        data = self.cleaned_data
        return CopyOrder(
            country=data["country"], region=data["region"], categories=tuple(data["categories"]),
            first_year=data["first_year"], last_year=data["last_year"], policy=data["policy"],
            every_year=data["every_year"],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """A holiday before it is copied."""

    wanted: Wanted
    dates: str
    weekday: str
    there: Exclusion | None
    notes: tuple[str, ...]
    ticked: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """What a copy would do."""

    rows: tuple[PreviewRow, ...]
    new: int
    there: int
    moves: tuple[Move, ...]
    accounts: int
    warnings: tuple[str, ...]


def year_choices() -> range:
    """Return the years that may be copied: this one and the next few."""
    this_year = clock.today().year
    return range(this_year, this_year + YEARS_AHEAD + 1)


def copy_page(desk: Any, request: HttpRequest) -> HttpResponse:
    """Show the steps, and on POST copy what is ticked; raises PermissionDenied."""
    if not desk.has_add_permission(request):
        raise PermissionDenied
    sent = request.POST if request.method == "POST" else request.GET
    country = sent.get("country", "").strip()
    form, preview, refused = None, None, ""
    data: QueryDict = sent
    if country:
        try:
            data = _with_defaults(sent, country)
            form = CopyForm(country, data)
            if form.is_valid():
                if request.method == "POST":
                    return _copied(request, form.order(), sent.getlist("dates"))
                preview = preview_of(form.order())
        except Refused as refusal:
            refused = refusal.words
            if form is not None and form.is_valid():
                preview = preview_of(form.order(), set(sent.getlist("dates")) if request.method == "POST" else None)
    known = country in dict(countries())
    context = {
        **desk.admin_site.each_context(request),
        "opts": desk.opts, "title": "Copy public holidays", "form": form, "preview": preview, "refused": refused,
        "country_form": CountryForm(initial={"country": country if known else ""}),
        "country_name": country_name(country) if known else "",
        "back": reverse("admin:delinquency_exclusion_changelist"),
        "options": _options(data, form) if form is not None and preview is not None else (),
    }  # fmt: skip
    return TemplateResponse(request, "admin/copy_holidays.html", context)


def _options(data: QueryDict, form: forms.Form) -> list[tuple[str, str]]:
    """Return what was chosen, to be sent again together with the ticked dates."""
    return [(name, value) for name, values in data.lists() for value in values if name in form.fields]


def _with_defaults(sent: QueryDict, country: str) -> QueryDict:
    """Fill in what a first visit leaves out: public holidays of this year and the next, for all policies."""
    data = sent.copy()
    if "first_year" not in data and "last_year" not in data:
        years = year_choices()
        kinds = [code for code, _words in categories(country)]
        data.setlist("categories", [PUBLIC if PUBLIC in kinds else kinds[0]])
        data["first_year"], data["last_year"], data["every_year"] = str(years[0]), str(years[1]), "on"
    return data


def _copied(request: HttpRequest, order: CopyOrder, keys: Sequence[str]) -> HttpResponse:
    before = preview_of(order, set(keys))
    copy = exclusions.copy_holidays(order, keys, by=staff_user(request))
    if copy is None:
        messages.info(request, "Nothing was added: all of these dates are excluded already.")
    else:
        later = f" {before.accounts} accounts become delinquent later because of it." if before.accounts else ""
        messages.success(
            request,
            f"{copy.dates_added} date{'s' if copy.dates_added != 1 else ''} of {copy} added for "
            f"{copy.policy or 'all policies'}.{later} “Undo the last copy” takes them back.",
        )
        for words in before.warnings:
            messages.warning(request, words)
    return HttpResponseRedirect(reverse("admin:delinquency_exclusion_changelist"), status=303)


def preview_of(order: CopyOrder, keys: set[str] | None = None) -> Preview:
    """Return what a copy would do, with the dates of some keys only or with all; raises Refused."""
    wanted = order.wanted()
    held = exclusions.held_already(order.policy)
    versions = versions_in_use(order.policy)
    policies = policies_of(version.pk for version in versions)
    rows = tuple(
        PreviewRow(
            wanted=row,
            dates=", ".join(f"{on.day} {on:%b %Y}" for on in row.dates),
            weekday=", ".join(f"{on:%a}" for on in row.dates),
            there=exclusions.already(row, held),
            notes=_notes(row, exclusions.already(row, held), held, versions, policies),
            ticked=keys is None or row.key in keys,
        )
        for row in wanted
    )
    new = [row.wanted for row in rows if row.there is None]
    chosen = [row.wanted for row in rows if row.there is None and row.ticked]
    extra = [ExcludedDate(row.name, row.month, row.day, row.year) for row in chosen]
    calendars = with_more(policies, extra)
    after = {pk: replace(policy, calendar=calendars[pk]) for pk, policy in policies.items()}
    moved = moves(policies, after) if extra and policies else []
    return Preview(
        rows, len(new), len(rows) - len(new), tuple(moved), sum(move.accounts for move in moved),
        tuple(run_warnings(versions, calendars)) if extra else (),
    )  # fmt: skip


def _notes(
    row: Wanted,
    there: Exclusion | None,
    held: dict[tuple[int, int, int | None], Exclusion],
    versions: Sequence[PolicyVersion],
    policies: dict[int, Any],
) -> tuple[str, ...]:
    """Say what is special about a date: there already, under another name, on a day that is not checked anyway."""
    notes = []
    if there is not None:
        other = f", as “{there.name}”" if there.name != row.name else ""
        every = ", for every year" if there.year is None and row.year is not None else ""
        notes.append(f"There already{every}{other}; it is left as it is.")
    if row.year is None and there is None:
        years = sorted(year for month, day, year in held if (month, day) == (row.month, row.day) and year)
        if years:
            notes.append(f"There for {', '.join(map(str, years))} only; this adds every other year.")
    if row.year is not None and row.dates[-1] < clock.today():
        notes.append("Has passed: nothing changes for anybody.")
    if row.observed:
        notes.append("A day off that stands in for the holiday.")
    if row.estimated:
        notes.append("The date is an estimate; check it when the time comes.")
    for on in row.dates:
        closed = [str(v) for v in versions if day_of(policies[v.pk], on).unchecked]
        if closed:
            which = "" if len(closed) == len(versions) else f" under {', '.join(closed)}"
            notes.append(f"{on:%A}s are not checked anyway{which} ({on.year}).")
    return tuple(notes)
