"""Take exactly the list that one looks at out as a file: its filter, search, order and columns (U13, SEC-09)."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin, site
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, QueryDict, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse

from accounts import exports, signals
from accounts.models import DataExport, User
from billing_project.kernel import sheets
from billing_project.kernel.errors import Refused
from billing_project.kernel.sheets import Cell

from .export_cells import PERSONAL_MODELS, Column, Sheet, columns_of, has_account, stream
from .pages import whole_count
from .saved_filters import SavedFilterPages, narrowing, queues

Kind = DataExport.Kind

if TYPE_CHECKING:
    _Pages = ModelAdmin[Any]
else:
    _Pages = object


class ListFiles(SavedFilterPages, _Pages):
    """The button of every list that makes a file of it, and the page on which its columns are chosen."""

    def get_urls(self) -> list[Any]:
        """Add the page before the list's own addresses."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        return [path("export/", self.admin_site.admin_view(self.export_view), name=name), *super().get_urls()]

    def list_tools(self, request: HttpRequest, found: Any) -> dict[str, Any]:
        """Return what the line above the list shows: kept filters, and whether a file may be made."""
        base, query = f"admin:{self.opts.app_label}_{self.opts.model_name}", kept_query(request)
        return {
            "queues": queues(self, request), "query": query, "suggested": narrowing(found)[:60],
            "export_url": f"{base}_export", "filters_url": f"{base}_filters", "may_export": self.may_export(request),
            "may_share": request.user.has_perm("accounts.share_savedfilter"),
        }  # fmt: skip

    def may_export(self, request: HttpRequest) -> bool:
        """Tell whether the user may make a file of this list; of lists about people only with contact data."""
        if not (self.has_view_permission(request) and request.user.has_perm("accounts.export_data")):
            return False
        return self.opts.label_lower not in PERSONAL_MODELS or request.user.has_perm("accounts.export_contacts")

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Let the columns be chosen, and on POST hand the file over, or leave a large one to a task."""
        if not self.may_export(request):
            raise PermissionDenied
        back = f"{reverse(f'admin:{self.opts.app_label}_{self.opts.model_name}_changelist')}?{kept_query(request)}"
        personal = request.user.has_perm("accounts.export_contacts")
        try:
            rows, count, words = narrowed(self, request)
            columns = columns_of(self, request, personal=personal)
            if request.method == "POST":
                return self._hand_over(request, rows, count, words, columns)
        except (IncorrectLookupParameters, DisallowedModelAdminLookup):
            messages.error(request, "This filter is not understood any more: choose it again, then make the file.")
            return HttpResponseRedirect(back.partition("?")[0], status=303)
        except Refused as refusal:
            messages.error(request, refusal.words)
            return HttpResponseRedirect(back, status=303)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "Make a file of this list",
            "names": self.opts.verbose_name_plural, "count": count, "filter_words": words, "columns": columns,
            "offers_contacts": personal and has_account(self.model), "back": back,
            "kinds": list(DataExport.SHEETS.items()),
            "large": count > exports.DIRECT_MAX, "direct_max": exports.DIRECT_MAX,
        }  # fmt: skip
        return TemplateResponse(request, "admin/export.html", context)

    def _hand_over(
        self, request: HttpRequest, rows: QuerySet[Any], count: int, words: str, columns: list[Column]
    ) -> HttpResponseBase:
        asked = request.POST
        kind = asked.get("kind", "")
        if kind not in DataExport.SHEETS:
            raise Refused("bad_kind", "Choose CSV or XLSX.")
        if kind == Kind.XLSX and count > sheets.SHEET_ROWS_MAX:
            raise Refused("too_many_rows", f"{count:,} rows are more than a sheet holds: choose CSV, or filter more.")
        chosen = set(asked.getlist("columns")) or {column.name for column in columns if column.shown}
        contacts = "contacts" in asked
        if contacts and not (request.user.has_perm("accounts.export_contacts") and has_account(self.model)):
            raise PermissionDenied
        wanted = [column for column in columns if column.name in chosen]
        if not wanted:
            raise Refused("no_columns", "Tick at least one column.")
        assert isinstance(request.user, User)
        title = str(self.opts.verbose_name_plural)
        log = DataExport(
            source=self.opts.label_lower, title=title, filter_words=words[:300], query=kept_query(request),
            columns=[column.name for column in wanted], kind=kind, rows_total=count, asked_by=request.user,
            with_contacts=contacts or self.opts.label_lower in PERSONAL_MODELS,
            file_name=exports.file_name(title, words, kind),
        )  # fmt: skip
        if count > exports.DIRECT_MAX:
            exports.ask_for(log)
            messages.success(request, f"{count:,} rows: the file is being made. It will be here to fetch for 7 days.")
            return HttpResponseRedirect(reverse("admin:accounts_dataexport_change", args=[log.pk]), status=303)
        log.save()
        sheet = Sheet(self, stream(rows), wanted, contacts=contacts)
        pieces = sheets.pieces(kind, sheet.head, sheet.rows())
        return file_response(log, exports.counted(log, pieces, lambda: sheet.done))


def refuse_files(request: HttpRequest) -> None:
    """Raise PermissionDenied unless the user may take lists out as files (SEC-09)."""
    if not request.user.has_perm("accounts.export_data"):
        raise PermissionDenied


def hand_out(
    request: HttpRequest, rows: Iterable[Sequence[Cell]], *, source: str, title: str, of: str = "",
    contact_columns: Collection[str] = (),
) -> StreamingHttpResponse:  # fmt: skip
    """Hand the rows of a report over as a CSV file, the first row its head, and note who took it (U13, SEC-09).

    ``of`` says what it is of, such as a period. The contact columns stay away from whoever may not take contact data
    out. Raises PermissionDenied without the right to files.
    """
    refuse_files(request)
    lines = iter(rows)
    head = [str(name) for name in next(lines)]
    personal = request.user.has_perm("accounts.export_contacts")
    kept = [place for place, name in enumerate(head) if personal or name not in contact_columns]
    assert isinstance(request.user, User)
    log = DataExport.objects.create(
        source=f"report:{source}", title=title, filter_words=of, query=request.GET.urlencode(),
        columns=[head[place] for place in kept], kind=Kind.CSV, asked_by=request.user,
        with_contacts=personal and bool(contact_columns), file_name=exports.file_name(title, of, Kind.CSV),
    )  # fmt: skip
    counted = Counted([line[place] for place in kept] for line in lines)
    pieces = sheets.pieces(Kind.CSV, log.columns, counted)
    return file_response(log, exports.counted(log, pieces, lambda: counted.done))


class Counted:
    """Rows that are counted as they go out."""

    def __init__(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Take the rows; none has gone out yet."""
        self._rows, self.done = rows, 0

    def __iter__(self) -> Iterator[Sequence[Cell]]:
        for row in self._rows:
            yield row
            self.done += 1


