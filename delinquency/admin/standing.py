"""Where accounts stand under their policies, and the grace they were given."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from simple_history.admin import SimpleHistoryAdmin

from accounts.admin.base import (
    BAD,
    GOOD,
    QUIET,
    WARN,
    HistoryAdmin,
    ReadOnlyAdmin,
    admin_link,
    badge,
    badges,
    local_time,
)
from billing_project.kernel import clock
from delinquency.models import GraceGrant, InvoiceStanding, Standing
from delinquency.second_source import with_one

from .flag import CountingActions, CountsFilter


class StandFilter(admin.SimpleListFilter):
    """Standings by what is remarkable about them."""

    title = "standing"
    parameter_name = "standing"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [
            ("delinquent", "delinquent"),
            ("flagged", "flagged"),
            ("asked", "second source asked for, not come yet"),
            ("given", "second source asked for, on file"),
            ("grace", "grace runs"),
            ("switched", "status switched"),
        ]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Standing]) -> QuerySet[Standing]:
        """Narrow the list."""
        match self.value():
            case "delinquent":
                return rows.filter(delinquent_since__isnull=False)
            case "flagged":
                return rows.filter(flagged_on__isnull=False)
            case "asked":
                return rows.filter(flagged_on__isnull=False, second_source_asked_on__isnull=False).exclude(with_one())
            case "given":
                return rows.filter(with_one(), flagged_on__isnull=False, second_source_asked_on__isnull=False)
            case "grace":
                return rows.filter(grace_until__gt=clock.today())
            case "switched":
                return rows.filter(switched_on__isnull=False)
        return rows


@admin.register(Standing)
class StandingAdmin(HistoryAdmin):
    """An account under its policy; what can be done about it is on the account's page."""

    may_add = False
    may_change = False
    list_display = (
        "account_shown",
        "policy_version",
        "state",
        "flagged_on",
        "second_source",
        "grace_until",
        "next_look",
    )
    list_select_related = ("account", "policy_version__policy")
    list_filter = (StandFilter, "policy_version__policy")
    search_fields = ("account__number", "account__name")
    empty_words = "An account gets a standing when its billing starts under a billing default that has a policy."
    fields = (
        "account_shown", "policy_version", "state", "delinquent_since", "grace_until", "flagged_on", "unflagged_on",
        "unflagged_why", "second_source", "switched_on", "status_before_switch", "looked_until", "next_look",
    )  # fmt: skip
    readonly_fields = ("account_shown", "state", "second_source", "looked_until", "next_look")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Standing]:
        """Find out in the same query whether a second source is on file."""
        rows: QuerySet[Standing] = super().get_queryset(request)
        return rows.annotate(has_second_source=with_one())

    @admin.display(description="second source", ordering="second_source_asked_on")
    def second_source(self, standing: Any) -> SafeString | str:
        """Tell since when it is asked for, and whether it came."""
        if standing.second_source_asked_on is None:
            return "not asked for"
        asked = f"asked {standing.second_source_asked_on}"
        return badge(f"{asked}, on file", GOOD) if standing.has_second_source else badge(f"{asked}, not come", WARN)

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, standing: Standing) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(standing.account)

    @admin.display(description="state", ordering="delinquent_since")
    def state(self, standing: Standing) -> SafeString:
        """Return delinquency, flag and switch in words."""
        parts = []
        if standing.delinquent_since:
            parts.append(badge(f"delinquent since {standing.delinquent_since}", BAD))
        if standing.switched_on:
            parts.append(badge(f"status switched {standing.switched_on}", BAD))
        if standing.flagged_on:
            parts.append(badge(f"flagged {standing.flagged_on}", WARN))
        return badges(parts) if parts else badge("in good standing", QUIET)

    @admin.display(description="decided up to")
    def looked_until(self, standing: Standing) -> SafeString | str:
        """Return up to when its story is worked out, in the account's time."""
        return local_time(standing.looked_until_at, standing.account.timezone)

    @admin.display(description="next look", ordering="next_look_at")
    def next_look(self, standing: Standing) -> SafeString | str:
        """Return when something may next have to be decided, in the account's time."""
        return local_time(standing.next_look_at, standing.account.timezone)


@admin.register(GraceGrant)
class GraceGrantAdmin(ReadOnlyAdmin):
    """Who gave whom more days, and why."""

    list_display = ("account_shown", "until_on", "lift_now", "reason", "taken_back", "granted", "granted_by")
    list_select_related = ("account", "granted_by", "withdraws", "withdrawal")
    list_filter = ("lift_now", ("withdraws", admin.EmptyFieldListFilter))
    search_fields = ("account__number", "account__name", "reason")
    date_hierarchy = "granted_at"
    empty_words = "Open an account and press “Grace until” to give it more days."
    empty_link = ("Accounts", "admin:accounts_account_changelist")
    readonly_fields = ("account_shown", "granted")

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, grant: GraceGrant) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(grant.account)

    @admin.display(description="taken back")
    def taken_back(self, grant: GraceGrant) -> SafeString | str:
        """Tell whether it was a mistake, or puts one right; neither counts towards the limit."""
        if grant.withdraws_id:
            return badge("takes one back", QUIET)
        return badge("taken back", WARN) if hasattr(grant, "withdrawal") else ""

    @admin.display(description="granted", ordering="granted_at")
    def granted(self, grant: GraceGrant) -> SafeString | str:
        """Return when, in the account's time."""
        return local_time(grant.granted_at, grant.account.timezone)


@admin.register(InvoiceStanding)
class InvoiceStandingAdmin(CountingActions, SimpleHistoryAdmin, ReadOnlyAdmin):
    """What the policy made of each invoice (A1), and whether it counts towards the flag (A27)."""

    list_display = (
        "invoice_shown",
        "account_shown",
        "past_due_on",
        "delinquent_on",
        "seriously_late_on",
        "counting",
        "not_counted_why",
    )
    actions_detail = ("leave_out", "count_again")
    list_select_related = ("invoice", "account")
    ordering = ("-invoice_id",)  # by its own key: by the invoices' dates, all of them would be sorted
    list_filter = (
        CountsFilter, ("delinquent_on", admin.EmptyFieldListFilter), ("past_due_on", admin.EmptyFieldListFilter),
    )  # fmt: skip
    search_fields = ("invoice__number", "account__number", "account__name")
    empty_words = "The first check after an invoice's due date writes its standing."

    @admin.display(description="invoice", ordering="invoice__number")
    def invoice_shown(self, standing: InvoiceStanding) -> SafeString | str:
        """Return the invoice as a link."""
        return admin_link(standing.invoice)

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, standing: InvoiceStanding) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(standing.account)
