"""The reports' pages: the figures of a period or a day, the rows behind each, and both as files."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from accounts import exports
from accounts.admin.base import staff_user
from accounts.admin.exporting import Counted, file_response
from accounts.models import Company, DataExport
from billing_project.kernel import sheets
from delinquency.reports.kinds import Asked, Column, Line, Part, Report, Shape
from delinquency.reports.periods import PICKS
from delinquency.reports.registry import REPORTS, asked_from, query_of, sheet_of, words_of

LINES_ON_PAGE = 50
NEEDED = ("invoicing.view_ledgerentry", "delinquency.view_event")
# Reports with pages of their own: title, words, address.
ELSEWHERE = (
    ("Notices sent", "What was sent by channel and step, and what became of it.", "delinquency_event_report_sent"),
    ("Cannot be reached", "Who cannot be reached, and what waits for it.", "delinquency_event_report_unreachable"),
    ("Notices before cuts", "For each cut the proof of who was told before it.", "delinquency_event_report_cuts"),
    ("Adjustments by user", "What members of staff gave away or took back.", "invoicing_ledgerentry_adjustments"),
)

if TYPE_CHECKING:
    _Pages = ModelAdmin[Any]
else:
    _Pages = object


class RegistryPages(_Pages):
    """The addresses of the reports; whoever may read the ledger and the journal may read them."""

    def get_urls(self) -> list[Any]:
        """Add the list of reports, and a page for each, before the admin's own addresses."""
        name, site = "delinquency_reportsubscription", self.admin_site
        pages = [
            path(f"reports/{key}/", site.admin_view(self.report_view), {"key": key}, name=f"{name}_{key}")
            for key in REPORTS
        ]
        index = path("reports/", site.admin_view(self.reports_view), name=f"{name}_reports")
        return [index, *pages, *super().get_urls()]

    def reports_view(self, request: HttpRequest) -> HttpResponse:
        """Show which reports there are."""
        _require(request)
        own = [(one.title, one.words, reverse(_name(one))) for one in REPORTS.values()]
        more = [(title, words, reverse(f"admin:{name}")) for title, words, name in ELSEWHERE]
        context = {
            **self.admin_site.each_context(request), "title": "Reports", "reports": [*own, *more],
        }  # fmt: skip
        return TemplateResponse(request, "admin/reports.html", context)

    def report_view(self, request: HttpRequest, key: str) -> HttpResponseBase:
        """Show a report, or with `part` the rows behind one of its figures; on POST hand it over as a file."""
        _require(request)
        report = REPORTS[key]
        asked = asked_from(report, {name: str(value) for name, value in request.GET.items()})
        found = _part(report, asked, request)
        if request.method == "POST":
            return _file(request, report, asked, found)
        here = query_of(report, asked)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request), "title": report.title, "report": report,
            "asked": asked, "period": asked.period, "picks": PICKS.items(), "words": words_of(report, asked),
            "companies": Company.objects.order_by("name"), "here": here, "part_name": request.GET.get("part", ""),
            "may_export": request.user.has_perm("accounts.export_data"),
            "kinds": list(DataExport.SHEETS.items()),
        }  # fmt: skip
        if found is None:
            table = report.make(asked)
            shortcuts = [(words, query_of(report, asked, part=name)) for words, name in table.shortcuts]
            shown = _shown(table.columns, table.lines, report, asked)
            context |= {"table": table, "rows": shown, "chart": table.chart, "shortcuts": shortcuts}
            return TemplateResponse(request, "admin/report.html", context)
        page = Paginator(found.rows, LINES_ON_PAGE).get_page(request.GET.get("page"))
        context |= {
            "table": found, "rows": _shown(found.columns, found.lines(list(page)), report, asked), "page": page,
            "title": found.title, "with_contacts": asked.contacts,
            "offers_contacts": found.has_contacts and request.user.has_perm("accounts.export_contacts"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/report_part.html", context)


def _require(request: HttpRequest) -> None:
    if not request.user.has_perms(NEEDED):
        raise PermissionDenied


def _name(report: Report) -> str:
    return f"admin:delinquency_reportsubscription_{report.key}"


def _part(report: Report, asked: Asked, request: HttpRequest) -> Part | None:
    """Return the rows behind the figure that an address names; raises Http404 for one that there is none of."""
    name = request.GET.get("part", "")
    if not name:
        return None
    contacts = request.method == "POST" and "contacts" in request.POST
    if contacts and not request.user.has_perm("accounts.export_contacts"):
        raise PermissionDenied
    found = report.part(replace(asked, contacts=contacts), name)
    if found is None:
        raise Http404(f"{report.title} has no figure {name}.")
    return found


def _file(request: HttpRequest, report: Report, asked: Asked, found: Part | None) -> HttpResponseBase:
    """Hand a report, or the rows behind a figure, over as a file, and note who took it."""
    if not request.user.has_perm("accounts.export_data"):
        raise PermissionDenied
    kind = request.POST.get("kind", "")
    part = request.GET.get("part", "")
    here = f"{reverse(_name(report))}?{query_of(report, asked, **({'part': part} if part else {}))}"
    if kind not in DataExport.SHEETS:
        messages.error(request, "Choose CSV or XLSX.")
        return HttpResponseRedirect(here, status=303)
    words = words_of(report, asked)
    head, rows = sheet_of(found or report.make(asked))
    what = f"{report.title} {part.replace('_', ' ')}".strip()
    log = DataExport.objects.create(
        source=f"report:{report.key}", title=report.title, filter_words=f"{found.title if found else words}"[:300],
        query=here.partition("?")[2], columns=head, kind=kind, asked_by=staff_user(request),
        with_contacts=found is not None and "contacts" in request.POST,
        file_name=exports.file_name(what, words, kind, asked.period.zone),
    )  # fmt: skip
    counted = Counted(rows)
    return file_response(log, exports.counted(log, sheets.pieces(kind, head, counted), lambda: counted.done))


def _shown(columns: Sequence[Column], lines: Sequence[Line], report: Report, asked: Asked) -> list[dict[str, Any]]:
    """Return lines as the page shows them: each cell in words, with the address of the rows behind it."""
    found = []
    for line in lines:
        parts = line.parts or ("",) * len(line.cells)
        cells = []
        for place, (column, cell, part) in enumerate(zip(columns, line.cells, parts, strict=True)):
            url = f"?{query_of(report, asked, part=part)}" if part else line.url if place == 0 else ""
            cells.append({"words": _words(column, cell), "url": url, "right": column.is_number})
        found.append({"cells": cells, "is_sum": line.is_sum})
    return found


def _words(column: Column, cell: Any) -> str:
    if cell is None or cell == "":
        return "–"
    if column.shape is Shape.MONEY and isinstance(cell, Decimal):
        return f"{cell:,.2f}"
    if column.shape is Shape.COUNT and isinstance(cell, int):
        return f"{cell:,}"
    return str(cell)
