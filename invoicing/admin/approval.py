"""What waits for a second person, and who may decide how much alone (SEC-21)."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.admin.base import (
    BAD,
    GOOD,
    QUIET,
    WARN,
    ReadOnlyAdmin,
    admin_link,
    local_time,
    money,
    number_of,
    staff_user,
    state_badge,
)
from accounts.admin.confirm import ReasonForm, confirm_one
from accounts.admin.field_help import DeskForm
from accounts.admin.fresh import LimitAdmin
from invoicing.models import Approval, MoneyLimit
from invoicing.operations import approvals, refunds

from .refund import queued

TONES = {"waiting": WARN, "approved": GOOD, "refused": BAD, "withdrawn": QUIET}


class NoteForm(DeskForm):
    """Ask for a word to it, if there is one to say."""

    note = forms.CharField(label="Note", required=False, max_length=200, help_text="Kept with the decision.")


class WaitingFilter(admin.SimpleListFilter):
    """Requests that wait, or all."""

    title = "state"
    parameter_name = "waits"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [("me", "waits for me"), ("mine", "mine, waiting"), ("yes", "waits"), ("no", "decided")]

    def queryset(self, request: HttpRequest, rows: QuerySet[Approval]) -> QuerySet[Approval]:
        """Narrow the list."""
        waiting = Approval.State.WAITING
        match self.value():
            case "me":
                return rows.filter(state=waiting).exclude(asked_by=staff_user(request))
            case "mine":
                return rows.filter(state=waiting, asked_by=staff_user(request))
            case "yes":
                return rows.filter(state=waiting)
            case "no":
                return rows.exclude(state=waiting)
        return rows


@admin.register(Approval)
class ApprovalAdmin(ReadOnlyAdmin):
    """Requests above somebody's limit: one person asks, another decides."""

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
    list_filter = (WaitingFilter, "kind", "state")
    search_fields = ("account__number", "account__name", "invoice__number", "payment__reference", "reason")
    date_hierarchy = "asked_at"
    actions_detail = ("approve", "refuse", "withdraw")
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

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer only what the user may do: nobody decides what they have asked for themselves."""
        found = super().get_actions_detail(request, object_id)
        row = Approval.objects.filter(pk=number_of(object_id), state=Approval.State.WAITING).first()
        if row is None:
            return []
        own = row.asked_by_id == staff_user(request).pk
        fits = {"withdraw"} if own else {"approve", "refuse"}
        return [button for button in found if button.path in fits]

    def has_decide_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may decide what others ask for."""
        return bool(request.user.has_perm(approvals.RIGHT_TO_DECIDE))

    @admin.display(description="request", ordering="kind")
    def shown(self, row: Approval) -> str:
        """Return what is asked for."""
        return f"{row.get_kind_display()}: {row.about}"

    @admin.display(description="about")
    def about(self, row: Approval) -> SafeString | str:
        """Return the fee, invoice or payment as a link."""
        return admin_link(row.about)

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, row: Approval) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(row.account)

    @admin.display(description="amount", ordering="amount")
    def amount_shown(self, row: Approval) -> SafeString | str:
        """Return the amount."""
        return money(row.amount, row.account.company.currency)

    @admin.display(description="why")
    def why_shown(self, row: Approval) -> str:
        """Return the reason that was given."""
        return approvals.reason_words(row.reason_code, row.reason)

    @admin.display(description="asked", ordering="asked_at")
    def asked(self, row: Approval) -> SafeString | str:
        """Return when it was asked for, in the account's time."""
        return local_time(row.asked_at, row.account.timezone)

    @admin.display(description="decided", ordering="decided_at")
    def decided(self, row: Approval) -> SafeString | str:
        """Return when it was decided, in the account's time."""
        return local_time(row.decided_at, row.account.timezone)

    @admin.display(description="state", ordering="state")
    def state_shown(self, row: Approval) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(row, TONES)

    @action(description="Approve", icon="check", permissions=["decide"])
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for confirmation, and carry out what another person asked for."""

        def carry_out(row: Approval, data: dict[str, Any]) -> str:
            approvals.approve(row, by=staff_user(request), note=data["note"])
            ended = [refunds.send(pk) for pk in (queued(row.payment) if row.payment else ())]
            return "Approved and done." if not ended else f"Approved; the refund is {ended[0]}."

        return confirm_one(
            self, request, object_id, title="Approve", submit="Approve and do it", form_class=NoteForm,
            words=lambda row: f"{row.asked_by} asks: {row.get_kind_display()}, {row.amount:,.2f}, {row.about}. It is"
            " done at once, and counts as decided by you.",
            facts=lambda row: [f"Reason: {approvals.reason_words(row.reason_code, row.reason)}"],
            carry_out=carry_out,
        )  # fmt: skip

    @action(description="Refuse", icon="block", permissions=["decide"])
    def refuse(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, and refuse what another person asked for."""

        def carry_out(row: Approval, data: dict[str, Any]) -> str:
            approvals.refuse(row, by=staff_user(request), note=data["reason"])
            return "Refused; nothing was changed."

        return confirm_one(
            self, request, object_id, title="Refuse", submit="Refuse it", form_class=ReasonForm,
            words=lambda row: f"{row.asked_by} asks: {row.get_kind_display()}, {row.amount:,.2f}, {row.about}.",
            carry_out=carry_out,
        )  # fmt: skip

    @action(description="Take the request back", icon="undo", permissions=["view"])
    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for confirmation, and take one's own request back."""

        def carry_out(row: Approval, _data: dict[str, Any]) -> str:
            approvals.withdraw(row, by=staff_user(request))
            return "The request is taken back."

        return confirm_one(
            self, request, object_id, title="Take the request back", submit="Take it back", form_class=forms.Form,
            words="Nobody decides it then; nothing is changed.", carry_out=carry_out,
        )  # fmt: skip


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
