"""The post room's reports: what was sent, who cannot be reached, what came before each cut (U01, A30)."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_safe

from accounts.admin.base import BAD, GOOD, QUIET, WARN, badge, local_time, staff_user
from accounts.admin.exporting import hand_out
from accounts.models import CallRecord, Company
from billing_project.kernel import clock
from delinquency.reports import proofs, sent, unreachable
from delinquency.reports.periods import PICKS, Period, period_from
from delinquency.reports.proofs import Verdict

VERDICT_TONES = {Verdict.TOLD: GOOD, Verdict.SAME_DAY: WARN, Verdict.UNDONE: QUIET, Verdict.NO_PROOF: BAD}
CUTS_ON_PAGE = 50
TABS = (
    ("sent", "What was sent"),
    ("unreachable", "Cannot be reached"),
    ("cuts", "Before each cut"),
)


class ReportPages:
    """The reports' addresses; they read the journal and the notices, so both must be allowed."""

    def get_urls(self) -> list[Any]:
        """Add the reports' pages before the admin's own."""
        site: Any = self.admin_site  # type: ignore[attr-defined]
        pages = {
            "sent": self.report_sent, "unreachable": self.report_unreachable, "cuts": self.report_cuts,
        }  # fmt: skip
        found = [
            path(f"reports/{name}/", site.admin_view(require_safe(view)), name=f"delinquency_event_report_{name}")
            for name, view in pages.items()
        ]
        proof = path(
            "reports/cuts/<int:pk>/", site.admin_view(require_safe(self.proof)), name="delinquency_event_proof"
        )
        return [*found, proof, *super().get_urls()]  # type: ignore[misc]

    def report_sent(self, request: HttpRequest) -> HttpResponseBase:
        """Show what was sent by channel and step in a period, what became of it, and what it cost."""
        period = self._period(request)
        if "csv" in request.GET:
            return hand_out(request, sent.csv_rows(period), source="sent", title="Notices sent", of=_days(period))
        lines = sent.lines(period, reverse("admin:accounts_notice_changelist"))
        context = {
            "heads": [words for _name, words, _states in sent.COLUMNS], "lines": lines,
            "chart": sent.chart(period) if lines else None, "currency": _currency(),
        }  # fmt: skip
        return self._page(request, "sent", period, context)

    def report_unreachable(self, request: HttpRequest) -> HttpResponseBase:
        """Show who cannot be reached, why, since when, and what waits because of it."""
        self._allowed(request)
        found = unreachable.lost()
        if "csv" in request.GET:
            return hand_out(
                request, unreachable.csv_rows(found), source="unreachable", title="Cannot be reached",
                contact_columns=unreachable.CONTACT_COLUMNS,
            )  # fmt: skip
        rows = [(row, local_time(row.since, row.account.timezone) if row.since else "") for row in found]
        return self._page(
            request, "unreachable", None, {"rows": rows, "waiting": sum(bool(row.waits) for row in found)}
        )

    def report_cuts(self, request: HttpRequest) -> HttpResponseBase:
        """Show for each cut of a period who was told before it, when and how; those without proof first."""
        period = self._period(request)
        found = proofs.proofs(period)
        only = request.GET.get("verdict", "")
        wanted = [proof for proof in found if not only or proof.verdict == only]
        wanted.sort(key=lambda proof: proof.verdict is not Verdict.NO_PROOF)
        if "csv" in request.GET:
            return hand_out(
                request, proofs.csv_rows(wanted), source="cuts", title="Notices before cuts", of=_days(period),
                contact_columns=proofs.CONTACT_COLUMNS,
            )  # fmt: skip
        shown = Paginator(wanted, CUTS_ON_PAGE).get_page(request.GET.get("page"))
        counts = [
            (verdict, proofs.WORDS[verdict], sum(proof.verdict is verdict for proof in found)) for verdict in Verdict
        ]
        context = {
            "rows": [(proof, badge(proof.words, VERDICT_TONES[proof.verdict])) for proof in shown], "page": shown,
            "counts": counts, "missing": counts[-1][2], "total": len(found), "only": only,
        }  # fmt: skip
        return self._page(request, "cuts", period, context)

    def proof(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the proof of one cut, made to be printed and handed over in a dispute."""
        self._allowed(request)
        found = proofs.proof_of_event(pk)
        if found is None:
            raise Http404(f"Event {pk} is no cut.")
        account = found.event.account
        calls = CallRecord.objects.filter(account=account, at__lte=found.event.recorded_at).select_related("by")
        context = {
            "proof": found, "event": found.event, "account": account, "company": account.company,
            "device": proofs.device_words(found.event),
            "invoices": [(row, dict(found.unpaid).get(row.number, "")) for row in found.invoices],
            "calls": [(clock.local(row.at, account.timezone), row) for row in calls.order_by("-at")[:7]],
            "printed": clock.local(clock.now(), account.timezone), "by": staff_user(request),
            "back": reverse("admin:delinquency_event_report_cuts"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/proof.html", context)

    def _allowed(self, request: HttpRequest) -> None:
        if not request.user.has_perms(("delinquency.view_event", "accounts.view_notice")):
            raise PermissionDenied

    def _period(self, request: HttpRequest) -> Period:
        self._allowed(request)
        asked = {name: str(value) for name, value in request.GET.items()}
        return period_from(asked, Company.objects.order_by("pk").values_list("timezone", flat=True).first() or "UTC")

    def _page(
        self, request: HttpRequest, name: str, period: Period | None, context: dict[str, Any]
    ) -> TemplateResponse:
        site: Any = self.admin_site  # type: ignore[attr-defined]
        query = period.query() if period else ""
        tabs = [
            {
                "words": words, "on": key == name,
                "url": f"{reverse(f'admin:delinquency_event_report_{key}')}{f'?{query}' if query else ''}",
            }
            for key, words in TABS
        ]  # fmt: skip
        return TemplateResponse(
            request, f"admin/report_{name}.html",
            {
                **site.each_context(request), "opts": self.opts, "title": "Reports", "tabs": tabs, "period": period,  # type: ignore[attr-defined]
                "picks": PICKS.items(), "query": query, **context,
            },
        )  # fmt: skip


def _days(period: Period) -> str:
    return f"{period.first} to {period.last}"


def _currency() -> str:
    """Return the currency that costs are in, if all companies have the same."""
    found = set(Company.objects.values_list("currency", flat=True))
    return found.pop() if len(found) == 1 else ""
