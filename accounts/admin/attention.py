"""The clerks' exception queue."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts import operations
from accounts.admin.base import staff_user
from accounts.models import Attention
from billing_project.kernel.errors import Refused

from .base import GOOD, WARN, ReadOnlyAdmin, admin_link, badge, local_time
from .confirm import confirm_many, confirm_one


class OpenFilter(admin.SimpleListFilter):
    """Open exceptions, or those that are done with."""

    title = "state"
    parameter_name = "state"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [("open", "open"), ("resolved", "resolved")]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Attention]) -> QuerySet[Attention]:
        """Narrow the list."""
        if self.value() in ("open", "resolved"):
            return rows.filter(resolved_at__isnull=self.value() == "open")
        return rows


@admin.register(Attention)
class AttentionAdmin(ReadOnlyAdmin):
    """What a person must look at; nothing here mends itself."""

    list_display = ("words", "account_shown", "code", "raised", "state")
    list_select_related = ("account", "resolved_by")
    list_filter = (OpenFilter, "code")
    search_fields = ("words", "code", "account__number", "account__name")
    date_hierarchy = "raised_at"
    actions = ("resolve_chosen",)
    actions_detail = ("resolve",)
    empty_words = "Nothing needs a person. Held cuts, missing billing contacts and unknown outcomes show up here."
    fields = ("words", "account_shown", "code", "key", "raised", "state", "resolved_by", "resolution")
    readonly_fields = fields

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, row: Attention) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(row.account)

    @admin.display(description="raised", ordering="raised_at")
    def raised(self, row: Attention) -> SafeString | str:
        """Return since when it waits, in the account's time."""
        return local_time(row.raised_at, row.account.timezone if row.account else "UTC")

    @admin.display(description="state", ordering="resolved_at")
    def state(self, row: Attention) -> SafeString:
        """Tell whether it still waits."""
        return badge("resolved", GOOD) if row.resolved_at else badge("open", WARN)

    @action(description="Resolve", icon="check", permissions=["operate"])
    def resolve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask what was done, and close the exception."""

        def carry_out(row: Attention, data: dict[str, Any]) -> str:
            _resolve(row, data["reason"], request)
            return "Resolved."

        return confirm_one(
            self, request, object_id, title="Resolve exception", submit="Resolve", carry_out=carry_out,
            words=lambda row: f"{row.words} Say what was done about it.",
        )  # fmt: skip

    @admin.action(description="Resolve the chosen exceptions", permissions=["operate"])
    def resolve_chosen(self, request: HttpRequest, rows: QuerySet[Attention]) -> HttpResponse | None:
        """Ask once what was done, and close the chosen exceptions."""
        return confirm_many(
            self, request, rows, action="resolve_chosen", title="Resolve exceptions", submit="Resolve",
            words="Say what was done about them.",
            carry_out=lambda row, data: _resolve(row, data["reason"], request),
        )  # fmt: skip


def _resolve(row: Attention, note: str, request: HttpRequest) -> None:
    if not operations.resolve_attention(row.code, row.key, note, by=staff_user(request)):
        raise Refused("resolved_already", "Somebody has resolved it already; nothing was changed.")
