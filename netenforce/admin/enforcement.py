"""The queued network changes with their attempts."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Prefetch, QuerySet
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
from accounts.admin.confirm import confirm_many, confirm_pass
from accounts.models import Account
from billing_project.kernel import clock
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import EnforcementAttempt, EnforcementTask, PaymentWindow
from netenforce.operations import order_again
from netenforce.queries import OPEN_STATES

from .levels import level_badge
from .window import window_badge

TASK_TONES = {
    "queued": NOTE, "claimed": NOTE, "sending": NOTE, "confirmed": GOOD, "superseded": QUIET,
    "cancelled": QUIET, "parked": BAD,
}  # fmt: skip


def _parked_facts(tasks: Sequence[EnforcementTask]) -> list[str]:
    """Return how many of the chosen orders can be tried again, by device."""
    parked = Counter(str(task.device) for task in tasks if task.state == EnforcementTask.State.PARKED)
    others = len(tasks) - parked.total()
    return [
        *(f"{count} on {device}" for device, count in sorted(parked.items())),
        *([f"{others} of the chosen are not parked, and are refused"] if others else []),
    ]


class EnforcementAttemptInline(ReadOnlyTabular):
    """Each try, and what the device read back."""

    model = EnforcementAttempt
    fields = ("at", "outcome", "read_back", "detail")
    tab = False
    verbose_name_plural = "attempts"


class UnderWayFilter(admin.SimpleListFilter):
    """Orders that are under way, were given up, or were replaced."""

    title = "how it stands"
    parameter_name = "stands"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [
            ("open", "under way"),
            ("late", "under way, and due for over a minute"),
            ("parked", "parked: given up"),
            ("replaced", "superseded by a newer one"),
        ]

    def queryset(self, _request: HttpRequest, rows: QuerySet[EnforcementTask]) -> QuerySet[EnforcementTask]:
        """Narrow the list."""
        match self.value():
            case "open":
                return rows.filter(state__in=OPEN_STATES)
            case "late":
                return rows.filter(state__in=OPEN_STATES, due_at__lt=clock.now() - timedelta(minutes=1))
            case "parked":
                return rows.filter(state=EnforcementTask.State.PARKED)
            case "replaced":
                return rows.filter(state=EnforcementTask.State.SUPERSEDED)
        return rows


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
    list_filter = (UnderWayFilter, "state", "level", "restores", "device")
    search_fields = ("line__account__number", "line__account__name", "line__ipv4", "line__radius_username")
    date_hierarchy = "created_at"
    inlines = (EnforcementAttemptInline,)
    actions_list = ("apply_now",)
    actions = ("try_again",)
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

    @admin.action(description="Try again (parked ones)", permissions=["operate"])
    def try_again(self, request: HttpRequest, rows: QuerySet[EnforcementTask]) -> HttpResponse | None:
        """Order once more what was given up."""
        return confirm_many(
            self, request, rows, action="try_again", title="Try these orders again", submit="Try again",
            form_class=forms.Form, carry_out=lambda task, _data: order_again(task.pk),
            words="Each is ordered anew and goes out with the next pass. A line that was paid for meanwhile is not"
            " cut. Orders that are not parked, or that a newer one has replaced, are refused.",
            facts=_parked_facts,
        )  # fmt: skip

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
