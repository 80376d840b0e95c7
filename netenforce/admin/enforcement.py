"""The queued network changes with their attempts."""

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.admin.base import (
    BAD,
    GOOD,
    NOTE,
    QUIET,
    ReadOnlyAdmin,
    ReadOnlyTabular,
    admin_link,
    local_time,
    state_badge,
)
from accounts.admin.confirm import confirm_pass
from accounts.models import Account
from billing_project.kernel import clock
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import EnforcementAttempt, EnforcementTask, PaymentWindow

from .device import level_badge
from .window import window_badge

TASK_TONES = {
    "queued": NOTE, "claimed": NOTE, "sending": NOTE, "confirmed": GOOD, "superseded": QUIET,
    "cancelled": QUIET, "parked": BAD,
}  # fmt: skip


class EnforcementAttemptInline(ReadOnlyTabular):
    """Each try, and what the device read back."""

    model = EnforcementAttempt
    fields = ("at", "outcome", "read_back", "detail")
    tab = False
    verbose_name_plural = "attempts"


@admin.register(EnforcementTask)
class EnforcementTaskAdmin(ReadOnlyAdmin):
    """Orders to devices: make this line so."""

    list_display = (
        "account_shown",
        "line",
        "level_shown",
        "device",
        "state_shown",
        "due",
        "attempts",
        "settled",
        "why",
    )
    list_select_related = ("line__account", "device")
    list_filter = ("state", "level", "restores", "device")
    search_fields = ("line__account__number", "line__account__name", "line__ipv4", "line__radius_username")
    date_hierarchy = "created_at"
    inlines = (EnforcementAttemptInline,)
    actions_list = ("apply_now",)
    empty_words = "Policy steps that restrict a line make tasks, and so does the payment that opens it again."
    fields = (
        "account_shown", "line", "device", "level_shown", "restores", "why", "state_shown", "due", "settled",
        "attempts",
        "generation",
        "recloses",
    )  # fmt: skip
    readonly_fields = ("account_shown", "level_shown", "state_shown", "due", "settled")

    @admin.display(description="account", ordering="line__account__number")
    def account_shown(self, task: EnforcementTask) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(task.line.account)

    @admin.display(description="make it", ordering="level")
    def level_shown(self, task: EnforcementTask) -> SafeString:
        """Return what the line should be."""
        return level_badge(task.level)

    @admin.display(description="state", ordering="state")
    def state_shown(self, task: EnforcementTask) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(task, TASK_TONES)

    @admin.display(description="due", ordering="due_at")
    def due(self, task: EnforcementTask) -> SafeString | str:
        """Return when it may run, in the account's time."""
        return local_time(task.due_at, task.line.account.timezone)

    @admin.display(description="settled", ordering="settled_at")
    def settled(self, task: EnforcementTask) -> SafeString | str:
        """Return when it ended, in the account's time."""
        return local_time(task.settled_at, task.line.account.timezone)

    @action(description="Apply what is due", icon="bolt", permissions=["operate"])
    def apply_now(self, request: HttpRequest) -> HttpResponse:
        """Ask for confirmation, and make one pass over the queued network changes."""
        return confirm_pass(
            self, request, title="Apply what is due", submit="Apply now",
            carry_out=lambda: dispatch_enforcement(clock.now(), seconds_max=10),
            words="The worker does this each minute. Who has paid meanwhile is not cut.",
        )  # fmt: skip


def windows_of(account: Account) -> SafeString | str:
    """Return the account's payment window, from what the list has read ahead."""
    running = [window for window in account.payment_windows.all() if window.ended_at is None]
    return window_badge(running[0] if running else None, account.timezone)


def open_windows(path: str) -> Prefetch[Any]:
    """Return how to read the running payment windows of a list's accounts ahead."""
    return Prefetch(path, PaymentWindow.objects.filter(ended_at__isnull=True))
