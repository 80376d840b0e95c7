"""Bank files: upload, look, correct in place, record, and see what came of it (K9, U05, U06)."""

import csv
import io
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString

from accounts.admin.base import (
    BAD,
    GOOD,
    NOTE,
    QUIET,
    WARN,
    ReadOnlyAdmin,
    ReadOnlyTabular,
    local_time,
    number_of,
    staff_user,
    state_badge,
)
from accounts.admin.field_help import DeskForm
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from invoicing.models import BankFile, BankFileRow
from invoicing.operations import bank_files
from invoicing.rules import bank_file as rules

TONES = {"draft": WARN, "applying": NOTE, "applied": GOOD, "dropped": QUIET}
ROW_TONES = {"done": GOOD, "failed": BAD, "left_out": QUIET, "waiting": NOTE}
SHOWN = 100
# A page that watches a worker looks again by itself for so long.
REFRESH_SECONDS, WATCH_SECONDS = 3, 120
EDITED = {
    rules.TRANSFERS: ("reference", "received", "amount", "account", "invoice", "method"),
    rules.RETURNS: ("reference", "returned_on", "reason"),
}
LABELS = {"returned_on": "returned on", "reversed_on": "reversed on"}
COLUMN_WORDS = {
    kind: (", ".join(rules.REQUIRED[kind]), ", ".join(one for one in rules.OPTIONAL[kind] if one != "why"))
    for kind in (rules.TRANSFERS, rules.RETURNS)
}


class UploadForm(DeskForm):
    """Ask for the file, and what is in it."""

    kind = forms.ChoiceField(label="What is in it", choices=BankFile.Kind.choices)
    file = forms.FileField(
        label="File (CSV)", help_text="UTF-8, with a header. Nothing is recorded by uploading: you see each row first."
    )


class BankFileRowInline(ReadOnlyTabular):
    """The rows of a file, where they are listed as they are."""

    model = BankFileRow
    fields = ("line", "cells", "finding", "outcome", "words", "payment")
    readonly_fields = fields


