"""The audit record: who changed what, the difference, and whether the record is whole."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.audit.checks import ask_for_check
from accounts.audit.sealing import head
from accounts.audit.tables import WATCHED
from accounts.audit.verifying import SEAL_WITHIN
from accounts.audit.words import Names, line_words, lines_of, model_of, names_for, row_words
from accounts.models import Account, AuditCheck, AuditEntry, AuditLink, AuditSeal, User
from billing_project.kernel import clock

from .base import (
    BAD,
    GOOD,
    NOTE,
    NOTHING,
    WARN,
    ReadOnlyAdmin,
    ReadOnlyTabular,
    admin_link,
    badge,
    local_time,
    number_of,
    staff_user,
)

ACT_TONES = {"added": GOOD, "changed": NOTE, "deleted": BAD}
CHECK_TONES = {"waiting": NOTE, "running": NOTE, "whole": GOOD, "broken": BAD}
LINES_ON_LIST = 4
CHECKS_SHOWN = 10
# A page left open does not ask for ever.
LOOK_SECONDS, LOOKS_MAX = 3, 200


class TableFilter(admin.SimpleListFilter):
    """Of which rows."""

    title = "what"
    parameter_name = "what"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the kinds of rows."""
        return sorted(WATCHED.items(), key=lambda one: one[1])

    def queryset(self, _request: HttpRequest, rows: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Narrow the list."""
        return rows.filter(table=self.value()) if self.value() in WATCHED else rows


class WhoFilter(admin.SimpleListFilter):
    """By which person, or by the program."""

    title = "who"
    parameter_name = "who"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the staff, the program, and whoever wrote past it."""
        staff = User.objects.filter(is_staff=True).order_by("username").values_list("pk", "username")[:200]
        return [
            ("people", "any person"), ("system", "the program"), ("database", "SQL by hand"),
            *((str(pk), name) for pk, name in staff),
        ]  # fmt: skip

    def queryset(self, _request: HttpRequest, rows: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Narrow the list."""
        match self.value():
            case None | "":
                return rows
            case "people":
                return rows.filter(by_id__isnull=False)
            case "system" | "database" as kind:
                return rows.filter(by_id=None, by__startswith=f"{kind}: ")
            case key:
                return rows.filter(by_id=number_of(key))


class DayFilter(admin.SimpleListFilter):
    """On which day (UTC); any day can stand in the address as ``day=2026-01-20``."""

    title = "day (UTC)"
    parameter_name = "day"

    def lookups(self, request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the last days, and the one that was asked for."""
        today = clock.today()
        days = [(str(today - timedelta(days=back)), str(today - timedelta(days=back))) for back in range(7)]
        asked = request.GET.get("day", "")
        return days if not _day(asked) or asked in dict(days) else [*days, (asked, asked)]

    def queryset(self, _request: HttpRequest, rows: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Narrow the list."""
        day = _day(self.value() or "")
        if day is None:
            return rows
        start = clock.instant(datetime.combine(day, time()), "UTC")
        return rows.filter(at__gte=start, at__lt=start + timedelta(days=1))


class AccountFilter(admin.SimpleListFilter):
    """Of one account: its page links here."""

    title = "account"
    parameter_name = "account"

    def lookups(self, request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the account that was asked for; nobody chooses one from a list."""
        account = Account.objects.filter(pk=number_of(request.GET.get("account", ""))).first()
        return [(str(account.pk), str(account))] if account else []

    def queryset(self, _request: HttpRequest, rows: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Narrow the list."""
        return rows.filter(account_id=number_of(self.value())) if self.value() else rows


class LinkInline(ReadOnlyTabular):
    """The link by which an entry is sealed; the entry's own page shows it in words."""

    model = AuditLink


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """What was changed, by whom and why; PostgreSQL writes it, and lets nobody change it."""

    list_display = ("moment", "who", "act_shown", "row_shown", "difference", "why", "account_shown")
    list_display_links = ("moment",)
    list_select_related = ("account",)
    list_filter = (DayFilter, WhoFilter, TableFilter, "act", AccountFilter)
    search_fields = ("why",)
    search_help_text = (
        "An account's number, a user's name, the key of a row, the mark of a request, or a word of a reason"
    )
    inlines = (LinkInline,)
    sortable_by = ()
    empty_words = "Whatever is changed from now on is noted here: money, policies, devices, staff, rights."
    change_list_template = "admin/audit_list.html"

    def get_urls(self) -> list[Any]:
        """Add the page about the whole record before the admin's own."""
        site: Any = self.admin_site
        own = path("whole/", site.admin_view(self.whole), name="accounts_auditentry_whole")
        return [own, *super().get_urls()]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        """Find by exact keys through their indexes, and by a word of the reason."""
        term = search_term.strip()
        if not term:
            return queryset, False
        accounts = list(Account.objects.filter(number=term).values_list("pk", flat=True))
        users = list(User.objects.filter(username__iexact=term).values_list("pk", flat=True))
        if accounts or users:
            return queryset.filter(Q(account_id__in=accounts) | Q(by_id__in=users)), False
        return queryset.filter(Q(row_key=term) | Q(why__icontains=term)), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Read the names behind the keys of the page's entries at once."""
        shown: Any = super().get_changelist_instance(request)
        names = names_for(shown.result_list)
        for entry in shown.result_list:
            entry.desk_names = names
        return shown

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show one entry: the difference column by column, and its link in the chain."""
        del form_url, extra_context
        return self._entry_page(request, object_id)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show the entry itself: it has no history, since nobody changes it."""
        del extra_context
        return self._entry_page(request, object_id)

    def _entry_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        entry = get_object_or_404(AuditEntry.objects.select_related("account", "link"), pk=number_of(object_id))
        listed = reverse("admin:accounts_auditentry_changelist")
        zone = entry.account.timezone if entry.account else "UTC"
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "entry": entry,
            "title": f"{row_words(entry)}: {entry.get_act_display()}",
            "moment": local_time(entry.at, zone), "zone": zone,
            "act": badge(entry.get_act_display(), ACT_TONES[entry.act]),
            "lines": lines_of(entry, names_for([entry], only_small=False), zone), "row_url": _row_url(request, entry),
            "same": f"{listed}?mark={entry.mark}" if entry.mark else "",
            "about": f"{listed}?what={entry.table}&row_key={entry.row_key}", "link": getattr(entry, "link", None),
        }  # fmt: skip
        return TemplateResponse(request, "admin/audit_entry.html", context)

    def whole(self, request: HttpRequest) -> HttpResponse:
        """Show the chain's head and the last checks, and start a check."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        may_verify = request.user.has_perm("accounts.verify_audit")
        if request.method == "POST":
            if not may_verify:
                raise PermissionDenied
            ask_for_check(staff_user(request).get_username())
            return HttpResponseRedirect(request.path, status=303)
        if request.method not in ("GET", "HEAD"):
            raise Http404
        checks = list(AuditCheck.objects.all()[:CHECKS_SHOWN])
        end = head()
        newest = AuditEntry.objects.values_list("at", flat=True).first()
        waits = newest is not None and (end is None or end.sealed_at < newest < clock.now() - SEAL_WITHIN)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "Is the record whole?",
            "head": end, "sealed": local_time(end.sealed_at) if end else "", "may_verify": may_verify,
            "stands_still": waits, "running": any(check.finished_at is None for check in checks),
            "checks": [(check, _check_badge(check), local_time(check.asked_at)) for check in checks],
            "last": next((check for check in checks if check.finished_at), None),
        }  # fmt: skip
        response = TemplateResponse(request, "admin/audit_whole.html", context)
        looks = number_of(request.GET.get("look", 0))
        if context["running"] and looks < LOOKS_MAX:
            response["Refresh"] = f"{LOOK_SECONDS}; url={request.path}?look={looks + 1}"
        return response

    @admin.display(description="when")
    def moment(self, entry: AuditEntry) -> SafeString | str:
        """Return when, in the account's time."""
        when = local_time(entry.at, entry.account.timezone if entry.account else "UTC")
        return format_html('<span class="desk-nowrap">{}</span>', when)

    @admin.display(description="who")
    def who(self, entry: AuditEntry) -> SafeString:
        """Return who, and from where."""
        return format_html(
            '<span class="desk-path">{}<br><span class="desk-quiet-note">{}</span></span>', entry.by, entry.at_place
        )

    @admin.display(description="act")
    def act_shown(self, entry: AuditEntry) -> SafeString:
        """Return added, changed or deleted."""
        return badge(entry.get_act_display(), ACT_TONES[entry.act])

    @admin.display(description="what")
    def row_shown(self, entry: AuditEntry) -> str:
        """Return the row's name."""
        return row_words(entry)

    @admin.display(description="difference")
    def difference(self, entry: Any) -> SafeString | str:
        """Return the first columns of the difference; all of them stand on the entry's page."""
        names: Names = getattr(entry, "desk_names", {})
        lines = lines_of(entry, names, entry.account.timezone if entry.account else "UTC")
        shown = lines if len(lines) <= LINES_ON_LIST else lines[: LINES_ON_LIST - 1]
        more = format_html("<li>and {} more</li>", len(lines) - len(shown)) if len(lines) > len(shown) else ""
        if not lines:
            return NOTHING
        return format_html(
            '<ul class="desk-list">{}{}</ul>',
            format_html_join("", "<li>{}: {}</li>", ((line.column, line_words(line)) for line in shown)), more,
        )  # fmt: skip

    @admin.display(description="account")
    def account_shown(self, entry: AuditEntry) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(entry.account, entry.account.number) if entry.account else NOTHING


class BesideTheRecord(ReadOnlyAdmin):
    """A screen for whoever may see the record."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the user may see the record."""
        del obj
        return bool(request.user.has_perm("accounts.view_auditentry"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Tell the same of the screen."""
        return self.has_view_permission(request)


@admin.register(AuditSeal)
class AuditSealAdmin(BesideTheRecord):
    """The heads of the chain, one for each pass of sealing."""

    list_display = ("sealed", "day", "first_number", "last_number", "head")
    list_filter = ("day",)
    search_fields = ("head",)
    sortable_by = ()
    ordering = ("-pk",)
    fields = ("sealed", "day", "first_number", "last_number", "head")
    readonly_fields = fields
    empty_words = "Nothing is sealed yet; it is done within a minute of the first change that is noted."

    @admin.display(description="sealed (UTC)")
    def sealed(self, seal: AuditSeal) -> SafeString | str:
        """Return when."""
        return local_time(seal.sealed_at)


@admin.register(AuditCheck)
class AuditCheckAdmin(BesideTheRecord):
    """The checks of the whole record that people have asked for."""

    list_display = ("asked", "asked_by", "outcome", "done", "findings_total")
    list_filter = ("state",)
    search_fields = ("asked_by",)
    sortable_by = ()
    fields = ("asked", "asked_by", "outcome", "done", "total", "head_number", "head", "findings_total", "found")
    readonly_fields = fields
    empty_words = "Nobody has had the record checked yet."
    empty_link = ("Check it now", "admin:accounts_auditentry_whole")

    @admin.display(description="asked for (UTC)")
    def asked(self, check: AuditCheck) -> SafeString | str:
        """Return when."""
        return local_time(check.asked_at)

    @admin.display(description="outcome")
    def outcome(self, check: AuditCheck) -> SafeString:
        """Return whether the record was whole."""
        return _check_badge(check)

    @admin.display(description="found")
    def found(self, check: AuditCheck) -> SafeString | str:
        """Return what was not as it was sealed."""
        return format_html_join("", "<p>{}</p>", ((one["words"],) for one in check.findings)) or NOTHING


def _check_badge(check: AuditCheck) -> SafeString:
    words = check.get_state_display()
    if check.state == AuditCheck.State.RUNNING and check.total:
        words = f"{words}, {check.done:,} of {check.total:,}"
    return badge(words, CHECK_TONES.get(check.state, WARN))


def _row_url(request: HttpRequest, entry: AuditEntry) -> str:
    """Return the page of the row that the entry is about, if there is one that the user may see."""
    model = model_of(entry.table)
    if model is None or entry.act == AuditEntry.Act.DELETED:
        return ""
    desk = admin.site._registry.get(model)
    if desk is None or not desk.has_view_permission(request):
        return ""
    try:
        return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[entry.row_key])
    except NoReverseMatch:
        return ""


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
