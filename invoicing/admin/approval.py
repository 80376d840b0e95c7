"""What waits for a second person, and who may decide how much alone (SEC-21)."""

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.admin.base import admin_link, money
from accounts.admin.fresh import LimitAdmin
from accounts.admin.second_person import SecondPersonAdmin, WaitsFilter
from invoicing.models import Approval, MoneyLimit
from invoicing.operations import approvals, refunds

from .refund import queued


@admin.register(Approval)
class ApprovalAdmin(SecondPersonAdmin):
    """Money above somebody's limit: one person asks, another decides."""

    operations = approvals
    list_display = (
        "shown",
        "account_shown",
        "amount_shown",
        "why_shown",
        "asked_by",
        "asked",
        "state_shown",
        "decided_by",
    )
    list_select_related = ("account__company", "charge", "invoice", "payment", "asked_by", "decided_by")
    list_filter = (WaitsFilter, "kind", "state")
    search_fields = ("account__number", "account__name", "invoice__number", "payment__reference", "reason")
    empty_words = (
        "Nobody has asked for anything above their limit. Limits are set by group; a waiver, write-off or refund above"
        " one waits here for a second person."
    )
    empty_link = ("Limits", "admin:invoicing_moneylimit_changelist")
    fields = (
        "shown", "about", "account_shown", "amount_shown", "why_shown", "asked_by", "asked", "state_shown",
        "decided_by", "decided", "note",
    )  # fmt: skip
    readonly_fields = fields

    def has_ask_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may see requests: what kind was asked for differs, and so does the right to ask."""
        return self.has_view_permission(request)

    def facts_of(self, row: Approval) -> list[str]:
        """Return the reason that was given."""
        return [f"Reason: {self.why_shown(row)}"]

    def words_of(self, row: Approval) -> str:
        """Return who asks for what, and for how much."""
        return f"{row.asked_by} asks: {row.get_kind_display()}, {row.amount:,.2f}, {row.about}."

    def carried_out(self, row: Approval) -> str:
        """Send a refund that was approved, and return what was done."""
        ended = [refunds.send(pk) for pk in (queued(row.payment) if row.payment else ())]
        return "Approved and done." if not ended else f"Approved; the refund is {ended[0]}."

    @admin.display(description="request", ordering="kind")
    def shown(self, row: Approval) -> str:
        """Return what is asked for."""
        return f"{row.get_kind_display()}: {row.about}"

    @admin.display(description="about")
    def about(self, row: Approval) -> SafeString | str:
        """Return the fee, invoice or payment as a link."""
        return admin_link(row.about)

    @admin.display(description="amount", ordering="amount")
    def amount_shown(self, row: Approval) -> SafeString | str:
        """Return the amount."""
        return money(row.amount, row.account.company.currency)

    @admin.display(description="why")
    def why_shown(self, row: Approval) -> str:
        """Return the reason that was given."""
        return approvals.reason_words(row.reason_code, row.reason)


@admin.register(MoneyLimit)
class MoneyLimitAdmin(LimitAdmin):
    """How much each group may give away alone; only superusers change it."""

    may_delete = True
    list_display = ("group", "waive_max", "write_off_max", "refund_max")
    list_select_related = ("group",)
    search_fields = ("group__name",)
    empty_words = (
        "No group may give anything away alone: every waiver, write-off and refund waits for a second person. Add a"
        " limit for a group."
    )
