"""The screens of what was taken out as files, and of the filters that were kept."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from accounts import exports
from accounts.models import DataExport, SavedFilter
from billing_project.kernel import sheets

from .base import BAD, GOOD, NOTE, QUIET, WARN, ReadOnlyAdmin, badge, local_time, number_of, staff_user, state_badge
from .exporting import list_of

State = DataExport.State
TONES: dict[str, str] = {
    State.HANDED_OVER: GOOD, State.BROKEN_OFF: WARN, State.WAITING: NOTE, State.RUNNING: NOTE, State.READY: GOOD,
    State.FAILED: BAD, State.GONE: QUIET,
}  # fmt: skip


@admin.register(DataExport)
class DataExportAdmin(ReadOnlyAdmin):
    """Who took which list out as a file, by which filter, and how many rows."""

    list_display = ("asked", "asked_by", "title", "filter_words", "kind", "rows", "with_contacts", "state_shown")
    list_select_related = ("asked_by",)
    list_filter = ("state", "with_contacts", "kind", "asked_by")
    search_fields = ("title", "filter_words", "file_name", "asked_by__username")
    search_help_text = "List, filter, file name or user name."
    date_hierarchy = "asked_at"
    empty_words = "Every list has “Make a file”. Who made one, of what and how many rows, stands here then."
    fields = (
        "file_name", "state_shown", "fetch", "rows", "asked", "asked_by", "title", "filter_words", "query",
        "columns_shown", "with_contacts", "finished", "kept_until",
    )  # fmt: skip
    readonly_fields = fields

    def get_urls(self) -> list[Any]:
        """Add the address from which a large file is fetched."""
        view = self.admin_site.admin_view(require_safe(self.fetch_view))
        return [path("<path:object_id>/file/", view, name="accounts_dataexport_file"), *super().get_urls()]

    def fetch_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Hand a large file over to the person who asked for it."""
        row = DataExport.objects.filter(pk=number_of(object_id)).first()
        if row is None:
            raise Http404(f"There is no export {object_id}.")
        if not self.has_view_permission(request, row) or not exports.may_fetch(row, staff_user(request)):
            raise PermissionDenied
        where = exports.path_of(row)
        if row.state != State.READY or not where.is_file():
            return HttpResponseRedirect(reverse("admin:accounts_dataexport_change", args=[row.pk]), status=303)
        answer = FileResponse(
            where.open("rb"), as_attachment=True, filename=row.file_name, content_type=sheets.MEDIA_TYPES[row.kind]
        )
        answer["Cache-Control"] = "private, no-store"
        return answer

    @admin.display(description="asked", ordering="asked_at")
    def asked(self, row: DataExport) -> SafeString | str:
        """Return when it was asked for."""
        return local_time(row.asked_at)

    @admin.display(description="finished")
    def finished(self, row: DataExport) -> SafeString | str:
        """Return when it was finished."""
        return local_time(row.finished_at)

    @admin.display(description="kept until")
    def kept_until(self, row: DataExport) -> SafeString | str:
        """Return when its file is deleted."""
        return local_time(row.kept_until_at)

    @admin.display(description="state", ordering="state")
    def state_shown(self, row: DataExport) -> SafeString:
        """Return how far it is."""
        return state_badge(row, TONES)

    @admin.display(description="rows", ordering="rows_done")
    def rows(self, row: DataExport) -> str:
        """Return how many rows went out, and of how many while it is being made."""
        whole = row.rows_total is None or row.rows_total == row.rows_done
        return f"{row.rows_done:,}" if whole else f"{row.rows_done:,} of {row.rows_total:,}"

    @admin.display(description="columns")
    def columns_shown(self, row: DataExport) -> str:
        """Return the columns it has."""
        return ", ".join(row.columns)

    @admin.display(description="file")
    def fetch(self, row: DataExport) -> SafeString | str:
        """Return the link to a large file for the person who asked, or what to do instead."""
        match row.state:
            case State.READY:
                address = reverse("admin:accounts_dataexport_file", args=[row.pk])
                return format_html('<a class="desk-button" href="{}">Fetch {}</a>', address, row.file_name)
            case State.WAITING | State.RUNNING:
                return "It is being made. Load this page again to see how far it is."
            case State.FAILED:
                return f"It failed: {row.why} Go back to the list and make it again."
            case State.GONE:
                return "It was kept for 7 days and is deleted. Go back to the list and make it again."
            case State.BROKEN_OFF:
                return "The download was broken off. Go back to the list and make it again."
        return "It was handed over at once; nothing is kept here."


@admin.register(SavedFilter)
class SavedFilterAdmin(ReadOnlyAdmin):
    """The filters of lists that people keep; each is looked after on its own list."""

    list_display = ("name", "list_shown", "owner", "shared_shown", "query")
    list_select_related = ("owner",)
    list_filter = ("shared", "source", "owner")
    search_fields = ("name", "source", "owner__username")
    empty_words = "Filter any list, then save the filter under a name above it: it becomes a queue with its count."
    fields = ("name", "list_shown", "query", "owner", "shared_shown", "created_at")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[SavedFilter]:
        """Return one's own and those for everybody; a superuser sees all."""
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        return rows.filter(owner_id=request.user.pk) | rows.filter(shared=True)

    @admin.display(description="list", ordering="source")
    def list_shown(self, row: SavedFilter) -> SafeString | str:
        """Return a link to the list with the filter."""
        model = list_of(row.source)
        if model is None:
            return f"{row.source} (there is no such list any more)"
        home = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        words = str(model._meta.verbose_name_plural)
        return format_html('<a class="desk-link" href="{}?{}">{}</a>', home, row.query, words)

    @admin.display(description="for", ordering="shared")
    def shared_shown(self, row: SavedFilter) -> SafeString:
        """Tell who sees it."""
        return badge("everybody", NOTE) if row.shared else badge("its maker")
