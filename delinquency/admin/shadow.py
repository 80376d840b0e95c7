"""Shadow mode: begin it, compare every account with the old system, accept what is right, and go live."""

import csv
import io
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.admin.base import BAD, GOOD, NOTE, QUIET, HistoryAdmin, ReadOnlyAdmin, badge, local_time, staff_user
from accounts.admin.confirm import confirm_whole
from accounts.admin.field_help import DeskForm
from accounts.models import Shadow
from accounts.queries import open_stops
from accounts.shadowing import begin_shadow
from billing_project.kernel.errors import Refused
from delinquency.models import AcceptedDifference, OldState
from delinquency.operations.shadow import WORD, accept_differences, go_live, what_would_leave
from delinquency.shadow_compare import LABELS, compare, why_ours

from .importing import no_formula

ROWS_SHOWN = 50
BEGINS = (
    "From now on everything is decided here as usual (bills, late fees, letters, cuts), and nothing leaves the program:"
    " no letter, no charge, no order to a device, no payment in the portal. The old system stays in charge until you go"
    " live. What waited in the queues before this moment waits, too."
)


class AcceptForm(DeskForm):
    """Ask why a difference is right."""

    reason = forms.CharField(
        max_length=200, help_text="Kept with each, such as “Their credit of 20 January was paid out in cash”."
    )


class GoLiveForm(DeskForm):
    """Ask for the word, and why."""

    reason = forms.CharField(max_length=200, help_text="Such as “Compared for a week; 3 differences accepted”.")
    typed = forms.CharField(label=f"Type {WORD}", max_length=20, help_text="In capitals, as it stands here.")


