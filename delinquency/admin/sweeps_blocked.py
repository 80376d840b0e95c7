"""Who may go online and is still blocked: the list that must be empty, and the button that pushes one (H10)."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.admin.base import admin_link, local_time, staff_user
from accounts.models import Account
from billing_project.kernel.errors import Refused
from netenforce.admin.levels import level_badge
from netenforce.models import EnforcementTask, LineState
from netenforce.operations import push_restore

from .home_numbers import still_blocked

ROWS_PER_PAGE = 50
RIGHT_TO_PUSH = "netenforce.push_restore"
PAGE = "admin:delinquency_taskrun_blocked"


class BlockedPage:
    """The page of those who are free to go and still blocked."""

    def get_urls(self) -> list[Any]:
        """Add the page and its button before the admin's own."""
        site: Any = self.admin_site  # type: ignore[attr-defined]
        return [
            path("blocked/", site.admin_view(require_safe(self.blocked)), name="delinquency_taskrun_blocked"),
            path("blocked/<int:pk>/push/", site.admin_view(require_POST(self.push)), name="delinquency_taskrun_push"),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def blocked(self, request: HttpRequest) -> HttpResponse:
        """List the accounts of which a line should be open and was last seen restricted, with why it is not yet."""
        if not request.user.has_perms(("accounts.view_account", "netenforce.view_linestate")):
            raise PermissionDenied
        rows = still_blocked(staff_user(request)).select_related("company").order_by("number")
        page = Paginator(rows, ROWS_PER_PAGE).get_page(request.GET.get("page"))
        site: Any = self.admin_site  # type: ignore[attr-defined]
        context = {
            **site.each_context(request), "opts": self.opts, "title": "Free to go, still blocked", "page": page,  # type: ignore[attr-defined]
            "rows": _rows(list(page)), "found_count": page.paginator.count,
            "may_push": request.user.has_perm(RIGHT_TO_PUSH),
        }  # fmt: skip
        return TemplateResponse(request, "admin/sweeps_blocked.html", context)

    def push(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Order the freeing of an account's lines now."""
        if not request.user.has_perm(RIGHT_TO_PUSH):
            raise PermissionDenied
        account = Account.objects.filter(pk=pk).first()
        try:
            lines = push_restore(pk) if account else 0
        except Refused as refusal:
            messages.warning(request, refusal.words)
        else:
            words = "1 line is" if lines == 1 else f"{lines} lines are"
            messages.success(
                request,
                f"Pushed {account}: {words} freed before anything else. It leaves this list when the device says so.",
            )
        return HttpResponseRedirect(reverse(PAGE), status=303)


def _rows(accounts: list[Account]) -> list[dict[str, Any]]:
    """Return each account with its lines that are blocked still; two queries for any number of accounts."""
    lines: dict[int, list[dict[str, Any]]] = {}
    states = LineState.objects.filter(line__account__in=accounts, desired_level="open").exclude(observed_level="open")
    found = list(states.select_related("line__account", "device").order_by("desired_since_at"))
    tasks = EnforcementTask.objects.filter(line__in=[state.line_id for state in found], level="open")
    newest = {
        (task.line_id, task.device_id): task
        for task in tasks.order_by("pk")
    }  # fmt: skip
    for state in found:
        task = newest.get((state.line_id, state.device_id or 0))
        lines.setdefault(state.line.account_id, []).append(
            {
                "line": admin_link(state.line), "device": state.device,
                "since": local_time(state.desired_since_at, state.line.account.timezone),
                "seen": level_badge(state.observed_level), "order": _order(task),
            }
        )  # fmt: skip
    # A line may have been freed since the accounts were read: then nothing of it is left to show.
    return [
        {"account": account, "link": admin_link(account), "lines": lines.get(account.pk, [])} for account in accounts
    ]


def _order(task: EnforcementTask | None) -> str:
    """Say where the order to free a line is."""
    if task is None:
        return "No order was made yet: push it."
    tries = f", {task.attempts} tries" if task.attempts > 1 else ", 1 try" if task.attempts else ""
    return f"{task.get_state_display()}{tries}"