def file_response(log: DataExport, pieces: Any) -> StreamingHttpResponse:
    """Return a file that is handed over piece by piece, and kept nowhere on its way."""
    return StreamingHttpResponse(
        pieces, content_type=sheets.MEDIA_TYPES[log.kind],
        headers={
            "Content-Disposition": f'attachment; filename="{log.file_name}"', "Cache-Control": "private, no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )  # fmt: skip


def narrowed(desk: Any, request: HttpRequest) -> tuple[QuerySet[Any], int, str]:
    """Return the rows that a list shows with the request's filter, their number, and the filter in words.

    Raises IncorrectLookupParameters or DisallowedModelAdminLookup for a filter that the list does not know.
    """
    request.GET = QueryDict(kept_query(request))
    found = desk.get_changelist_instance(request)
    return found.queryset, whole_count(found), narrowing(found)


def kept_query(request: HttpRequest) -> str:
    """Return the filter, search and order of a list's address, without the page that was looked at."""
    kept = request.GET.copy()
    for name in ("p", "all", "e", "_popup", "_changelist_filters"):
        kept.pop(name, None)
    return kept.urlencode()


def make_file(export_id: int) -> int:
    """Make a large file of a list that somebody asked for; return its rows, 0 if somebody else makes it.

    The list is the one that its asker would see now, with the rights held now.
    """
    log = exports.take(export_id)
    if log is None:
        return 0
    model = next((model for model in site._registry if model._meta.label_lower == log.source), None)
    desk: Any = site._registry.get(model) if model else None
    if desk is None and log.asked_by is not None and log.asked_by.is_active:
        for _receiver, rows_made in signals.file_wanted.send(sender=DataExport, export=log):
            if rows_made is not None:
                return int(rows_made)
    if desk is None or log.asked_by is None or not log.asked_by.is_active:
        exports.fail(log, "The list, or the person who asked for it, is not there any more.")
        return 0
    request = HttpRequest()
    request.method, request.user, request.GET = "GET", log.asked_by, QueryDict(log.query)
    if not desk.may_export(request) or (log.with_contacts and not log.asked_by.has_perm("accounts.export_contacts")):
        exports.fail(log, "The person who asked for it may not take this list out any more.")
        return 0
    if not exports.room_left():
        exports.fail(log, "The disk has less than 1 GB left; make room, then ask again.")
        return 0
    try:
        rows, count, _words = narrowed(desk, request)
    except (IncorrectLookupParameters, DisallowedModelAdminLookup):
        exports.fail(log, "The filter is not understood any more; choose it again.")
        return 0
    DataExport.objects.filter(pk=log.pk).update(rows_total=count)
    personal = log.asked_by.has_perm("accounts.export_contacts")
    wanted = [one for one in columns_of(desk, request, personal=personal) if one.name in log.columns]
    contacts = log.with_contacts and has_account(desk.model)
    sheet = Sheet(desk, stream(rows), wanted, contacts=contacts)
    whole = False
    try:
        exports.write(log, sheets.pieces(log.kind, sheet.head, sheet.rows()), lambda: sheet.done)
        whole = True
    finally:
        if not whole:
            exports.fail(log, "It broke off while being made; the program's log says why. Make it again.")
    return sheet.done


def list_of(source: str) -> type[Model] | None:
    """Return the model of a list by its name, such as accounts.account, if it still has one."""
    return next((model for model in site._registry if model._meta.label_lower == source), None)
