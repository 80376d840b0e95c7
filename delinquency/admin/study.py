"""Studies of policy versions: their list, their progress, their results; and the forecasts of each day."""

import csv
from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.text import slugify

from accounts.admin.base import (
    BAD,
    GOOD,
    NOTE,
    QUIET,
    WARN,
    ReadOnlyAdmin,
    admin_link,
    badge,
    local_time,
    money,
    number_of,
    state_badge,
)
from accounts.admin.confirm import confirm_one
from billing_project.kernel import clock
from billing_project.kernel.sheets import safe_text
from delinquency.models import Forecast, Study, StudyFinding
from delinquency.operations import studies
from delinquency.policy_file import policy_of
from delinquency.rules import document
from delinquency.studies import report, tables

TONES = {"queued": NOTE, "running": NOTE, "done": GOOD, "failed": BAD, "cancelled": QUIET}
# The page looks by itself every three seconds, for two minutes at most.
LOOK_SECONDS, LOOKS_MAX = 3, 40
ROWS_PER_PAGE = 25
SHOWN = {
    "": ("all that differ", {}),
    "cut": ("newly cut, or harder", {"newly_cut": True}),
    "paid": ("of these, paid by themselves within seven days", {"paid_by_itself": True}),
    "spared": ("no longer cut", {"spared": True}),
}


