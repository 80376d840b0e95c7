"""Imports: upload a file, choose its columns, see what it would change and what is wrong in it, then import it once."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString

from accounts.admin.base import (
    BAD,
    GOOD,
    NOTE,
    QUIET,
    WARN,
    DeskAdmin,
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
from delinquency.imports import desk, presets
from delinquency.imports.columns import COLUMNS
from delinquency.imports.files import BYTES_MAX, open_file
from delinquency.models import ImportFile, ImportMapping, ImportProblem

from .import_form import ColumnsForm, ReadAsForm, reads_text, words_of

State, Kind = ImportFile.State, ImportFile.Kind
TONES = {
    "columns": WARN, "checking": NOTE, "checked": WARN, "applying": NOTE, "applied": GOOD, "failed": BAD,
    "dropped": QUIET,
}  # fmt: skip
PROBLEMS_SHOWN = 100
REFRESH_SECONDS, REFRESHES = 3, 40
# What else somebody must be allowed who imports a kind: an import is no way around the other pages.
ALSO_NEEDS = {
    Kind.ACCOUNTS: "accounts.add_account", Kind.SERVICES: "accounts.add_serviceline",
    Kind.INVOICES: "invoicing.view_invoice",
    Kind.PAYMENTS: "invoicing.record_payment", Kind.FUNDING_SOURCES: "accounts.add_fundingsource",
    Kind.DEVICES: "netenforce.change_device", Kind.HOLDS: "delinquency.grant_grace",
    Kind.OLD_STATES: "accounts.run_shadow",
}  # fmt: skip


def may_import(request: HttpRequest, kind: str) -> bool:
    """Tell whether a user may import files of a kind."""
    user = request.user
    every = user.has_perm("delinquency.import_data")
    some = kind == Kind.PAYMENTS and user.has_perm("delinquency.import_payments")
    return bool((every or some) and user.has_perm(ALSO_NEEDS[Kind(kind)]))


class UploadForm(DeskForm):
    """Ask for the file, what is in it, and which program wrote it."""

    kind = forms.ChoiceField(label="What is in it")
    source = forms.ChoiceField(
        label="Which program wrote it", choices=list(presets.SOURCES.items()), initial=presets.OURS,
        help_text="Its usual columns are chosen for you; next time just as you leave them.",
    )  # fmt: skip
    file = forms.FileField(
        label="File (CSV or XLSX)",
        help_text=f"At most {BYTES_MAX // 1_000_000} MB. Nothing is written by uploading: you see each step first.",
    )

    def __init__(self, *args: Any, kinds: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kind"].choices = kinds  # type: ignore[attr-defined]


class ImportProblemInline(ReadOnlyTabular):
    """What is wrong in a file, where it is listed as it is."""

    model = ImportProblem
    fields = ("line", "column", "value", "message")
    readonly_fields = fields


@admin.register(ImportFile)
class ImportFileAdmin(ReadOnlyAdmin):
    """Files of accounts, invoices, payments and more: looked at first, then imported once, all or nothing."""

    list_display = ("name", "kind", "source", "uploaded", "uploaded_by", "rows_total", "wrong", "state_shown")
    list_select_related = ("uploaded_by",)
    list_filter = ("state", "kind")
    search_fields = ("name",)
    date_hierarchy = "uploaded_at"
    empty_words = (
        "Nothing was imported here yet. Upload accounts first, then their invoices, then their payments; each file is"
        " checked before anything is written."
    )
    empty_link = ("Upload a file", "admin:delinquency_importfile_upload")
    change_list_template = "admin/imports.html"
    inlines = (ImportProblemInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ImportFile]:
        """Leave the contents where they are."""
        rows: QuerySet[ImportFile] = super().get_queryset(request)
        return rows.defer("content", "sample", "preview", "mapping", "headers")

    def get_urls(self) -> list[Any]:
        """Add the pages of a file before the admin's own."""
        site: Any = self.admin_site
        name = "delinquency_importfile"
        return [
            path("upload/", site.admin_view(self.upload), name=f"{name}_upload"),
            path("<int:pk>/columns/", site.admin_view(self.columns), name=f"{name}_columns"),
            path("<int:pk>/failed/", site.admin_view(self.failed), name=f"{name}_failed"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Offer to upload to those who may."""
        return super().changelist_view(request, {**(extra_context or {}), "may_import": bool(_kinds(request))})

    @admin.display(description="uploaded (UTC)", ordering="uploaded_at")
    def uploaded(self, file: ImportFile) -> SafeString | str:
        """Return when it was uploaded."""
        return local_time(file.uploaded_at)

    @admin.display(description="state", ordering="state")
    def state_shown(self, file: ImportFile) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(file, TONES)

    def upload(self, request: HttpRequest) -> HttpResponse:
        """Ask for a file, and go on to its columns."""
        kinds = _kinds(request)
        if not kinds:
            raise PermissionDenied
        form = UploadForm(
            request.POST or None, request.FILES or None, kinds=kinds, initial={"kind": request.GET.get("kind")}
        )
        if request.method == "POST" and form.is_valid():
            given, kind = form.cleaned_data["file"], form.cleaned_data["kind"]
            try:
                if given.size > BYTES_MAX:
                    raise Refused("too_large", f"The file has more than {BYTES_MAX // 1_000_000} MB; divide it.")
                file = desk.take_in(
                    kind=kind, source=form.cleaned_data["source"], name=given.name, content=given.read(),
                    by=staff_user(request),
                )  # fmt: skip
            except Refused as refusal:
                form.add_error("file", refusal.words)
            else:
                if desk.is_remembered(file):
                    messages.info(request, "A file with these columns was imported before; they are chosen as then.")
                return _to("columns", file)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "Import a file", "form": form,
            "kinds": [(label, COLUMNS[Kind(kind)]) for kind, label in kinds],
            "back": reverse("admin:delinquency_importfile_changelist"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/import_upload.html", context)

    def columns(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask which column is which; on POST keep that and check the file."""
        file = self._file(request, pk)
        if file.state not in (State.COLUMNS, State.CHECKED):
            return _to("change", file)
        read_as = ReadAsForm(
            request.POST if "read_as" in request.POST else None,
            initial={"encoding": file.encoding, "delimiter": file.delimiter},
        )
        form = ColumnsForm(request.POST if "check" in request.POST else None, file=file)
        if request.method == "POST":
            try:
                if "drop" in request.POST:
                    desk.drop(file)
                    return _to("change", file)
                if read_as.is_bound and read_as.is_valid():
                    desk.read_as(file, **read_as.cleaned_data)
                    return _to("columns", file)
                if form.is_bound and form.is_valid():
                    desk.check(file, form.choice(), by=staff_user(request))
                    return _to("change", file)
            except Refused as refusal:
                if read_as.is_bound or form.is_bound:
                    (read_as if read_as.is_bound else form).add_error(None, refusal.words)
                else:
                    messages.error(request, refusal.words)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "original": file, "file": file, "form": form,
            "title": f"Columns of {file.name}", "read_as": read_as if reads_text(file) else None,
            "source": presets.SOURCES.get(file.source, file.source),
            "back": reverse("admin:delinquency_importfile_changelist"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/import_columns.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show what a file would do or has done; on POST import it or put it aside."""
        # Ten megabytes are not read to show a page of words.
        rows = ImportFile.objects.defer("content").annotate(has_content=Q(content__isnull=False))
        file = rows.select_related("uploaded_by", "applied_by").filter(pk=number_of(object_id)).first()
        if file is None:
            return super().change_view(request, object_id, form_url, extra_context)
        if not self.has_view_permission(request, file):
            raise PermissionDenied
        may = may_import(request, file.kind)
        refused = ""
        if request.method == "POST":
            if not may:
                raise PermissionDenied
            try:
                if "drop" in request.POST:
                    desk.drop(file)
                elif "apply" in request.POST:
                    desk.apply(file, by=staff_user(request))
            except Refused as refusal:
                refused = refusal.words
            else:
                return _to("change", file)
        file.refresh_from_db()
        return self._page(request, file, may=may, refused=refused)

    def _page(self, request: HttpRequest, file: ImportFile, *, may: bool, refused: str) -> HttpResponse:
        working = file.state in ImportFile.AT_WORK
        look = request.GET.get("look", "1")
        watching = working and look.isdigit() and len(look) < 4 and int(look) < REFRESHES
        problems = Paginator(file.problems.order_by("line", "pk"), PROBLEMS_SHOWN)
        names = [column.name for column in desk.columns_of(file)]
        shown = [name for name in names if any(name in cells for _line, cells in file.preview)]
        before = ImportFile.objects.filter(kind=file.kind, sha256=file.sha256, state=State.APPLIED).exclude(pk=file.pk)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "original": file, "file": file,
            "title": file.name, "state": state_badge(file, TONES), "working": working, "watching": watching,
            "refused": refused, "may": may, "problems": problems.get_page(request.GET.get("p")),
            "preview_columns": [words_of(column) for column in desk.columns_of(file) if column.name in shown],
            "preview": [(line, [cells.get(name, "") for name in shown]) for line, cells in file.preview],
            "good": max(file.rows_total - file.wrong, 0), "changes": file.created + file.updated,
            "source": presets.SOURCES.get(file.source, file.source), "uploaded": local_time(file.uploaded_at),
            "applied": local_time(file.applied_at), "before": before.order_by("-applied_at").first(),
            "goes_on": clock.local(file.uploaded_at + desk.KEPT_FOR, "UTC").date(),
            "back": reverse("admin:delinquency_importfile_changelist"),
        }  # fmt: skip
        answer = TemplateResponse(request, "admin/import_file.html", context)
        if watching:
            answer.headers["Refresh"] = f"{REFRESH_SECONDS}; url=?look={int(look) + 1}"
        return answer

    def failed(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        """Give the wrong rows as a file: its own columns, and beside them what is wrong with each."""
        file = self._file(request, pk)
        if file.content is None:
            raise Http404("The content of this file is deleted.")
        wrong: dict[int, list[ImportProblem]] = {}
        for problem in file.problems.order_by("line", "pk"):
            wrong.setdefault(problem.line, []).append(problem)

        def rows() -> Iterator[str]:
            out = io.StringIO()
            writer = csv.writer(out)
            opened = open_file(bytes(file.content or b""), file.encoding, file.delimiter)
            writer.writerow([no_formula(name) for name in (*opened.headers, "line", "what is wrong")])
            for line, cells, _words in opened.lines:
                if line not in wrong:
                    continue
                why = "; ".join(f"{one.column} {one.message}".strip() for one in wrong[line])
                given = [*cells, *[""] * len(opened.headers)][: len(opened.headers)]
                writer.writerow([*(no_formula(cell.replace("\x00", "")) for cell in given), line, no_formula(why)])
                yield out.getvalue()
                out.seek(0)
                out.truncate()
            yield out.getvalue()

        return _attachment(rows(), f"wrong-rows-{file.pk}.csv")

    def _file(self, request: HttpRequest, pk: int) -> ImportFile:
        file = ImportFile.objects.filter(pk=pk).first()
        if file is None:
            raise Http404(f"There is no import {pk}.")
        if not may_import(request, file.kind):
            raise PermissionDenied
        return file


@admin.register(ImportMapping)
class ImportMappingAdmin(DeskAdmin):
    """How the columns of each program's files were chosen last time; delete one to have them guessed anew."""

    may_add = False
    may_change = False
    may_delete = True
    list_display = ("kind", "source", "columns_shown", "saved", "saved_by")
    list_select_related = ("saved_by",)
    list_filter = ("kind", "source")
    search_fields = ("source",)
    fields = ("kind", "source", "columns_shown", "saved", "saved_by")
    readonly_fields = fields
    empty_words = "No columns were chosen yet. They are remembered from the first file of each kind that is checked."
    empty_link = ("Upload a file", "admin:delinquency_importfile_upload")

    @admin.display(description="columns")
    def columns_shown(self, mapping: ImportMapping) -> str:
        """Return which of theirs is which of ours."""
        places = mapping.mapping.get("columns", {})
        return ", ".join(
            f"{ours.replace('_', ' ')} = {' + '.join(theirs.values())}" for ours, theirs in sorted(places.items())
        )

    @admin.display(description="saved (UTC)", ordering="saved_at")
    def saved(self, mapping: ImportMapping) -> SafeString | str:
        """Return when it was chosen."""
        return local_time(mapping.saved_at)


def _kinds(request: HttpRequest) -> list[tuple[str, str]]:
    return [(value, str(label)) for value, label in Kind.choices if may_import(request, value)]


def _to(page: str, file: ImportFile) -> HttpResponse:
    return HttpResponseRedirect(reverse(f"admin:delinquency_importfile_{page}", args=[file.pk]), status=303)


def no_formula(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula (SEC-09)."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text


def _attachment(parts: Iterator[str], name: str) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        parts, content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )  # fmt: skip
