"""Runs asked for by hand: ask first, then a page that shows how far the worker is."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString

from accounts.admin.base import BAD, GOOD, NOTE, QUIET, ReadOnlyAdmin, local_time, number_of, staff_user, state_badge
from accounts.admin.confirm import ReasonForm
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.asked_runs import ask_for_run, stop_run
from delinquency.models import RunRequest
from delinquency.tonight import due_ids

Kind = RunRequest.Kind
TONES: dict[str, str] = {"waiting": NOTE, "running": NOTE, "done": GOOD, "failed": BAD, "stopped": QUIET}
# The page looks by itself every three seconds, for two minutes at most.
LOOK_SECONDS, LOOKS_MAX = 3, 40
RIGHT_TO_RUN = "delinquency.run_sweep"
ASKS = {
    Kind.CHECK: "Every account at which something is due is looked at now: reminders, fees, cuts and returns are"
    " decided just as the next check would. What was done already is not done again, and the airbag stands guard.",
    Kind.BILLING: "Every bill that is due now is issued, with its own date. What was billed already is not billed"
    " again, and the airbag stands guard.",
    Kind.PREVIEW: "Every account at which something is due within a day is played ahead. Nothing is changed.",
    Kind.FIGURES: "The figures of the last twelve months are counted anew from ledger and journal. Nothing else is"
    " changed.",
}


@admin.register(RunRequest)
class RunRequestAdmin(ReadOnlyAdmin):
    """Who asked for a run, why, and what came of it."""

    list_display = ("asked", "kind", "state_shown", "asked_by", "why", "words")
    list_select_related = ("asked_by",)
    list_filter = ("kind", "state")
    fields = ("kind", "state_shown", "asked", "asked_by", "why", "started", "finished", "done", "total", "words")
    readonly_fields = fields
    empty_words = "Nobody has asked for a run yet. “Runs” has a button beside each task that can be run by hand."
    empty_link = ("Runs", "admin:delinquency_taskrun_runs")

    def get_queryset(self, request: HttpRequest) -> Any:
        """Leave what a preview has found where it is; it may be long."""
        return super().get_queryset(request).defer("result")

    def get_urls(self) -> list[Any]:
        """Add the pages that ask, and that show how far a run is."""
        view = self.admin_site.admin_view
        return [
            path("ask/<slug:kind>/", view(self.ask), name="delinquency_runrequest_ask"),
            path("<int:pk>/progress/", view(self.progress), name="delinquency_runrequest_progress"),
            *super().get_urls(),
        ]

    def ask(self, request: HttpRequest, kind: str) -> HttpResponse:
        """Say what a run does, ask why, and have a worker do it. Raises Http404 for an unknown kind."""
        if kind not in Kind.values:
            raise Http404(f"There is no run {kind}.")
        if not request.user.has_perm(RIGHT_TO_RUN):
            raise PermissionDenied
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                found = ask_for_run(kind, by=staff_user(request), reason=form.cleaned_data["reason"])
            except Refused as refusal:
                form.add_error(None, refusal.words)
            else:
                return HttpResponseRedirect(
                    reverse("admin:delinquency_runrequest_progress", args=[found.pk]), status=303
                )
        label = Kind(kind).label
        facts = (
            [f"{len(due_ids(clock.now())):,} accounts have something due within a day."] if kind == Kind.CHECK else []
        )
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": f"Run now: {label}",
            "words": ASKS[Kind(kind)], "submit": "Run it now", "form": form, "facts": facts,
            "back": reverse("admin:delinquency_taskrun_runs"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/confirm.html", context)

    def progress(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show how far a run is; the page looks again by itself for a while, also without scripts. A POST stops it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_queryset(request).select_related("asked_by").filter(pk=pk).first()
        if row is None:
            raise Http404(f"There is no run {pk}.")
        if request.method == "POST":
            if not request.user.has_perm(RIGHT_TO_RUN):
                raise PermissionDenied
            try:
                stop_run(row, by=staff_user(request))
            except Refused as refusal:
                messages.error(request, refusal.words)
            return HttpResponseRedirect(request.path, status=303)
        looks = request.GET.get("look", "0")
        watching = row.state in RunRequest.OPEN and looks != "stop" and number_of(looks) < LOOKS_MAX
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": f"{row.get_kind_display()} by hand",
            "may_stop": self._may_stop(request, row),
            "row": row, "is_open": row.state in RunRequest.OPEN, "watching": watching, "percent": _percent(row),
            "state": state_badge(row, TONES), "left": _left(row), "back": reverse("admin:delinquency_taskrun_runs"),
            "tonight_url": reverse("admin:delinquency_taskrun_tonight") if row.kind == Kind.PREVIEW else "",
        }  # fmt: skip
        response = TemplateResponse(request, "admin/sweeps_progress.html", context)
        if watching:
            response["Refresh"] = f"{LOOK_SECONDS}; url={request.path}?look={number_of(looks) + 1}"
        return response

    @staticmethod
    def _may_stop(request: HttpRequest, row: RunRequest) -> bool:
        stoppable = row.kind == Kind.BILLING and row.state in RunRequest.OPEN and row.stop_by_id is None
        return stoppable and bool(request.user.has_perm(RIGHT_TO_RUN))

    @admin.display(description="asked (UTC)", ordering="asked_at")
    def asked(self, row: RunRequest) -> SafeString | str:
        """Return when it was asked for."""
        return local_time(row.asked_at)

    @admin.display(description="began (UTC)")
    def started(self, row: RunRequest) -> SafeString | str:
        """Return when a worker took it up."""
        return local_time(row.started_at)

    @admin.display(description="ended (UTC)")
    def finished(self, row: RunRequest) -> SafeString | str:
        """Return when it ended."""
        return local_time(row.finished_at)

    @admin.display(description="state", ordering="state")
    def state_shown(self, row: RunRequest) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(row, TONES)


def _percent(row: RunRequest) -> int:
    return 100 * row.done // row.total if row.total else 0


def _left(row: RunRequest) -> str:
    """Return how fast it is and how long it will take, once that can be told."""
    if row.started_at is None or not row.done or row.state not in RunRequest.OPEN:
        return ""
    rate = row.done / max((clock.now() - row.started_at).total_seconds(), 0.1)
    return f"{rate:,.0f} accounts a second, about {(row.total - row.done) / rate:,.0f} seconds left."
