"""Filters of lists that people keep: their own queues and the ones for everybody, each with its count (U03)."""

from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin import FieldListFilter, ModelAdmin
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import path, reverse

from accounts.models import SavedFilter

# Each costs a query on its list's page.
COUNTED_MAX = 12
NAME_LENGTH = 60

if TYPE_CHECKING:
    _Pages = ModelAdmin[Any]
else:
    _Pages = object


@dataclass(frozen=True, slots=True)
class Queue:
    """A kept filter as its list shows it: how many rows it has, or None if the list knows it no more."""

    row: SavedFilter
    url: str
    count: int | None
    on: bool


class SavedFilterPages(_Pages):
    """Keep the filter of a list under a name, and look after those that were kept."""

    def get_urls(self) -> list[Any]:
        """Add the page before the list's own addresses."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_filters"
        return [path("filters/", self.admin_site.admin_view(self.filters_view), name=name), *super().get_urls()]

    def filters_view(self, request: HttpRequest) -> HttpResponse:
        """Show the kept filters of this list; on POST keep one, delete one, or share one."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        home = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        if request.method == "POST":
            return _change(request, self.opts.label_lower, home)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "Saved filters",
            "names": self.opts.verbose_name_plural, "queues": queues(self, request), "back": home,
            "may_share": request.user.has_perm("accounts.share_savedfilter"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/saved_filters.html", context)


def queues(desk: Any, request: HttpRequest) -> list[Queue]:
    """Return the kept filters of a list with their counts: one query for all, and one for each count."""
    rows = _seen_by(request, desk.opts.label_lower).select_related("owner")
    home = reverse(f"admin:{desk.opts.app_label}_{desk.opts.model_name}_changelist")
    here = QueryDict(request.GET.urlencode(), mutable=True)
    here.pop("p", None)
    return [
        Queue(row, f"{home}?{row.query}", _count(desk, request, row.query), row.query == here.urlencode() != "")
        for row in rows[:COUNTED_MAX]
    ]


def narrowing(found: Any) -> str:
    """Return in words how a list is narrowed: its search, and each filter with what was chosen."""
    parts = [f"“{found.query}”"] if found.query else []
    for spec in found.filter_specs:
        chosen = [str(one.get("display", "")) for one in spec.choices(found) if one.get("selected")]
        used = any(name in found.params or name in found.filter_params for name in spec.expected_parameters())
        if used and chosen:
            parts.append(f"{spec.title}: {', '.join(chosen)}")
    return "; ".join(parts)


def _change(request: HttpRequest, source: str, home: str) -> HttpResponse:
    does, back = request.POST.get("do", ""), home
    if does == "keep":
        query = QueryDict(request.POST.get("query", ""), mutable=True)
        query.pop("p", None)
        back = f"{home}?{query.urlencode()}"
        _keep(request, source, query.urlencode())
    elif does in ("delete", "share", "unshare"):
        back = f"{home}filters/"
        _look_after(request, source, does)
    else:
        messages.error(request, "Say what to do with the filter: keep, share or delete it.")
    return HttpResponseRedirect(back, status=303)


def _keep(request: HttpRequest, source: str, query: str) -> None:
    name = " ".join(request.POST.get("name", "").replace("\0", " ").split())[:NAME_LENGTH]
    shared = "shared" in request.POST
    if not name or len(query) > 1000:
        messages.error(request, "Give the filter a name, such as “Suspended, over 60 days”; then save it again.")
        return
    if shared and not request.user.has_perm("accounts.share_savedfilter"):
        raise PermissionDenied
    others = _seen_by(request, source).exclude(owner_id=request.user.pk, name=name)
    if others.count() >= COUNTED_MAX:
        words = f"A list shows {COUNTED_MAX} saved filters at most; delete one under “Saved filters”, then try again."
        messages.error(request, words)
        return
    values = {"query": query, "shared": shared}
    _row, made = SavedFilter.objects.update_or_create(
        owner_id=request.user.pk, source=source, name=name, defaults=values
    )
    messages.success(request, f"“{name}” is saved." if made else f"“{name}” now stands for this filter.")


def _look_after(request: HttpRequest, source: str, does: str) -> None:
    key = request.POST.get("pk", "")
    row = _seen_by(request, source).filter(pk=int(key) if key.isascii() and key.isdigit() else 0).first()
    if row is None:
        messages.error(request, "Somebody has deleted that filter already; nothing was changed.")
        return
    may_share = request.user.has_perm("accounts.share_savedfilter")
    if (row.owner_id != request.user.pk or does != "delete") and not may_share:
        raise PermissionDenied
    if does == "delete":
        row.delete()
        messages.success(request, f"“{row.name}” is deleted. The rows are untouched.")
        return
    row.shared = does == "share"
    row.save(update_fields=["shared"])
    messages.success(request, f"“{row.name}” is {'for everybody' if row.shared else 'only its maker’s'} now.")


def _seen_by(request: HttpRequest, source: str) -> QuerySet[SavedFilter]:
    return SavedFilter.objects.filter(Q(shared=True) | Q(owner_id=request.user.pk), source=source)


def _count(desk: Any, request: HttpRequest, query: str) -> int | None:
    """Return how many rows a filter has; None if the list does not know it any more. One query."""
    asked = copy(request)
    asked.GET = QueryDict(query)
    try:
        counted: int = _plain_list(desk, asked).result_count
        return counted
    except (IncorrectLookupParameters, DisallowedModelAdminLookup):
        return None


def _plain_list(desk: Any, request: HttpRequest) -> Any:
    """Return a list as Django makes it, but with filters that do not read their choices from the database."""
    made = desk.get_changelist(request)
    return made(
        request, desk.model, desk.get_list_display(request), None,
        [_quiet(one) for one in desk.get_list_filter(request)],
        desk.date_hierarchy, desk.get_search_fields(request), desk.get_list_select_related(request), 1,
        desk.list_max_show_all, (), desk, desk.get_sortable_by(request), desk.search_help_text,
    )  # fmt: skip


def _quiet(listed: Any) -> Any:
    """Return an entry of a list's filters that asks for no choices where they are rows of another table."""
    if callable(listed):
        return listed
    name, make = listed if isinstance(listed, list | tuple) else (listed, FieldListFilter.create)

    def quiet(field: Any, *arguments: Any, **more: Any) -> Any:
        if getattr(field, "remote_field", None) is not None:
            field = copy(field)
            field.get_choices = _two_choices
        return make(field, *arguments, **more)

    return (name, quiet)


def _two_choices(**_: Any) -> list[tuple[int, str]]:
    """Return choices enough for a filter to be offered, and so to be obeyed."""
    return [(0, "one"), (1, "other")]
