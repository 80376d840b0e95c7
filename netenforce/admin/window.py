"""Payment windows and releases: the list, and the clerk's buttons that open one and close it (P07)."""

from typing import Any
from uuid import uuid4

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.admin.base import GOOD, QUIET, ReadOnlyAdmin, admin_link, badge, local_time, number_of, staff_user
from accounts.admin.confirm import confirm_one
from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from netenforce.models import PaymentWindow
from netenforce.operations import end_window, open_window
from netenforce.operations.releases import limit_of
from netenforce.operations.windows import window_length

OPEN_WORDS = (
    "The account's lines get full access for {minutes} minutes, so that the customer can pay and the bank's own pages"
    " load. Then they are closed again by themselves, at any hour, unless something was paid that frees them. Holds for"
    " abuse or at the customer's request stay. It does not count against the windows that customers open themselves."
)


def window_badge(window: PaymentWindow | None, zone: str) -> SafeString | str:
    """Return until when a window runs, in the account's time; blank if none does."""
    if window is None or window.ended_at is not None:
        return ""
    until = clock.local(window.closes_at, zone)
    if window.kind == PaymentWindow.Kind.RELEASE:
        return badge(f"released until {until:%Y-%m-%d %H:%M}", GOOD)
    return badge(f"payment window until {until:%H:%M}", GOOD)


def open_by_hand(account: Account, request: HttpRequest, reason: str) -> str:
    """Open a window at a clerk's word and return what was done; raises Refused."""
    by = staff_user(request)
    window = open_window(account_id=account.pk, key=f"staff:{uuid4()}", scope="", why=reason, by=by)
    if window.kind == PaymentWindow.Kind.RELEASE:
        until = clock.local(window.closes_at, account.timezone)
        return f"It is released until {until:%Y-%m-%d %H:%M} ({account.timezone}) already; that is enough to pay."
    return f"Open for a payment until {clock.local(window.closes_at, account.timezone):%H:%M} ({account.timezone})."


class OpenWindowButton:
    """The button on the page of a hold or a line; the row tells its account by ``account_of``."""

    def account_of(self, row: Any) -> Account:
        """Return the account whose lines are opened."""
        account: Account = row.account
        return account

    def has_release_line_permission(self, request: HttpRequest, _object_id: object = None) -> bool:
        """Tell whether the user may open windows."""
        return bool(request.user.has_perm("netenforce.release_line"))

    @action(description="Open a payment window", icon="lock_open", permissions=["release_line"])
    def open_payment_window(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason, and give the account's lines full access for some minutes."""
        desk: Any = self
        return confirm_one(
            desk, request, object_id, title="Open a payment window", submit="Open the line",
            words=OPEN_WORDS.format(minutes=window_length().seconds // 60),
            carry_out=lambda row, data: open_by_hand(self.account_of(row), request, data["reason"]),
        )  # fmt: skip


class RunningFilter(admin.SimpleListFilter):
    """Windows that run, or ended ones."""

    title = "state"
    parameter_name = "state"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [("open", "open"), ("ended", "ended")]

    def queryset(self, _request: HttpRequest, rows: QuerySet[PaymentWindow]) -> QuerySet[PaymentWindow]:
        """Narrow the list."""
        if self.value() in ("open", "ended"):
            return rows.filter(ended_at__isnull=self.value() == "open")
        return rows


@admin.register(PaymentWindow)
class PaymentWindowAdmin(ReadOnlyAdmin):
    """Minutes of full access in which a customer pays, and hours that staff gave."""

    list_display = ("account_shown", "kind", "opened", "closes", "state", "why", "opened_by")
    list_select_related = ("account", "opened_by")
    list_filter = (RunningFilter, "kind", "ended_how")
    search_fields = ("account__number", "account__name", "why")
    date_hierarchy = "opened_at"
    actions_detail = ("close_now",)
    empty_words = (
        "One opens when somebody whose line is restricted presses Pay. Staff open one on a hold's page, and release a"
        " line for hours on the line's page."
    )
    fields = ("account_shown", "kind", "opened", "closes", "state", "ended", "why", "opened_by", "levels_before")
    readonly_fields = ("account_shown", "opened", "closes", "state", "ended")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer to close a window only while it runs."""
        found: list[Any] = super().get_actions_detail(request, object_id)
        runs = PaymentWindow.objects.filter(pk=number_of(object_id), ended_at__isnull=True).exists()
        return [button for button in found if runs or button.path != "close_now"]

    def has_operate_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Tell whether the user may end one; who may release may take that back."""
        return super().has_operate_permission(request, obj) or limit_of(staff_user(request)) is not None

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, window: PaymentWindow) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(window.account)

    @admin.display(description="opened", ordering="opened_at")
    def opened(self, window: PaymentWindow) -> SafeString | str:
        """Return when it was opened, in the account's time."""
        return local_time(window.opened_at, window.account.timezone)

    @admin.display(description="closes at the latest", ordering="closes_at")
    def closes(self, window: PaymentWindow) -> SafeString | str:
        """Return when its time is over, in the account's time."""
        return local_time(window.closes_at, window.account.timezone)

    @admin.display(description="ended", ordering="ended_at")
    def ended(self, window: PaymentWindow) -> SafeString | str:
        """Return when it ended, in the account's time."""
        return local_time(window.ended_at, window.account.timezone)

    @admin.display(description="state", ordering="ended_at")
    def state(self, window: PaymentWindow) -> SafeString:
        """Tell whether it runs, or how it ended."""
        return badge(f"ended: {window.get_ended_how_display()}", QUIET) if window.ended_at else badge("open", GOOD)

    @action(description="Close it now", icon="lock", permissions=["operate"])
    def close_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for confirmation, and end the window before its time."""
        return confirm_one(
            self, request, object_id, title="Close it now", submit="Close it", danger=True, words=_close_words,
            carry_out=lambda row, _data: _close(row),
        )  # fmt: skip


def _close_words(window: PaymentWindow) -> str:
    if window.kind == PaymentWindow.Kind.RELEASE:
        return (
            "The release ends, and what is still unpaid restricts the lines again: at once if it began less than ten"
            " minutes ago, otherwise in the account's daytime. It still counts as given."
        )
    return (
        "The lines go back to what they were, unless they have been freed. A payment that is being made on the bank's"
        " page may fail."
    )


def _close(window: PaymentWindow) -> str:
    released = window.kind == PaymentWindow.Kind.RELEASE
    if end_window(window.account_id, how=PaymentWindow.Ended.BY_HAND, key=window.key) is None:
        raise Refused("window_ended", "This window has ended already.")
    if released:
        return "The release has ended; what is still unpaid restricts the lines again."
    return "The payment window is closed; its lines go back to what they were."
