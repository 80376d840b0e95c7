"""Promises to pay: who promised what, what came of it, and how often promises are kept (D7)."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.admin.base import (
    BAD,
    GOOD,
    NOTE,
    QUIET,
    HistoryAdmin,
    admin_link,
    local_time,
    money,
    staff_user,
    state_badge,
)
from accounts.admin.confirm import confirm_one
from delinquency import operations
from delinquency.models import Promise
from delinquency.promised import broken_lately, by_month, by_staff, due_today, in_all

TONES = {"open": NOTE, "kept": GOOD, "broken": BAD, "withdrawn": QUIET}


class DueFilter(admin.SimpleListFilter):
    """Promises that somebody wants to hear of today; the home page links here."""

    title = "day"
    parameter_name = "due"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [("today", "to be paid today"), ("broken", "broken within 7 days")]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Promise]) -> QuerySet[Promise]:
        """Narrow the list."""
        match self.value():
            case "today":
                return due_today(rows)
            case "broken":
                return broken_lately(rows)
        return rows


@admin.register(Promise)
class PromiseAdmin(HistoryAdmin):
    """What customers said they would pay, and whether they did."""

    may_add = False
    may_change = False
    list_display = (
        "account_shown",
        "pay_by_on",
        "promised_shown",
        "paid_shown",
        "state_shown",
        "decided_on",
        "made",
        "made_by",
    )
    list_select_related = ("account__company", "made_by")
    list_filter = (DueFilter, "state", "channel", "made_by")
    search_fields = ("account__number", "account__name", "note")
    date_hierarchy = "pay_by_on"
    actions_detail = ("withdraw",)
    list_before_template = "admin/promises_in_all.html"
    list_after_template = "admin/promises.html"
    empty_words = "No promise yet. Open an account or a ticket and press “Promise to pay”."
    empty_link = ("Accounts", "admin:accounts_account_changelist")
    fields = (
        "account_shown", "state_shown", "pay_by_on", "promised_shown", "paid_shown", "decided_on", "decided_why",
        "made", "made_by", "channel", "note", "grant",
    )  # fmt: skip
    readonly_fields = ("account_shown", "state_shown", "promised_shown", "paid_shown", "made")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Add how often promises are kept: in all, by month, by member of staff."""
        rows = Promise.objects.all()
        told = in_all(rows)
        numbers: dict[str, Any] = {}
        if told.open or told.share is not None:
            tables = [
                ("By month of payment", "Month", [*by_month(rows), told]),
                ("By who noted them", "Noted by", by_staff(rows)),
            ]
            numbers = {"promises_in_all": told, "promise_tables": tables}
        return super().changelist_view(request, {**numbers, **(extra_context or {})})

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, promise: Promise) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(promise.account)

    @admin.display(description="promised", ordering="owed")
    def promised_shown(self, promise: Promise) -> SafeString | str:
        """Return the amount."""
        return money(promise.promised, promise.account.company.currency)

    @admin.display(description="paid in time", ordering="paid")
    def paid_shown(self, promise: Promise) -> SafeString | str:
        """Return what came of it."""
        return "" if promise.state == Promise.State.OPEN else money(promise.paid, promise.account.company.currency)

    @admin.display(description="state", ordering="state")
    def state_shown(self, promise: Promise) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(promise, TONES)

    @admin.display(description="made", ordering="made_at")
    def made(self, promise: Promise) -> SafeString | str:
        """Return when, in the account's time."""
        return local_time(promise.made_at, promise.account.timezone)

    def has_grant_grace_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may give more time, and so note and withdraw promises (A9)."""
        return bool(request.user.has_perm("delinquency.grant_grace"))

    @action(description="Withdraw", icon="undo", permissions=["grant_grace"])
    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, and close an open promise without counting it."""

        def carry_out(promise: Promise, data: dict[str, Any]) -> str:
            operations.withdraw_promise(promise, data["reason"], staff_user(request))
            return "The promise is withdrawn: neither kept nor broken."

        return confirm_one(
            self, request, object_id, title="Withdraw promise", submit="Withdraw it", carry_out=carry_out,
            words="It will count neither as kept nor as broken. The days it brought stay; give another date with"
            " “Grace until” if they should not.",
        )  # fmt: skip
