"""Line states: the list of them, and one page for each line."""

from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.base import GOOD, WARN, ReadOnlyAdmin, admin_link, badge, local_time
from accounts.models import Account
from netenforce.alarms import paid_but_blocked
from netenforce.models import LineState

from .enforcement import open_windows, windows_of
from .levels import level_badge
from .line_page import LineViews
from .window import OpenWindowButton


class DiffersFilter(admin.SimpleListFilter):
    """Lines that are not as they should be."""

    title = "agreement"
    parameter_name = "agreement"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [
            ("no", "device has not confirmed"),
            ("unrestored", "should be open, seen restricted"),
            ("blocked", "paid but blocked: for over a minute"),
            ("yes", "confirmed"),
        ]

    def queryset(self, _request: HttpRequest, rows: QuerySet[LineState]) -> QuerySet[LineState]:
        """Narrow the list."""
        match self.value():
            case "no":
                return rows.exclude(desired_level=F("observed_level"))
            case "unrestored":
                return rows.filter(desired_level="open").exclude(observed_level="open")
            case "blocked":
                return rows.filter(pk__in=paid_but_blocked().values("pk"))
            case "yes":
                return rows.filter(desired_level=F("observed_level"))
        return rows


@admin.register(LineState)
class LineStateAdmin(LineViews, OpenWindowButton, ReadOnlyAdmin):
    """What each line should be, and what its device last said it is (D10); each line has a page."""

    list_display = ("line", "device", "account_shown", "desired", "observed", "agreed", "seen")
    list_select_related = ("line__account", "device")
    list_filter = (DiffersFilter, "device", "desired_level", "observed_level")
    search_fields = ("line__account__number", "line__ipv4", "line__ipv6", "line__radius_username")
    empty_words = "A line's state is written when it is first restricted."
    actions_detail = ("open_payment_window",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LineState]:
        """Read the running payment windows along."""
        rows: QuerySet[LineState] = super().get_queryset(request)
        return rows.prefetch_related(open_windows("line__account__payment_windows"))

    def account_of(self, row: LineState) -> Account:
        """Return the account whose lines are opened."""
        return row.line.account

    @admin.display(description="account", ordering="line__account__number")
    def account_shown(self, state: LineState) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(state.line.account)

    @admin.display(description="should be", ordering="desired_level")
    def desired(self, state: LineState) -> SafeString:
        """Return what the line should be, and until when it is open for a payment."""
        return format_html("{} {}", level_badge(state.desired_level), windows_of(state.line.account))

    @admin.display(description="seen as", ordering="observed_level")
    def observed(self, state: LineState) -> SafeString:
        """Return what the device last said."""
        return level_badge(state.observed_level)

    @admin.display(description="agreement")
    def agreed(self, state: LineState) -> SafeString:
        """Tell whether the two are the same."""
        same = state.desired_level == state.observed_level
        return badge("confirmed", GOOD) if same else badge("not confirmed yet", WARN)

    @admin.display(description="seen at", ordering="observed_at")
    def seen(self, state: LineState) -> SafeString | str:
        """Return when the device said so, in the account's time."""
        return local_time(state.observed_at, state.line.account.timezone)