@admin.register(Shadow)
class ShadowAdmin(HistoryAdmin):
    """When the program ran beside the old system, and when it went live."""

    may_add = False
    may_change = False
    list_display = ("started", "state", "why", "started_by", "ended", "ended_by", "not_sent")
    list_select_related = ("started_by", "ended_by")
    search_fields = ("why", "ended_why")
    actions_list = ("begin", "to_compare")
    fields = ("state", "started", "started_by", "why", "ended", "ended_by", "ended_why", "not_sent")
    readonly_fields = fields
    empty_words = (
        "The program never ran in shadow. Before going live: begin shadow mode, import accounts, invoices, payments and"
        " the states of the old system, let the checks run for some days, and compare."
    )

    def get_urls(self) -> list[Any]:
        """Add the comparison and going live."""
        site: Any = self.admin_site
        return [
            path("compare/", site.admin_view(self.compare), name="accounts_shadow_compare"),
            path("compare/csv/", site.admin_view(self.compare_csv), name="accounts_shadow_csv"),
            path("live/", site.admin_view(self.live), name="accounts_shadow_live"),
            *super().get_urls(),
        ]

    def has_run_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may begin shadow mode, accept differences, and go live."""
        return bool(request.user.has_perm("accounts.run_shadow"))

    def get_actions_list(self, request: HttpRequest) -> list[Any]:
        """Offer to begin only where it is not on."""
        found: list[Any] = super().get_actions_list(request)
        return [button for button in found if button.path != "begin" or not _is_on()]

    @admin.display(description="since (UTC)", ordering="started_at")
    def started(self, shadow: Shadow) -> SafeString | str:
        """Return when it began."""
        return local_time(shadow.started_at)

    @admin.display(description="live since (UTC)", ordering="ended_at")
    def ended(self, shadow: Shadow) -> SafeString | str:
        """Return when it ended."""
        return local_time(shadow.ended_at)

    @admin.display(description="state", ordering="ended_at")
    def state(self, shadow: Shadow) -> SafeString:
        """Tell whether it is on."""
        return badge("over", QUIET) if shadow.ended_at else badge("nothing leaves", NOTE)

    @admin.display(description="not sent by going live")
    def not_sent(self, shadow: Shadow) -> str:
        """Return what was decided in shadow and is never sent."""
        return ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in shadow.cancelled.items()) or "–"

    @action(description="Begin shadow mode", icon="contrast", permissions=["run"])
    def begin(self, request: HttpRequest) -> HttpResponse:
        """Ask why, and let nothing leave any more."""

        def carry_out(data: dict[str, Any]) -> str:
            begin_shadow(reason=data["reason"], by=staff_user(request))
            return "Shadow mode is on. Everything is decided, nothing leaves."

        return confirm_whole(
            self, request, title="Begin shadow mode", words=BEGINS, submit="Begin shadow mode", carry_out=carry_out
        )

    @action(description="Compare with the old system", icon="compare_arrows", permissions=["run"])
    def to_compare(self, _request: HttpRequest) -> HttpResponse:
        """Go to the comparison."""
        return HttpResponseRedirect(reverse("admin:accounts_shadow_compare"))

    def compare(self, request: HttpRequest) -> HttpResponse:
        """List every account that stands elsewhere than in the old system; on POST accept the ticked differences."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = compare()
        form = AcceptForm(request.POST or None)
        if request.method == "POST":
            if not self.has_run_permission(request):
                raise PermissionDenied
            if form.is_valid():
                try:
                    done = accept_differences(
                        found, request.POST.getlist("difference"), reason=form.cleaned_data["reason"],
                        by=staff_user(request),
                    )  # fmt: skip
                except Refused as refusal:
                    form.add_error(None, refusal.words)
                else:
                    messages.success(request, f"{done} {'difference' if done == 1 else 'differences'} accepted.")
                    return HttpResponseRedirect(request.get_full_path(), status=303)
        kind, which = request.GET.get("kind", ""), request.GET.get("which", "open")
        rows = [one for one in found.differences if kind in ("", one.field)]
        if which != "all":
            rows = [one for one in rows if bool(one.accepted) == (which == "accepted")]
        page = Paginator(rows, ROWS_SHOWN).get_page(request.GET.get("p"))
        reasons = why_ours(one.account_id for one in page)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "Compare with the old system",
            "found": found, "counts": found.counts(), "page": page, "form": form, "kind": kind, "which": which,
            "rows": [(one, reasons.get(one.account_id, "Nothing was decided yet.")) for one in page],
            "kinds": LABELS, "may_run": self.has_run_permission(request), "is_on": _is_on(),
            "back": reverse("admin:accounts_shadow_changelist"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/shadow_compare.html", context)

    def compare_csv(self, request: HttpRequest) -> HttpResponse:
        """Give every difference as a file."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(
            ("account", "name", "what differs", "here", "in the old system", "accepted because", "why here")
        )
        found = compare().differences
        reasons = why_ours(one.account_id for one in found)
        for one in found:
            cells = (
                one.number,
                one.name,
                one.label,
                one.ours,
                one.theirs,
                one.accepted,
                reasons.get(one.account_id, ""),
            )
            writer.writerow([_cell(text) for text in cells])
        return HttpResponse(
            out.getvalue(), content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="differences.csv"'},
        )  # fmt: skip

    def live(self, request: HttpRequest) -> HttpResponse:
        """Say what would leave, ask for the word, and go live."""
        if not self.has_run_permission(request):
            raise PermissionDenied
        shadow = Shadow.objects.filter(ended_at__isnull=True).first()
        if shadow is None:
            messages.error(request, "Shadow mode is not on; the program is live already.")
            return HttpResponseRedirect(reverse("admin:accounts_shadow_changelist"), status=303)
        form = GoLiveForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                go_live(**form.cleaned_data, by=staff_user(request))
            except Refused as refusal:
                form.add_error("typed" if refusal.code == "not_typed" else None, refusal.words)
            else:
                messages.success(request, "The program is live. Nothing of what was decided in shadow is sent.")
                return HttpResponseRedirect(reverse("admin:accounts_shadow_changelist"), status=303)
        found = compare()
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "Go live", "form": form,
            "shadow": shadow, "leaving": what_would_leave(shadow.started_at), "found": found,
            "open_count": len(found.open), "back": reverse("admin:accounts_shadow_compare"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/shadow_live.html", context)


@admin.register(OldState)
class OldStateAdmin(ReadOnlyAdmin):
    """Where accounts stand in the old system, as its exports say."""

    list_display = ("account", "on", "status", "balance", "delinquent", "since", "restricted")
    list_select_related = ("account",)
    list_filter = ("on", "delinquent", "restricted")
    search_fields = ("account__number", "account__name")
    empty_words = "Nothing is known of an old system. Import “states in the old system” to compare with it."
    empty_link = ("Import a file", "admin:delinquency_importfile_upload")


@admin.register(AcceptedDifference)
class AcceptedDifferenceAdmin(ReadOnlyAdmin):
    """Differences to the old system that somebody has accepted, and why."""

    list_display = ("account", "field_shown", "ours", "theirs", "reason", "accepted", "accepted_by")
    list_select_related = ("account", "accepted_by")
    list_filter = ("field",)
    search_fields = ("account__number", "reason")
    empty_words = "No difference was accepted yet. Tick them on the page that compares with the old system."
    empty_link = ("Compare with the old system", "admin:accounts_shadow_compare")

    @admin.display(description="what", ordering="field")
    def field_shown(self, row: AcceptedDifference) -> SafeString:
        """Return what differs."""
        return badge(row.get_field_display(), GOOD if row.reason else BAD)

    @admin.display(description="accepted (UTC)", ordering="accepted_at")
    def accepted(self, row: AcceptedDifference) -> SafeString | str:
        """Return when it was accepted."""
        return local_time(row.accepted_at)


def _is_on() -> bool:
    return any(stop.is_shadow for stop in open_stops())


def _cell(text: str) -> str:
    """Return a cell safe in spreadsheets; an amount below zero stays a number."""
    return text if text[:1] == "-" and text[1:].replace(".", "", 1).isdecimal() else no_formula(text)
