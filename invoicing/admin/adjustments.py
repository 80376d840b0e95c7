"""The weekly report of what each member of staff gave away or took back (SEC-21)."""

from datetime import date
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import path, reverse

from accounts.admin.base import DeskAdmin, local_time
from accounts.admin.exporting import hand_out
from invoicing import giving_report as report


class AdjustmentsPage(DeskAdmin):
    """Adds the report's page to the ledger's screen."""

    def get_urls(self) -> list[Any]:
        """Add the page before the admin's own."""
        site: Any = self.admin_site
        own = path("adjustments/", site.admin_view(self.adjustments), name="invoicing_ledgerentry_adjustments")
        return [own, *super().get_urls()]

    def adjustments(self, request: HttpRequest) -> HttpResponseBase:
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
            return hand_out(
                request, report.csv_rows(week), source="adjustments", title="Adjustments by user",
                of=f"week from {week.first}",
            )  # fmt: skip
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "Adjustments by user",
            "week": week, "weeks": weeks, "lines": report.lines(week),
            "approved": [(row, local_time(row.decided_at, week.zone)) for row in report.approved(week)[:200]],
            "ledger": reverse("admin:invoicing_ledgerentry_changelist"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/adjustments.html", context)
