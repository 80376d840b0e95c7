"""Figures by month: the charts with their tables; and the minutes that they assume."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from accounts.admin.base import HistoryAdmin, ReadOnlyAdmin, local_time
from accounts.models import Company
from billing_project.kernel import clock
from delinquency.models import ActMinutes, MonthFigures, RunRequest
from delinquency.reports.days_to_pay import days_to_pay
from delinquency.reports.funnel import funnel, recovered
from delinquency.reports.hours import Baselines, arithmetic, hours, hours_of
from delinquency.reports.months import MONTHS
from delinquency.reports.panels import Month
from delinquency.rules.calendar import months_later


@admin.register(MonthFigures)
class MonthFiguresAdmin(ReadOnlyAdmin):
    """What was counted for each month and company; the page “Figures by month” draws it."""

    list_display = ("month", "company", "billed", "made")
    list_select_related = ("company",)
    list_filter = ("company",)
    empty_words = "Nothing was counted yet. It is done each night; “Figures by month” has a button that does it now."
    empty_link = ("Figures by month", "admin:delinquency_monthfigures_charts")

    def get_urls(self) -> list[Any]:
        """Add the page of charts before the admin's own."""
        page = path(
            "charts/", self.admin_site.admin_view(require_safe(self.charts)), name="delinquency_monthfigures_charts"
        )
        return [page, *super().get_urls()]

    def charts(self, request: HttpRequest) -> HttpResponse:
        """Show the figures of the last twelve months and the one that runs, company by company."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        may_run = request.user.has_perm("delinquency.run_sweep")
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "Figures by month", "parts": parts(),
            "ask_url": reverse("admin:delinquency_runrequest_ask", args=[RunRequest.Kind.FIGURES]) if may_run else "",
            "minutes_url": reverse("admin:delinquency_actminutes_changelist"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/home_figures.html", context)

    @admin.display(description="billed")
    def billed(self, row: MonthFigures) -> str:
        """Return what the month's invoices came to."""
        accounts, amount = Month(row).stage("billed")
        return f"{amount:,.2f} {row.company.currency} at {accounts:,} accounts"

    @admin.display(description="counted (UTC)")
    def made(self, row: MonthFigures) -> SafeString | str:
        """Return when it was counted."""
        return local_time(row.made_at)


@admin.register(ActMinutes)
class ActMinutesAdmin(HistoryAdmin):
    """How long work takes a person: assumptions behind the hours saved."""

    may_add = False
    list_display = ("words", "by_hand", "minutes")
    fields = ("words", "by_hand", "minutes")
    readonly_fields = ("words", "by_hand")
    empty_words = "The shipped assumptions come back with the next manage.py migrate."


def by_company() -> list[tuple[Company, list[Month]]]:
    """Return the figures of the last months of each company, oldest first; one query."""
    first = months_later(clock.today().replace(day=1), -MONTHS)
    found: dict[Company, list[Month]] = {}
    for row in (
        MonthFigures.objects.filter(month__gte=first).select_related("company").order_by("company__name", "month")
    ):
        found.setdefault(row.company, []).append(Month(row))
    return list(found.items())


def parts() -> list[dict[str, Any]]:
    """Return the charts and tables of each company, and the sum of its last whole month; three queries."""
    found = by_company()
    if not found:
        return []
    minutes, baselines = list(ActMinutes.objects.all()), Baselines([company for company, _months in found])
    shown = []
    for company, months in found:
        key, last = f"c{company.pk}", _last_whole(months)
        one = hours_of(last, minutes, baselines.of(last))
        shown.append(
            {
                "company": company, "key": key, "made_at": local_time(months[-1].row.made_at),
                "panels": [
                    funnel(months, key, company.currency), recovered(months, key, company.currency),
                    days_to_pay(months, key), hours(months, minutes, baselines, key),
                ],
                "month": last.words, "sum": arithmetic(last, minutes, one.baseline),
                "saved": one.saved if one.is_known else None, "baseline": one.baseline,
            }
        )  # fmt: skip
    return shown


def _last_whole(months: Sequence[Month]) -> Month:
    """Return the last month that is over, or the only one."""
    return months[-2] if len(months) > 1 else months[-1]