@admin.register(Study)
class StudyAdmin(ReadOnlyAdmin):
    """What was asked about policy versions, and the answers."""

    may_delete = True
    list_display = ("shown", "kind", "state_shown", "accounts_shown", "differ", "requested", "requested_by")
    list_select_related = ("requested_by",)
    list_filter = ("kind", "state", "scope_policy")
    search_fields = ("name",)
    empty_words = "Open a policy version and press “Backtest” or “Thirty days ahead” to see what it would do."
    empty_link = ("Policy versions", "admin:delinquency_policyversion_changelist")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Study]:
        """Count the accounts that differ in the same query, and leave the results where they are."""
        rows: QuerySet[Study] = super().get_queryset(request)
        return rows.annotate(differ_total=Count("findings")).defer("partial", "policy_file", "result")

    def get_urls(self) -> list[URLPattern]:
        """Add the addresses of a study's file and of its cancelling."""
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/csv/", view(self.csv_view), name="delinquency_study_csv"),
            path("<int:pk>/cancel/", view(self.cancel_view), name="delinquency_study_cancel"),
            *super().get_urls(),
        ]

    def get_deleted_objects(
        self, objs: Any, _request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Name the studies alone; the accounts they found go with them, and are only mentions."""
        names = [str(study) for study in objs]
        return names, {"studies": len(names)}, set(), []

    @admin.display(description="study", ordering="name")
    def shown(self, study: Study) -> str:
        """Return version and dates."""
        return str(study)

    @admin.display(description="state", ordering="state")
    def state_shown(self, study: Study) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(study, TONES)

    @admin.display(description="accounts", ordering="total")
    def accounts_shown(self, study: Study) -> str:
        """Return how many accounts were played."""
        return f"{study.done:,} of {study.total:,}" if study.is_open else f"{study.done:,}"

    @admin.display(description="differ", ordering="differ_total")
    def differ(self, study: Any) -> str:
        """Return how many accounts differ."""
        return f"{study.differ_total:,}"

    @admin.display(description="asked for (UTC)", ordering="requested_at")
    def requested(self, study: Study) -> SafeString | str:
        """Return when it was asked for."""
        return local_time(study.requested_at)

    def change_view(
        self, request: HttpRequest, object_id: str, _form_url: str = "", _extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show how far a study is, or what it found."""
        study = self._study(request, number_of(object_id))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts, "original": study, "study": study, "title": str(study),
            "state": state_badge(study, TONES),
            "back": reverse("admin:delinquency_study_changelist"), "policy_changed": _changed_since(study),
            "cancel_url": reverse("admin:delinquency_study_cancel", args=[study.pk]),
            "may_operate": self.has_operate_permission(request), "again": _again(study),
            "may_delete": self.has_delete_permission(request, study) and not study.is_open,
            "live_words": str(study.against) if study.against else "each account's own version",
        }  # fmt: skip
        if study.state == Study.State.DONE:
            return self._result(request, study, context)
        return _progress(request, study, context)

    def _result(self, request: HttpRequest, study: Study, context: dict[str, Any]) -> HttpResponse:
        chosen = request.GET.get("show", "")
        chosen = chosen if chosen in SHOWN else ""
        findings = study.findings.filter(**SHOWN[chosen][1]).select_related("account").order_by("account__number")
        page = Paginator(findings, ROWS_PER_PAGE).get_page(request.GET.get("page"))
        backtest = study.kind == Study.Kind.BACKTEST
        context |= {
            "page": page, "chosen": chosen, "rows": [tables.shown(study.kind, finding) for finding in page],
            "shown_words": SHOWN[chosen][0], "csv_url": reverse("admin:delinquency_study_csv", args=[study.pk]),
        }  # fmt: skip
        if backtest:
            context |= {
                "summary": report.summary(study.result), "charts": report.month_charts(study.result, study.name),
                "numbers": study.result["numbers"], "choices": _choices(study.result["numbers"], chosen),
            }  # fmt: skip
        else:
            context |= {
                "summary": report.day_sums(study.result), "charts": report.day_charts(study.result, study.name),
                "quiet": report.quiet_days(study.result),
            }  # fmt: skip
        return TemplateResponse(request, "admin/study_backtest.html" if backtest else "admin/study_ahead.html", context)

    def csv_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Return the accounts that differ as a file for a spreadsheet."""
        study = self._study(request, pk)
        rows = study.findings.select_related("account").order_by("account__number")
        lines = _csv_lines(tables.csv_rows(study.kind, rows.iterator(chunk_size=500)))
        name = f"{slugify(str(study))}.csv"
        return StreamingHttpResponse(
            lines,
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for confirmation, and stop a study."""
        self._study(request, pk)
        if not self.has_operate_permission(request):
            raise PermissionDenied

        def carry_out(study: Study, _data: dict[str, Any]) -> str:
            studies.cancel_study(study.pk)
            return f"{study} is cancelled."

        return confirm_one(
            self, request, str(pk), title="Cancel the study", submit="Cancel it", form_class=forms.Form,
            carry_out=carry_out, words="What it has found so far is dropped. It can be started again at any time.",
        )  # fmt: skip

    def _study(self, request: HttpRequest, pk: int) -> Study:
        """Return a study that the user may see; raises Http404 or PermissionDenied."""
        study = Study.objects.select_related("version", "against__policy", "requested_by", "scope_policy").filter(pk=pk)
        found = study.first()
        if found is None:
            raise Http404(f"There is no study {pk}.")
        if not self.has_view_permission(request, found):
            raise PermissionDenied
        return found


def _progress(request: HttpRequest, study: Study, context: dict[str, Any]) -> HttpResponse:
    """Show how far a study is; while it goes on, the browser looks again by itself for at most two minutes."""
    looks = _looks(request)
    if study.is_left_alone():
        studies.ring()
    seconds = (clock.now() - study.started_at).total_seconds() if study.started_at else 0.0
    rate = study.done / seconds if seconds > 0 else 0.0
    left = (study.total - study.done) / rate if rate else None
    context |= {
        "watching": study.is_open and looks is not None, "rate": round(rate),
        "seconds_left": None if left is None else max(round(left), 1),
        "percent": study.done * 100 // study.total if study.total else 0,
    }  # fmt: skip
    response = TemplateResponse(request, "admin/study_progress.html", context)
    if study.is_open and looks is not None:
        response["Refresh"] = f"{LOOK_SECONDS}; url={request.path}?look={looks + 1}"
    return response


