"""Billing defaults, each account's copy of one, and the hourly billing ticks."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.admin.base import (
    BAD,
    GOOD,
    WARN,
    EditableStacked,
    HistoryAdmin,
    ReadOnlyAdmin,
    admin_link,
    badge,
    local_time,
    money,
    staff_user,
)
from accounts.admin.confirm import DayField, ReasonForm, confirm_one
from invoicing.models import BillingDefault, BillingParameters, BillingRun
from invoicing.operations.terms import move_next_bill_date, start_billing


class BillDateForm(ReasonForm):
    """Another next bill date, and why."""

    field_order = ("next_bill_on", "reason")
    next_bill_on = DayField(label="Next bill date")


PRORATION = ("prorate_account_status_change", "prorate_account_delinquency_status_change")


@admin.register(BillingDefault)
class BillingDefaultAdmin(HistoryAdmin):
    """The terms new accounts start with; changing one changes no account that exists (X12)."""

    list_display = ("name", "bill_day", "due_days", "daily_billing", "accounts_total")
    list_filter = ("daily_billing",)
    search_fields = ("name",)
    empty_words = "Add the terms for a kind of customer: bill day, days until due. New accounts copy them."
    fieldsets = (
        (None, {"fields": ("name", "bill_day", "due_days", "daily_billing", "autopay_entire_amount_due")}),
        ("Proration", {"fields": PRORATION}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[BillingDefault]:
        """Count the accounts in the same query."""
        rows: QuerySet[BillingDefault] = super().get_queryset(request)
        return rows.annotate(accounts_total=Count("accounts"))

    @admin.display(description="accounts", ordering="accounts_total")
    def accounts_total(self, default: Any) -> int:
        """Return how many accounts began with it."""
        return int(default.accounts_total)


@admin.register(BillingParameters)
class BillingParametersAdmin(HistoryAdmin):
    """When and how each account is billed."""

    list_display = ("account_shown", "billing_default", "bill_day", "next_bill_on", "due_days", "by_itself")
    list_select_related = ("account", "billing_default")
    list_filter = ("billing_default", "daily_billing", "bill_day")
    search_fields = ("account__number", "account__name")
    date_hierarchy = "next_bill_on"
    autocomplete_fields = ("account",)
    actions_detail = ("move_date",)
    empty_words = "An account is billed once it has a billing default and a next bill date."
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "account",
                    "billing_default",
                    "bill_day",
                    "next_bill_on",
                    "due_days",
                    "daily_billing",
                    "autopay",
                    "autopay_entire_amount_due",
                )
            },
        ),
        ("Proration", {"fields": PRORATION}),
    )

    def get_readonly_fields(self, _request: HttpRequest, obj: BillingParameters | None = None) -> tuple[str, ...]:
        """Keep whose parameters these are, from where they were copied, and the date that a button moves."""
        return ("account", "billing_default", "next_bill_on") if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: BillingParameters | None = None) -> Any:
        """Ask a new account only for what its billing default does not say."""
        if obj is None:
            return ((None, {"fields": ("account", "billing_default", "bill_day", "next_bill_on")}),)
        return super().get_fieldsets(request, obj)

    def save_model(self, request: HttpRequest, obj: BillingParameters, form: Any, change: bool) -> None:
        """Start billing a new account through the room's operation (X12); save overrides of an existing one."""
        if change:
            super().save_model(request, obj, form, change)
            return
        data = form.cleaned_data
        started = start_billing(
            data["account"],
            data["billing_default"],
            bill_day=data["bill_day"],
            next_bill_on=data["next_bill_on"],
        )
        obj.__dict__.update(started.__dict__)

    @action(description="Move next bill date", icon="edit_calendar", permissions=["operate"])
    def move_date(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a date and a reason, and move the next bill date through the room's operation."""

        def carry_out(parameters: BillingParameters, data: dict[str, Any]) -> str:
            move_next_bill_date(parameters.account, data["next_bill_on"], reason=data["reason"], by=staff_user(request))
            return f"{parameters.account.number} is billed next on {data['next_bill_on']:%a %d %b %Y}."

        return confirm_one(
            self, request, object_id, title="Move next bill date", submit="Move it", form_class=BillDateForm,
            words=lambda parameters: f"It is {parameters.next_bill_on or 'not set'} now.", carry_out=carry_out,
        )  # fmt: skip

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, parameters: BillingParameters) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(parameters.account)

    @admin.display(description="billed", ordering="daily_billing")
    def by_itself(self, parameters: BillingParameters) -> SafeString:
        """Tell whether it is billed by itself."""
        if parameters.next_bill_on is None:
            return badge("no bill date", WARN)
        return badge("by itself", GOOD) if parameters.daily_billing else badge("by hand", WARN)


@admin.register(BillingRun)
class BillingRunAdmin(ReadOnlyAdmin):
    """The hourly billing ticks."""

    list_display = (
        "tick", "outcome", "accounts_looked_at", "invoices_issued", "amount_shown", "dates_moved", "parked", "seconds",
    )  # fmt: skip
    date_hierarchy = "tick_at"
    empty_words = "No tick has run yet. The worker runs one each hour; by hand it is manage.py run_billing."

    @admin.display(description="tick (UTC)", ordering="tick_at")
    def tick(self, run: BillingRun) -> SafeString | str:
        """Return the instant billed as of."""
        return local_time(run.tick_at)

    @admin.display(description="outcome", ordering="finished_at")
    def outcome(self, run: BillingRun) -> SafeString:
        """Tell whether it finished, and cleanly."""
        if run.finished_at is None:
            return badge("unfinished", WARN)
        return badge(f"{run.parked} parked", BAD) if run.parked else badge("done", GOOD)

    @admin.display(description="issued", ordering="amount_issued")
    def amount_shown(self, run: BillingRun) -> SafeString | str:
        """Return what was billed."""
        return money(run.amount_issued)

    @admin.display(description="seconds")
    def seconds(self, run: BillingRun) -> str:
        """Return how long it took."""
        return f"{(run.finished_at - run.started_at).total_seconds():.1f}" if run.finished_at else ""


class BillingParametersInline(EditableStacked):
    """The billing of an account, on its page."""

    model = BillingParameters
    fields = (
        ("billing_default", "bill_day", "next_bill_on"),
        ("due_days", "daily_billing"),
        ("autopay", "autopay_entire_amount_due"),
        PRORATION,
    )
    readonly_fields = ("billing_default", "next_bill_on")
    can_delete = False
    max_num = 0
    verbose_name_plural = "billing"

    def get_queryset(self, request: HttpRequest) -> QuerySet[BillingParameters]:
        """Read the billing default they began with in the same query."""
        rows: QuerySet[BillingParameters] = super().get_queryset(request)
        return rows.select_related("billing_default")