@admin.register(BankFile)
class BankFileAdmin(ReadOnlyAdmin):
    """Files of the bank: transfers that came in, and payments that came back. Each is recorded once."""

    list_display = ("name", "kind", "uploaded", "uploaded_by", "rows_total", "wrong_total", "state_shown")
    list_select_related = ("uploaded_by",)
    list_filter = ("state", "kind")
    search_fields = ("name", "rows__cells__reference")
    date_hierarchy = "uploaded_at"
    empty_words = "No file was uploaded. Export the incoming transfers of your bank as CSV and press “Upload a file”."
    empty_link = ("Upload a file", "admin:invoicing_bankfile_upload")
    change_list_template = "admin/bank_files.html"
    inlines = (BankFileRowInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[BankFile]:
        """Count the rows in the same query."""
        rows: QuerySet[BankFile] = super().get_queryset(request)
        wrong = Q(rows__outcome="failed") | Q(rows__finding="check", rows__left_out=False, state="draft")
        return rows.annotate(all_rows=Count("rows"), wrong_rows=Count("rows", filter=wrong))

    def get_urls(self) -> list[Any]:
        """Add the pages of a file before the admin's own."""
        site: Any = self.admin_site
        name = "invoicing_bankfile"
        return [
            path("upload/", site.admin_view(self.upload), name=f"{name}_upload"),
            path("<int:pk>/failures/", site.admin_view(self.failures), name=f"{name}_failures"),
            *super().get_urls(),
        ]

    @admin.display(description="uploaded (UTC)", ordering="uploaded_at")
    def uploaded(self, file: BankFile) -> SafeString | str:
        """Return when it was uploaded."""
        return local_time(file.uploaded_at)

    @admin.display(description="rows")
    def rows_total(self, file: Any) -> int:
        """Return how many rows it has."""
        return int(file.all_rows)

    @admin.display(description="to correct, or failed")
    def wrong_total(self, file: Any) -> int:
        """Return how many rows need a person."""
        return int(file.wrong_rows)

    @admin.display(description="state", ordering="state")
    def state_shown(self, file: BankFile) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(file, TONES)

    def upload(self, request: HttpRequest) -> HttpResponse:
        """Ask for a file, and show what is in it."""
        self._allowed(request)
        form = UploadForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data["file"]
            try:
                if given.size > rules.BYTES_MAX:
                    raise Refused("too_large", f"The file has more than {rules.BYTES_MAX // 1_000_000} MB; divide it.")
                file = bank_files.take_in(
                    kind=form.cleaned_data["kind"], name=given.name, content=given.read(), by=staff_user(request)
                )
            except Refused as refusal:
                form.add_error("file", refusal.words)
            else:
                return self._to(file)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "Upload a bank file", "form": form,
            "columns": COLUMN_WORDS, "back": reverse("admin:invoicing_bankfile_changelist"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/bank_upload.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show a file: its rows to correct, how far it is, or what came of it; on POST correct, record or drop it."""
        file = BankFile.objects.filter(pk=number_of(object_id)).first()
        if file is None:
            return super().change_view(request, object_id, form_url, extra_context)
        if not self.has_view_permission(request, file):
            raise PermissionDenied
        refused = ""
        if request.method == "POST":
            self._allowed(request)
            try:
                self._carry_out(request, file)
            except Refused as refusal:
                refused = refusal.words
            else:
                return self._to(file)
        return self._page(request, file, refused)

    def failures(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Give the rows that failed, or are still to be corrected, as a file that can be mended and uploaded again."""
        file = BankFile.objects.filter(pk=pk).first()
        if file is None:
            raise Http404(f"There is no bank file {pk}.")
        self._allowed(request)
        names = [*rules.REQUIRED[file.kind], *(one for one in rules.OPTIONAL[file.kind] if one != "why"), "why"]
        out = io.StringIO()
        writer = csv.DictWriter(out, names, extrasaction="ignore")
        writer.writeheader()
        rows = file.rows.filter(Q(outcome="failed") | Q(outcome="waiting", finding="check", left_out=False))
        for row in rows.order_by("line"):
            why = row.words or "; ".join(f"{name} {words}" for name, words in row.wrong.items())
            cells = {name: _no_formula(str(row.cells.get(name, ""))) for name in names}
            writer.writerow(cells | {"why": _no_formula(why)})
        return HttpResponse(
            out.getvalue(), content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="failed-{file.pk}.csv"'},
        )  # fmt: skip

    def _allowed(self, request: HttpRequest) -> None:
        if not request.user.has_perm("invoicing.record_payment"):
            raise PermissionDenied

    def _to(self, file: BankFile) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:invoicing_bankfile_change", args=[file.pk]), status=303)

    def _carry_out(self, request: HttpRequest, file: BankFile) -> None:
        """Do what the pressed button says."""
        if "drop" in request.POST:
            bank_files.drop(file)
            messages.success(request, "The file is put aside; nothing of it was recorded.")
            return
        if "again" in request.POST:
            bank_files.try_again(file)
        else:
            changes, left_out = _changes(request, file)
            bank_files.correct(file, changes, left_out=left_out)
            if "record" not in request.POST:
                return
            bank_files.start(file, by=staff_user(request))
        if file.rows.count() <= bank_files.AT_ONCE_MAX:
            done = bank_files.apply_file(file.pk)
            messages.success(request, f"{done} {'row' if done == 1 else 'rows'} recorded.")

    def _page(self, request: HttpRequest, file: BankFile, refused: str) -> HttpResponse:
        file.refresh_from_db()
        counts = bank_files.counts(file)
        rows = file.rows.select_related("payment__account").order_by("line")
        to_correct = rows.filter(finding="check", outcome="waiting").order_by("left_out", "line")[:SHOWN]
        ended = counts["rows"] - counts["now_waiting"]
        running = file.state == BankFile.State.APPLYING
        seconds = (clock.now() - file.applied_at).total_seconds() if file.applied_at else 0
        rate = ended / seconds if running and seconds > 0 else 0
        watching = running and seconds < WATCH_SECONDS and request.GET.get("look") != "stop"
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "original": file, "title": file.name,
            "file": file, "refused": refused, "counts": counts, "ended": ended, "running": running,
            "state": state_badge(file, TONES), "watching": watching, "rate": round(rate),
            "seconds_left": round(counts["now_waiting"] / rate) if rate else None,
            "to_correct": [_editable(row, file.kind) for row in to_correct] if file.state == "draft" else [],
            "columns": [LABELS.get(name, name) for name in EDITED[file.kind]],
            "fine": rows.filter(finding__in=["fine", "known"])[:SHOWN] if file.state == "draft" else (),
            "results": _results(rows)
            if file.state in ("applying", "applied") else [],
            "failed": counts["now_failed"], "may": request.user.has_perm("invoicing.record_payment"),
            "back": reverse("admin:invoicing_bankfile_changelist"), "shown": SHOWN,
        }  # fmt: skip
        answer = TemplateResponse(request, "admin/bank_file.html", context)
        if watching:
            answer.headers["Refresh"] = str(REFRESH_SECONDS)
        return answer


def _changes(request: HttpRequest, file: BankFile) -> tuple[dict[int, dict[str, str]], dict[int, bool]]:
    """Return the corrected cells and the ticks of the rows that the page has shown."""
    shown = {number_of(key) for key in request.POST.getlist("row")}
    changes: dict[int, dict[str, str]] = {}
    left_out: dict[int, bool] = {}
    for pk in BankFileRow.objects.filter(file=file, pk__in=shown).values_list("pk", flat=True):
        found = {}
        for name in EDITED[file.kind]:
            typed = request.POST.get(f"{pk}-{name}")
            chosen = request.POST.get(f"{pk}-{name}-chosen", "")
            if chosen or typed is not None:
                found[name] = chosen or str(typed)
        changes[pk] = found
        left_out[pk] = f"{pk}-left-out" in request.POST
    return changes, left_out


def _editable(row: BankFileRow, kind: str) -> dict[str, Any]:
    """Return a row as the page offers it: its cells, what is wrong with each, and what may be chosen."""
    chosen_for = "account" if kind == rules.TRANSFERS else "reference"
    cells = [
        {
            "name": name, "label": LABELS.get(name, name), "value": row.cells.get(name, ""),
            "wrong": row.wrong.get(name, ""),
            "candidates": row.candidates if name == chosen_for and name in row.wrong else [],
        }
        for name in EDITED[kind]
    ]  # fmt: skip
    hidden = {name: words for name, words in row.wrong.items() if name not in EDITED[kind]}
    return {"row": row, "cells": cells, "payer": row.cells.get("payer", ""), "other": hidden.items()}


def _no_formula(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _results(rows: QuerySet[BankFileRow]) -> list[tuple[BankFileRow, SafeString]]:
    """Return what came of the rows, those that failed first."""
    ended = list(rows.filter(outcome="failed")[:SHOWN])
    ended += rows.exclude(outcome__in=["failed", "waiting"])[: SHOWN - len(ended)]
    return [(row, state_badge(row, ROW_TONES, "outcome")) for row in ended]