def _looks(request: HttpRequest) -> int | None:
    """Return how often the page has looked by itself; None once it has stopped."""
    asked = request.GET.get("look", "0")
    return number_of(asked) if asked != "stop" and number_of(asked) < LOOKS_MAX else None


def _changed_since(study: Study) -> bool:
    """Tell whether the version says something else now than when it was studied."""
    return study.version is not None and document.dump(policy_of(study.version)) != study.policy_file


def _again(study: Study) -> str:
    """Return the address at which the same study can be started again; empty if its version is gone."""
    if study.version_id is None:
        return ""
    if study.kind == Study.Kind.AHEAD:
        return reverse("admin:delinquency_policyversion_study_ahead", args=[study.version_id])
    address = reverse("admin:delinquency_policyversion_study_backtest", args=[study.version_id])
    return f"{address}?from_on={study.from_on}&to_on={study.to_on}"


def _choices(numbers: dict[str, int], chosen: str) -> list[dict[str, Any]]:
    counts = {"": "differ", "cut": "newly_cut", "paid": "paid_by_itself", "spared": "spared"}
    return [
        {"key": key, "words": words, "count": numbers[counts[key]], "current": key == chosen}
        for key, (words, _narrow) in SHOWN.items()
    ]


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        """Return the text."""
        return text


def _csv_lines(rows: Iterator[list[str]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    for row in rows:
        yield str(writer.writerow([safe_text(cell) for cell in row]))


@admin.register(StudyFinding)
class StudyFindingAdmin(ReadOnlyAdmin):
    """Accounts for which a studied version decides differently, over all studies."""

    list_display = ("account_shown", "study_shown", "words_shown", "cut_shown")
    list_display_links = None  # account and study are links already, and the study's page has it all
    list_select_related = ("study", "account")
    list_filter = ("newly_cut", "spared", "paid_by_itself", "study__kind")
    search_fields = ("account__number", "account__name", "study__name")
    fields = ("account_shown", "study_shown", "words_shown", "cut_shown")
    readonly_fields = fields
    empty_words = "Studies of policy versions list here the accounts that differ."
    empty_link = ("Studies", "admin:delinquency_study_changelist")

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, finding: StudyFinding) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(finding.account)

    @admin.display(description="study", ordering="study__name")
    def study_shown(self, finding: StudyFinding) -> SafeString | str:
        """Return the study as a link."""
        return admin_link(finding.study)

    @admin.display(description="what differs")
    def words_shown(self, finding: StudyFinding) -> str:
        """Return the first differences in words."""
        return "; ".join(tables.lines(finding.study.kind, finding)[:3])

    @admin.display(description="cut")
    def cut_shown(self, finding: StudyFinding) -> SafeString | str:
        """Return whether it is newly cut, or spared."""
        words = tables.cut_words(finding)
        return badge(words, WARN if finding.newly_cut else GOOD) if words else ""


@admin.register(Forecast)
class ForecastAdmin(ReadOnlyAdmin):
    """What each day was expected to bring, as it was foretold before the day began."""

    list_display = (
        "for_on",
        "made",
        "cuts",
        "fees",
        "fees_shown",
        "notices",
        "invoices",
        "invoices_shown",
        "accounts_played",
    )
    date_hierarchy = "for_on"
    empty_words = "The worker forecasts the next two days each evening, and when it starts."
    fields = list_display
    readonly_fields = ("made", "fees_shown", "invoices_shown")

    @admin.display(description="made (UTC)", ordering="made_at")
    def made(self, forecast: Forecast) -> SafeString | str:
        """Return when it was made."""
        return local_time(forecast.made_at)

    @admin.display(description="fees, money", ordering="fee_total")
    def fees_shown(self, forecast: Forecast) -> SafeString | str:
        """Return the sum of the fees."""
        return money(forecast.fee_total)

    @admin.display(description="invoices, money", ordering="invoice_total")
    def invoices_shown(self, forecast: Forecast) -> SafeString | str:
        """Return the sum of the invoices."""
        return money(forecast.invoice_total)
