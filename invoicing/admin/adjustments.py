"""The weekly report of what each member of staff gave away or took back (SEC-21)."""

import csv
import io
from datetime import date
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse

from accounts.admin.base import DeskAdmin, local_time
from accounts.admin.exporting import refuse_files
from billing_project.kernel.sheets import safe_text
from invoicing import giving_report as report


class AdjustmentsPage(DeskAdmin):
    """Adds the report's page to the ledger's screen."""

    def get_urls(self) -> list[Any]:
        """Add the page before the admin's own."""
        site: Any = self.admin_site
        own = path("adjustments/", site.admin_view(self.adjustments), name="invoicing_ledgerentry_adjustments")
        return [own, *super().get_urls()]

    def adjustments(self, request: HttpRequest) -> HttpResponse:
        """Show a week by person and kind, beside the week before, and who approved what."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        weeks = report.weeks(report.zone_of_report())
        try:
            asked = date.fromisoformat(request.GET.get("week", ""))
        except ValueError:
            asked = weeks[0].first
        week = next((one for one in weeks if one.first == asked), weeks[0])
        if "csv" in request.GET:
            refuse_files(request)
            return _file(week)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "Adjustments by user",
            "week": week, "weeks": weeks, "lines": report.lines(week),
            "approved": [(row, local_time(row.decided_at, week.zone)) for row in report.approved(week)[:200]],
            "ledger": reverse("admin:invoicing_ledgerentry_changelist"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/adjustments.html", context)


def _file(week: report.Week) -> HttpResponse:
    out = io.StringIO()
    writer = csv.writer(out)
    for row in report.csv_rows(week):
        # No cell is a formula to a spreadsheet; amounts below 0 do not occur here.
        writer.writerow([safe_text(cell) for cell in row])
    name = f"adjustments-{week.first}.csv"
    return HttpResponse(
        out.getvalue(), content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )  # fmt: skip
